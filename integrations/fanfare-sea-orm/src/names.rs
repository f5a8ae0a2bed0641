//! Entities that send, and their names.

use std::any::Any;
use std::error::Error;
use std::fmt;

use fanfare_django::model::{ModelNameError, ModelSender, unknown_senders, unresolved_models};
use sea_orm::{EntityTrait, ModelTrait};

/// An entity whose operations send signals. [`model_signals!`](crate::model_signals) implements it.
#[diagnostic::on_unimplemented(
    message = "the entity `{Self}` sends no signals",
    note = "write `fanfare_sea_orm::model_signals!(\"app.Model\");` beside it, in the place of `impl ActiveModelBehavior for ActiveModel {{}}`"
)]
pub trait ModelSignals: ModelSender + EntityTrait<Model: ModelTrait + Any + Send + Sync> {
    /// The model's name, as "app.Model".
    const NAME: &'static str;

    /// Makes the name known, if it is not yet: see [`fanfare_django::model::prepare`]. The first
    /// signal of the entity does so by itself.
    ///
    /// # Panics
    ///
    /// Panics if another entity has the name, or if a receiver that waited for it could not be
    /// connected, because its signal is [frozen](fanfare::Signal::freeze).
    fn prepare();
}

/// An entry that `model_signals!` registers.
#[doc(hidden)]
pub struct Registered {
    pub name: &'static str,
    pub prepare: fn(&str) -> Result<bool, ModelNameError>,
}

inventory::collect!(Registered);

/// Makes the name of every linked entity known, and returns how many were not known before.
///
/// Call it at the start of `main`, when the receivers are connected, because it also checks them.
/// Without it an entity is prepared by its first signal, which is early enough for its receivers,
/// and a receiver with a wrong sender stays unnoticed. The entities of a crate that the program
/// does not name are not linked, and are not found.
///
/// # Errors
///
/// Returns [`PrepareError::Name`] if two entities have the same name, or if a receiver that waited
/// for an entity could not be connected, because its signal is
/// [frozen](fanfare::Signal::freeze). Returns
/// [`PrepareError::Unknown`] if a receiver is connected for a model or another sender that is no
/// entity, because it would never be called. Every entity is prepared then, and every other
/// receiver works.
///
/// Receivers for the models of another emitter are among the unknown ones until that emitter has
/// prepared them.
///
/// ```
/// # mod customer {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "customer")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32 }
/// #     fanfare_sea_orm::model_signals!("shop.Customer");
/// # }
/// use fanfare::Sender;
/// use fanfare_django::model::{ModelSignal, POST_SAVE};
/// use fanfare_sea_orm::{PrepareError, prepare_models};
///
/// POST_SAVE.model("shop.Custommer").connect(|_sender, _event| Ok(()))?;
/// let row = Sender::of::<customer::Model>(); // in the place of `customer::Entity`
/// POST_SAVE.options().sender(row).connect(|_sender, _event| Ok(()));
///
/// let Err(PrepareError::Unknown { models, senders }) = prepare_models() else {
///     panic!("two receivers are never called");
/// };
/// assert_eq!(models, ["shop.Custommer"]);
/// assert!(senders[0].starts_with("POST_SAVE from ") && senders[0].ends_with("customer::Model"));
/// # Ok::<(), fanfare_django::model::ModelNameError>(())
/// ```
pub fn prepare_models() -> Result<usize, PrepareError> {
    let mut prepared = 0;
    for model in inventory::iter::<Registered> {
        prepared += usize::from((model.prepare)(model.name)?);
    }
    let (models, senders) = (unresolved_models(), unknown_senders());
    if models.is_empty() && senders.is_empty() {
        Ok(prepared)
    } else {
        Err(PrepareError::Unknown { models, senders })
    }
}

/// An error of [`prepare_models`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// The name of an entity is wrong, or receivers that waited for it were refused. Later entities
    /// are not prepared.
    Name(ModelNameError),
    /// Receivers are connected for models that do not exist.
    Unknown {
        /// The names that receivers wait for and that no entity has.
        models: Vec<String>,
        /// The senders that are no entity, each with its signal, such as
        /// `POST_SAVE from "shop.Order"`.
        senders: Vec<String>,
    },
}

impl From<ModelNameError> for PrepareError {
    fn from(error: ModelNameError) -> Self {
        PrepareError::Name(error)
    }
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (models, senders) = match self {
            PrepareError::Name(error) => return error.fmt(f),
            PrepareError::Unknown { models, senders } => (models, senders),
        };
        f.write_str("receivers are never called:")?;
        if !models.is_empty() {
            let models = models.join(", ");
            write!(
                f,
                " no entity has the name that they wait for ({models}), check the spelling"
            )?;
        }
        if !models.is_empty() && !senders.is_empty() {
            f.write_str(";")?;
        }
        if !senders.is_empty() {
            let senders = senders.join(", ");
            write!(
                f,
                " their sender is no entity ({senders}), connect for `Sender::of::<Entity>()` or \
                 with `model(name)`"
            )?;
        }
        Ok(())
    }
}

/// Displays the error, because `unwrap` prints this.
impl fmt::Debug for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PrepareError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PrepareError::Name(error) => Some(error),
            PrepareError::Unknown { .. } => None,
        }
    }
}
