//! What the models run on, over whichever `link`, `publish` and `sync` the world around this has.

mod models;
mod signal;
mod table;

pub(crate) use models::*;

use super::{WEAKENED, link, publish, sync};
