//! The arguments in the parentheses of `#[receiver(...)]`.

use std::fmt::{self, Display};

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Error, Ident, LitInt, LitStr, Path, PathArguments, Result, Token, Type, bracketed, token,
};

/// The names of the options, in the order of the documentation.
const OPTIONS: &str =
    "`sender`, `model`, `dispatch_uid`, `priority`, `once`, `max_calls`, `name` and `blocking`";

pub(crate) struct Arguments {
    /// The signals. The list is never empty.
    pub(crate) signals: Vec<Path>,
    sender: Option<SenderOption>,
    model: Option<Model>,
    dispatch_uid: Option<LitStr>,
    priority: Option<Priority>,
    once: Option<()>,
    max_calls: Option<LitInt>,
    name: Option<LitStr>,
    blocking: Option<Span>,
}

enum SenderOption {
    Type(Box<Type>),
    Name(LitStr),
}

/// The module of an entity, whose type `Entity` is the sender.
struct Model {
    option: Span,
    entity: Path,
}

struct Priority {
    minus: Option<Token![-]>,
    value: LitInt,
}

/// The identity of a connection: two connections of one function with equal keys are the same.
#[derive(PartialEq)]
pub(crate) struct Key {
    signal: String,
    sender: Option<String>,
    dispatch_uid: Option<String>,
}

impl Arguments {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        Parser::parse2(Self::parse_all, tokens)
    }

    fn parse_all(input: ParseStream<'_>) -> Result<Self> {
        let signals = parse_signals(input)?;
        let mut arguments = Self {
            signals,
            sender: None,
            model: None,
            dispatch_uid: None,
            priority: None,
            once: None,
            max_calls: None,
            name: None,
            blocking: None,
        };
        while !input.is_empty() {
            if !input.peek(Token![,]) {
                return Err(
                    input.error("expected `,`: the signal and its options are separated by commas")
                );
            }
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                arguments.parse_option(input)?;
            }
        }
        if let (Some(()), Some(calls)) = (arguments.once, &arguments.max_calls) {
            let message = "`once` and `max_calls` are both given: `once` means `max_calls = 1`, so keep one of them";
            return Err(Error::new(calls.span(), message));
        }
        if let (Some(model), Some(_)) = (&arguments.model, &arguments.sender) {
            let message = "`model` and `sender` are both given: `model = customer` means \
                           `sender = customer::Entity`, so leave `sender` out";
            return Err(Error::new(model.option, message));
        }
        Ok(arguments)
    }

    fn parse_option(&mut self, input: ParseStream<'_>) -> Result<()> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!("expected an option: the options are {OPTIONS}")));
        }
        let option = input.call(Ident::parse_any)?;
        match option.to_string().as_str() {
            "sender" => fill(&mut self.sender, &option, || parse_sender(&option, input)),
            "model" => fill(&mut self.model, &option, || parse_model(&option, input)),
            "dispatch_uid" => fill(&mut self.dispatch_uid, &option, || {
                let mend = "leave it out to identify the receiver by its function";
                parse_text(&option, "\"kitchen-bell\"", mend, input)
            }),
            "priority" => fill(&mut self.priority, &option, || {
                parse_priority(&option, input)
            }),
            "once" => fill(&mut self.once, &option, || parse_flag(&option, input)),
            "max_calls" => fill(&mut self.max_calls, &option, || {
                parse_max_calls(&option, input)
            }),
            "name" => fill(&mut self.name, &option, || {
                let mend = "leave it out to name the receiver after its function";
                parse_text(&option, "\"kitchen bell\"", mend, input)
            }),
            "blocking" => fill(&mut self.blocking, &option, || {
                parse_flag(&option, input)?;
                Ok(option.span())
            }),
            _ => Err(unknown_option(&option, input)),
        }
    }

    /// Returns the connections that these arguments request, in their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let sender = self.sender.as_ref().map(|sender| match sender {
            SenderOption::Type(sender) => sender.to_token_stream().to_string(),
            SenderOption::Name(name) => format!("{:?}", name.value()),
        });
        let entity = self.model.as_ref().map(|it| it.entity.to_token_stream());
        let sender = sender.or(entity.map(|it| it.to_string()));
        let dispatch_uid = self.dispatch_uid.as_ref().map(LitStr::value);
        self.signals.iter().map(move |signal| Key {
            signal: path_text(signal),
            sender: sender.clone(),
            dispatch_uid: dispatch_uid.clone(),
        })
    }

    /// Returns the uid, with its place in the source.
    pub(crate) fn dispatch_uid(&self) -> Option<&LitStr> {
        self.dispatch_uid.as_ref()
    }

    /// Returns the place of the word `blocking`, if it is there.
    pub(crate) fn blocking(&self) -> Option<Span> {
        self.blocking
    }

    /// Returns `true` if the function takes the instance of a model in the place of the sender.
    pub(crate) fn takes_instance(&self) -> bool {
        self.model.is_some()
    }

    /// Returns the code that connects to `signal`: the options, and the sender.
    pub(crate) fn declaring(&self, signal: &Path, options: &TokenStream) -> TokenStream {
        let calls = self.calls();
        let options = quote!(#options #calls);
        let call = match (&self.sender, &self.model) {
            (Some(SenderOption::Type(sender)), _) => quote!(of::<#sender, _, _>(#options)),
            (_, Some(Model { entity, .. })) => quote!(of::<#entity, _, _>(#options)),
            (Some(SenderOption::Name(name)), _) => {
                // The span is that of the name, because the compiler refuses this if it refuses the
                // name.
                let at_name = name.span().resolved_at(Span::call_site());
                let parts = parts_of(&name.value());
                let form = quote_spanned!(at_name=> ::fanfare::__private::Name::<#parts>);
                quote!(named(#form, #options, #name))
            }
            (None, None) => return quote!(::fanfare::__private::Declaring::from(#options)),
        };
        // The senders that exist depend on the signal: the traits differ in the references that
        // their methods need.
        quote!({
            use ::fanfare::__private::{SendersOfAny as _, SendersOfCrate as _};
            (&::fanfare::__private::Declares::of(&#signal)).senders().#call
        })
    }

    /// Returns the options as calls on `ConnectOptions`, without the sender.
    fn calls(&self) -> TokenStream {
        let dispatch_uid = self
            .dispatch_uid
            .as_ref()
            .map(|uid| quote!(.dispatch_uid(#uid)));
        let priority = self
            .priority
            .as_ref()
            .map(|Priority { minus, value }| quote!(.priority(#minus #value)));
        let once = self.once.map(|()| quote!(.once()));
        let max_calls = self.max_calls.as_ref().map(|it| quote!(.max_calls(#it)));
        let name = self.name.as_ref().map(|name| quote!(.name(#name)));
        let blocking = self.blocking.map(|_| quote!(.blocking()));
        quote!(#dispatch_uid #priority #once #max_calls #name #blocking)
    }
}

/// Returns the number of parts of a name, which dots separate. Returns 0 if one of them is empty.
fn parts_of(name: &str) -> usize {
    let parts = name.split('.');
    if parts.clone().any(str::is_empty) {
        0
    } else {
        parts.count()
    }
}

/// Returns a path as a person writes it, without the spaces between tokens.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

fn parse_signals(input: ParseStream<'_>) -> Result<Vec<Path>> {
    const EXAMPLE: &str = "`#[receiver(SIGNAL)]`, or several as `#[receiver([FIRST, SECOND])]`";
    if input.is_empty() {
        return Err(Error::new(
            Span::call_site(),
            format!("no signal given: write {EXAMPLE}"),
        ));
    }
    if input.peek(token::Bracket) {
        let content;
        let bracket = bracketed!(content in input);
        if content.is_empty() {
            let message =
                "the list of signals is empty: name at least one, as in `#[receiver([SIGNAL])]`";
            return Err(Error::new(bracket.span.join(), message));
        }
        let signals = Punctuated::<Path, Token![,]>::parse_terminated_with(&content, parse_signal)?;
        return Ok(signals.into_iter().collect());
    }
    let is_option = input.peek(Ident::peek_any) && input.peek2(Token![=]);
    if is_option || input.peek(Token![,]) {
        return Err(input.error(format!(
            "no signal given: the signal comes first; write {EXAMPLE}"
        )));
    }
    Ok(vec![parse_signal(input)?])
}

fn parse_signal(input: ParseStream<'_>) -> Result<Path> {
    let start = input.cursor().token_stream().into_iter().next();
    let fork = input.fork();
    if fork.call(Path::parse).is_ok() {
        return input.call(Path::parse);
    }
    let shown = start.map_or_else(String::new, |token| format!(", not `{token}`"));
    Err(input.error(format!("a signal is given as the path of its static{shown}: write `PIZZA_DONE` or `kitchen::PIZZA_DONE`")))
}

fn unknown_option(option: &Ident, input: ParseStream<'_>) -> Error {
    let mut message = format!("unknown option `{option}`: the options are {OPTIONS}");
    if !input.peek(Token![=]) {
        message.push_str("; several signals are written as a list, `[FIRST, SECOND]`");
    }
    Error::new(option.span(), message)
}

fn fill<T>(slot: &mut Option<T>, option: &Ident, parse: impl FnOnce() -> Result<T>) -> Result<()> {
    if slot.is_some() {
        let message = format!("`{option}` is given twice: keep one of them");
        return Err(Error::new(option.span(), message));
    }
    *slot = Some(parse()?);
    Ok(())
}

fn parse_flag(option: &Ident, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![=]) || input.peek(token::Paren) {
        return Err(input.error(format!(
            "`{option}` takes no value: write `{option}` alone, or leave it out"
        )));
    }
    Ok(())
}

fn parse_equals(option: &Ident, example: &str, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if !input.is_empty() && !input.peek(Token![,]) {
            return Ok(());
        }
    }
    Err(Error::new(
        option.span(),
        format!("`{option}` needs a value: write `{option} = {example}`"),
    ))
}

fn parse_text(
    option: &Ident,
    example: &str,
    mend_empty: &str,
    input: ParseStream<'_>,
) -> Result<LitStr> {
    parse_equals(option, example, input)?;
    let value = Value::take(input)?;
    let Some(text) = value.parse::<LitStr>() else {
        let message =
            format!("`{option}` is a string literal, not `{value}`: write `{option} = {example}`");
        return Err(value.error(message));
    };
    if text.value().is_empty() {
        return Err(Error::new(
            text.span(),
            format!("`{option}` is empty: {mend_empty}"),
        ));
    }
    Ok(text)
}

fn parse_priority(option: &Ident, input: ParseStream<'_>) -> Result<Priority> {
    parse_equals(option, "10", input)?;
    let value = Value::take(input)?;
    let parsed = value.parse_with(|input: ParseStream<'_>| {
        Ok(Priority {
            minus: input.parse()?,
            value: input.parse()?,
        })
    });
    let Some(priority) = parsed.filter(|priority| matches!(priority.value.suffix(), "" | "i32"))
    else {
        let message = format!(
            "`priority` is an i32 literal, not `{value}`: write `priority = 10` or `priority = -10`"
        );
        return Err(value.error(message));
    };
    let sign = if priority.minus.is_some() { "-" } else { "" };
    if format!("{sign}{}", priority.value.base10_digits())
        .parse::<i32>()
        .is_err()
    {
        let message = format!(
            "`priority = {value}` does not fit an i32: give one from {} to {}",
            i32::MIN,
            i32::MAX
        );
        return Err(value.error(message));
    }
    Ok(priority)
}

fn parse_max_calls(option: &Ident, input: ParseStream<'_>) -> Result<LitInt> {
    parse_equals(option, "3", input)?;
    let value = Value::take(input)?;
    let calls = value.parse::<LitInt>();
    calls
        .filter(|calls| matches!(calls.base10_parse::<u32>(), Ok(1..)))
        .ok_or_else(|| {
            value.error(format!(
                "`max_calls` is a u32 literal of 1 or more, not `{value}`: write `max_calls = 3`"
            ))
        })
}

fn parse_sender(option: &Ident, input: ParseStream<'_>) -> Result<SenderOption> {
    parse_equals(option, "PizzaStore", input)?;
    let value = Value::take(input)?;
    if let Some(name) = value.parse::<LitStr>() {
        if name.value().is_empty() {
            let message =
                "the name of the sender is empty: leave `sender` out to hear every sender";
            return Err(Error::new(name.span(), message));
        }
        return Ok(SenderOption::Name(name));
    }
    match value.parse::<Type>() {
        Some(sender) if names_a_type(&sender) => Ok(SenderOption::Type(Box::new(sender))),
        _ => {
            let message = format!(
                "`sender` is a type or a string literal, not `{value}`: write `sender = PizzaStore` or \
                 `sender = \"pizza-store\"`, and for any other sender connect by hand with `Signal::options`"
            );
            Err(value.error(message))
        }
    }
}

fn parse_model(option: &Ident, input: ParseStream<'_>) -> Result<Model> {
    parse_equals(option, "customer", input)?;
    let value = Value::take(input)?;
    let module = value.parse_with(Path::parse_mod_style);
    let Some(mut entity) = module else {
        let message = format!(
            "`model` is the module of an entity, not `{value}`: write `model = customer` for the module \
             that has `customer::Entity`, and a name as `sender = \"shop.Customer\"`"
        );
        return Err(value.error(message));
    };
    let at_module = entity
        .segments
        .last()
        .map_or_else(Span::call_site, |it| it.ident.span());
    entity.segments.push(Ident::new("Entity", at_module).into());
    Ok(Model {
        option: option.span(),
        entity,
    })
}

/// Returns `true` if it can be the type of a sender. `_` and `impl Trait` cannot, and the call
/// `PizzaStore::new()` parses as a path.
fn names_a_type(sender: &Type) -> bool {
    match sender {
        Type::Infer(_) | Type::ImplTrait(_) => false,
        Type::Path(path) => path
            .path
            .segments
            .iter()
            .all(|segment| !matches!(segment.arguments, PathArguments::Parenthesized(_))),
        Type::Group(group) => names_a_type(&group.elem),
        Type::Paren(paren) => names_a_type(&paren.elem),
        _ => true,
    }
}

/// The tokens between an option's `=` and the next comma.
struct Value(TokenStream);

impl Value {
    fn take(input: ParseStream<'_>) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        let mut previous = ' ';
        while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
            let token = input.parse::<TokenTree>()?;
            let character = if let TokenTree::Punct(punct) = &token {
                punct.as_char()
            } else {
                ' '
            };
            match character {
                '<' => depth += 1,
                '>' if previous != '-' => depth = depth.saturating_sub(1),
                _ => {}
            }
            previous = character;
            tokens.push(token);
        }
        Ok(Self(tokens.into_iter().collect()))
    }

    fn parse<T: Parse>(&self) -> Option<T> {
        self.parse_with(T::parse)
    }

    fn parse_with<T>(&self, parser: impl FnOnce(ParseStream<'_>) -> Result<T>) -> Option<T> {
        parser.parse2(self.0.clone()).ok()
    }

    fn error(&self, message: impl Display) -> Error {
        Error::new_spanned(&self.0, message)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string().replace(" :: ", "::");
        match text.strip_prefix("- ") {
            Some(number) => write!(f, "-{number}"),
            None => f.write_str(&text),
        }
    }
}
