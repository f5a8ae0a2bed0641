//! The options of a durable receiver, which `fanfare-outbox` calls.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, LitStr, Path, Result};

use crate::root::parse_path;
use crate::value::{Value, fill, parse_equals, parse_flag, parse_text};

/// The names of the options beside `durable`, in the order of the documentation.
const OPTIONS: [&str; 6] = [
    "start",
    "attempts",
    "timeout",
    "keys_at_once",
    "unsequenced",
    "outbox",
];

/// The options that no durable receiver has, with the reason and the fix.
const REFUSED: [(&str, &str); 10] = [
    (
        "sender",
        "it gets the events of every sender: leave `sender` out, and compare the first parameter in the function",
    ),
    (
        "model",
        "an event lends its instance for one send, so it cannot be stored: leave `model` out, and store the fields in an event",
    ),
    (
        "dispatch_uid",
        "the name in `durable` identifies it: leave `dispatch_uid` out",
    ),
    (
        "priority",
        "it has its own progress beside other receivers: leave `priority` out, and send another event from the receiver that comes first",
    ),
    (
        "once",
        "it gets every event that the database keeps for it: leave `once` out, and end it by `disconnect`",
    ),
    (
        "max_calls",
        "it gets every event that the database keeps for it: leave `max_calls` out, and end it by `disconnect`",
    ),
    (
        "name",
        "the name in `durable` is its name: leave `name` out",
    ),
    (
        "tag",
        "the relay calls it and no send, so mutes do not concern it: leave `tag` out",
    ),
    (
        "blocking",
        "the relay awaits it: leave `blocking` out, and await what blocks, for instance in `tokio::task::spawn_blocking`",
    ),
    (
        "queued",
        "the database keeps its events, and the relay calls it: leave `queued` out",
    ),
];

/// The options of a durable receiver, as far as they are given.
#[derive(Default)]
pub(crate) struct DurableOptions {
    durable: Option<Durable>,
    start: Option<Call>,
    attempts: Option<Call>,
    timeout: Option<Call>,
    keys_at_once: Option<Call>,
    unsequenced: Option<Call>,
    outbox: Option<Path>,
}

/// The name of a durable receiver.
pub(crate) struct Durable {
    pub(crate) option: Span,
    pub(crate) name: LitStr,
}

/// A call of a method of `fanfare_outbox::DurableOptions`, which has the name of the option.
struct Call {
    option: Ident,
    argument: Option<Expr>,
}

impl DurableOptions {
    /// Parses the value of an option, if it is one of those here.
    pub(crate) fn parse(&mut self, option: &Ident, input: ParseStream<'_>) -> Option<Result<()>> {
        Some(match option.to_string().as_str() {
            "durable" => fill(&mut self.durable, option, || parse_durable(option, input)),
            "start" => fill(&mut self.start, option, || {
                parse_call(option, "Start::Oldest", input)
            }),
            "attempts" => fill(&mut self.attempts, option, || {
                parse_call(option, "3", input)
            }),
            "timeout" => fill(&mut self.timeout, option, || {
                parse_call(option, "Duration::from_secs(30)", input)
            }),
            "keys_at_once" => fill(&mut self.keys_at_once, option, || {
                parse_call(option, "1", input)
            }),
            "unsequenced" => fill(&mut self.unsequenced, option, || {
                parse_flag(option, input)?;
                Ok(Call {
                    option: option.clone(),
                    argument: None,
                })
            }),
            "outbox" => fill(&mut self.outbox, option, || parse_outbox(option, input)),
            _ => return None,
        })
    }

    /// Checks the options together: `given` has all options of the attribute.
    pub(crate) fn check(&self, signals: &[Path], given: &[Ident]) -> Result<()> {
        if self.durable.is_none() {
            let stray = given
                .iter()
                .find(|it| OPTIONS.iter().any(|name| it == name));
            return stray.map_or(Ok(()), |option| {
                let message = format!(
                    "`{option}` is for durable receivers: add `durable = \"app.receiver\"`, or leave `{option}` out"
                );
                Err(Error::new(option.span(), message))
            });
        }
        for (name, reason) in REFUSED {
            if let Some(option) = given.iter().find(|it| *it == name) {
                let message = format!("a durable receiver has no `{name}`, because {reason}");
                return Err(Error::new(option.span(), message));
            }
        }
        match signals {
            [_, second, ..] => Err(Error::new_spanned(
                second,
                "a durable receiver has one signal, because the database keeps its progress by its name: write the attribute once for each signal, each with a name",
            )),
            _ => Ok(()),
        }
    }

    /// Returns the name, if the receiver is durable.
    pub(crate) fn durable(&self) -> Option<&Durable> {
        self.durable.as_ref()
    }

    /// Returns the path of fanfare-outbox for the code at `span`.
    pub(crate) fn outbox_at(&self, span: Span) -> TokenStream {
        self.outbox.as_ref().map_or_else(
            || quote_spanned!(span=> ::fanfare_outbox),
            ToTokens::to_token_stream,
        )
    }

    /// Returns the options as calls on `fanfare_outbox::DurableOptions`.
    pub(crate) fn calls(&self) -> TokenStream {
        let Self {
            start,
            attempts,
            timeout,
            keys_at_once,
            unsequenced,
            ..
        } = self;
        let calls = [start, attempts, timeout, keys_at_once, unsequenced];
        let calls = calls.into_iter().flatten();
        let calls = calls.map(|Call { option, argument }| quote!(.#option(#argument)));
        quote!(#(#calls)*)
    }
}

fn parse_durable(option: &Ident, input: ParseStream<'_>) -> Result<Durable> {
    let mend = "write a name that stays when the function is renamed, such as \"app.receiver\"";
    Ok(Durable {
        option: option.span(),
        name: parse_text(option, "\"app.receiver\"", mend, input)?,
    })
}

fn parse_call(option: &Ident, example: &str, input: ParseStream<'_>) -> Result<Call> {
    parse_equals(option, example, input)?;
    let value = Value::take(input)?;
    let Some(argument) = value.parse::<Expr>() else {
        let message =
            format!("`{option}` is an expression, not `{value}`: write `{option} = {example}`");
        return Err(value.error(message));
    };
    Ok(Call {
        option: option.clone(),
        argument: Some(argument),
    })
}

fn parse_outbox(option: &Ident, input: ParseStream<'_>) -> Result<Path> {
    parse_path(option, "fanfare-outbox", "my_api::fanfare_outbox", input)
}
