//! The receivers of programs. Functions and methods are identified by their types, so each has a
//! number in its type.

use std::sync::Arc;

use fanfare::{BoxFuture, ConnectOptions, Connection, Sender, Signal};

use crate::program::Receiver;
use crate::world::{Fault, World};

/// An event: its value, and the number of sends that it is inside of.
pub(crate) type Sent = (u32, u32);

/// A response, which may be an error.
pub(crate) type Reply = Result<u32, Fault>;

type Options<'s> = ConnectOptions<Sent, Reply, &'s Signal<Sent, Reply>>;

/// An object whose methods are receivers.
pub(crate) struct Target {
    pub(crate) number: usize,
}

fn function<const N: usize>(sender: Sender<'_>, event: &Sent) -> Reply {
    World::current().call(Receiver::Function(N), sender, event)
}

fn async_function<'a, const N: usize>(sender: Sender<'a>, event: &'a Sent) -> BoxFuture<'a, Reply> {
    let world = World::current();
    Box::pin(async move {
        let receiver = Receiver::AsyncFunction(N);
        world.call_async(receiver, sender, event).await
    })
}

impl Target {
    fn method<const N: usize>(&self, sender: Sender<'_>, event: &Sent) -> Reply {
        let receiver = Receiver::Method {
            target: self.number,
            method: N,
        };
        World::current().call(receiver, sender, event)
    }

    fn async_method<'a, const N: usize>(
        &'a self,
        sender: Sender<'a>,
        event: &'a Sent,
    ) -> BoxFuture<'a, Reply> {
        let world = World::current();
        let receiver = Receiver::AsyncMethod {
            target: self.number,
            method: N,
        };
        Box::pin(async move { world.call_async(receiver, sender, event).await })
    }
}

/// Evaluates `$body` with the constant `$constant`, which has the value of `$number`.
macro_rules! with_number {
    ($number:expr, $constant:ident => $body:expr) => {
        with_number!($number, $constant => $body; 0 1 2 3)
    };
    ($number:expr, $constant:ident => $body:expr; $($value:literal)*) => {
        match $number {
            $($value => {
                const $constant: usize = $value;
                $body
            })*
            number => panic!("there is no receiver with the number {number}"),
        }
    };
}

/// Connects a receiver. A method is one of `target`.
pub(crate) fn connect(
    options: Options<'_>,
    receiver: Receiver,
    target: Option<&Arc<Target>>,
) -> Connection {
    match receiver {
        Receiver::Function(number) => {
            with_number!(number, N => options.connect(function::<N>))
        }
        Receiver::AsyncFunction(number) => {
            with_number!(number, N => options.connect_async(async_function::<N>))
        }
        Receiver::Closure(_) => {
            options.connect(move |sender, event| World::current().call(receiver, sender, event))
        }
        Receiver::Method { method, .. } => {
            let target = target.expect("a method has a target");
            with_number!(method, N => options.connect_weak(target, Target::method::<N>); 0 1)
        }
        Receiver::AsyncMethod { method, .. } => {
            let target = target.expect("a method has a target");
            with_number!(
                method, N => options.connect_weak_async(target, Target::async_method::<N>); 0 1
            )
        }
    }
}

/// Disconnects a receiver that is no closure. If the options have a uid, it disconnects the
/// receiver under this uid.
pub(crate) fn disconnect(
    options: Options<'_>,
    receiver: Receiver,
    target: Option<&Arc<Target>>,
) -> bool {
    match receiver {
        Receiver::Function(number) => {
            with_number!(number, N => options.disconnect(function::<N>))
        }
        Receiver::AsyncFunction(number) => {
            with_number!(number, N => options.disconnect(async_function::<N>))
        }
        Receiver::Closure(_) => panic!("a closure is disconnected by its connection"),
        Receiver::Method { method, .. } => {
            let target = target.expect("a method has a target");
            with_number!(method, N => options.disconnect_weak(target, Target::method::<N>); 0 1)
        }
        Receiver::AsyncMethod { method, .. } => {
            let target = target.expect("a method has a target");
            with_number!(
                method, N => options.disconnect_weak(target, Target::async_method::<N>); 0 1
            )
        }
    }
}
