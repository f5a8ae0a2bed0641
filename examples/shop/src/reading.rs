//! Reads the books from the database and from the file of the mails.

use std::path::Path;

use fanfare_sea_orm::SignalConnection;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use crate::Fatal;
use crate::books::Books;
use crate::mails;
use crate::tables::{customer, invoice, item, order, repeat, returned, run, shipment};

/// Returns the books, without the reports of the worker.
pub(crate) async fn read(db: &SignalConnection, folder: &Path) -> Result<Books, Fatal> {
    let returned = returned::Entity::find().all(db).await?;
    let killed = run::Entity::find().filter(run::Column::HasEnded.eq(false));
    let killed = killed.all(db).await?;
    let invoices = invoice::Entity::find().order_by_asc(invoice::Column::Id);
    let shipments = shipment::Entity::find().order_by_asc(shipment::Column::Id);
    let recognized = repeat::Entity::find().count(db).await?;
    Ok(Books {
        items: item::Entity::find().all(db).await?,
        customers: customer::Entity::find().all(db).await?,
        orders: order::Entity::find().all(db).await?,
        invoices: invoices.all(db).await?,
        shipments: shipments.all(db).await?,
        mails: mails::read(folder)?,
        returned: returned.iter().map(|it| it.number).collect(),
        killed: killed.iter().map(|it| it.id).collect(),
        recognized: usize::try_from(recognized)?,
        ..Books::default()
    })
}
