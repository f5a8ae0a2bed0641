//! The documents of the project, as modules.
//!
//! Their examples are compiled and run as those of the items are.

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../ARCHITECTURE.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "How the source is arranged, and what must stay true."
)]
pub mod architecture {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/comparison.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "When another way is the better choice."
)]
pub mod comparison {}

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
    doc = "Which way to deliver."
)]
pub mod delivery {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/design.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Why it is built as it is."
)]
pub mod design {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/django.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "A guide for users of Django's signals."
)]
pub mod django {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/guarantees.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Each operation, with its exceptions."
)]
pub mod guarantees {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/orderings.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Each access to an atomic."
)]
pub mod orderings {}

#[cfg_attr(any(feature = "macros", not(doctest)), doc = include_str!("../docs/performance.md"))]
#[cfg_attr(
    not(any(feature = "macros", not(doctest))),
    doc = "Times beside those of twenty rivals."
)]
pub mod performance {}
