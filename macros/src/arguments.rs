//! The arguments in the parentheses of `#[receiver(...)]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Error, Ident, LitInt, LitStr, Path, PathArguments, Result, Token, Type, bracketed, token,
};

use crate::code::code;
use crate::durable::{Durable, DurableOptions};
use crate::root::{Root, parse_root};
use crate::value::{Value, fill, parse_equals, parse_flag, parse_text};

/// The names of the options, in the order of the documentation.
const OPTIONS: &str = "`sender`, `model`, `dispatch_uid`, `priority`, `once`, `max_calls`, `name`, `tag`, `blocking`, `queued`, `durable` and `crate`";

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
    tags: Vec<LitStr>,
    blocking: Option<Span>,
    queued: Option<Queued>,
    durable: DurableOptions,
    root: Option<Root>,
    /// The names of all options, in their order.
    given: Vec<Ident>,
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

impl Model {
    /// Returns the module, as the attribute names it.
    fn module(&self) -> String {
        let entity = code(&self.entity);
        let module = entity.rsplit_once("::").map(|(module, _)| module);
        module.unwrap_or_default().to_owned()
    }
}

/// The queue that the receiver runs on.
pub(crate) struct Queued {
    pub(crate) option: Span,
    pub(crate) queue: Path,
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
    durable: Option<String>,
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
            tags: Vec::new(),
            blocking: None,
            queued: None,
            durable: DurableOptions::default(),
            root: None,
            given: Vec::new(),
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
            let message = format!(
                "`model` and `sender` are both given: `model = {}` means `sender = {}`, so leave `sender` out",
                model.module(),
                code(&model.entity)
            );
            return Err(Error::new(model.option, message));
        }
        arguments
            .durable
            .check(&arguments.signals, &arguments.given)?;
        Ok(arguments)
    }

    fn parse_option(&mut self, input: ParseStream<'_>) -> Result<()> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error(format!("expected an option: the options are {OPTIONS}")));
        }
        let option = input.call(Ident::parse_any)?;
        self.given.push(option.clone());
        if let Some(parsed) = self.durable.parse(&option, input) {
            return parsed;
        }
        match option.to_string().as_str() {
            "sender" => fill(&mut self.sender, &option, || parse_sender(&option, input)),
            "model" => fill(&mut self.model, &option, || parse_model(&option, input)),
            "dispatch_uid" => fill(&mut self.dispatch_uid, &option, || {
                let mend = "leave it out to identify the receiver by its function";
                parse_text(&option, "\"a-uid\"", mend, input)
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
                parse_text(&option, "\"a name\"", mend, input)
            }),
            "tag" => {
                let mend = "leave it out for a receiver without a tag";
                let tag = parse_text(&option, "\"a-tag\"", mend, input)?;
                if self.tags.iter().any(|other| other.value() == tag.value()) {
                    let message =
                        format!("the tag {:?} is given twice: keep one of them", tag.value());
                    return Err(Error::new(tag.span(), message));
                }
                self.tags.push(tag);
                Ok(())
            }
            "queued" => fill(&mut self.queued, &option, || parse_queued(&option, input)),
            "weak" => Err(Error::new(
                option.span(),
                "`weak` is for methods of an object, and a function has no object: connect the method by hand with `Signal::connect_weak`",
            )),
            "blocking" => fill(&mut self.blocking, &option, || {
                parse_flag(&option, input)?;
                Ok(option.span())
            }),
            "crate" => fill(&mut self.root, &option, || parse_root(&option, input)),
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
        let durable = self.durable().map(|it| it.name.value());
        self.signals.iter().map(move |signal| Key {
            signal: code(signal),
            sender: sender.clone(),
            dispatch_uid: dispatch_uid.clone(),
            durable: durable.clone(),
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

    /// Returns the queue that the receiver runs on, if there is one.
    pub(crate) fn queued(&self) -> Option<&Queued> {
        self.queued.as_ref()
    }

    /// Returns the name of the receiver in the database, if it is durable.
    pub(crate) fn durable(&self) -> Option<&Durable> {
        self.durable.durable()
    }

    /// Returns the options of a durable receiver.
    pub(crate) fn durable_options(&self) -> &DurableOptions {
        &self.durable
    }

    /// Returns the module of the entity whose instance the function takes in the place of the
    /// sender, as the attribute names it.
    pub(crate) fn model(&self) -> Option<String> {
        self.model.as_ref().map(Model::module)
    }

    /// Returns the path of fanfare for the code at `span`.
    pub(crate) fn root_at(&self, span: Span) -> TokenStream {
        Root::at(self.root.as_ref(), span)
    }

    /// Returns the code that connects to `signal`: the options, and the sender.
    pub(crate) fn declaring(&self, signal: &Path, options: &TokenStream) -> TokenStream {
        let calls = self.calls();
        let options = quote!(#options #calls);
        let root = self.root_at(Span::call_site());
        let call = match (&self.sender, &self.model) {
            (Some(SenderOption::Type(sender)), _) => quote!(of::<#sender, _, _>(#options)),
            (_, Some(Model { entity, .. })) => quote!(of::<#entity, _, _>(#options)),
            (Some(SenderOption::Name(name)), _) => {
                // The span is that of the name, because the compiler refuses this if it refuses the
                // name.
                let at_name = name.span().resolved_at(Span::call_site());
                let parts = parts_of(&name.value());
                let root = self.root_at(at_name);
                let form = quote_spanned!(at_name=> #root::__private::Name::<#parts>);
                quote!(named(#form, #options, #name))
            }
            (None, None) => return options,
        };
        // The senders that exist depend on the signal: the traits differ in the references that
        // their methods need.
        quote!({
            use #root::__private::{SendersOfAny as _, SendersOfCrate as _};
            (&#root::__private::Declares::of(&#signal)).senders().#call
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
        let tags = self.tags.iter().map(|tag| quote!(.tag(#tag)));
        let blocking = self.blocking.map(|_| quote!(.blocking()));
        quote!(#dispatch_uid #priority #once #max_calls #name #(#tags)* #blocking)
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
    if input.fork().call(Path::parse).is_ok() {
        return input.call(Path::parse);
    }
    let quoted = fork.parse::<LitStr>();
    let mend = match quoted.and_then(|text| text.parse_with(Path::parse_mod_style)) {
        Ok(path) => format!("`{}`, without the quotes", code(path)),
        Err(_) => String::from("`SIGNAL` or `module::SIGNAL`"),
    };
    let shown = start.map_or_else(String::new, |token| format!(", not `{token}`"));
    Err(input.error(format!(
        "a signal is given as the path of its static{shown}: write {mend}"
    )))
}

fn unknown_option(option: &Ident, input: ParseStream<'_>) -> Error {
    let mut message = format!("unknown option `{option}`: the options are {OPTIONS}");
    if !input.peek(Token![=]) {
        message.push_str("; several signals are written as a list, `[FIRST, SECOND]`");
    }
    Error::new(option.span(), message)
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

fn parse_queued(option: &Ident, input: ParseStream<'_>) -> Result<Queued> {
    parse_equals(option, "MAILS", input)?;
    let value = Value::take(input)?;
    let queue = value.parse_with(Path::parse_mod_style);
    let queue = queue.ok_or_else(|| {
        value.error(format!(
            "`queued` is the path of a static queue, not `{value}`: write `queued = MAILS` with \
             `static MAILS: LazyLock<Queue>`"
        ))
    })?;
    Ok(Queued {
        option: option.span(),
        queue,
    })
}

fn parse_sender(option: &Ident, input: ParseStream<'_>) -> Result<SenderOption> {
    parse_equals(option, "SomeType", input)?;
    let value = Value::take(input)?;
    if let Some(name) = value.parse::<LitStr>() {
        if name.value().is_empty() {
            let message =
                "the name of the sender is empty: leave `sender` out to receive from every sender";
            return Err(Error::new(name.span(), message));
        }
        return Ok(SenderOption::Name(name));
    }
    match value.parse::<Type>() {
        Some(sender) if names_a_type(&sender) => Ok(SenderOption::Type(Box::new(sender))),
        _ => {
            let message = format!(
                "`sender` is a type or a string literal, not `{value}`: write `sender = SomeType` or \
                 `sender = \"a name\"`, and for any other sender connect by hand with `Signal::options`"
            );
            Err(value.error(message))
        }
    }
}

fn parse_model(option: &Ident, input: ParseStream<'_>) -> Result<Model> {
    parse_equals(option, "my_entity", input)?;
    let value = Value::take(input)?;
    let module = value.parse_with(Path::parse_mod_style);
    let Some(mut entity) = module else {
        let name = value
            .parse::<LitStr>()
            .map_or_else(|| String::from("app.Model"), |it| it.value());
        let message = format!(
            "`model` is the module of an entity, not `{value}`: write `model = my_entity` for the module \
             that has `my_entity::Entity`, and a name as `sender = \"{name}\"`"
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
/// `Shop::new()` parses as a path.
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
