//! The signals that `signals!` declares.

#[cfg(feature = "macros")]
use std::any::type_name;

/// A signal that `signals!` declares.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "macros"),
    expect(unreachable_pub, reason = "only expansions of macros name it")
)]
pub struct Declaration {
    /// The module and the name of the static.
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    #[cfg(feature = "macros")]
    properties: fn() -> Properties,
}

/// The properties of a static that are known when the program runs.
#[cfg(feature = "macros")]
pub struct Properties {
    /// The address of the signal, which no other signal has while the program runs.
    pub(crate) address: usize,
    pub(crate) event: &'static str,
    pub(crate) response: &'static str,
}

#[cfg(feature = "macros")]
impl Properties {
    /// Returns the properties of a static signal with events of type `E` and responses of type `R`.
    pub(crate) fn of<E: 'static, R: 'static>(address: usize) -> Self {
        Properties {
            address,
            event: type_name::<E>(),
            response: type_name::<R>(),
        }
    }
}

#[cfg(feature = "macros")]
impl Declaration {
    /// Makes the declaration of a signal. The macro's expansion calls it.
    pub const fn new(
        name: &'static str,
        file: &'static str,
        line: u32,
        properties: fn() -> Properties,
    ) -> Self {
        Declaration {
            name,
            file,
            line,
            properties,
        }
    }

    pub(crate) fn properties(&self) -> Properties {
        (self.properties)()
    }
}

#[cfg(feature = "macros")]
inventory::collect!(Declaration);

/// Returns the declared signals of the program, in the order in which the linker put them.
#[cfg(feature = "macros")]
pub(crate) fn declared() -> impl Iterator<Item = &'static Declaration> {
    inventory::iter::<Declaration>()
}

/// Returns the declaration of the signal at this address, if it has one.
pub(crate) fn declaration_of(address: usize) -> Option<&'static Declaration> {
    #[cfg(feature = "macros")]
    return declared().find(|it| it.properties().address == address);
    #[cfg(not(feature = "macros"))]
    {
        let _ = address;
        None
    }
}
