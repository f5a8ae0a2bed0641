//! The function below `#[receiver(...)]`, and the reasons for which it cannot be a receiver.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, FnArg, GenericParam, Ident, Path, Result, ReturnType, Signature, Type,
    Visibility,
};

use crate::arguments::{Arguments, Key};
use crate::code::code;
use crate::features::Features;
use crate::hint;

/// A function up to its body, which no registration depends on.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    visibility: Visibility,
    pub(crate) signature: Signature,
    body: TokenTree,
}

fn parse_function(input: ParseStream<'_>) -> Result<Function> {
    let attributes = input.call(Attribute::parse_outer)?;
    let visibility = input.parse()?;
    let keyword = input.cursor().token_stream().into_iter().next();
    let signature = input.parse::<Signature>();
    let has_body = input.peek(syn::token::Brace);
    let signature = match signature {
        Ok(signature) if has_body => signature,
        other => {
            // Takes the rest. Otherwise syn would report an error about it first.
            input.parse::<TokenStream>()?;
            return Err(not_a_function(other.ok().as_ref(), keyword.as_ref()));
        }
    };
    Ok(Function {
        attributes,
        visibility,
        signature,
        body: input.parse()?,
    })
}

fn not_a_function(signature: Option<&Signature>, keyword: Option<&TokenTree>) -> Error {
    match (signature, keyword) {
        (Some(Signature { ident, .. }), _) => Error::new(
            ident.span(),
            format!("`{ident}` has no body: put `#[receiver]` on a free function that has one"),
        ),
        (None, Some(keyword)) => Error::new(
            keyword.span(),
            format!("`#[receiver]` stands on a free function, not on `{keyword}`: move it to one"),
        ),
        (None, None) => Error::new(Span::call_site(), "`#[receiver]` stands on a free function"),
    }
}

impl Function {
    /// Parses a function, with all that the attribute is on.
    pub(crate) fn parse(item: TokenStream) -> Result<Self> {
        Parser::parse2(parse_function, item)
    }

    pub(crate) fn ident(&self) -> &Ident {
        &self.signature.ident
    }

    /// Refuses arguments that no receiver has, or that this function cannot have.
    pub(crate) fn check_arguments(
        &self,
        arguments: Arguments,
        features: Features,
    ) -> Result<Arguments> {
        self.check_keys(&arguments)?;
        self.check_blocking(&arguments, features)?;
        check_queued(&arguments, features)?;
        self.check_durable(&arguments)?;
        self.check_instance(&arguments)?;
        Ok(arguments)
    }

    /// Returns an error if the function cannot be a receiver, with every reason.
    pub(crate) fn check(&self, features: Features, arguments: Option<&Arguments>) -> Result<()> {
        let ident = self.ident();
        let signature = &self.signature;
        let mut errors = Vec::new();
        let mut refuse = |tokens: &dyn ToTokens, message: String| {
            errors.push(Error::new_spanned(tokens, message));
        };
        if let (Some(asyncness), false) = (&signature.asyncness, features.r#async) {
            refuse(
                asyncness,
                format!(
                    "async receivers need fanfare's feature `async`: enable it in `Cargo.toml`, or make `{ident}` a plain function"
                ),
            );
        }
        if let Some(unsafety) = &signature.unsafety {
            refuse(
                unsafety,
                format!(
                    "a receiver cannot be unsafe: make `{ident}` a safe function with an `unsafe` block inside"
                ),
            );
        }
        if let Some(abi) = &signature.abi {
            refuse(
                abi,
                format!(
                    "a receiver cannot be `extern`: call `{ident}` from a plain function and register that one"
                ),
            );
        }
        let generic = signature
            .generics
            .params
            .iter()
            .find(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
        if let Some(parameter) = generic {
            refuse(
                parameter,
                format!(
                    "a receiver cannot be generic: write concrete types in `{ident}`, or connect it by hand with `Signal::connect`"
                ),
            );
        }
        self.check_parameters(arguments, &mut refuse);
        let all = errors.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        });
        all.map_or(Ok(()), Err)
    }

    fn check_parameters(
        &self,
        arguments: Option<&Arguments>,
        refuse: &mut dyn FnMut(&dyn ToTokens, String),
    ) {
        let ident = self.ident();
        let inputs = &self.signature.inputs;
        if let Some(FnArg::Receiver(receiver)) = inputs.first() {
            refuse(
                &receiver.self_token,
                format!(
                    "a receiver has no `self`: make `{ident}` a free function, or connect the method by hand with `Signal::connect_weak`"
                ),
            );
            return;
        }
        if inputs.len() != 2 {
            let mut parameters = Group::new(Delimiter::Parenthesis, inputs.to_token_stream());
            parameters.set_span(self.signature.paren_token.span.join());
            refuse(
                &parameters,
                format!(
                    "a receiver has two parameters, `{ident}` has {}: write {}",
                    inputs.len(),
                    hint::signature(&self.signature, arguments)
                ),
            );
            return;
        }
        for input in inputs {
            let FnArg::Typed(parameter) = input else {
                continue;
            };
            if mentions_impl(parameter.ty.to_token_stream()) {
                refuse(
                    &parameter.ty,
                    format!(
                        "a receiver cannot be generic: write a concrete type in the place of `impl` in `{ident}`"
                    ),
                );
            }
        }
    }

    /// Refuses a connection that can only be a duplicate.
    ///
    /// Each pair of attributes is checked once, by the upper one: the compiler removes it before it
    /// expands the lower one.
    fn check_keys(&self, arguments: &Arguments) -> Result<()> {
        let mut seen: Vec<Key> = Vec::new();
        for (key, signal) in arguments.keys().zip(&arguments.signals) {
            if seen.contains(&key) {
                return Err(self.duplicate(arguments, signal));
            }
            seen.push(key);
        }
        for attribute in self
            .attributes
            .iter()
            .filter(|attribute| is_receiver(attribute))
        {
            let Ok(list) = attribute.meta.require_list() else {
                continue;
            };
            // The expansion of that attribute reports its errors.
            let Ok(other) = Arguments::parse(list.tokens.clone()) else {
                continue;
            };
            for (key, signal) in other.keys().zip(&other.signals) {
                if seen.contains(&key) {
                    return Err(self.duplicate(&other, signal));
                }
            }
        }
        Ok(())
    }

    fn check_blocking(&self, arguments: &Arguments, features: Features) -> Result<()> {
        let Some(blocking) = arguments.blocking() else {
            return Ok(());
        };
        let ident = self.ident();
        let message = if self.signature.asyncness.is_some() {
            format!(
                "`blocking` is for plain functions, and `{ident}` is async: leave the option out, and await what blocks, for instance in `tokio::task::spawn_blocking`"
            )
        } else if features.tokio {
            return Ok(());
        } else {
            "`blocking` needs fanfare's feature `tokio`: enable it in `Cargo.toml`, or leave the option out"
                .to_owned()
        };
        Err(Error::new(blocking, message))
    }

    /// Refuses a function that the relay of a durable receiver cannot await.
    fn check_durable(&self, arguments: &Arguments) -> Result<()> {
        let Some(durable) = arguments.durable() else {
            return Ok(());
        };
        let hint = || hint::signature(&self.signature, Some(arguments));
        if self.signature.asyncness.is_none() {
            let ident = self.ident();
            let message = format!(
                "a durable receiver is async, and `{ident}` is a plain function: write {}",
                hint()
            );
            return Err(Error::new(durable.option, message));
        }
        if let ReturnType::Default = self.signature.output {
            let message = format!(
                "a durable receiver returns a `Result`, whose error means another attempt: write {}",
                hint()
            );
            return Err(Error::new(self.signature.ident.span(), message));
        }
        Ok(())
    }

    /// Refuses a function that does not take the instance, if `model` is given.
    fn check_instance(&self, arguments: &Arguments) -> Result<()> {
        if arguments.model().is_none() {
            return Ok(());
        }
        let ident = self.ident();
        let Some(FnArg::Typed(parameter)) = self.signature.inputs.first() else {
            // `check` refuses a function without such a parameter.
            return Ok(());
        };
        let message = match &*parameter.ty {
            Type::Reference(reference) => {
                match (&reference.mutability, &self.signature.asyncness) {
                    (Some(_), Some(_)) => format!(
                        "an async receiver cannot keep the instance to itself while it waits: take `&` in `{ident}`, and change the instance with `event.with_instance(..)`"
                    ),
                    _ => return Ok(()),
                }
            }
            _ => format!(
                "with `model` the first parameter is the instance: write {}",
                hint::signature(&self.signature, Some(arguments))
            ),
        };
        Err(Error::new_spanned(&parameter.ty, message))
    }

    /// Returns the instance's type, and `true` if it is `&mut`, if the function takes the instance.
    pub(crate) fn instance(&self, arguments: &Arguments) -> Option<(&Type, bool)> {
        let Some(FnArg::Typed(parameter)) = self.signature.inputs.first() else {
            return None;
        };
        match &*parameter.ty {
            Type::Reference(reference) if arguments.model().is_some() => {
                Some((&*reference.elem, reference.mutability.is_some()))
            }
            _ => None,
        }
    }

    fn duplicate(&self, arguments: &Arguments, signal: &Path) -> Error {
        let ident = self.ident();
        let text = code(signal);
        if let Some(durable) = arguments.durable() {
            let name = durable.name.value();
            let message = format!(
                "`{ident}` is already the durable receiver {name:?} of `{text}`: take one of the two away, or give it another name"
            );
            return Error::new_spanned(&durable.name, message);
        }
        match arguments.dispatch_uid() {
            Some(uid) => Error::new_spanned(
                uid,
                format!(
                    "duplicate uid on one function: `{ident}` is already connected to `{text}` with the `dispatch_uid` \"{}\"; give another uid, or take one of the two away",
                    uid.value()
                ),
            ),
            None => Error::new_spanned(
                signal,
                format!(
                    "`{ident}` is already connected to `{text}`: take one of the two away, or give each its own `dispatch_uid`"
                ),
            ),
        }
    }

    /// Returns the function without its other `#[receiver]`s, which would repeat the errors in it.
    pub(crate) fn without_receivers(&self) -> TokenStream {
        let attributes = self
            .attributes
            .iter()
            .filter(|attribute| !is_receiver(attribute));
        let Self {
            visibility,
            signature,
            body,
            ..
        } = self;
        quote!(#(#attributes)* #visibility #signature #body)
    }
}

/// Refuses `queued` where the receiver cannot run on a queue.
fn check_queued(arguments: &Arguments, features: Features) -> Result<()> {
    let Some(queued) = arguments.queued() else {
        return Ok(());
    };
    let message = if !features.queue {
        "`queued` needs fanfare's feature `queue`: enable it in `Cargo.toml`, or leave the option out"
    } else if arguments.model().is_some() {
        "`queued` and `model` are both given: the event lends its instance for one send, so it cannot wait in a queue; leave one of them out"
    } else if arguments.blocking().is_some() {
        "`queued` and `blocking` are both given: a receiver on a queue may block anyway, so leave `blocking` out"
    } else {
        return Ok(());
    };
    Err(Error::new(queued.option, message))
}

fn is_receiver(attribute: &Attribute) -> bool {
    attribute
        .path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "receiver")
}

/// Returns `true` if `impl` occurs. `impl Trait` may be deep inside a type, and the keyword has no
/// other meaning there.
fn mentions_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => mentions_impl(group.stream()),
        _ => false,
    })
}
