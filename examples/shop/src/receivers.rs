//! The durable receivers. Billing and shipping have their effects in the database, once for each
//! event. Mail has an effect outside of it, at least once.

use std::sync::Arc;
use std::time::Duration;

use fanfare_outbox::{ConnectError, Delivered, Durable, SendDurable};
use fanfare_sea_orm::{SignalConnection, SignalTransaction};
use sea_orm::prelude::Expr;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, Set, TransactionSession};

use crate::Fatal;
use crate::events::{ORDER_PAID, ORDER_PLACED, OrderPaid, OrderPlaced};
use crate::mails::Post;
use crate::tables::{begin, customer, invoice, repeat, shipment};

const BILLING: &str = "shop.billing";
const SHIPPING: &str = "shop.shipping";
pub(crate) const MAIL: &str = "shop.mail";

/// An address to which each mail fails.
pub(crate) const NO_ADDRESS: &str = "customer-13@nowhere.invalid";

/// Connects the receivers. Their names are those by which the database knows them.
pub(crate) fn connect(db: &SignalConnection, post: Post) -> Result<(), ConnectError> {
    let (soon, late) = (Duration::from_millis(100), Duration::from_secs(2));
    let connection = db.clone();
    let billing = ORDER_PLACED.durable(BILLING).back_off(soon, late);
    billing.connect_async(move |_customer, placed| Box::pin(bill(connection.clone(), placed)))?;

    let connection = db.clone();
    let shipping = ORDER_PAID.durable(SHIPPING).back_off(soon, late);
    shipping.connect_async(move |_customer, paid| Box::pin(ship(connection.clone(), paid)))?;

    let post = Arc::new(post);
    let mail = ORDER_PAID.durable(MAIL).back_off(soon, late).attempts(3);
    mail.connect_async(move |_customer, paid| Box::pin(send_mail(Arc::clone(&post), paid)))?;
    Ok(())
}

/// Writes the invoice, and sends the next event in the same transaction.
async fn bill(db: SignalConnection, placed: &Delivered<OrderPlaced>) -> Result<(), Fatal> {
    if fails_now(placed.order, placed.attempt(), 40) {
        return Err("the bank is busy".into());
    }
    let transaction = begin(&db).await?;
    let known = invoice::Entity::find().filter(invoice::Column::Event.eq(placed.id()));
    if known.one(&transaction).await?.is_some() {
        return note_repeat(transaction, BILLING, placed.id()).await;
    }
    let row = invoice::ActiveModel {
        event: Set(placed.id()),
        number: Set(placed.order),
        customer: Set(placed.customer),
        nth: Set(placed.nth),
        cents: Set(placed.cents),
        ..Default::default()
    };
    let row = invoice::Entity::insert(row);
    row.exec_without_returning(&transaction).await?;
    let bill = customer::Entity::update_many()
        .col_expr(
            customer::Column::Billed,
            Expr::col(customer::Column::Billed).add(placed.cents),
        )
        .filter(customer::Column::Id.eq(placed.customer));
    bill.exec(&transaction).await?;
    let paid = OrderPaid {
        order: placed.order,
        customer: placed.customer,
        nth: placed.nth,
        item: placed.item,
        quantity: placed.quantity,
        address: placed.address.clone(),
    };
    transaction
        .send_durable(&ORDER_PAID, placed.customer, &paid)
        .await?;
    Ok(transaction.commit().await?)
}

/// Writes the shipment. Sometimes it fails after that, and the rollback takes the row back.
async fn ship(db: SignalConnection, paid: &Delivered<OrderPaid>) -> Result<(), Fatal> {
    let transaction = begin(&db).await?;
    let known = shipment::Entity::find().filter(shipment::Column::Event.eq(paid.id()));
    if known.one(&transaction).await?.is_some() {
        return note_repeat(transaction, SHIPPING, paid.id()).await;
    }
    let row = shipment::ActiveModel {
        event: Set(paid.id()),
        number: Set(paid.order),
        customer: Set(paid.customer),
        nth: Set(paid.nth),
        item: Set(paid.item),
        quantity: Set(paid.quantity),
        ..Default::default()
    };
    let row = shipment::Entity::insert(row);
    row.exec_without_returning(&transaction).await?;
    if fails_now(paid.order, paid.attempt(), 25) {
        transaction.rollback().await?;
        return Err("the carrier is late".into());
    }
    Ok(transaction.commit().await?)
}

/// Sends a mail. A kill before the delivery is noted sends it again.
async fn send_mail(post: Arc<Post>, paid: &Delivered<OrderPaid>) -> Result<(), Fatal> {
    if paid.address == NO_ADDRESS {
        return Err(format!("order {}: there is no {}", paid.order, paid.address).into());
    }
    // The times of a mail server, before and after it has taken the mail.
    tokio::time::sleep(Duration::from_millis(2)).await;
    post.send(paid)?;
    tokio::time::sleep(Duration::from_millis(8)).await;
    Ok(())
}

/// Counts a delivery whose effect is in the database already, and leaves the effect as it is.
async fn note_repeat(
    transaction: SignalTransaction,
    receiver: &str,
    event: i64,
) -> Result<(), Fatal> {
    let row = repeat::ActiveModel {
        receiver: Set(receiver.to_owned()),
        event: Set(event),
        ..Default::default()
    };
    let row = repeat::Entity::insert(row);
    row.exec_without_returning(&transaction).await?;
    Ok(transaction.commit().await?)
}

/// Returns `true` for the first two attempts of one order in `orders`, so that no order fails for
/// good by chance.
fn fails_now(order: i64, attempt: u32, orders: i64) -> bool {
    order % orders == 0 && attempt <= 2
}
