//! The junction of a many-to-many relation, and the signal of its links.

use std::any::Any;

use fanfare::Sender;
use fanfare_django::model::{M2M_CHANGED, M2mAction, M2mChanged};
use sea_orm::sea_query::ValueTuple;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

use crate::ModelSignals;
use crate::error::signal_name;
use crate::keys::{Pk, PkSet, RowKey};
use crate::operation::Operation;
use crate::scope;

/// The junction entity of a many-to-many relation.
/// [`model_signals!`](crate::model_signals) with `links(..)` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the junction of a many-to-many relation",
    note = "pass the junction's entity, and give it `fanfare_sea_orm::model_signals!(\"app.Model\", links(Column: left::Entity, Column: right::Entity))`"
)]
pub trait Through: ModelSignals {
    /// The entity that declares the relation.
    type Left: EntityTrait<Model: Any + Sync>;
    /// The entity at the other end.
    type Right: EntityTrait<Model: Any + Sync>;

    /// Returns the junction's column that refers to the left entity's primary key.
    fn left() -> Self::Column;
    /// Returns the junction's column that refers to the right entity's primary key.
    fn right() -> Self::Column;
}

/// The instance whose links change.
pub(crate) struct End<'i> {
    pub(crate) instance: &'i (dyn Any + Sync),
    pub(crate) pk: &'i Pk,
    /// `false` if the entity of the instance declares the relation.
    pub(crate) reverse: bool,
}

/// Returns `true` if [`M2M_CHANGED`] has receivers for this junction.
pub(crate) fn has_receivers<J: Through>() -> bool {
    J::prepare();
    M2M_CHANGED.from(Sender::of::<J>()).has_listeners()
}

/// Sends [`M2M_CHANGED`] for links of one instance, if it has receivers.
pub(crate) async fn send_changed<J: Through, C: ConnectionTrait>(
    action: M2mAction,
    end: End<'_>,
    pks: Option<&mut PkSet>,
    db: &C,
) -> Result<(), DbErr> {
    if !has_receivers::<J>() {
        return Ok(());
    }
    let model = if end.reverse {
        Sender::of::<J::Left>()
    } else {
        Sender::of::<J::Right>()
    };
    let operation = operation(action, db);
    let pks = pks.map(|pks| pks as &mut (dyn Any + Send));
    let key = RowKey::from(ValueTuple::One(end.pk.0.clone()));
    let context = operation.context(J::NAME, Some(&key));
    let event = M2mChanged::new(action, end.instance, end.reverse, model, pks, context);
    let event = event.or_as(end.pk);
    operation
        .tell(
            signal_name!(M2M_CHANGED),
            M2M_CHANGED.from(Sender::of::<J>()).asend_until_err(&event),
        )
        .await
}

fn operation<C: ConnectionTrait>(action: M2mAction, db: &C) -> Operation {
    let scope = scope::of(db);
    match action {
        M2mAction::PreAdd | M2mAction::PreRemove | M2mAction::PreClear => Operation::ahead(scope),
        _ => Operation::done(scope),
    }
}
