//! The signature that a receiver should have, for messages. It has the user's names and types where
//! the function has them.

use quote::ToTokens;
use syn::{FnArg, Pat, PatType, ReturnType, Signature, Type, TypePath};

use crate::arguments::Arguments;
use crate::code::code;

/// Returns the signature in backquotes, followed by the meaning of its `Event` if the type of the
/// event is unknown.
pub(crate) fn signature(signature: &Signature, arguments: Option<&Arguments>) -> String {
    let model = arguments.and_then(Arguments::model);
    let is_durable = arguments.is_some_and(|it| it.durable().is_some());
    let parameters = || {
        signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(parameter) => Some(parameter),
            FnArg::Receiver(_) => None,
        })
    };
    let is_instance = |parameter: &PatType| {
        let module = model.as_ref().map(|module| format!("{module}::"));
        module.is_some_and(|module| code(referent(&parameter.ty)).starts_with(&module))
    };
    let first = if let Some(model) = &model {
        let given = parameters().find(|it| is_instance(it));
        let name = model.rsplit("::").next().unwrap_or_default();
        given.map_or_else(|| format!("{name}: &{model}::Model"), borrowed)
    } else {
        let given = parameters().find(|it| is_sender(it));
        let name = given.map_or_else(|| String::from("sender"), |it| code(&it.pat));
        format!("{name}: Sender<'_>")
    };
    let others =
        || parameters().filter(|it| !is_sender(it) && !is_instance(it) && !is_unknown(&it.ty));
    let event = others()
        .find(|it| matches!(*it.ty, Type::Reference(_)))
        .or_else(|| others().next());
    let is_known = event.is_some();
    let event = event.map_or_else(
        || {
            String::from(if is_durable {
                "event: &Delivered<Event>"
            } else {
                "event: &Event"
            })
        },
        borrowed,
    );
    let ident = &signature.ident;
    let is_async = is_durable || signature.asyncness.is_some();
    let asyncness = if is_async { "async " } else { "" };
    // It begins with the space before the arrow.
    let output = match &signature.output {
        ReturnType::Default if is_durable => String::from(" -> Result<(), Error>"),
        output => code(output),
    };
    let meaning = match arguments.map(|it| it.signals.as_slice()) {
        _ if is_known => String::new(),
        Some([signal]) => format!(", where `Event` is the event type of `{}`", code(signal)),
        _ => String::from(", where `Event` is the event type of the signal"),
    };
    format!("`{asyncness}fn {ident}({first}, {event}){output}`{meaning}")
}

/// Returns the parameter with a shared reference as its type.
fn borrowed(parameter: &PatType) -> String {
    let pattern = match &*parameter.pat {
        // `mut` is about the variable, which is now a reference.
        Pat::Ident(pattern) => pattern.ident.to_token_stream(),
        pattern => pattern.to_token_stream(),
    };
    let lifetime = match &*parameter.ty {
        Type::Reference(reference) => reference.lifetime.as_ref(),
        _ => None,
    };
    let lifetime = lifetime.map_or_else(String::new, |it| format!("{it} "));
    let referent = code(referent(&parameter.ty));
    format!("{}: &{lifetime}{referent}", code(pattern))
}

fn referent(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => &reference.elem,
        other => other,
    }
}

fn is_sender(parameter: &PatType) -> bool {
    let Type::Path(TypePath { path, .. }) = referent(&parameter.ty) else {
        return false;
    };
    let last = path.segments.last();
    last.is_some_and(|segment| segment.ident == "Sender")
}

/// Returns `true` if the type leaves open which type it is.
fn is_unknown(ty: &Type) -> bool {
    matches!(referent(ty), Type::ImplTrait(_) | Type::Infer(_))
}
