//! The responses of receivers: `()`, a number, or a result that counts its live values.

use std::cell::Cell;
use std::marker::PhantomData;

use fanfare::{ReceiverId, Responses, Sender, Signal};

use super::real::Beat;

thread_local! {
    static ALIVE: Cell<usize> = const { Cell::new(0) };
}

/// Returns the number of tracked responses on this thread.
pub(crate) fn alive() -> usize {
    ALIVE.get()
}

/// A response in words that the signal and the model share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nothing,
    Number(u64),
    Yes(u64),
    No(u64),
}

/// The result of one `send_until_err`, with the receivers still by their ids.
pub(crate) struct Tried {
    pub(crate) before: Vec<(Option<ReceiverId>, Reply)>,
    pub(crate) error: Option<(ReceiverId, Reply)>,
}

pub(crate) trait Response: Sized + 'static {
    /// Returns the response of the call with this number.
    fn make(call: u64, refused: bool) -> Self;
    fn reply(&self) -> Reply;
    /// Returns the response that the model expects of `make`.
    fn expected(call: u64, refused: bool) -> Reply;
    /// Returns the responses with their receivers, if the responses are kept.
    fn pairs(responses: Responses<Self>) -> Vec<(Option<ReceiverId>, Reply)>;
    /// Sends with `send_until_err`, if the responses are results.
    fn send_until_err(
        signal: &Signal<Beat<'static>, Self>,
        sender: Sender<'_>,
        beat: &Beat<'_>,
    ) -> Option<Tried> {
        let _ = (signal, sender, beat);
        None
    }
    const RESULTS: bool = false;
    const KEPT: bool = true;
}

/// Reads kept responses in each way there is, the last of them chosen by `way`.
fn read<A: Response>(
    responses: Responses<A>,
    pairs: Vec<(ReceiverId, Reply)>,
    into_pairs: impl FnOnce(Responses<A>) -> Vec<(ReceiverId, A)>,
) -> Vec<(Option<ReceiverId>, Reply)> {
    let slice: Vec<Reply> = responses.iter().map(A::reply).collect();
    assert_eq!(slice.len(), responses.len());
    assert_eq!(
        slice,
        pairs.iter().map(|(_, reply)| *reply).collect::<Vec<_>>()
    );
    match slice.len() % 3 {
        0 => {
            let owned = into_pairs(responses);
            let owned: Vec<_> = owned
                .iter()
                .map(|(id, response)| (*id, response.reply()))
                .collect();
            assert_eq!(owned, pairs);
        }
        1 => {
            let owned: Vec<Reply> = responses
                .into_iter()
                .map(|response| response.reply())
                .collect();
            assert_eq!(owned, slice);
        }
        _ => {
            // The rest of a half-read iterator is destroyed with it.
            let first = responses
                .into_iter()
                .next()
                .map(|response| response.reply());
            assert_eq!(first, slice.first().copied());
        }
    }
    pairs
        .into_iter()
        .map(|(id, reply)| (Some(id), reply))
        .collect()
}

macro_rules! kept_pairs {
    () => {
        fn pairs(responses: Responses<Self>) -> Vec<(Option<ReceiverId>, Reply)> {
            let pairs = responses
                .pairs()
                .map(|(id, response)| (id, response.reply()))
                .collect();
            read(responses, pairs, |responses| {
                responses.into_pairs().into_iter().collect()
            })
        }
    };
}

impl Response for () {
    const KEPT: bool = false;

    fn make(_call: u64, _refused: bool) {}

    fn reply(&self) -> Reply {
        Reply::Nothing
    }

    fn expected(_call: u64, _refused: bool) -> Reply {
        Reply::Nothing
    }

    fn pairs(responses: Responses<()>) -> Vec<(Option<ReceiverId>, Reply)> {
        let count = responses.len();
        assert_eq!(responses.iter().count(), count);
        assert_eq!(responses.into_iter().count(), count);
        vec![(None, Reply::Nothing); count]
    }
}

impl Response for u64 {
    fn make(call: u64, _refused: bool) -> u64 {
        call
    }

    fn reply(&self) -> Reply {
        Reply::Number(*self)
    }

    fn expected(call: u64, _refused: bool) -> Reply {
        Reply::Number(call)
    }

    kept_pairs!();
}

/// A result whose values are counted; neither `Send` nor `Sync`.
pub(crate) type Tracked = Result<Counted, Counted>;

pub(crate) struct Counted(u64, PhantomData<*const ()>);

impl Counted {
    fn new(call: u64) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Counted(call, PhantomData)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}

impl Response for Tracked {
    const RESULTS: bool = true;

    fn make(call: u64, refused: bool) -> Self {
        if refused {
            Err(Counted::new(call))
        } else {
            Ok(Counted::new(call))
        }
    }

    fn reply(&self) -> Reply {
        match self {
            Ok(counted) => Reply::Yes(counted.0),
            Err(counted) => Reply::No(counted.0),
        }
    }

    fn expected(call: u64, refused: bool) -> Reply {
        if refused {
            Reply::No(call)
        } else {
            Reply::Yes(call)
        }
    }

    kept_pairs!();

    fn send_until_err(
        signal: &Signal<Beat<'static>, Self>,
        sender: Sender<'_>,
        beat: &Beat<'_>,
    ) -> Option<Tried> {
        let accepted = |responses: &Responses<Counted>| {
            responses
                .pairs()
                .map(|(id, counted)| (Some(id), Reply::Yes(counted.0)))
                .collect()
        };
        Some(match signal.from(sender).send_until_err(beat) {
            Ok(responses) => Tried {
                before: accepted(&responses),
                error: None,
            },
            Err(stopped) => Tried {
                before: accepted(&stopped.before),
                error: Some((stopped.receiver, Reply::No(stopped.error.0))),
            },
        })
    }
}
