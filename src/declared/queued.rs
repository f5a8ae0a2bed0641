//! Declared receivers that run on a queue.

#![allow(missing_docs, reason = "no part of the interface")]

#[cfg(feature = "async")]
use std::marker::PhantomData;
#[cfg(feature = "async")]
use std::sync::Arc;

#[cfg(feature = "async")]
use super::candidate::Started;
use super::candidate::{Candidate, Declared};
#[cfg(feature = "async")]
use crate::awaited::callee::Awaited;
use crate::connection::target::ConnectTarget;
use crate::event::{Event, OwnedEvent};
#[cfg(feature = "async")]
use crate::queue::callee::{Cloned, Queued, Run};
use crate::queue::{Keeps, Queue, Response};
#[cfg(feature = "async")]
use crate::receiver::future::BoxFuture;
use crate::sender::Sender;

impl<E, R, T, F> Candidate<E, R, T, F>
where
    E: Event,
    R: 'static,
    T: ConnectTarget<E, R, Connected: Into<Declared>>,
    F: Send + Sync + 'static,
{
    /// Connects the function, which runs on `queue`.
    #[track_caller]
    pub fn connect_queued<K>(self, queue: &Queue) -> Declared
    where
        Queue: Keeps<E, K>,
        E: OwnedEvent + Clone + Send + Sync,
        R: Response,
        F: Fn(Sender<'_>, &E),
    {
        self.options.queued(queue).connect(self.function).into()
    }

    /// Connects the async function that `start` calls, and that runs on `queue`.
    #[cfg(feature = "async")]
    #[track_caller]
    pub fn connect_queued_async<S, K>(self, queue: &Queue, start: S) -> Declared
    where
        Queue: Keeps<E, K>,
        E: OwnedEvent + Clone + Send + Sync,
        R: Response,
        S: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        let receiver = Queued {
            queue: Arc::clone(queue.handle()),
            keep: Cloned,
            receiver: Started {
                start: Awaited(start),
                function: PhantomData::<F>,
            },
        };
        self.options.connect_callee(receiver).into()
    }
}

#[cfg(feature = "async")]
impl<E, F, S> Run<E> for Started<F, S>
where
    F: Send + Sync + 'static,
    S: for<'a> Fn(Sender<'a>, &'a E) -> BoxFuture<'a, ()> + Send + Sync + 'static,
{
    type Function = F;
    const ASYNC: bool = true;

    fn run(&self, sender: Sender<'_>, event: &E) {
        self.start.run(sender, event);
    }

    fn start<'a>(&'a self, sender: Sender<'a>, event: &'a E) -> BoxFuture<'a, ()> {
        self.start.start(sender, event)
    }
}
