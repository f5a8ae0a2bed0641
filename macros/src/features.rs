//! The features of fanfare that decide about an expansion.

/// The features of fanfare that the macro may use.
#[derive(Clone, Copy)]
pub(crate) struct Features {
    pub(crate) r#async: bool,
    pub(crate) tokio: bool,
    pub(crate) queue: bool,
}

impl Features {
    pub(crate) const ENABLED: Self = Self {
        r#async: cfg!(feature = "async"),
        tokio: cfg!(feature = "tokio"),
        queue: cfg!(feature = "queue"),
    };
}
