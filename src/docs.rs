//! The documents of the project, as modules.
//!
//! Their examples are compiled and run as those of the items are.
//!
//! Relative links work on a forge, and are dead on docs.rs. So a document has its links as
//! references, which it defines at its end for a forge. The definitions in front of the document
//! here are for rustdoc, which takes the first definition of a name.

/// [design]: crate::docs::design
/// [guarantees]: crate::docs::guarantees
/// [orderings]: crate::docs::orderings
#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../ARCHITECTURE.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "The arrangement of the source, and its invariants."
)]
pub mod architecture {}

/// [django]: crate::docs::django
/// [performance]: crate::docs::performance
#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/comparison.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "The cases in which another way is the better choice."
)]
pub mod comparison {}

/// [guarantees]: crate::docs::guarantees
#[cfg_attr(any(all(feature = "async", feature = "macros", feature = "queue", feature = "rayon", feature = "tokio"), not(doctest)), doc = include_str!("../docs/delivery.md"))]
#[cfg_attr(
    not(any(
        all(
            feature = "async",
            feature = "macros",
            feature = "queue",
            feature = "rayon",
            feature = "tokio"
        ),
        not(doctest)
    )),
    doc = "The choice of a way of delivery."
)]
pub mod delivery {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/design.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "The reasons for the design."
)]
pub mod design {}

/// [observing]: crate::docs::observing
/// [testing]: crate::docs::testing
#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/django.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "A guide for users of Django's signals."
)]
pub mod django {}

/// [fanfare-outbox]: https://github.com/fanfare-rs/fanfare/blob/main/integrations/fanfare-outbox/README.md
/// [observing]: crate::docs::observing#durable-receivers
/// [rivals]: https://github.com/fanfare-rs/fanfare/blob/main/integrations/fanfare-outbox/rivals/README.md
#[doc = include_str!("../docs/durable.md")]
pub mod durable {}

/// [nested-sends]: crate::docs::delivery#nested-sends
/// [orderings]: crate::docs::orderings
#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/guarantees.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Each operation, with its exceptions."
)]
pub mod guarantees {}

/// [durable]: crate::docs::durable
/// [testing]: crate::docs::testing
#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/observing.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "The ways to see which receivers run, and why."
)]
pub mod observing {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/orderings.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Each access to an atomic."
)]
pub mod orderings {}

/// [changes.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/changes.svg
/// [design]: crate::docs::design
/// [forgot-password]: https://github.com/fanfare-rs/fanfare/blob/main/examples/forgot-password/README.md
/// [growth-receivers.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/growth-receivers.svg
/// [growth-senders.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/growth-senders.svg
/// [growth-weak-dead.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/growth-weak-dead.svg
/// [latency.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/latency.svg
/// [results]: https://github.com/fanfare-rs/fanfare/tree/main/benches/rivals/results
/// [rivals]: https://github.com/fanfare-rs/fanfare/blob/main/benches/rivals/README.md
/// [sends.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/sends.svg
/// [threads.svg]: https://raw.githubusercontent.com/fanfare-rs/fanfare/main/docs/charts/threads.svg
#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/performance.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Times beside those of twenty rivals."
)]
pub mod performance {}

#[cfg_attr(any(all(feature = "queue", feature = "testing"), not(doctest)), doc = include_str!("../docs/testing.md"))]
#[cfg_attr(
    not(any(all(feature = "queue", feature = "testing"), not(doctest))),
    doc = "Tests of code that sends."
)]
pub mod testing {}
