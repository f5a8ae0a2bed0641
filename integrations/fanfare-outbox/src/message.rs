//! Events on their way: to the database, or to another process.

use std::borrow::Cow;

use fanfare::Sender;
use fanfare::connections::IntoSender;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ReadError, SendError, Unfit};
use crate::event::DurableEvent;
use crate::{origin_text, sender_text};

/// A durable event with its sender, as another process can read it.
///
/// Its serde form is the one that crosses the network.
///
/// ```
/// use fanfare::{Event, Sender};
/// use fanfare_outbox::DurableEvent;
/// use fanfare_outbox::transport::Message;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Event, Serialize, Deserialize, DurableEvent)]
/// #[durable(name = "shop.OrderPaid")]
/// struct OrderPaid { order: u64 }
///
/// let message = Message::new("till", &OrderPaid { order: 7 })?;
/// let text = serde_json::to_string(&message)?;
/// let message: Message = serde_json::from_str(&text)?;
/// assert_eq!(message.sender(), Sender::named("till"));
/// assert_eq!(message.read::<OrderPaid>()?.order, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The event's [`NAME`](DurableEvent::NAME).
    pub(crate) name: Cow<'static, str>,
    pub(crate) version: u32,
    pub(crate) sender: String,
    pub(crate) key: String,
    pub(crate) payload: String,
    /// The origin of the event, if observers or a scope of a test follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

impl Message {
    /// Returns the message of an event.
    ///
    /// # Errors
    ///
    /// Returns an error if the sender exists in this process only, if a text is too long or has a
    /// NUL, or if the event cannot be serialized.
    pub fn new<'a, E: DurableEvent>(
        sender: impl IntoSender<'a>,
        event: &E,
    ) -> Result<Self, SendError> {
        let sender = sender.into_sender();
        let stored = sender_text::stored(sender).ok_or_else(|| SendError::Sender {
            sender: sender.to_string(),
        })?;
        Unfit::check("name of the event", E::NAME)?;
        Unfit::check("sender", sender.name().unwrap_or_default())?;
        let key = match event.key() {
            Some(key) => {
                Unfit::check("key of the event", &key)?;
                format!("event:{key}")
            }
            None => stored.clone(),
        };
        Ok(Message {
            name: Cow::Borrowed(E::NAME),
            version: E::VERSION,
            sender: stored,
            key,
            payload: serde_json::to_string(event).map_err(SendError::Payload)?,
            cause: origin_text::current(),
        })
    }

    /// Returns the event's [`NAME`](DurableEvent::NAME).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the event's [`VERSION`](DurableEvent::VERSION).
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the sender.
    pub fn sender(&self) -> Sender<'_> {
        sender_text::read(&self.sender)
    }

    /// Returns the key, whose messages have an order. It has a prefix, so that a sender and a
    /// [`DurableEvent::key`] of equal text are two keys.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the fields of the event as JSON.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// Returns the event, which may be of an older version.
    ///
    /// # Errors
    ///
    /// Returns an error if the message has another event, or a payload that this program cannot
    /// read.
    pub fn read<E: DurableEvent>(&self) -> Result<E, ReadError> {
        if self.name != E::NAME {
            return Err(ReadError::OtherEvent {
                name: self.name.clone().into_owned(),
                event: E::NAME,
            });
        }
        read(self.version, &self.payload).map_err(ReadError::Payload)
    }

    /// Returns an error if the name of the event, the sender or the key has a NUL, or more than
    /// 1,000 bytes beside its prefix. A transport does not publish such a message. `new` returns
    /// none, but it may come from another program.
    ///
    /// # Errors
    ///
    /// Returns the first text that does not fit.
    pub fn check(&self) -> Result<(), Unfit> {
        fn plain(text: &str) -> &str {
            let prefixes = ["event:", "name:", "key:"];
            let plain = prefixes.iter().find_map(|it| text.strip_prefix(it));
            plain.unwrap_or(text)
        }
        Unfit::check("name of the event", &self.name)?;
        Unfit::check("sender", plain(&self.sender))?;
        Unfit::check("key of the event", plain(&self.key))
    }
}

/// Reads the payload of an event, which may be of an older version.
pub(crate) fn read<E: DurableEvent>(version: u32, payload: &str) -> Result<E, String> {
    if version == E::VERSION {
        return serde_json::from_str(payload).map_err(|error| error.to_string());
    }
    let payload: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
    let payload = E::upcast(version, payload).ok_or_else(|| {
        format!(
            "`upcast` of {} has no event of version {version}: write it, and resubmit",
            E::NAME
        )
    })?;
    serde_json::from_value(payload).map_err(|error| error.to_string())
}
