//! Rivals that are written by hand with a lock.

use std::hint::black_box;
use std::sync::{Arc, RwLock};

use super::{Shared, place, shared, shares};
use crate::rival::Rival;

pub(crate) struct RwLockSnapshot(RwLock<Arc<[Shared]>>);

impl Rival for RwLockSnapshot {
    const NAME: &'static str = "`RwLock<Arc<[F]>>`, snapshot";
    const ABOUT: &'static str =
        "by hand: each send clones the `Arc` under the lock, each change copies the table";

    type Held = Shared;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Shared>) {
        let table = shares(n);
        (RwLockSnapshot(RwLock::new(table.clone().into())), table)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        let event = black_box(&1);
        let table = Arc::clone(&self.0.read().expect("nothing panics"));
        for receiver in table.iter() {
            receiver(event);
        }
    }

    fn connect(&self, c: u64) -> Shared {
        let receiver = shared(c);
        let mut table = self.0.write().expect("nothing panics");
        let added = table.iter().chain([&receiver]).cloned().collect();
        let _old = std::mem::replace(&mut *table, added);
        receiver
    }

    fn disconnect(&self, held: Shared) {
        let mut table = self.0.write().expect("nothing panics");
        let at = place(&table, &held);
        let left = table[..at]
            .iter()
            .chain(&table[at + 1..])
            .cloned()
            .collect();
        let _old = std::mem::replace(&mut *table, left);
    }
}

pub(crate) struct RwLockHeld(RwLock<Vec<Shared>>);

impl Rival for RwLockHeld {
    const NAME: &'static str = "`RwLock<Vec<F>>`, held";
    const ABOUT: &'static str = "by hand: the lock is held while receivers run, so one that connects waits for \
                                 itself, forever";

    type Held = Shared;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Shared>) {
        let table = shares(n);
        (RwLockHeld(RwLock::new(table.clone())), table)
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        let event = black_box(&1);
        for receiver in self.0.read().expect("nothing panics").iter() {
            receiver(event);
        }
    }

    fn connect(&self, c: u64) -> Shared {
        let receiver = shared(c);
        let mut table = self.0.write().expect("nothing panics");
        table.push(Arc::clone(&receiver));
        receiver
    }

    fn disconnect(&self, held: Shared) {
        let mut table = self.0.write().expect("nothing panics");
        let at = place(&table, &held);
        table.remove(at);
    }
}

pub(crate) struct ParkingLotHeld(parking_lot::RwLock<Vec<Shared>>);

impl Rival for ParkingLotHeld {
    const NAME: &'static str = "parking_lot `RwLock<Vec<F>>`, held";
    const ABOUT: &'static str = "the same with the lock of parking_lot 0.12.5";

    type Held = Shared;
    type Local = ();

    fn with(n: u64) -> (Self, Vec<Shared>) {
        let table = shares(n);
        (
            ParkingLotHeld(parking_lot::RwLock::new(table.clone())),
            table,
        )
    }

    fn local(&self, _threads: usize) {}

    #[inline(always)]
    fn send(&self, (): &mut ()) {
        let event = black_box(&1);
        for receiver in self.0.read().iter() {
            receiver(event);
        }
    }

    fn connect(&self, c: u64) -> Shared {
        let receiver = shared(c);
        self.0.write().push(Arc::clone(&receiver));
        receiver
    }

    fn disconnect(&self, held: Shared) {
        let mut table = self.0.write();
        let at = place(&table, &held);
        table.remove(at);
    }
}
