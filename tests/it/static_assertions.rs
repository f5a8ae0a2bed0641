//! The promises of the types to the compiler: threads, unwinding, copying, being `const`.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use fanfare::connections::{Changes, Connections, ScopedConnections};
use fanfare::error::ReceiverError;
use fanfare::error::WaitError;
use fanfare::responses::Response;
use fanfare::responses::RobustResponses;
use fanfare::{
    Connection, Event, Identity, ReceiverId, ReceiverPanic, Responses, ScopedConnection, Sender,
    Signal,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// Neither of these may be sent to another thread, shared with one, or seen after a panic.
#[expect(dead_code, reason = "only its type matters")]
struct Local(Rc<Cell<u8>>, RefCell<*mut u8>);

impl Event for Local {
    type Args<'a> = &'a Local;
}

// A signal may be a static with any event and any responses: receivers run on the sending thread.
assert_impl_all!(Signal<()>: Send, Sync, UnwindSafe, RefUnwindSafe, Debug, Default);
assert_impl_all!(Signal<Local, Local>: Send, Sync, UnwindSafe, RefUnwindSafe, Debug, Default, Unpin);
assert_not_impl_any!(Signal<()>: Clone);

assert_impl_all!(Connection: Send, Sync, UnwindSafe, RefUnwindSafe, Clone, Debug, Unpin);
assert_impl_all!(ScopedConnection: Send, Sync, UnwindSafe, RefUnwindSafe, Debug, Unpin);
assert_not_impl_any!(ScopedConnection: Clone);
assert_impl_all!(Changes<Local, Local>: Send, Sync);
assert_impl_all!(Connections: Send, Sync, UnwindSafe, RefUnwindSafe, Clone, Debug, Default, Unpin);
assert_impl_all!(Connections: FromIterator<Connection>, Extend<Connection>, IntoIterator<Item = Connection>);
assert_impl_all!(ScopedConnections: Send, Sync, UnwindSafe, RefUnwindSafe, Debug, Unpin);
assert_not_impl_any!(ScopedConnections: Clone);

assert_impl_all!(ReceiverId: Send, Sync, UnwindSafe, RefUnwindSafe, Copy, Ord, Hash, Debug, Display);
assert_not_impl_any!(ReceiverId: Default);

assert_impl_all!(Sender<'static>: Send, Sync, UnwindSafe, RefUnwindSafe, Copy, Eq, Hash, Debug, Display);
assert_impl_all!(Sender<'static>: From<&'static str>, From<u64>, From<u128>, From<&'static Identity>);
assert_impl_all!(Identity: Send, Sync, UnwindSafe, RefUnwindSafe, Default, Debug);
assert_not_impl_any!(Identity: Clone, PartialEq);

// Responses go where their values go, and no receiver comes with them.
assert_impl_all!(Responses<u8>: Send, Sync, UnwindSafe, RefUnwindSafe, Debug, IntoIterator<Item = u8>);
assert_not_impl_any!(Responses<Rc<u8>>: Send, Sync);
assert_impl_all!(RobustResponses<u8>: Send, Debug, IntoIterator<Item = Result<u8, ReceiverPanic>>);
assert_not_impl_any!(RobustResponses<Rc<u8>>: Send, Sync);
assert_impl_all!(Response<u8>: Send, Sync, Debug);

assert_impl_all!(ReceiverPanic: Send, Error, Debug, Display);
assert_impl_all!(WaitError: Send, Sync, Error, Copy, Eq);
assert_impl_all!(ReceiverError<u8, std::io::Error>: Send, Sync, Error);
assert_not_impl_any!(ReceiverError<Rc<u8>, u8>: Send);

assert_impl_all!((): Event);
assert_impl_all!(bool: Event);
assert_impl_all!(char: Event);
assert_impl_all!(String: Event);
assert_impl_all!(&'static str: Event);
assert_impl_all!(u8: Event);
assert_impl_all!(i128: Event);
assert_impl_all!(usize: Event);
assert_impl_all!(f64: Event);

static A_SIGNAL: Signal<&'static str, usize> = Signal::new();
static MANY_SIGNALS: [Signal<()>; 8] = [const { Signal::new() }; 8];
const A_NAME: Sender<'static> = Sender::named("till");
const A_KEY: Sender<'static> = Sender::key(7);

#[test]
fn a_signal_is_made_at_compile_time() {
    let text = String::from("borrowed for the send alone");
    A_SIGNAL.connect(|_, text| text.len());
    assert_eq!(*A_SIGNAL.from(A_NAME).send(&text.as_str()), [27]);
    assert!(
        MANY_SIGNALS
            .iter()
            .all(|signal| signal.receiver_count() == 0)
    );
    assert_ne!(A_NAME, A_KEY);
}

/// Values that may not cross threads can be responses and events all the same.
#[test]
fn events_and_responses_need_not_be_send() {
    let signal = Signal::<Local, Rc<u8>>::new();
    signal.connect(|_, local| Rc::new(local.0.get() + 1));
    let local = Local(Rc::new(Cell::new(4)), RefCell::new(std::ptr::null_mut()));
    assert_eq!(*signal.send(&&local), [Rc::new(5)]);
}

#[test]
fn handles_are_small() {
    assert!(size_of::<Sender<'_>>() <= 24, "{}", size_of::<Sender<'_>>());
    assert!(size_of::<Connection>() <= 32, "{}", size_of::<Connection>());
    assert_eq!(size_of::<ReceiverId>(), 8);
    assert!(size_of::<Signal<()>>() <= 32, "{}", size_of::<Signal<()>>());
}
