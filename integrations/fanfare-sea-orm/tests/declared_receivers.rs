//! `#[receiver]` on a model signal, with and without a sender. Django's `decorators`.
//!
//! One test: what `connect_receivers` connects stays.

mod common;

use common::entities::{person, tag};
use common::{Log, on_each_database};
use fanfare::{Sender, receiver};
use fanfare_django::model::{PRE_SAVE, PreSave, ReceiverResult};
use fanfare_sea_orm::SignalConnection;
use sea_orm::{ActiveModelTrait, Set};
use std::sync::LazyLock;

static SEEN: LazyLock<Log> = LazyLock::new(Log::new);

#[receiver(PRE_SAVE)]
fn of_any(_sender: Sender<'_>, _event: &PreSave<'_>) -> ReceiverResult {
    SEEN.push("any");
    Ok(())
}

#[receiver(PRE_SAVE, sender = person::Entity)]
fn of_persons(_sender: Sender<'_>, event: &PreSave<'_>) -> ReceiverResult {
    assert!(event.instance::<person::ActiveModel>().is_some());
    SEEN.push("persons");
    Ok(())
}

#[tokio::test]
async fn declared_receivers_get_a_save() {
    fanfare::connect_receivers();
    on_each_database(async |db: SignalConnection| {
        let ada = person::ActiveModel {
            first_name: Set("Ada".to_owned()),
            last_name: Set("Lovelace".to_owned()),
            ..Default::default()
        };
        ada.insert(&db).await.unwrap();
        let mut seen = SEEN.take();
        seen.sort();
        assert_eq!(seen, ["any", "persons"]);
        let novel = tag::ActiveModel {
            name: Set("novel".to_owned()),
            ..Default::default()
        };
        novel.insert(&db).await.unwrap();
        assert_eq!(SEEN.take(), ["any"]);
    })
    .await;
}
