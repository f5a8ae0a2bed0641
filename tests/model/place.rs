//! Receivers for the real signal, and their connection and removal.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use fanfare::__private::{ConnectionKey, Prepared, with_target};
use fanfare::connections::ConnectTarget;
use fanfare::{Connection, Sender};

use super::real::{Beat, Real, stage};
use super::response::Response;
use super::seen::Who;
use super::{FUNCTIONS, From, Last, METHODS, NAMES, SMALL, Spec, TARGETS, UIDS, What};

thread_local! {
    /// A program has failed: the values that it leaves behind shall not panic as well.
    pub(super) static QUIET: Cell<bool> = const { Cell::new(false) };
    static DROPPED: RefCell<(Vec<usize>, Vec<usize>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Returns the closures and the targets destroyed since the last call, each in order.
pub(super) fn take_dropped() -> (Vec<usize>, Vec<usize>) {
    let (mut closures, mut targets) = DROPPED.take();
    closures.sort_unstable();
    targets.sort_unstable();
    (closures, targets)
}

/// The capture of a closure, which records its destruction, and may do more in it.
pub(super) struct Token<A: Response> {
    number: usize,
    last: Last,
    response: PhantomData<fn() -> A>,
}

impl<A: Response> Token<A> {
    /// Returns the number by a method, so that a closure that calls it captures the token and not
    /// the number.
    fn number(&self) -> usize {
        self.number
    }
}

impl<A: Response> Drop for Token<A> {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.0.push(self.number));
        last_words::<A>(self.last);
    }
}

/// The target that a weak receiver needs to be alive.
pub(super) struct Target<A: Response> {
    number: usize,
    response: PhantomData<fn() -> A>,
}

impl<A: Response> Drop for Target<A> {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.1.push(self.number));
        last_words::<A>(match self.number % 3 {
            0 => Last::Panic,
            1 => Last::Reenter,
            _ => Last::Quiet,
        });
    }
}

fn last_words<A: Response>(last: Last) {
    match last {
        _ if QUIET.get() => {}
        Last::Quiet => {}
        Last::Reenter => {
            if let Some(real) = stage::<A>() {
                real.reenter();
            }
        }
        Last::Panic => resume_unwind(Box::new("a destructor's own panic")),
    }
}

fn function<const F: u8, A: Response>(sender: Sender<'_>, beat: &Beat<'_>) -> A {
    let real = stage::<A>().expect("a program runs");
    real.receive(Who::Function(F), F, sender, beat)
}

/// Returns the last of the zero-sized functions: a closure without captures.
fn captureless<A: Response>() -> impl Fn(Sender<'_>, &Beat<'_>) -> A + Copy + Send + Sync + 'static
{
    |sender, beat| function::<{ FUNCTIONS - 1 }, A>(sender, beat)
}

fn method<const M: u8, A: Response>(target: &Target<A>, sender: Sender<'_>, beat: &Beat<'_>) -> A {
    let real = stage::<A>().expect("a program runs");
    let who = Who::Method {
        method: M,
        target: target.number,
    };
    real.receive(who, M, sender, beat)
}

macro_rules! with_function {
    ($number:expr, |$function:ident| $body:expr) => {
        match $number % FUNCTIONS {
            0 => {
                let $function = function::<0, A>;
                $body
            }
            1 => {
                let $function = function::<1, A>;
                $body
            }
            2 => {
                let $function = function::<2, A>;
                $body
            }
            3 => {
                let $function = function::<3, A>;
                $body
            }
            4 => {
                let $function = function::<4, A>;
                $body
            }
            _ => {
                let $function = captureless::<A>();
                $body
            }
        }
    };
}

macro_rules! with_method {
    ($number:expr, |$method:ident| $body:expr) => {
        match $number % METHODS {
            0 => {
                let $method = method::<0, A>;
                $body
            }
            _ => {
                let $method = method::<1, A>;
                $body
            }
        }
    };
}

fn pointer<A: Response>(number: u8) -> fn(Sender<'_>, &Beat<'_>) -> A {
    match number % FUNCTIONS {
        0 => function::<0, A>,
        1 => function::<1, A>,
        2 => function::<2, A>,
        3 => function::<3, A>,
        4 => function::<4, A>,
        _ => function::<{ FUNCTIONS - 1 }, A>,
    }
}

/// A receiver that is connected, or ready to be.
pub(super) enum Placed<A: Response> {
    Connected(Connection),
    Prepared(Prepared<Beat<'static>, A>),
}

/// The place of receivers that are connected later, as those of a model that is not known yet.
struct Shelf;

impl<A: Response> ConnectTarget<Beat<'static>, A> for Shelf {
    type Connected = Prepared<Beat<'static>, A>;
    type Disconnected = ();

    fn connect(self, receiver: Prepared<Beat<'static>, A>) -> Prepared<Beat<'static>, A> {
        receiver
    }

    fn disconnect(self, _receiver: ConnectionKey) {
        unreachable!("receivers are only put here")
    }
}

impl<A: Response> Real<A> {
    /// Connects the receiver of `spec`, or prepares it, or returns `None` if a slot that it needs
    /// is empty. Beside it, the number of the token that the receiver captures.
    pub(super) fn place(&self, spec: &Spec, prepare: bool) -> Option<(Placed<A>, Option<usize>)> {
        self.count_connect()?;
        let plain = spec.sender.is_none()
            && spec.uid.is_none()
            && spec.priority == 0
            && !spec.once
            && !spec.named
            && !prepare;
        self.with_sender(spec.sender.unwrap_or(From::Nobody), |sender| {
            let mut options = self.signal.options();
            if spec.sender.is_some() {
                options = options.sender(sender);
            }
            if let Some(uid) = spec.uid {
                options = options.dispatch_uid(UIDS[usize::from(uid) % UIDS.len()]);
            }
            if spec.priority != 0 {
                options = options.priority(spec.priority);
            }
            if spec.once {
                options = options.once();
            }
            if spec.named {
                options = options.name("drummer");
            }
            macro_rules! finish {
                ($receiver:expr) => {
                    if plain {
                        Placed::Connected(self.signal.connect($receiver))
                    } else if prepare {
                        Placed::Prepared(with_target(options, |_| Shelf).connect($receiver))
                    } else {
                        Placed::Connected(options.connect($receiver))
                    }
                };
                ($target:expr, $method:expr) => {
                    if plain {
                        Placed::Connected(self.signal.connect_weak($target, $method))
                    } else if prepare {
                        Placed::Prepared(
                            with_target(options, |_| Shelf).connect_weak($target, $method),
                        )
                    } else {
                        Placed::Connected(options.connect_weak($target, $method))
                    }
                };
            }
            Some(match spec.what {
                What::Function(number) => {
                    (with_function!(number, |function| finish!(function)), None)
                }
                What::Pointer(number) => {
                    let pointer = pointer::<A>(number);
                    (finish!(pointer), None)
                }
                What::Closure => {
                    let token = self.token(spec.last);
                    let (number, script) = (token.number, spec.script);
                    let receiver = move |sender: Sender<'_>, beat: &Beat<'_>| {
                        let who = Who::Closure {
                            token: token.number(),
                            target: None,
                        };
                        stage::<A>()
                            .expect("a program runs")
                            .receive(who, script, sender, beat)
                    };
                    (finish!(receiver), Some(number))
                }
                What::Weak { target, method } => {
                    let target = self.target(target)?;
                    (
                        with_method!(method, |method| finish!(&target, method)),
                        None,
                    )
                }
                What::WeakClosure { target } => {
                    let target = self.target(target)?;
                    let token = self.token(spec.last);
                    let (number, script) = (token.number, spec.script);
                    let method = move |target: &Target<A>, sender: Sender<'_>, beat: &Beat<'_>| {
                        let who = Who::Closure {
                            token: token.number(),
                            target: Some(target.number),
                        };
                        stage::<A>()
                            .expect("a program runs")
                            .receive(who, script, sender, beat)
                    };
                    (finish!(&target, method), Some(number))
                }
            })
        })?
    }

    /// Puts a new target into the pool.
    pub(super) fn renew_target(&self, slot: u8) {
        let number = self.target_numbers.get();
        self.target_numbers.set(number + 1);
        let fresh = Arc::new(Target {
            number,
            response: PhantomData,
        });
        self.set_target(slot, Some(fresh));
    }

    /// Drops the pool's reference to a target.
    pub(super) fn drop_target(&self, slot: u8) {
        self.set_target(slot, None);
    }

    fn set_target(&self, slot: u8, target: Option<Arc<Target<A>>>) {
        let slot = usize::from(slot) % TARGETS;
        let old = std::mem::replace(&mut self.targets.borrow_mut()[slot], target);
        // Where a send does not hold the target, its panic is the program's own.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
    }

    fn target(&self, slot: u8) -> Option<Arc<Target<A>>> {
        self.targets.borrow()[usize::from(slot) % TARGETS].clone()
    }

    fn token(&self, last: Last) -> Token<A> {
        let number = self.tokens.get();
        self.tokens.set(number + 1);
        Token {
            number,
            last,
            response: PhantomData,
        }
    }

    pub(super) fn disconnect_function(&self, number: u8) -> bool {
        with_function!(number, |function| self.signal.disconnect(function))
    }

    pub(super) fn disconnect_function_from(&self, sender: Sender<'_>, number: u8) -> bool {
        with_function!(number, |function| self
            .signal
            .options()
            .sender(sender)
            .disconnect(function))
    }

    pub(super) fn disconnect_function_everywhere(&self, number: u8) -> usize {
        with_function!(number, |function| self
            .signal
            .options()
            .disconnect_everywhere(function))
    }

    pub(super) fn disconnect_weak(&self, target: u8, method: u8) -> Option<bool> {
        let target = self.target(target)?;
        Some(with_method!(method, |method| self
            .signal
            .options()
            .disconnect_weak(&target, method)))
    }

    pub(super) fn disconnect_weak_from(
        &self,
        sender: Sender<'_>,
        target: u8,
        method: u8,
    ) -> Option<bool> {
        let target = self.target(target)?;
        Some(with_method!(method, |method| self
            .signal
            .options()
            .sender(sender)
            .disconnect_weak(&target, method)))
    }

    /// Disconnects a weak method whose target is still in the pool.
    pub(super) fn disconnect_method_of(&self, target: usize, method: u8) -> Option<bool> {
        let alive =
            |slot: &Option<Arc<Target<A>>>| slot.as_ref().is_some_and(|held| held.number == target);
        let slot = self.targets.borrow().iter().position(alive)?;
        self.disconnect_weak(u8::try_from(slot).expect("the pool is small"), method)
    }

    /// Runs an operation of a destructor on the signal whose receiver it destroys. A panic would
    /// not get out of it, so the result is noted.
    fn reenter(&self) {
        if self.muted.replace(true) {
            return;
        }
        let sender = Sender::key(u128::MAX);
        let options = self.signal.options().sender(sender);
        let connection = options.connect(|_sender, _beat| A::make(0, false));
        let mut sound = connection.is_new() && self.signal.from(sender).has_listeners();
        let rows = self.signal.connections();
        // A send would spend the once-only receivers.
        if rows.len() <= SMALL && !rows.iter().any(|row| row.max_calls.is_some()) {
            let reached = rows
                .iter()
                .filter(|row| row.sender.is_none() && row.live)
                .count()
                + 1;
            sound &= self.signal.from(sender).send(&Beat::silent()).len() == reached;
        }
        sound &= connection.disconnect() && !connection.is_connected();
        self.muted.set(false);
        self.broken.set(self.broken.get() || !sound);
    }

    /// Calls `then` with the sender; `None` if it is an identity that is not there.
    pub(super) fn with_sender<T>(
        &self,
        from: From,
        then: impl FnOnce(Sender<'_>) -> T,
    ) -> Option<T> {
        let identity = match from {
            From::Identity(slot) => Some(self.identity(slot)?),
            _ => None,
        };
        Some(then(sender_of(from, identity.as_deref())))
    }
}

pub(super) fn sender_of(from: From, identity: Option<&fanfare::Identity>) -> Sender<'_> {
    struct Kitchen;
    match from {
        From::Nobody => Sender::NONE,
        From::Type(number) => match number % 3 {
            0 => Sender::of::<Kitchen>(),
            1 => Sender::of::<str>(),
            _ => Sender::of::<Vec<Kitchen>>(),
        },
        From::Name(number) => Sender::from(NAMES[usize::from(number) % NAMES.len()]),
        From::Key(number) => match number % 3 {
            0 => Sender::from(u64::from(number)),
            1 => Sender::from(u128::from(number) << 64),
            _ => Sender::key(u128::from(number) << 64 | u128::from(number)),
        },
        From::Identity(_) => Sender::identity(identity.expect("the caller looked it up")),
    }
}
