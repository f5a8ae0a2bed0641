//! `#[receiver(...)]`: the function as it was, and beside it one registration per signal.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Error;

use crate::arguments::Arguments;
use crate::features::Features;
use crate::function::Function;
use crate::registration::registrations;

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    features: Features,
) -> TokenStream {
    let function = match Function::parse(item.clone()) {
        Ok(function) => function,
        Err(error) => return with_error(item, &error),
    };
    let arguments = Arguments::parse(arguments)
        .and_then(|arguments| function.check_arguments(arguments, features));
    match (function.check(features, arguments.as_ref().ok()), arguments) {
        (Ok(()), Ok(arguments)) => {
            let registrations = registrations(&function, &arguments);
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

    const SEND: &str =
        "async fn send(_: Sender<'_>, _: &Paid) -> Result<(), Failed> { mail().await }";

    #[test]
    fn durable_connects_by_the_crate_of_the_outbox() {
        let options = "start = Start::Oldest, attempts = 3, timeout = Duration::from_secs(9), keys_at_once = N + 1, unsequenced";
        let calls = ".start(Start::Oldest).attempts(3).timeout(Duration::from_secs(9)).keys_at_once(N+1).unsequenced()";
        for (path, outbox) in [
            ("", "::fanfare_outbox"),
            (", outbox = my_api::outbox", "my_api::outbox"),
            (", outbox = \"my_api::outbox\"", "my_api::outbox"),
        ] {
            let arguments = format!("shop::PAID, {options}, durable = \"mail.sent\"{path}");
            let expansion = expansion(&arguments, SEND, ASYNC);
            let connect = format!(
                "||{outbox}::__private::declare({outbox}::__private::options(&shop::PAID,\"mail.sent\"){calls},send,|__sender,__event|::std::boxed::Box::pin(send(__sender,__event)),)"
            );
            assert!(expansion.contains(&connect), "{expansion}");
            assert!(!expansion.contains("Candidate"), "{expansion}");
        }
    }

    #[test]
    fn durable_refuses_the_options_of_other_receivers() {
        for option in [
            "sender = Shop",
            "sender = \"shop\"",
            "model = order",
            "dispatch_uid = \"mail\"",
            "priority = -1",
            "once",
            "max_calls = 3",
            "name = \"mail\"",
            "tag = \"mail\"",
            "blocking",
            "queued = MAILS",
        ] {
            let name = option.split(' ').next().unwrap();
            let arguments = format!("PAID, {option}, durable = \"mail.sent\"");
            let messages = errors(&arguments, SEND, TOKIO);
            let start = format!("a durable receiver has no `{name}`, because ");
            assert!(
                matches!(&messages[..], [message] if message.starts_with(&start)),
                "{option}: {messages:?}"
            );
        }
    }

    #[test]
    fn options_of_durable_receivers_need_a_name() {
        for option in [
            "start = Start::Oldest",
            "attempts = 3",
            "timeout = LONG",
            "keys_at_once = 1",
            "unsequenced",
            "outbox = my_api::outbox",
        ] {
            let name = option.split(' ').next().unwrap();
            let messages = errors(&format!("PAID, {option}"), SEND, ASYNC);
            // The text of the tokens ends at the quotes of the example.
            let start = format!("`{name}` is for durable receivers: add `durable = ");
            assert!(
                matches!(&messages[..], [message] if message.starts_with(&start)),
                "{option}: {messages:?}"
            );
        }
    }

    #[test]
    fn durable_hints_have_the_signature_of_a_durable_receiver() {
        for (item, hint) in [
            (
                "fn f(sender: Sender<'_>, paid: &Delivered<Paid>) -> Result<(), Failed>",
                "async fn f(sender: Sender<'_>, paid: &Delivered<Paid>) -> Result<(), Failed>`",
            ),
            (
                "async fn f(paid: &Paid)",
                "async fn f(sender: Sender<'_>, paid: &Paid) -> Result<(), Error>`",
            ),
            (
                "async fn f() -> Result<(), Failed>",
                "async fn f(sender: Sender<'_>, event: &Delivered<Event>) -> Result<(), Failed>`, where `Event` is the event type of `PAID`",
            ),
        ] {
            let item = format!("{item} {{ todo!() }}");
            let messages = errors("PAID, durable = \"mail.sent\"", &item, ASYNC);
            let hint = format!("write `{hint}");
            let has_hint = messages.iter().any(|it| it.ends_with(&hint));
            assert!(has_hint, "{hint}: {messages:?}");
        }
    }
}
