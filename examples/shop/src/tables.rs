//! The tables of the shop, in the file `shop.db`.

use std::path::Path;
use std::time::Duration;

use fanfare_outbox::create_tables;
use fanfare_sea_orm::{SignalConnection, SignalTransaction};
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DbBackend, DbErr, EntityTrait, PaginatorTrait,
    Schema, Set, SqliteTransactionMode, TransactionOptions, TransactionSession, TransactionTrait,
};

/// Makes the module of a table, with SeaORM's types of it.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $table:literal, { $($(#[$meta:meta])* $column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[expect(unreachable_pub, reason = "SeaORM's derives want public types")]
        pub(crate) mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $($(#[$meta])* pub $column: $type,)*
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

table!(
    /// The goods. `stock` and the quantities of the orders make `at_start`.
    item, "item", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64,
    name: String,
    cents: i64,
    at_start: i64,
    stock: i64,
});

table!(
    /// The customers, with the number of their orders and the sum of their invoices.
    customer, "customer", {
    #[sea_orm(primary_key, auto_increment = false)]
    id: i64,
    orders: i64,
    billed: i64,
});

table!(
    /// The orders. `nth` is the number of the order among those of its customer.
    order, "orders", {
    #[sea_orm(primary_key, auto_increment = false)]
    number: i64,
    customer: i64,
    nth: i64,
    item: i64,
    quantity: i64,
    cents: i64,
});

table!(
    /// The effects of billing. `event` is the id of the event, by which a repeated delivery is
    /// recognized.
    invoice, "invoice", {
    #[sea_orm(primary_key)]
    id: i64,
    #[sea_orm(unique)]
    event: i64,
    number: i64,
    customer: i64,
    nth: i64,
    cents: i64,
});

table!(
    /// The effects of shipping.
    shipment, "shipment", {
    #[sea_orm(primary_key)]
    id: i64,
    #[sea_orm(unique)]
    event: i64,
    number: i64,
    customer: i64,
    nth: i64,
    item: i64,
    quantity: i64,
});

table!(
    /// The repeated deliveries that billing and shipping have recognized.
    repeat, "repeat", {
    #[sea_orm(primary_key)]
    id: i64,
    receiver: String,
    event: i64,
});

table!(
    /// The orders whose mail could not be delivered for good.
    returned, "returned", {
    #[sea_orm(primary_key, auto_increment = false)]
    number: i64,
});

table!(
    /// The runs of the worker. A run that was killed has not ended.
    run, "run", {
    #[sea_orm(primary_key)]
    id: i64,
    has_ended: bool,
});

/// The goods at the start: name, price in cents, and stock. The lamps are soon sold out.
const GOODS: [(&str, i64, i64); 5] = [
    ("lamp", 4_900, 150),
    ("mug", 900, 1_000_000),
    ("poster", 1_500, 1_000_000),
    ("scarf", 2_500, 1_000_000),
    ("teapot", 3_200, 1_000_000),
];

pub(crate) const ITEMS: i64 = GOODS.len() as i64;
pub(crate) const CUSTOMERS: i64 = 20;

/// Opens the database, and makes the tables if they do not exist.
pub(crate) async fn open(folder: &Path) -> Result<SignalConnection, DbErr> {
    let file = folder.join("shop.db");
    let mut options = ConnectOptions::new("sqlite://shop.db");
    options.map_sqlx_sqlite_opts(move |it| {
        let it = it.filename(&file).create_if_missing(true);
        it.journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(20))
    });
    options.max_connections(8).sqlx_logging(false);
    // As the README of `fanfare-sea-orm` advises.
    options.idle_timeout(None).max_lifetime(None);
    let db = Database::connect(options).await?;
    create_tables(&db).await?;
    let schema = Schema::new(DbBackend::Sqlite);
    for mut table in [
        schema.create_table_from_entity(item::Entity),
        schema.create_table_from_entity(customer::Entity),
        schema.create_table_from_entity(order::Entity),
        schema.create_table_from_entity(invoice::Entity),
        schema.create_table_from_entity(shipment::Entity),
        schema.create_table_from_entity(repeat::Entity),
        schema.create_table_from_entity(returned::Entity),
        schema.create_table_from_entity(run::Entity),
    ] {
        db.execute(table.if_not_exists()).await?;
    }
    let db = SignalConnection::new(db);
    fill(&db).await?;
    Ok(db)
}

/// Begins a transaction that takes SQLite's lock for writing at once. One that reads first fails if
/// another one has written before it writes.
pub(crate) async fn begin(db: &SignalConnection) -> Result<SignalTransaction, DbErr> {
    db.begin_with_options(TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    })
    .await
}

/// Writes the goods and the customers, all or none, because the worker may be killed here as well.
async fn fill(db: &SignalConnection) -> Result<(), DbErr> {
    let transaction = begin(db).await?;
    if item::Entity::find().count(&transaction).await? == 0 {
        let items = (0..).zip(GOODS);
        let items = items.map(|(id, (name, cents, stock))| item::ActiveModel {
            id: Set(id),
            name: Set(name.to_owned()),
            cents: Set(cents),
            at_start: Set(stock),
            stock: Set(stock),
        });
        let items = item::Entity::insert_many(items);
        items.exec_without_returning(&transaction).await?;
        let customers = (0..CUSTOMERS).map(|id| customer::ActiveModel {
            id: Set(id),
            orders: Set(0),
            billed: Set(0),
        });
        let customers = customer::Entity::insert_many(customers);
        customers.exec_without_returning(&transaction).await?;
    }
    transaction.commit().await
}
