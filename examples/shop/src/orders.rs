//! Orders, each in one transaction with its event.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fanfare_outbox::SendDurable;
use fanfare_sea_orm::{SignalConnection, SignalTransaction};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::prelude::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, Set, TransactionSession};
use tokio::sync::watch;

use crate::Fatal;
use crate::events::{ORDER_PLACED, OrderPlaced};
use crate::receivers::NO_ADDRESS;
use crate::report::{Report, Undone};
use crate::tables::{CUSTOMERS, ITEMS, begin, customer, item, order};

/// The customer whose first order has a wrong address.
const MISTAKEN: i64 = 13;

/// Orders in one run of the worker. Their numbers are never used again, not even those of orders
/// that are rolled back.
const ORDERS_OF_RUN: i64 = 1_000_000;

/// A till, of which several work side by side.
pub(crate) struct Till {
    db: SignalConnection,
    random: StdRng,
    numbers: Arc<AtomicI64>,
}

/// The wish of a customer.
struct Wish {
    number: i64,
    customer: i64,
    item: i64,
    quantity: i64,
    changes_mind: bool,
}

/// The end of an order's transaction.
enum Ended {
    Placed,
    RolledBack(Undone),
}

/// Returns the tills of a run. The seed decides about the orders.
pub(crate) fn tills(db: &SignalConnection, run: i64, seed: u64) -> Vec<Till> {
    let numbers = Arc::new(AtomicI64::new(run * ORDERS_OF_RUN));
    let till = |till: u64| Till {
        db: db.clone(),
        random: StdRng::seed_from_u64(seed ^ (run.unsigned_abs() << 8) ^ till),
        numbers: Arc::clone(&numbers),
    };
    (0..3).map(till).collect()
}

impl Till {
    /// Takes orders until the shop closes.
    pub(crate) async fn work(mut self, is_closed: watch::Receiver<bool>) -> Result<(), Fatal> {
        while !*is_closed.borrow() {
            let wish = self.next_wish();
            let order = wish.number;
            match take(&self.db, wish).await? {
                Ended::Placed => Report::Placed { order }.send()?,
                Ended::RolledBack(why) => Report::RolledBack { order, why }.send()?,
            }
            let pause = Duration::from_millis(self.random.random_range(10..50));
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn next_wish(&mut self) -> Wish {
        let random = &mut self.random;
        Wish {
            // Relaxed: only the atomicity of the addition matters.
            number: self.numbers.fetch_add(1, Ordering::Relaxed) + 1,
            customer: random.random_range(0..CUSTOMERS),
            item: random.random_range(0..ITEMS),
            quantity: random.random_range(1..=3),
            changes_mind: random.random_bool(0.1),
        }
    }
}

/// Places an order: the order, the stock and the event, all or none.
async fn take(db: &SignalConnection, wish: Wish) -> Result<Ended, Fatal> {
    let transaction = begin(db).await?;
    let undone = place(&transaction, &wish).await?;
    match undone {
        None => transaction.commit().await?,
        Some(_) => transaction.rollback().await?,
    }
    Ok(undone.map_or(Ended::Placed, Ended::RolledBack))
}

/// Writes the order. Returns a reason if it must be undone, with its event.
async fn place(transaction: &SignalTransaction, wish: &Wish) -> Result<Option<Undone>, Fatal> {
    let &Wish {
        number,
        customer,
        item,
        quantity,
        ..
    } = wish;
    let counted = customer::Entity::update_many()
        .col_expr(
            customer::Column::Orders,
            Expr::col(customer::Column::Orders).add(1),
        )
        .filter(customer::Column::Id.eq(customer));
    counted.exec(transaction).await?;
    let customer = customer::Entity::find_by_id(customer);
    let customer = customer.one(transaction).await?;
    let customer = customer.ok_or("the customer is not in the database")?;
    let item = item::Entity::find_by_id(item).one(transaction).await?;
    let item = item.ok_or("the item is not in the database")?;

    let (nth, cents) = (customer.orders, quantity * item.cents);
    let row = order::ActiveModel {
        number: Set(number),
        customer: Set(customer.id),
        nth: Set(nth),
        item: Set(item.id),
        quantity: Set(quantity),
        cents: Set(cents),
    };
    let row = order::Entity::insert(row);
    row.exec_without_returning(transaction).await?;
    let placed = OrderPlaced {
        order: number,
        customer: customer.id,
        nth,
        item: item.id,
        quantity,
        cents,
        address: match (customer.id, nth) {
            (MISTAKEN, 1) => NO_ADDRESS.to_owned(),
            (customer, _) => format!("customer-{customer}@example.org"),
        },
    };
    transaction
        .send_durable(&ORDER_PLACED, customer.id, &placed)
        .await?;

    // The event is sent by now, and is undone as well.
    let stock = item::Entity::update_many()
        .col_expr(
            item::Column::Stock,
            Expr::col(item::Column::Stock).sub(quantity),
        )
        .filter(item::Column::Id.eq(item.id))
        .filter(item::Column::Stock.gte(quantity));
    if stock.exec(transaction).await?.rows_affected == 0 {
        return Ok(Some(Undone::SoldOut));
    }
    Ok(wish.changes_mind.then_some(Undone::ChangedMind))
}
