//! A signal whose responses are numbers, and receivers for it.

use std::any::Any;
use std::sync::Arc;

use fanfare::{Sender, Signal};

pub(crate) type Asked = Signal<(), u32>;

pub(crate) fn one(_: Sender<'_>, (): &()) -> u32 {
    1
}

pub(crate) fn two(_: Sender<'_>, (): &()) -> u32 {
    2
}

pub(crate) fn of_size<T>(_: Sender<'_>, (): &()) -> u32 {
    size_of::<T>() as u32
}

pub(crate) fn read(target: &u32, _: Sender<'_>, (): &()) -> u32 {
    *target
}

/// Returns a receiver that captures, so that each one is a connection of its own.
pub(crate) fn response(
    value: u32,
) -> impl Fn(Sender<'_>, &()) -> u32 + Send + Sync + Copy + 'static {
    move |_, ()| value
}

/// Returns a receiver that owns a share of `held`.
pub(crate) fn holding(held: &Arc<()>) -> impl Fn(Sender<'_>, &()) -> u32 + Send + Sync + 'static {
    let held = Arc::clone(held);
    move |_, ()| Arc::strong_count(&held) as u32
}

/// Returns the message of a caught panic.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("not a text")
}
