//! Observers that write down what they see.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
#[cfg(feature = "queue")]
use std::thread;
#[cfg(feature = "queue")]
use std::time::Duration;

use fanfare::ReceiverId;
use fanfare::watch::{
    ObservedReceiver, ObservedSend, Observer, ReceiverChange, ReceiverEnd, SendEnd, SendId,
    SignalInfo,
};

/// An observer that writes each step down.
#[derive(Clone, Default)]
pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Lines {
    fn send_started(&self, send: &ObservedSend<'_>) {
        self.push(format!(
            "{:?} from {:?}",
            send.way(),
            send.sender().to_string()
        ));
    }

    fn send_ended(&self, _send: &ObservedSend<'_>, end: &SendEnd) {
        let cut_off = if end.cut_off { ", cut off" } else { "" };
        self.push(format!("reached {}{cut_off}", end.reached));
    }

    fn receiver_started(&self, _send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        self.push(format!("{} starts", receiver.name()));
    }

    fn receiver_ended(
        &self,
        _send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        end: &ReceiverEnd,
    ) {
        assert!(end.duration.is_some());
        self.push(format!("{} {:?}", receiver.name(), end.outcome));
    }

    fn receiver_queued(
        &self,
        _send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        accepted: bool,
    ) {
        self.push(format!("{} queued: {accepted}", receiver.name()));
    }

    fn event_discarded(&self, _send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        self.push(format!("{} discarded", receiver.name()));
    }

    fn receiver_changed(
        &self,
        _signal: &SignalInfo,
        receiver: &ObservedReceiver<'_>,
        change: ReceiverChange,
    ) {
        self.push(format!("{} {change:?}", receiver.name()));
    }
}

impl Lines {
    /// Waits until `count` lines are there, and returns them.
    #[cfg(feature = "queue")]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..6_000 {
            if self.0.lock().unwrap().len() >= count {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.take()
    }
}

/// An observer that panics unless each end follows its start.
#[derive(Clone, Default)]
pub(crate) struct Pairs(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    sends: HashMap<SendId, usize>,
    receivers: HashMap<(SendId, ReceiverId), usize>,
    ended: usize,
    faults: Vec<String>,
}

impl Pairs {
    /// Returns the number of sends that have ended.
    ///
    /// # Panics
    ///
    /// Panics if a start has no end, or an end has no start.
    pub(crate) fn ended(&self) -> usize {
        let open = self.0.lock().unwrap();
        assert_eq!(open.faults, [""; 0]);
        assert!(open.sends.is_empty(), "{:?}", open.sends);
        assert!(open.receivers.is_empty(), "{:?}", open.receivers);
        open.ended
    }
}

impl Observer for Pairs {
    fn send_started(&self, send: &ObservedSend<'_>) {
        let mut open = self.0.lock().unwrap();
        if open.sends.insert(send.id(), 0).is_some() {
            open.faults.push(format!("{} starts twice", send.id()));
        }
    }

    fn send_ended(&self, send: &ObservedSend<'_>, _end: &SendEnd) {
        let mut open = self.0.lock().unwrap();
        open.ended += 1;
        if open.sends.remove(&send.id()).is_none() {
            open.faults
                .push(format!("{} ends without a start", send.id()));
        }
    }

    fn receiver_started(&self, send: &ObservedSend<'_>, receiver: &ObservedReceiver<'_>) {
        let mut open = self.0.lock().unwrap();
        *open
            .receivers
            .entry((send.id(), receiver.id()))
            .or_default() += 1;
    }

    fn receiver_ended(
        &self,
        send: &ObservedSend<'_>,
        receiver: &ObservedReceiver<'_>,
        _end: &ReceiverEnd,
    ) {
        let mut open = self.0.lock().unwrap();
        let key = (send.id(), receiver.id());
        match open.receivers.get_mut(&key) {
            Some(1) => {
                open.receivers.remove(&key);
            }
            Some(running) => *running -= 1,
            None => open.faults.push(format!("{key:?} ends without a start")),
        }
    }

    fn wants_durations(&self) -> bool {
        false
    }
}
