//! What the models run on, over whichever `publish` and `sync` the world around this has.

mod models;
mod signal;
mod table;

pub(crate) use models::*;

use super::{WEAKENED, publish, sync};
