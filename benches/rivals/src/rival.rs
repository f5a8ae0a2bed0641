//! The trait of a rival, and the list of all rivals.

use crate::rivals::crates::{Bag, Broadcast, DjangoRs, ModEvents, Signals2};
use crate::rivals::floor::Floor;
use crate::rivals::locks::{ParkingLotHeld, RwLockHeld, RwLockSnapshot};
use crate::rivals::ours::{Asymmetric, Emitter, EmitterAsymmetric, Signal};
use crate::rivals::swaps::{ArcSwapCache, ArcSwapLoad, Seize};

/// One way to call many receivers with a `u64`, each of which adds it to a number of its own
/// and hides the sum from the optimizer.
pub(crate) trait Rival: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    /// A description of the rival, with the parts of the comparison that are unfair.
    const ABOUT: &'static str;
    /// `true` if receivers may come and go while others send.
    const CHANGES: bool = true;
    /// The most receivers it is filled with, and why not with more.
    const MOST: Option<(u64, &'static str)> = None;

    /// A connected receiver.
    type Held: Send;
    /// The part that each sending thread has for itself.
    type Local: Send;

    /// One with `n` receivers that capture 0, 1, 2 and so on.
    fn with(n: u64) -> (Self, Vec<Self::Held>);
    /// For one of `threads` threads that send at the same time.
    fn local(&self, threads: usize) -> Self::Local;
    fn send(&self, local: &mut Self::Local);
    fn connect(&self, c: u64) -> Self::Held;
    fn disconnect(&self, held: Self::Held);
}

/// Something done with every rival.
pub(crate) trait Visit {
    fn visit<R: Rival>(&mut self);
}

/// Visits them all.
pub(crate) fn each(visit: &mut impl Visit) {
    visit.visit::<Floor>();
    visit.visit::<Emitter>();
    visit.visit::<Signal>();
    visit.visit::<Asymmetric>();
    visit.visit::<EmitterAsymmetric>();
    visit.visit::<ArcSwapCache>();
    visit.visit::<ArcSwapLoad>();
    visit.visit::<Seize>();
    visit.visit::<RwLockSnapshot>();
    visit.visit::<RwLockHeld>();
    visit.visit::<ParkingLotHeld>();
    visit.visit::<Signals2>();
    visit.visit::<ModEvents>();
    visit.visit::<Bag>();
    visit.visit::<DjangoRs>();
    visit.visit::<Broadcast>();
}

/// Rivals that are not measured, each with the reason.
pub(crate) const ABSENT: [(&str, &str); 1] = [(
    "rjango 0.1.1",
    "does not build: its dependency sea-orm-migration 2.0.0-rc.37 fails to compile (E0407)",
)];

/// On cache lines of its own: with a neighbor that is written, a rival would pay for that.
#[repr(align(256))]
pub(crate) struct Apart<T>(pub(crate) T);
