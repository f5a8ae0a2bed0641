//! `#[derive(Event)]`: the event is the type with every lifetime `'static`, and its arguments are
//! the type with all of them free.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{
    Attribute, BoundLifetimes, Data, DeriveInput, Error, Fields, GenericParam, Generics, Ident,
    Lifetime, LifetimeParam, PredicateType, Result, Token, TypeParam, TypeParamBound,
    WherePredicate, parse_quote, parse2,
};

use crate::root::{Root, parse_root};
use crate::value::fill;

pub(crate) fn expand(input: TokenStream) -> Result<TokenStream> {
    let input = parse2::<DeriveInput>(input)?;
    if let Data::Union(data) = &input.data {
        let message = format!(
            "`Event` cannot be derived for the union `{}`: make it a struct or an enum",
            input.ident
        );
        return Err(Error::new(data.union_token.span, message));
    }
    refuse_inner_attributes(&input.data)?;
    let root = parse_attributes(&input.attrs)?;
    let root = Root::at(root.as_ref(), Span::call_site());
    Ok(implementation(&root, &input.ident, &input.generics))
}

/// Returns the path of fanfare that the attributes `#[event(...)]` of the type give.
fn parse_attributes(attributes: &[Attribute]) -> Result<Option<Root>> {
    let mut root = None;
    for attribute in attributes.iter().filter(|it| is_event(it)) {
        let list = attribute.meta.require_list().map_err(|_| {
            let message = "`#[event]` needs an option: write `#[event(crate = my_api::fanfare)]`, or leave it out";
            Error::new_spanned(attribute, message)
        })?;
        list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                let option = input.call(Ident::parse_any)?;
                if option != "crate" {
                    let message = format!("unknown option `{option}`: the only option is `crate`");
                    return Err(Error::new(option.span(), message));
                }
                fill(&mut root, &option, || parse_root(&option, input))?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        })?;
    }
    Ok(root)
}

/// Refuses `#[event(...)]` on a field or a variant, where it has no effect.
fn refuse_inner_attributes(data: &Data) -> Result<()> {
    let of_fields = |fields: &Fields| -> Vec<Attribute> {
        fields.iter().flat_map(|it| it.attrs.clone()).collect()
    };
    let inner: Vec<Attribute> = match data {
        Data::Struct(data) => of_fields(&data.fields),
        Data::Enum(data) => data
            .variants
            .iter()
            .flat_map(|it| [it.attrs.clone(), of_fields(&it.fields)].concat())
            .collect(),
        Data::Union(_) => Vec::new(),
    };
    match inner.iter().find(|it| is_event(it)) {
        Some(attribute) => Err(Error::new_spanned(
            attribute,
            "`#[event(...)]` belongs to the whole type: move it above the `struct` or the `enum`",
        )),
        None => Ok(()),
    }
}

fn is_event(attribute: &Attribute) -> bool {
    attribute.path().is_ident("event")
}

fn implementation(root: &TokenStream, ident: &Ident, generics: &Generics) -> TokenStream {
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
        impl #declared #root::Event for #event #where_clause {
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
