//! The links of an instance in a many-to-many relation.

use std::any::Any;
use std::collections::HashSet;

use fanfare_django::model::M2mAction;
use sea_orm::sea_query::ValueTuple;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn, QueryFilter,
    SqliteTransactionMode, TransactionOptions, TransactionSession, TransactionTrait, Value,
};

use crate::keys::{Pk, PkSet};
use crate::through::{End, Through, has_receivers, send_changed};

/// The number of keys in one statement: SQLite takes 32,766 parameters, and a key of a symmetrical
/// link takes four.
const AT_ONCE: usize = 8_000;

/// The links of one instance in a many-to-many relation, which are changed with Django's rules:
/// Django's related manager.
///
/// `J` is the junction entity (see [`Through`]), whose two columns each refer to a primary key of
/// one column. Each call runs in one transaction, and sends
/// [`M2M_CHANGED`](fanfare_django::model::M2M_CHANGED) in it:
///
/// | call | signals, in order | primary keys |
/// |---|---|---|
/// | `add` | `pre_add`, `post_add` | the missing keys; the set may be empty |
/// | `remove` | `pre_remove`, `post_remove` | the keys that were given |
/// | `clear` | `pre_clear`, `post_clear` | no set; sent even if there is no link |
/// | `set` | a remove pair, then an add pair, each only if there is something to do | |
/// | `add` and `remove` without keys | none | |
///
/// Keys are of the column's type: `7_i32` for an `i32`. Long lists of keys are split into several
/// statements. Further columns of the junction (Django's `through_defaults`) get the defaults of
/// the database. If no receiver is connected, `add` does not query which links are missing,
/// provided that the junction's primary key lets the database skip the others.
///
/// Rows of the junction are written as in bulk operations, without its hooks.
///
/// ```
/// # macro_rules! entity {
/// #     ($module:ident, $table:literal, $name:literal) => {
/// #         mod $module {
/// #             use sea_orm::entity::prelude::*;
/// #             #[sea_orm::model]
/// #             #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #             #[sea_orm(table_name = $table)]
/// #             pub struct Model { #[sea_orm(primary_key)] pub id: i32 }
/// #             fanfare_sea_orm::model_signals!($name);
/// #         }
/// #     };
/// # }
/// # entity!(post, "post", "blog.Post");
/// # entity!(tag, "tag", "blog.Tag");
/// mod post_tag {
///     use sea_orm::entity::prelude::*;
///
///     #[sea_orm::model]
///     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
///     #[sea_orm(table_name = "post_tag")]
///     pub struct Model {
///         #[sea_orm(primary_key, auto_increment = false)]
///         pub post_id: i32,
///         #[sea_orm(primary_key, auto_increment = false)]
///         pub tag_id: i32,
///     }
///
///     fanfare_sea_orm::model_signals!(
///         "blog.PostTag",
///         links(PostId: super::post::Entity, TagId: super::tag::Entity)
///     );
/// }
/// use fanfare::Sender;
/// use fanfare_django::model::{M2M_CHANGED, M2mAction};
/// use fanfare_sea_orm::{Links, PkSet};
/// # use sea_orm::{ConnectionTrait, Database, DbErr, EntityTrait, PaginatorTrait};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), DbErr> {
/// # let db = Database::connect("sqlite::memory:").await?;
/// # let columns = "post_id INTEGER, tag_id INTEGER, PRIMARY KEY (post_id, tag_id)";
/// # db.execute_unprepared(&format!("CREATE TABLE post_tag ({columns})")).await?;
/// // No post may have tag 3.
/// M2M_CHANGED.options().sender(Sender::of::<post_tag::Entity>()).connect(|_sender, event| {
///     if event.action() == M2mAction::PreAdd {
///         event.pk_set::<PkSet>().ok_or("no keys")?.remove(3);
///     }
///     Ok(())
/// });
/// let post = post::Model { id: 1 };
/// Links::<post_tag::Entity>::of(&post)?.set([2, 3, 4], &db).await?;
/// assert_eq!(post_tag::Entity::find().count(&db).await?, 2);
/// # Ok(())
/// # }
/// ```
pub struct Links<'i, J: Through> {
    instance: &'i (dyn Any + Sync),
    pk: Pk,
    reverse: bool,
    symmetrical: bool,
    of: std::marker::PhantomData<fn() -> J>,
}

impl<'i, J: Through> Links<'i, J> {
    /// Returns the links of an instance of the entity that declares the relation.
    ///
    /// # Errors
    ///
    /// Returns an error if its primary key has more than one column.
    pub fn of(instance: &'i <J::Left as EntityTrait>::Model) -> Result<Self, DbErr> {
        Links::new(instance, false)
    }

    /// Returns the links of an instance at the other end.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`of`](Links::of).
    pub fn of_reverse(instance: &'i <J::Right as EntityTrait>::Model) -> Result<Self, DbErr> {
        Links::new(instance, true)
    }

    fn new<M: ModelTrait + Any + Sync>(instance: &'i M, reverse: bool) -> Result<Self, DbErr> {
        let ValueTuple::One(pk) = instance.get_primary_key_value() else {
            return Err(DbErr::Type(String::from(
                "links need a primary key of one column: save the rows of the junction instead",
            )));
        };
        Ok(Links {
            instance,
            pk: Pk(pk),
            reverse,
            symmetrical: false,
            of: std::marker::PhantomData,
        })
    }

    /// Makes each link go both ways, as two rows with one pair of signals.
    ///
    /// It is for a relation of an entity with itself.
    pub fn symmetrical(mut self) -> Self {
        self.symmetrical = true;
        self
    }

    /// Adds links to those of `pks` that are not linked yet.
    ///
    /// # Errors
    ///
    /// Returns an error of the database or of a receiver, or an error if a key is not of the
    /// column's type. The links are then as they were before.
    pub async fn add<C: TransactionTrait, V: Into<Value>>(
        &self,
        pks: impl IntoIterator<Item = V>,
        db: &C,
    ) -> Result<(), DbErr>
    where
        J::ActiveModel: Send,
    {
        let pks = self.typed(pks)?;
        if pks.is_empty() {
            return Ok(());
        }
        in_transaction(db, async |db| {
            if has_receivers::<J>() || !is_keyed::<J>() {
                let missing = without(&pks, &self.linked(Some(&pks), db).await?);
                self.add_missing(missing, db).await
            } else {
                self.insert(&pks, db).await
            }
        })
        .await
    }

    /// Removes the links to `pks`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`add`](Links::add).
    pub async fn remove<C: TransactionTrait, V: Into<Value>>(
        &self,
        pks: impl IntoIterator<Item = V>,
        db: &C,
    ) -> Result<(), DbErr> {
        let pks = self.typed(pks)?;
        if pks.is_empty() {
            return Ok(());
        }
        in_transaction(db, async |db| self.remove_these(PkSet(pks), db).await).await
    }

    /// Removes all links.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`add`](Links::add).
    pub async fn clear<C: TransactionTrait>(&self, db: &C) -> Result<(), DbErr> {
        in_transaction(db, async |db| self.remove_all(db).await).await
    }

    /// Makes `pks` the links: removes the others, then adds those that are missing.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`add`](Links::add).
    pub async fn set<C: TransactionTrait, V: Into<Value>>(
        &self,
        pks: impl IntoIterator<Item = V>,
        db: &C,
    ) -> Result<(), DbErr>
    where
        J::ActiveModel: Send,
    {
        let wanted = self.typed(pks)?;
        in_transaction(db, async |db| {
            let linked = self.linked(None, db).await?;
            let gone = without(&linked, &wanted);
            let new = without(&wanted, &linked);
            if !gone.is_empty() {
                self.remove_these(gone, db).await?;
            }
            if !new.is_empty() {
                self.add_missing(new, db).await?;
            }
            Ok(())
        })
        .await
    }

    /// Clears the links, and then makes `pks` the links, like [`set`](Links::set). This is Django's
    /// `set(.., clear=True)`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`add`](Links::add).
    pub async fn set_cleared<C: TransactionTrait, V: Into<Value>>(
        &self,
        pks: impl IntoIterator<Item = V>,
        db: &C,
    ) -> Result<(), DbErr>
    where
        J::ActiveModel: Send,
    {
        let wanted = self.typed(pks)?;
        in_transaction(db, async |db| {
            self.remove_all(db).await?;
            if !wanted.is_empty() {
                self.add_missing(PkSet(wanted), db).await?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the junction's column for this instance, and the column for the other end.
    fn columns(&self) -> (J::Column, J::Column) {
        if self.reverse {
            (J::right(), J::left())
        } else {
            (J::left(), J::right())
        }
    }

    /// Returns the keys in the column's type, each once.
    fn typed<V: Into<Value>>(&self, pks: impl IntoIterator<Item = V>) -> Result<Vec<Value>, DbErr> {
        let (_, far) = self.columns();
        let mut seen = HashSet::new();
        let mut typed = Vec::new();
        for pk in pks {
            let mut row = <J::ActiveModel as ActiveModelTrait>::default();
            let pk = pk.into();
            row.try_set(far, pk.clone())
                .map_err(|_| wrong_type::<J>(far, &pk))?;
            let pk = row.get(far).into_value();
            typed.extend(pk.filter(|pk| seen.insert(pk.clone())));
        }
        Ok(typed)
    }

    /// Returns the rows of the junction for links to `pks`.
    fn rows(&self, pks: &[Value]) -> Result<Vec<J::ActiveModel>, DbErr> {
        let (near, far) = self.columns();
        let row = |from: &Value, to: &Value| -> Result<J::ActiveModel, DbErr> {
            let mut row = <J::ActiveModel as ActiveModelBehavior>::new();
            row.try_set(near, from.clone())?;
            row.try_set(far, to.clone())?;
            Ok(row)
        };
        let mut rows = Vec::with_capacity(pks.len());
        for pk in pks {
            rows.push(row(&self.pk.0, pk)?);
            if self.symmetrical && *pk != self.pk.0 {
                rows.push(row(pk, &self.pk.0)?);
            }
        }
        Ok(rows)
    }

    /// Inserts the rows for links to `pks`. Rows that exist by now are left as they are.
    ///
    /// Other code may have added them meanwhile, or they are the other direction of a symmetrical
    /// link.
    async fn insert<C: ConnectionTrait>(&self, pks: &[Value], db: &C) -> Result<(), DbErr>
    where
        J::ActiveModel: Send,
    {
        for pks in pks.chunks(AT_ONCE) {
            self.insert_at_once(pks, db).await?;
        }
        Ok(())
    }

    async fn insert_at_once<C: ConnectionTrait>(&self, pks: &[Value], db: &C) -> Result<(), DbErr>
    where
        J::ActiveModel: Send,
    {
        let mut rows = self.rows(pks)?;
        if is_keyed::<J>() {
            let rows = J::insert_many(rows).on_conflict_do_nothing();
            rows.exec_without_returning(db).await?;
            return Ok(());
        }
        if self.symmetrical {
            let (near, far) = self.columns();
            let mirrors = J::find()
                .filter(far.eq(self.pk.0.clone()))
                .filter(near.is_in(pks.iter().cloned()));
            let there: HashSet<Value> = mirrors
                .all(db)
                .await?
                .iter()
                .map(|row| row.get(near))
                .collect();
            rows.retain(|row| {
                let from = row.get(near).into_value();
                from.is_none_or(|from| from == self.pk.0 || !there.contains(&from))
            });
        }
        J::insert_many(rows).exec_without_returning(db).await?;
        Ok(())
    }

    /// Returns the keys that are linked: those of `among`, or all.
    async fn linked<C: ConnectionTrait>(
        &self,
        among: Option<&[Value]>,
        db: &C,
    ) -> Result<Vec<Value>, DbErr> {
        let (near, far) = self.columns();
        let all = J::find().filter(near.eq(self.pk.0.clone()));
        let rows = match among {
            None => all.all(db).await?,
            Some(among) => {
                let mut rows = Vec::new();
                for among in among.chunks(AT_ONCE) {
                    let some = all.clone().filter(far.is_in(among.iter().cloned()));
                    rows.extend(some.all(db).await?);
                }
                rows
            }
        };
        Ok(rows.iter().map(|row| row.get(far)).collect())
    }

    async fn add_missing<C: ConnectionTrait>(&self, mut pks: PkSet, db: &C) -> Result<(), DbErr>
    where
        J::ActiveModel: Send,
    {
        self.send(M2mAction::PreAdd, Some(&mut pks), db).await?;
        if !pks.is_empty() {
            self.insert(&pks.0, db).await?;
        }
        self.send(M2mAction::PostAdd, Some(&mut pks), db).await
    }

    async fn remove_these<C: ConnectionTrait>(&self, mut pks: PkSet, db: &C) -> Result<(), DbErr> {
        self.send(M2mAction::PreRemove, Some(&mut pks), db).await?;
        for pks in pks.0.chunks(AT_ONCE) {
            self.delete(Some(pks), db).await?;
        }
        self.send(M2mAction::PostRemove, Some(&mut pks), db).await
    }

    async fn remove_all<C: ConnectionTrait>(&self, db: &C) -> Result<(), DbErr> {
        self.send(M2mAction::PreClear, None, db).await?;
        self.delete(None, db).await?;
        self.send(M2mAction::PostClear, None, db).await
    }

    async fn delete<C: ConnectionTrait>(&self, pks: Option<&[Value]>, db: &C) -> Result<(), DbErr> {
        let (near, far) = self.columns();
        let links = |from: J::Column, to: J::Column| {
            let links = Condition::all().add(from.eq(self.pk.0.clone()));
            match pks {
                Some(pks) => links.add(to.is_in(pks.iter().cloned())),
                None => links,
            }
        };
        let mut which = Condition::any().add(links(near, far));
        if self.symmetrical {
            which = which.add(links(far, near));
        }
        J::delete_many().filter(which).exec(db).await?;
        Ok(())
    }

    async fn send<C: ConnectionTrait>(
        &self,
        action: M2mAction,
        pks: Option<&mut PkSet>,
        db: &C,
    ) -> Result<(), DbErr> {
        let end = End {
            instance: self.instance,
            pk: &self.pk,
            reverse: self.reverse,
        };
        send_changed::<J, C>(action, end, pks, db).await
    }
}

/// Commits the changes of `change`, or undoes all of them.
async fn in_transaction<C: TransactionTrait>(
    db: &C,
    change: impl AsyncFnOnce(&C::Transaction) -> Result<(), DbErr>,
) -> Result<(), DbErr> {
    // The mode is only for SQLite, and only for an outermost transaction. `change` reads before it
    // writes. If it began as a reader, it could not become a writer beside another, and SQLite
    // would refuse it without waiting.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = db.begin_with_options(options).await?;
    change(&transaction).await?;
    transaction.commit().await
}

/// Returns the keys of `pks` that are not among `others`.
fn without(pks: &[Value], others: &[Value]) -> PkSet {
    let others: HashSet<_> = others.iter().collect();
    let left = pks.iter().filter(|pk| !others.contains(pk));
    PkSet(left.cloned().collect())
}

fn wrong_type<J: Through>(column: J::Column, pk: &Value) -> DbErr {
    DbErr::Type(format!(
        "a key for `{}` of `{}` is {pk:?}, but the column is {:?}: pass keys of the model's type",
        column.as_str(),
        J::NAME,
        column.def().get_column_type(),
    ))
}

fn is_keyed<J: Through>() -> bool {
    let of_key: Vec<_> = J::PrimaryKey::iter()
        .map(|key| key.into_column().as_str())
        .collect();
    let both = [J::left(), J::right()];
    of_key.len() == both.len() && both.iter().all(|column| of_key.contains(&column.as_str()))
}
