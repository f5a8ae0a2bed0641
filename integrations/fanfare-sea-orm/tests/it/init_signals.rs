//! Reading a row as `Inited` sends `pre_init` and `post_init`; so does making one by hand.

use crate::common::entities::person;
use crate::common::rows::person;
use crate::common::{Log, hear, on_each_database};
use fanfare_django::model::{POST_INIT, PRE_INIT};
use fanfare_sea_orm::{Inited, SignalConnection};
use sea_orm::{ActiveModelTrait, EntityTrait};

#[tokio::test]
async fn each_row_is_sent_twice_and_can_be_changed_the_first_time() {
    on_each_database(async |db: SignalConnection| {
        for name in ["Lovelace", "Byron"] {
            person(name).insert(&db).await.unwrap();
        }
        let log = Log::new();
        let (before, after) = (log.clone(), log.clone());
        let _pre = hear(person::Entity, &PRE_INIT, move |_sender, event| {
            let mut person = event.instance::<person::Model>().unwrap();
            before.push(format!("pre {}", person.last_name));
            person.last_name.make_ascii_uppercase();
        });
        let _post = hear(person::Entity, &POST_INIT, move |_sender, event| {
            let person = event.instance::<person::Model>().unwrap();
            after.push(format!("post {}", person.last_name));
        });

        let query = person::Entity::find().into_model::<Inited<person::Model>>();
        let persons = query.all(&db).await.unwrap();
        assert_eq!(
            log.take(),
            ["pre Lovelace", "post LOVELACE", "pre Byron", "post BYRON"]
        );
        assert_eq!(persons[0].last_name, "LOVELACE");

        let query = person::Entity::find().into_model::<Option<Inited<person::Model>>>();
        let first = query.one(&db).await.unwrap().flatten();
        assert_eq!(
            first.map(|it| it.into_inner().last_name).as_deref(),
            Some("LOVELACE")
        );
        assert_eq!(log.take(), ["pre Lovelace", "post LOVELACE"]);
    })
    .await;
}
