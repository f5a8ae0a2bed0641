//! The macro of [`fanfare-outbox`](https://docs.rs/fanfare-outbox), which re-exports it: use it
//! from there.

#![forbid(unsafe_code)]
#![warn(clippy::pedantic)]

use proc_macro::TokenStream;

mod code;
mod event;
mod fields;
mod options;

/// Implements `fanfare_outbox::DurableEvent` for a struct or an enum, and adds a test that compares
/// its fields with the recorded ones. `fanfare-outbox` has the documentation, with examples.
#[proc_macro_derive(DurableEvent, attributes(durable))]
pub fn derive_durable_event(input: TokenStream) -> TokenStream {
    event::expand(input.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
