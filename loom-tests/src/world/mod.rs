//! What the models run on, over whichever `link`, `publish` and `sync` the world around this has.

#[macro_use]
mod models;
mod emitters;
mod signal;
mod table;

#[allow(unused_imports, reason = "some worlds try no emitter")]
pub(crate) use emitters::*;
pub(crate) use models::*;

use super::{WEAKENED, held, link, publish, sync};
