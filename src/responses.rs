//! The responses of receivers to a send.
//!
//! ```
//! use fanfare::Signal;
//! use fanfare::responses::Response;
//!
//! static MAY_CLOSE: Signal<u32, bool> = Signal::new();
//! let unsaved = MAY_CLOSE.connect(|_sender, unsaved| *unsaved == 0);
//!
//! assert_eq!(*MAY_CLOSE.send(&0), [true]);
//! let veto: Option<Response<bool>> = MAY_CLOSE.send_until(&2, |may| !may);
//! assert_eq!(veto, Some(Response { receiver: unsaved.id(), value: false }));
//! ```

use std::fmt;
use std::ops::Deref;

use crate::id::ReceiverId;
use crate::receiver_panic::ReceiverPanic;

/// The response of one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<R> {
    /// The receiver.
    pub receiver: ReceiverId,
    /// The response.
    pub value: R,
}

/// The responses to one send, one for each receiver that ran, in the order of their calls.
///
/// For a batch, there is one response for each call. For a parallel send, the order is that in
/// which `send` would call the receivers.
///
/// It is a slice of the responses (it dereferences to `[R]`), with the receiver of each
/// ([`pairs`](Responses::pairs)). It owns the responses. It does not keep receivers alive, and a
/// disconnect does not wait for it.
///
/// Responses of a type without content, such as `()`, are counted and not stored, so that a send
/// with such responses does not allocate. Their receivers are not noted. To see the receivers, send
/// with [`Signal::send_each`](crate::Signal::send_each).
///
/// ```
/// use fanfare::Signal;
///
/// static PRICE: Signal<u32, u32> = Signal::new();
/// let net = PRICE.connect(|_sender, cents| *cents);
/// let gross = PRICE.connect(|_sender, cents| cents * 119 / 100);
///
/// let prices = PRICE.send(&1_000);
/// assert_eq!(*prices, [1_000, 1_190]);
/// let who: Vec<_> = prices.pairs().collect();
/// assert_eq!(who, [(net.id(), &1_000), (gross.id(), &1_190)]);
/// ```
#[derive(Clone)]
pub struct Responses<R> {
    values: Vec<R>,
    /// The receivers, as many as there are `values`. It is empty if `R` has no content.
    receivers: Vec<ReceiverId>,
}

impl<R> Responses<R> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Responses {
            values: Vec::new(),
            receivers: Vec::new(),
        }
    }

    /// `true` if responses have no content and are only counted.
    pub(crate) const ONLY_COUNTED: bool = size_of::<R>() == 0 && !std::mem::needs_drop::<R>();

    /// Returns `count` responses that have been made and forgotten.
    ///
    /// Pushing them one by one would keep the count in memory, because the vector might grow. That
    /// costs 4 ns for a send to one receiver.
    #[inline(always)]
    #[expect(clippy::uninit_vec, reason = "values without size need no memory")]
    pub(crate) fn counted(count: usize) -> Self {
        debug_assert!(Self::ONLY_COUNTED);
        let mut values = Vec::new();
        // SAFETY: a vector of values without size has room for any number of them, and `count` of
        // them were made. Forgetting a value that has no destructor and moving it into the vector
        // are the same.
        unsafe { values.set_len(count) };
        Responses {
            values,
            receivers: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn with_capacity(most: usize) -> Self {
        Responses {
            values: Vec::with_capacity(most),
            receivers: Vec::with_capacity(if size_of::<R>() != 0 { most } else { 0 }),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, receiver: impl FnOnce() -> ReceiverId, value: R) {
        self.values.push(value);
        if size_of::<R>() != 0 {
            self.receivers.push(receiver());
        }
    }

    /// Returns each response with its receiver, in the order of the calls.
    ///
    /// It does not compile for an `R` without content: see [`Responses`].
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (ReceiverId, &R)> + DoubleEndedIterator {
        const {
            assert!(
                size_of::<R>() != 0,
                "responses without content are counted, not stored: use `len`, or send with `send_each`"
            )
        }
        self.receivers.iter().copied().zip(&self.values)
    }

    /// Returns each response, owned, with its receiver, in the order of the calls.
    pub fn into_pairs(
        self,
    ) -> impl ExactSizeIterator<Item = (ReceiverId, R)> + DoubleEndedIterator {
        const {
            assert!(
                size_of::<R>() != 0,
                "responses without content are counted, not stored: use `len`, or send with `send_each`"
            )
        }
        self.receivers.into_iter().zip(self.values)
    }

    /// Returns the responses without their receivers, in the order of the calls.
    pub fn into_vec(self) -> Vec<R> {
        self.values
    }
}

impl<R> Deref for Responses<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        &self.values
    }
}

impl<R> IntoIterator for Responses<R> {
    type Item = R;
    type IntoIter = std::vec::IntoIter<R>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

impl<'r, R> IntoIterator for &'r Responses<R> {
    type Item = &'r R;
    type IntoIter = std::slice::Iter<'r, R>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

impl<R: fmt::Debug> fmt::Debug for Responses<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.values).finish()
    }
}

/// The responses and panics of one robust send, one for each receiver, in the order of their calls.
///
/// It does not allocate for responses without content (see [`Responses`]) while no receiver panics.
///
/// ```
/// use fanfare::Signal;
///
/// static DIVIDE: Signal<u32, u32> = Signal::new();
/// DIVIDE.connect(|_sender, by| 100 / by);
/// DIVIDE.connect(|_sender, by| 7 * by);
///
/// # std::panic::set_hook(Box::new(|_| ()));
/// let outcomes = DIVIDE.send_robust(&0);
/// assert!(!outcomes.all_ok());
/// let panic = outcomes.panics().next().unwrap();
/// assert_eq!(panic.message(), "attempt to divide by zero");
/// let responses: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
/// assert_eq!(responses, [0]);
/// ```
pub struct RobustResponses<R> {
    responses: Responses<R>,
    /// The panics, each with its index among all outcomes, in rising order.
    panics: Vec<(usize, ReceiverPanic)>,
}

impl<R> RobustResponses<R> {
    #[inline]
    pub(crate) const fn new() -> Self {
        RobustResponses {
            responses: Responses::new(),
            panics: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn with_capacity(most: usize) -> Self {
        RobustResponses {
            responses: Responses::with_capacity(most),
            panics: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, receiver: impl FnOnce() -> ReceiverId, value: R) {
        self.responses.push(receiver, value);
    }

    #[cold]
    pub(crate) fn push_panic(&mut self, panic: ReceiverPanic) {
        self.panics.push((self.len(), panic));
    }

    /// Returns the responses of a send that let panics through.
    #[cfg(feature = "async")]
    pub(crate) fn into_responses(self) -> Responses<R> {
        debug_assert!(self.all_ok());
        self.responses
    }

    /// Returns the number of receivers that ran.
    pub fn len(&self) -> usize {
        self.responses.len() + self.panics.len()
    }

    /// Returns `true` if no receiver ran.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if no receiver panicked.
    pub fn all_ok(&self) -> bool {
        self.panics.is_empty()
    }

    /// Returns the panics of receivers, in the order of the calls.
    pub fn panics(&self) -> impl ExactSizeIterator<Item = &ReceiverPanic> + DoubleEndedIterator {
        self.panics.iter().map(|(_, panic)| panic)
    }

    /// Returns the responses of the receivers that did not panic, in the order of the calls. For
    /// the receiver of each, see [`Responses::pairs`].
    pub fn responses(&self) -> &Responses<R> {
        &self.responses
    }

    /// Returns a response or a panic for each receiver, in the order of the calls.
    pub fn iter(&self) -> impl Iterator<Item = Result<&R, &ReceiverPanic>> {
        let panics = self.panics.iter().map(|(at, panic)| (*at, panic));
        in_order(self.responses.iter(), panics)
    }

    /// Returns each receiver with its response or its panic, in the order of the calls.
    ///
    /// It does not compile if `R` has no content: such responses are counted, and their receivers
    /// are not noted. See [`Responses::pairs`].
    ///
    /// ```
    /// use fanfare::Signal;
    ///
    /// static DIVIDE: Signal<u32, u32> = Signal::new();
    /// let whole = DIVIDE.connect(|_sender, by| 100 / by);
    /// let zero = DIVIDE.connect(|_sender, _by| 0);
    ///
    /// let outcomes = DIVIDE.send_robust(&0);
    /// let mut pairs = outcomes.pairs();
    /// assert!(matches!(pairs.next(), Some((id, Err(_))) if id == whole.id()));
    /// assert!(matches!(pairs.next(), Some((id, Ok(0))) if id == zero.id()));
    /// ```
    pub fn pairs(&self) -> impl Iterator<Item = (ReceiverId, Result<&R, &ReceiverPanic>)> {
        let panics = self.panics.iter().map(|(at, panic)| (*at, panic));
        let in_order = in_order(self.responses.pairs(), panics);
        in_order.map(|outcome| match outcome {
            Ok((receiver, response)) => (receiver, Ok(response)),
            Err(panic) => (panic.receiver(), Err(panic)),
        })
    }

    /// Returns the responses if no receiver panicked.
    ///
    /// # Errors
    ///
    /// Returns these outcomes unchanged if a receiver panicked.
    pub fn into_result(self) -> Result<Responses<R>, Self> {
        if self.all_ok() {
            Ok(self.responses)
        } else {
            Err(self)
        }
    }
}

impl<R> IntoIterator for RobustResponses<R> {
    type Item = Result<R, ReceiverPanic>;
    type IntoIter = RobustIntoIter<R>;

    fn into_iter(self) -> RobustIntoIter<R> {
        RobustIntoIter {
            at: 0,
            responses: self.responses.into_iter(),
            panics: self.panics.into_iter().peekable(),
        }
    }
}

/// An iterator over every outcome of a robust send, in the order of the calls.
pub struct RobustIntoIter<R> {
    at: usize,
    responses: std::vec::IntoIter<R>,
    panics: std::iter::Peekable<std::vec::IntoIter<(usize, ReceiverPanic)>>,
}

impl<R> Iterator for RobustIntoIter<R> {
    type Item = Result<R, ReceiverPanic>;

    fn next(&mut self) -> Option<Self::Item> {
        next_in_order(&mut self.at, &mut self.responses, &mut self.panics)
    }
}

impl<R: fmt::Debug> fmt::Debug for RobustResponses<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn in_order<V, F>(
    mut responses: impl Iterator<Item = V>,
    panics: impl Iterator<Item = (usize, F)>,
) -> impl Iterator<Item = Result<V, F>> {
    let mut at = 0;
    let mut panics = panics.peekable();
    std::iter::from_fn(move || next_in_order(&mut at, &mut responses, &mut panics))
}

fn next_in_order<V, F>(
    at: &mut usize,
    responses: &mut impl Iterator<Item = V>,
    panics: &mut std::iter::Peekable<impl Iterator<Item = (usize, F)>>,
) -> Option<Result<V, F>> {
    let here = *at;
    *at += 1;
    match panics.next_if(|(at, _)| *at == here) {
        Some((_, panic)) => Some(Err(panic)),
        None => responses.next().map(Ok),
    }
}

/// The responses to a batch so far.
pub(crate) struct BatchResponses<R> {
    /// The responses. It is empty if responses are only counted.
    responses: Responses<R>,
    counted: usize,
}

impl<R> BatchResponses<R> {
    /// Makes room for as many responses as `most` returns, unless they are only counted.
    pub(crate) fn with_capacity(most: impl FnOnce() -> usize) -> Self {
        let most = if Responses::<R>::ONLY_COUNTED {
            0
        } else {
            most()
        };
        BatchResponses {
            responses: Responses::with_capacity(most),
            counted: 0,
        }
    }

    /// Draws the responses of one receiver and adds them.
    #[inline]
    pub(crate) fn extend(
        &mut self,
        receiver: ReceiverId,
        responses: impl ExactSizeIterator<Item = R>,
    ) {
        if Responses::<R>::ONLY_COUNTED {
            self.counted += responses.len();
            responses.for_each(drop);
        } else {
            responses.for_each(|response| self.responses.push(|| receiver, response));
        }
    }

    pub(crate) fn into_responses(self) -> Responses<R> {
        if Responses::<R>::ONLY_COUNTED {
            Responses::counted(self.counted)
        } else {
            self.responses
        }
    }
}
