//! `#[receiver(...)]`: the function as it was, and beside it one registration per signal.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, FnArg, GenericParam, Ident, Path, Result, Signature, Type, Visibility,
};

use crate::arguments::{Arguments, Key};
use crate::code::code;
use crate::hint;

/// The features of fanfare that the macro may use.
#[derive(Clone, Copy)]
pub(crate) struct Features {
    pub(crate) r#async: bool,
    pub(crate) tokio: bool,
    pub(crate) queue: bool,
}

impl Features {
    pub(crate) const ENABLED: Self = Self {
        r#async: cfg!(feature = "async"),
        tokio: cfg!(feature = "tokio"),
        queue: cfg!(feature = "queue"),
    };
}

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    features: Features,
) -> TokenStream {
    let function = match Parser::parse2(parse_function, item.clone()) {
        Ok(function) => function,
        Err(error) => return with_error(item, &error),
    };
    let arguments = Arguments::parse(arguments).and_then(|arguments| {
        function.check_keys(&arguments)?;
        function.check_blocking(&arguments, features)?;
        check_queued(&arguments, features)?;
        function.check_instance(&arguments)?;
        Ok(arguments)
    });
    match (function.check(features, arguments.as_ref().ok()), arguments) {
        (Ok(()), Ok(arguments)) => {
            let registrations = function.registrations(&arguments);
            quote!(#item #registrations)
        }
        (Ok(()), Err(error)) => with_error(item, &error),
        (Err(error), Ok(_)) => with_error(&function.without_receivers(), &error),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            with_error(&function.without_receivers(), &error)
        }
    }
}

fn with_error(item: &TokenStream, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}

/// A function up to its body, which no registration depends on.
struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
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
    fn ident(&self) -> &Ident {
        &self.signature.ident
    }

    /// Returns an error if the function cannot be a receiver, with every reason.
    fn check(&self, features: Features, arguments: Option<&Arguments>) -> Result<()> {
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
    fn instance(&self, arguments: &Arguments) -> Option<(&Type, bool)> {
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

    fn registrations(&self, arguments: &Arguments) -> TokenStream {
        let ident = self.ident();
        let name = ident.unraw().to_string();
        let attributes: Vec<&Attribute> = self
            .attributes
            .iter()
            .filter(|attribute| is_shared(attribute))
            .collect();
        let instance = self.instance(arguments);
        // The span is at the name, so that an error about the function points there. It is not the
        // span of the name, so that no lint and no advice takes this for code that the user wrote.
        let at_name = ident.span().resolved_at(Span::call_site());
        let root = arguments.root_at(Span::call_site());
        let root_at_name = arguments.root_at(at_name);
        let registrations = arguments.signals.iter().map(|signal| {
            let text = code(signal);
            let at_signal = signal
                .segments
                .first()
                .map_or_else(Span::call_site, |segment| segment.ident.span());
            let at_signal = at_signal.resolved_at(Span::call_site());
            let root_at_signal = arguments.root_at(at_signal);
            let signal_options =
                quote_spanned!(at_signal=> #root_at_signal::__private::options(&#signal));
            let declaring = arguments.declaring(signal, &signal_options);
            // These are names that no item has: a parameter must not have the name of a constant.
            let queue = arguments.queued().map(|queued| &queued.queue);
            let connect = match (instance, self.signature.asyncness) {
                (None, None) => match queue {
                    None => quote_spanned!(at_name=> .connect()),
                    Some(queue) => quote_spanned!(at_name=> .connect_queued(&#queue)),
                },
                (None, Some(_)) => {
                    let start = quote_spanned! {at_name=>
                        |__sender, __event| ::std::boxed::Box::pin(#ident(__sender, __event))
                    };
                    match queue {
                        None => quote_spanned!(at_name=> .connect_async(#start)),
                        Some(queue) => {
                            quote_spanned!(at_name=> .connect_queued_async(&#queue, #start))
                        }
                    }
                }
                (Some((model, false)), None) => quote_spanned! {at_name=>
                    .connect_instance::<#model, _>(|__instance, __event| {
                        #root_at_name::__private::respond(#ident(__instance, __event))
                    })
                },
                (Some((model, true)), _) => quote_spanned! {at_name=>
                    .connect_instance_mut::<#model, _>(|__instance, __event| {
                        #root_at_name::__private::respond(#ident(__instance, __event))
                    })
                },
                (Some((model, false)), Some(_)) => quote_spanned! {at_name=>
                    .connect_instance_async::<#model, _>(|__instance, __event| {
                        ::std::boxed::Box::pin(async move {
                            #root_at_name::__private::respond(#ident(__instance, __event).await)
                        })
                    })
                },
            };
            let connect = quote_spanned! {at_name=>
                #root_at_name::__private::Candidate {
                    options: #declaring,
                    function: #ident,
                }
                #connect
            };
            quote! {
                #(#attributes)*
                const _: () = {
                    #root::__private::submit! {
                        #root::__private::Registration::new(
                            #text,
                            ::core::concat!(::core::module_path!(), "::", #name),
                            ::core::file!(),
                            ::core::line!(),
                            || #connect,
                        )
                    }
                };
            }
        });
        quote!(#(#registrations)*)
    }

    /// Returns the function without its other `#[receiver]`s, which would repeat the errors in it.
    fn without_receivers(&self) -> TokenStream {
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

/// Returns `true` if the registrations need the attribute too. They exist if the function does, and
/// they need its permissions, such as the one to name a deprecated signal.
fn is_shared(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("allow")
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

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Features = Features {
        r#async: false,
        tokio: false,
        queue: false,
    };
    const ASYNC: Features = Features {
        r#async: true,
        tokio: false,
        queue: false,
    };
    const TOKIO: Features = Features {
        r#async: true,
        tokio: true,
        queue: true,
    };

    /// Returns the expansion as text, without the spaces between tokens.
    fn expansion(arguments: &str, item: &str, features: Features) -> String {
        let item = item.parse().expect("tokens");
        let expansion = expand(arguments.parse().expect("tokens"), &item, features);
        tight(&expansion.to_string())
    }

    fn tight(text: &str) -> String {
        text.replace(' ', "")
    }

    /// Returns the messages of the compiler about `item`.
    fn errors(arguments: &str, item: &str, features: Features) -> Vec<String> {
        let arguments = arguments.parse().expect("tokens");
        let item = item.parse().expect("tokens");
        let expansion = expand(arguments, &item, features).to_string();
        let errors = expansion.split("compile_error ! {").skip(1);
        errors
            .map(|error| error.split('"').nth(1).expect("a message").to_owned())
            .collect()
    }

    const RING: &str = "async fn ring(_: Sender<'_>, _: &u32) { lay_the_table().await }";

    #[test]
    fn async_without_the_feature_names_the_mend() {
        assert_eq!(
            errors("PIZZA_DONE", RING, PLAIN),
            [
                "async receivers need fanfare's feature `async`: enable it in `Cargo.toml`, or make `ring` a plain function"
            ]
        );
        assert_eq!(errors("PIZZA_DONE", RING, ASYNC), [""; 0]);
    }

    #[test]
    fn async_without_the_feature_leaves_the_function_and_one_error() {
        let stacked = format!("#[must_use] #[receiver(PIZZA_SENT)] {RING}");
        let expansion = expansion("PIZZA_DONE", &stacked, PLAIN);
        let function = tight(&format!("#[must_use] {RING}"));
        assert!(expansion.starts_with(&function), "{expansion}");
        assert_eq!(expansion.matches("compile_error").count(), 1, "{expansion}");
    }

    #[test]
    fn async_is_boxed_and_stays_as_it_is() {
        let boxed = expansion("PIZZA_DONE", RING, ASYNC);
        assert!(boxed.starts_with(&tight(RING)), "{boxed}");
        let boxing =
            ".connect_async(|__sender,__event|::std::boxed::Box::pin(ring(__sender,__event)))";
        assert!(boxed.contains(boxing), "{boxed}");
        let plain = expansion("PIZZA_DONE", &RING.replace("async", ""), ASYNC);
        assert!(plain.contains(".connect()"), "{plain}");
    }

    #[test]
    fn blocking_without_the_feature_names_the_mend() {
        let ring = RING.replace("async", "");
        let message = "`blocking` needs fanfare's feature `tokio`: enable it in `Cargo.toml`, or leave the option out";
        for features in [PLAIN, ASYNC] {
            assert_eq!(errors("PIZZA_DONE, blocking", &ring, features), [message]);
        }
        let expansion = expansion("PIZZA_DONE, blocking", &ring, TOKIO);
        assert!(expansion.contains(".blocking()"), "{expansion}");
    }

    #[test]
    fn blocking_is_not_for_async() {
        let messages = errors("PIZZA_DONE, blocking", RING, TOKIO);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(
            messages[0].starts_with("`blocking` is for plain functions, and `ring` is async"),
            "{messages:?}"
        );
        assert_eq!(errors("PIZZA_DONE, blocking", RING, PLAIN).len(), 2);
    }
    #[test]
    fn each_path_of_fanfare_begins_with_the_path_that_the_user_gives() {
        let items = [
            ("", "fn ring(_: Sender<'_>, _: &u32) {}"),
            ("sender = \"shop.Order\"", RING),
            (
                "model = customer",
                "fn ring(_: &mut customer::Model, _: &PostSave<'_>) {}",
            ),
            (
                "model = customer",
                "async fn ring(_: &customer::Model, _: &PostSave<'_>) {}",
            ),
        ];
        for (options, item) in items {
            for path in ["my_api::fanfare", "\"my_api::fanfare\""] {
                let arguments = format!("PIZZA_DONE, crate = {path}, {options}");
                let expansion = expansion(&arguments, item, TOKIO);
                let of_the_user = expansion.matches("my_api::fanfare::__private").count();
                assert!(of_the_user >= 4, "{expansion}");
                let all = expansion.matches("fanfare").count();
                assert_eq!(all, of_the_user, "{expansion}");
            }
        }
    }

    #[test]
    fn the_hint_has_the_names_and_types_of_the_user() {
        let hints = [
            (
                "DONE",
                "fn f()",
                "fn f(sender: Sender<'_>, event: &Event)`, where `Event` is the event type of `DONE`",
            ),
            (
                "[A, B]",
                "fn f(_: Sender<'_>)",
                "fn f(_: Sender<'_>, event: &Event)`, where `Event` is the event type of the signal",
            ),
            (
                "DONE",
                "fn f(done: &Done<'_>) -> u32",
                "fn f(sender: Sender<'_>, done: &Done<'_>) -> u32`",
            ),
            (
                "DONE",
                "async fn f(mut done: Done)",
                "async fn f(sender: Sender<'_>, done: &Done)`",
            ),
            (
                "DONE",
                "fn f(n: u8, from: fanfare::Sender<'_>, done: &mut Done)",
                "fn f(from: Sender<'_>, done: &Done)`",
            ),
            (
                "DONE",
                "fn f(event: impl Debug)",
                "fn f(sender: Sender<'_>, event: &Event)`, where `Event` is the event type of `DONE`",
            ),
            (
                "DONE, model = shop::customer",
                "fn f()",
                "fn f(customer: &shop::customer::Model, event: &Event)`, where `Event` is the event type of `DONE`",
            ),
            (
                "DONE, model = customer",
                "fn f(it: customer::Row, e: &Saved<'_>)",
                "fn f(it: &customer::Row, e: &Saved<'_>)`",
            ),
            (
                "DONE, model = customer",
                "fn f(sender: Sender<'_>, e: &Saved<'_>)",
                "fn f(customer: &customer::Model, e: &Saved<'_>)`",
            ),
        ];
        for (arguments, item, hint) in hints {
            let messages = errors(arguments, &format!("{item} {{ todo!() }}"), TOKIO);
            let hint = format!("write `{hint}");
            let has_hint = messages.iter().any(|it| it.ends_with(&hint));
            assert!(has_hint, "{hint}: {messages:?}");
        }
    }

    #[test]
    fn queued_runs_the_function_on_its_queue() {
        let plain = expansion(
            "PIZZA_DONE, queued = kitchen::MAILS",
            &RING.replace("async", ""),
            TOKIO,
        );
        assert!(
            plain.contains(".connect_queued(&kitchen::MAILS)"),
            "{plain}"
        );
        let start = "|__sender,__event|::std::boxed::Box::pin(ring(__sender,__event))";
        let started = expansion("PIZZA_DONE, queued = MAILS", RING, TOKIO);
        let call = format!(".connect_queued_async(&MAILS,{start})");
        assert!(started.contains(&call), "{started}");
    }

    #[test]
    fn queued_without_the_feature_names_the_mend() {
        let message = "`queued` needs fanfare's feature `queue`: enable it in `Cargo.toml`, or leave the option out";
        assert_eq!(errors("PIZZA_DONE, queued = MAILS", RING, ASYNC), [message]);
    }
}
