//! Receivers that connect by a model's name get its first signal.
//!
//! It is one test, because it needs an entity that has not been used yet.

mod common;

use common::entities::{person, tag};
use common::{Log, rows, sqlite};
use fanfare::Sender;
use fanfare_django::model::{CLASS_PREPARED, ModelSignal, POST_SAVE, unresolved_models};
use fanfare_sea_orm::{PrepareError, prepare_models};
use sea_orm::ActiveModelTrait;

#[tokio::test]
async fn by_name_before_the_first_use() {
    let db = sqlite().await;
    let log = Log::new();
    let (prepared, saved) = (log.clone(), log.clone());
    CLASS_PREPARED.connect(move |sender, event| {
        assert!(
            !POST_SAVE.from(sender).has_listeners(),
            "told before those that wait are connected"
        );
        prepared.push(event.name());
    });
    let waiting = POST_SAVE
        .model("library.TAG")
        .connect(move |_sender, event| {
            saved.push(
                event
                    .instance::<tag::Model>()
                    .ok_or("not a tag")?
                    .name
                    .clone(),
            );
            Ok(())
        })
        .unwrap();
    let misspelled = POST_SAVE
        .model("library.Persn")
        .connect(|_sender, _event| Ok(()))
        .unwrap();
    // The row in the place of its entity, and a name in the place of a model.
    let row = POST_SAVE.options().sender(Sender::of::<tag::Model>());
    let row = row.connect(|_sender, _event| Ok(()));
    let name = POST_SAVE.options().sender("library.Tag");
    let name = name.connect_async(|_sender, _event| Box::pin(async { Ok(()) }));
    assert_eq!(unresolved_models(), ["library.Persn", "library.TAG"]);

    rows::tag("novel").insert(&db).await.unwrap();
    assert_eq!(log.take(), ["library.Tag", "novel"]);
    assert!(waiting.connection().unwrap().is_connected());

    // Only after all have been prepared does the list mean misspelled names.
    let unknown = prepare_models();
    let senders = [
        "POST_SAVE from \"library.Tag\"",
        "POST_SAVE from model_names::common::entities::tag::Model",
    ];
    let expected = PrepareError::Unknown {
        models: vec!["library.Persn".to_owned()],
        senders: senders.map(str::to_owned).to_vec(),
    };
    assert_eq!(unknown, Err(expected.clone()));
    assert_eq!(
        expected.to_string(),
        format!(
            "receivers are never called: no entity has the name that they wait for (library.Persn), \
             check the spelling; their sender is no entity ({}), connect for `Sender::of::<Entity>()` or \
             with `model(name)`",
            senders.join(", ")
        )
    );
    assert!(misspelled.disconnect());
    assert!(matches!(
        prepare_models(),
        Err(PrepareError::Unknown { models, senders }) if models.is_empty() && senders.len() == 2
    ));
    assert!(row.disconnect() && name.disconnect());
    assert_eq!(prepare_models(), Ok(0));
    let mut names = log.take();
    names.sort();
    assert_eq!(
        names,
        [
            "library.Book",
            "library.BookTag",
            "library.Follow",
            "library.Page",
            "library.Person"
        ]
    );

    // A name that is known connects at once.
    let known = POST_SAVE
        .model("library.person")
        .connect(|_sender, _event| Ok(()))
        .unwrap();
    assert!(!known.is_waiting());
    assert!(
        POST_SAVE
            .from(Sender::of::<person::Entity>())
            .has_listeners()
    );
    assert!(known.disconnect());
    assert!(
        !POST_SAVE
            .from(Sender::of::<person::Entity>())
            .has_listeners()
    );
}
