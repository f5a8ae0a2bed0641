//! The parts that the models run on, over the `link`, `hub` and `sync` of the world around this
//! module.

#[macro_use]
mod models;
mod emitters;
mod signal;
mod table;
mod taps;

#[allow(unused_imports, reason = "some worlds try no emitter")]
pub(crate) use emitters::*;
pub(crate) use models::*;
#[allow(unused_imports, reason = "some worlds try no observer")]
pub(crate) use taps::*;

use super::{WEAKENED, held, hub, link, sync};
