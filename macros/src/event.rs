//! `#[derive(Event)]`: the event is the type with every lifetime `'static`, and its arguments are
//! the type with all of them free.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    BoundLifetimes, Data, DeriveInput, Error, GenericParam, Generics, Ident, Lifetime,
    LifetimeParam, PredicateType, Result, Token, TypeParam, TypeParamBound, WherePredicate,
    parse_quote, parse2,
};

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input = parse2::<DeriveInput>(input)?;
    if let Data::Union(data) = &input.data {
        let message = format!(
            "`Event` cannot be derived for the union `{}`: make it a struct or an enum",
            input.ident
        );
        return Err(Error::new(data.union_token.span, message));
    }
    Ok(implementation(&input.ident, &input.generics))
}

fn implementation(ident: &Ident, generics: &Generics) -> TokenStream {
    let declared = impl_generics(generics);
    let where_clause = where_clause(generics);
    let event = with_lifetime(ident, generics, &parse_quote!('static));
    let args = if generics.lifetimes().next().is_some() {
        with_lifetime(ident, generics, &parse_quote!('a))
    } else {
        quote!(Self)
    };
    quote! {
        #[automatically_derived]
        impl #declared ::fanfare::Event for #event #where_clause {
            type Args<'a> = #args;
        }
    }
}

/// Returns the type with `lifetime` in the place of each of its lifetimes.
fn with_lifetime(ident: &Ident, generics: &Generics, lifetime: &Lifetime) -> TokenStream {
    if generics.params.is_empty() {
        return ident.to_token_stream();
    }
    let arguments = generics.params.iter().map(|parameter| match parameter {
        GenericParam::Lifetime(_) => lifetime.to_token_stream(),
        GenericParam::Type(parameter) => parameter.ident.to_token_stream(),
        GenericParam::Const(parameter) => parameter.ident.to_token_stream(),
    });
    quote!(#ident<#(#arguments),*>)
}

/// Returns the type and const parameters, without lifetimes and defaults, and with `'static` types.
fn impl_generics(generics: &Generics) -> TokenStream {
    let lifetimes = lifetime_idents(generics);
    let parameters: Vec<TokenStream> = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(parameter) => {
                Some(type_parameter(parameter, &lifetimes).to_token_stream())
            }
            GenericParam::Const(parameter) => {
                let mut parameter = parameter.clone();
                parameter.eq_token = None;
                parameter.default = None;
                Some(parameter.to_token_stream())
            }
        })
        .collect();
    if parameters.is_empty() {
        TokenStream::new()
    } else {
        quote!(<#(#parameters),*>)
    }
}

fn type_parameter(parameter: &TypeParam, lifetimes: &[Ident]) -> TypeParam {
    let mut parameter = parameter.clone();
    parameter.eq_token = None;
    parameter.default = None;
    let bounds = std::mem::take(&mut parameter.bounds).into_iter();
    parameter.bounds = bounds
        // They follow from `T: 'static`, which is added below.
        .filter(|bound| !matches!(bound, TypeParamBound::Lifetime(_)))
        .map(|mut bound| {
            if let TypeParamBound::Trait(bound) = &mut bound {
                let used = mentioned(bound, lifetimes);
                bind(&mut bound.lifetimes, used);
            }
            bound
        })
        .collect();
    parameter.bounds.push(parse_quote!('static));
    parameter.colon_token = Some(<Token![:]>::default());
    parameter
}

/// Returns the requirements of the type on its parameters, for every lifetime at once, because
/// `Args` must be valid for each.
fn where_clause(generics: &Generics) -> Option<TokenStream> {
    let lifetimes = lifetime_idents(generics);
    let predicates: Vec<TokenStream> = generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates)
        .flat_map(|predicate| match predicate {
            WherePredicate::Type(predicate) => split(predicate, &lifetimes),
            // It always holds between lifetimes that are all the same one.
            WherePredicate::Lifetime(_) => Vec::new(),
            other => vec![other.to_token_stream()],
        })
        .collect();
    (!predicates.is_empty()).then(|| quote!(where #(#predicates),*))
}

/// Returns a predicate for each bound.
///
/// `for<...>` does not nest, so it can stand before a type only if no bound has its own.
fn split(predicate: &PredicateType, lifetimes: &[Ident]) -> Vec<TokenStream> {
    let PredicateType {
        lifetimes: binder,
        bounded_ty,
        bounds,
        ..
    } = predicate;
    let bounds = bounds.iter().cloned().filter_map(|mut bound| {
        let mut binder = binder.clone();
        match &mut bound {
            // The parameters are `'static`, and the lifetimes of the event are all the same one.
            TypeParamBound::Lifetime(_) => return None,
            TypeParamBound::Trait(bound) => {
                if let Some(inner) = bound.lifetimes.take() {
                    binder
                        .get_or_insert_with(BoundLifetimes::default)
                        .lifetimes
                        .extend(inner.lifetimes);
                }
            }
            _ => {}
        }
        bind(
            &mut binder,
            mentioned(&quote!(#bounded_ty: #bound), lifetimes),
        );
        Some(quote!(#binder #bounded_ty: #bound))
    });
    bounds.collect()
}

fn lifetime_idents(generics: &Generics) -> Vec<Ident> {
    generics
        .lifetimes()
        .map(|parameter| parameter.lifetime.ident.clone())
        .collect()
}

/// Adds `lifetimes` to a `for<...>`, which is created if necessary.
fn bind(binder: &mut Option<BoundLifetimes>, lifetimes: Vec<Ident>) {
    if lifetimes.is_empty() {
        return;
    }
    let binder = binder.get_or_insert_with(BoundLifetimes::default);
    for ident in lifetimes {
        let lifetime = Lifetime {
            apostrophe: ident.span(),
            ident,
        };
        binder
            .lifetimes
            .push(GenericParam::Lifetime(LifetimeParam::new(lifetime)));
    }
}

/// Returns the members of `lifetimes` that occur in `syntax`.
fn mentioned(syntax: &impl ToTokens, lifetimes: &[Ident]) -> Vec<Ident> {
    let mut found = Vec::new();
    collect_lifetimes(syntax.to_token_stream(), &mut found);
    lifetimes
        .iter()
        .filter(|lifetime| found.contains(lifetime))
        .cloned()
        .collect()
}

fn collect_lifetimes(tokens: TokenStream, found: &mut Vec<Ident>) {
    let mut after_apostrophe = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(ident) if after_apostrophe => found.push(ident.clone()),
            TokenTree::Group(group) => collect_lifetimes(group.stream(), found),
            _ => {}
        }
        after_apostrophe = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
    }
}
