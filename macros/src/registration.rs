//! The registrations of a function: one for each signal.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Path};

use crate::arguments::Arguments;
use crate::code::code;
use crate::durable::Durable;
use crate::function::Function;

/// Returns the code that registers the function with each signal.
pub(crate) fn registrations(function: &Function, arguments: &Arguments) -> TokenStream {
    let name = function.ident().unraw().to_string();
    let attributes: Vec<&Attribute> = function
        .attributes
        .iter()
        .filter(|attribute| is_shared(attribute))
        .collect();
    let root = arguments.root_at(Span::call_site());
    let registrations = arguments.signals.iter().map(|signal| {
        let text = code(signal);
        let connect = match arguments.durable() {
            Some(durable) => connect_durable(function, arguments, signal, durable),
            None => connect(function, arguments, signal),
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

/// Returns the span at the name of the function, so that an error about the function points there.
/// It is not the span of the name, so that no lint and no advice takes the code for code that the
/// user wrote.
fn at_name(function: &Function) -> Span {
    function.ident().span().resolved_at(Span::call_site())
}

fn at_signal(signal: &Path) -> Span {
    let first = signal.segments.first();
    let span = first.map_or_else(Span::call_site, |segment| segment.ident.span());
    span.resolved_at(Span::call_site())
}

/// Returns the code that connects the function to the signal.
fn connect(function: &Function, arguments: &Arguments, signal: &Path) -> TokenStream {
    let ident = function.ident();
    let at_name = at_name(function);
    let root_at_name = arguments.root_at(at_name);
    let at_signal = at_signal(signal);
    let root_at_signal = arguments.root_at(at_signal);
    let signal_options = quote_spanned!(at_signal=> #root_at_signal::__private::options(&#signal));
    let declaring = arguments.declaring(signal, &signal_options);
    // These are names that no item has: a parameter must not have the name of a constant.
    let queue = arguments.queued().map(|queued| &queued.queue);
    let connect = match (function.instance(arguments), function.signature.asyncness) {
        (None, None) => match queue {
            None => quote_spanned!(at_name=> .connect()),
            Some(queue) => quote_spanned!(at_name=> .connect_queued(&#queue)),
        },
        (None, Some(_)) => {
            let start = start(function);
            match queue {
                None => quote_spanned!(at_name=> .connect_async(#start)),
                Some(queue) => quote_spanned!(at_name=> .connect_queued_async(&#queue, #start)),
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
    quote_spanned! {at_name=>
        #root_at_name::__private::Candidate {
            options: #declaring,
            function: #ident,
        }
        #connect
    }
}

/// Returns the code that has fanfare-outbox connect the function, which no send calls.
fn connect_durable(
    function: &Function,
    arguments: &Arguments,
    signal: &Path,
    durable: &Durable,
) -> TokenStream {
    let ident = function.ident();
    let options = arguments.durable_options();
    let at_name = at_name(function);
    let at_signal = at_signal(signal);
    // An error about the path, as in a crate without fanfare-outbox, points at the option.
    let outbox = options.outbox_at(durable.option.resolved_at(Span::call_site()));
    let (name, calls) = (&durable.name, options.calls());
    let signal = quote_spanned!(at_signal=> &#signal);
    let start = start(function);
    quote_spanned! {at_name=>
        #outbox::__private::declare(
            #outbox::__private::options(#signal, #name) #calls,
            #ident,
            #start,
        )
    }
}

/// Returns the closure that starts an async function.
fn start(function: &Function) -> TokenStream {
    let ident = function.ident();
    quote_spanned! {at_name(function)=>
        |__sender, __event| ::std::boxed::Box::pin(#ident(__sender, __event))
    }
}

/// Returns `true` if the registrations need the attribute too. They exist if the function does, and
/// they need its permissions, such as the one to name a deprecated signal.
fn is_shared(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("allow")
}
