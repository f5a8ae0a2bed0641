//! The hooks of `ActiveModelBehavior` for the junction of a many-to-many relation.
//! [`model_signals!`](crate::model_signals) with `links(..)` calls them.

use fanfare_django::model::M2mAction;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel};

use crate::keys::{Pk, PkSet};
use crate::through::{End, Through, has_receivers, send_changed};

/// Sends the signal of one row of the junction.
///
/// Its hooks cannot detect which side changed the link, so the instance is the primary key of the
/// left one.
async fn send_row<J: Through, C: ConnectionTrait>(
    row: &J::ActiveModel,
    action: M2mAction,
    db: &C,
) -> Result<(), DbErr>
where
    J::ActiveModel: Sync,
{
    if !has_receivers::<J>() {
        return Ok(());
    }
    let ends = (
        row.get(J::left()).into_value(),
        row.get(J::right()).into_value(),
    );
    let (Some(left), Some(right)) = ends else {
        return Ok(());
    };
    let left = Pk(left);
    let mut pks = PkSet(vec![right]);
    let end = End {
        instance: &left,
        pk: &left,
        reverse: false,
    };
    send_changed::<J, C>(action, end, Some(&mut pks), db).await?;
    if action == M2mAction::PreAdd && pks.is_empty() {
        return Err(DbErr::Custom(String::from(
            "a receiver removed the only primary key from a link of a nested save, and SeaORM \
             inserts the link anyway: return an error from the receiver, or use `Links`",
        )));
    }
    Ok(())
}

#[doc(hidden)]
pub async fn before_save<A, C>(row: A, db: &C, insert: bool) -> Result<A, DbErr>
where
    A: ActiveModelTrait + Send + Sync,
    A::Entity: Through + EntityTrait<ActiveModel = A>,
    C: ConnectionTrait,
{
    if insert {
        send_row::<A::Entity, C>(&row, M2mAction::PreAdd, db).await?;
    }
    Ok(row)
}

#[doc(hidden)]
pub async fn after_save<A, C>(
    row: <A::Entity as EntityTrait>::Model,
    db: &C,
    insert: bool,
) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
where
    A: ActiveModelTrait + Send + Sync,
    A::Entity: Through + EntityTrait<ActiveModel = A>,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    if insert {
        let changed = row.clone().into_active_model();
        send_row::<A::Entity, C>(&changed, M2mAction::PostAdd, db).await?;
    }
    Ok(row)
}

#[doc(hidden)]
pub async fn before_delete<A, C>(row: A, db: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + Send + Sync,
    A::Entity: Through + EntityTrait<ActiveModel = A>,
    C: ConnectionTrait,
{
    send_row::<A::Entity, C>(&row, M2mAction::PreRemove, db).await?;
    Ok(row)
}

#[doc(hidden)]
pub async fn after_delete<A, C>(row: A, db: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait + Send + Sync,
    A::Entity: Through + EntityTrait<ActiveModel = A>,
    C: ConnectionTrait,
{
    send_row::<A::Entity, C>(&row, M2mAction::PostRemove, db).await?;
    Ok(row)
}
