//! A connection as a look shows it.

use std::panic::Location;

use crate::id::ReceiverId;
use crate::kind::ReceiverKind;

/// One connection of a signal. [`Signal::connections`](crate::Signal::connections) returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The receiver's id.
    pub id: ReceiverId,
    /// Its name, or the name of its type.
    pub name: String,
    /// The place in the source where it was connected.
    pub location: &'static Location<'static>,
    /// The sender it was connected for, in words, with a name in quotes, or `None` for any sender.
    pub sender: Option<String>,
    /// Its uid.
    pub dispatch_uid: Option<String>,
    /// Its tags, in the order in which they were given.
    pub tags: Vec<String>,
    /// Its priority.
    pub priority: i32,
    /// The maximum number of its runs, or `None` for any number.
    pub max_calls: Option<u32>,
    /// `true` if it is a method of an object that the signal does not keep alive.
    pub weak: bool,
    /// The kind of the receiver, which decides how a send runs it.
    pub kind: ReceiverKind,
    /// `true` if a send would call it. A dead or spent receiver is not called.
    pub live: bool,
}

#[cfg(feature = "serde")]
impl serde::Serialize for ConnectionInfo {
    /// Serializes the id as a number, the place as a file and a line, and the kind as a word.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;

        let mut fields = serializer.serialize_struct("ConnectionInfo", 12)?;
        fields.serialize_field("id", &self.id.number())?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("file", self.location.file())?;
        fields.serialize_field("line", &self.location.line())?;
        fields.serialize_field("sender", &self.sender)?;
        fields.serialize_field("dispatch_uid", &self.dispatch_uid)?;
        fields.serialize_field("tags", &self.tags)?;
        fields.serialize_field("priority", &self.priority)?;
        fields.serialize_field("max_calls", &self.max_calls)?;
        fields.serialize_field("weak", &self.weak)?;
        fields.serialize_field("kind", self.kind.in_words())?;
        fields.serialize_field("live", &self.live)?;
        fields.end()
    }
}
