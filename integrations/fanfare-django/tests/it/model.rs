//! The events of the model signals: the data that receivers share, and those that they may change.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fanfare::{Sender, Signal};
use fanfare_django::model::{
    Bulk, ClassPrepared, Context, Delete, InstanceMut, M2mAction, M2mChanged, PostInit, PostSave,
    PreInit, PreSave, PrimaryKey, ReceiverResult,
};
use fanfare_django::transaction::AfterCommit;
use static_assertions::{assert_impl_all, assert_not_impl_any};

#[derive(Debug, PartialEq)]
struct User {
    name: String,
}

struct Draft {
    name: String,
}

fn ada() -> User {
    User {
        name: String::from("Ada"),
    }
}

// Async receivers borrow the event in futures that are `Send`.
assert_impl_all!(ClassPrepared<'static>: Send, Sync);
assert_impl_all!(PreInit<'static>: Send, Sync);
assert_impl_all!(PostInit<'static>: Sync);
assert_impl_all!(PreSave<'static>: Sync);
assert_impl_all!(PostSave<'static>: Sync);
assert_impl_all!(Delete<'static>: Sync);
assert_impl_all!(M2mChanged<'static>: Sync);
assert_impl_all!(Bulk<'static>: Sync);
// So that a future which holds it over an await is not `Send`.
assert_not_impl_any!(InstanceMut<'static, 'static, User>: Send);

#[test]
fn each_receiver_finds_the_changes_of_the_one_before_it() {
    static SAVE: Signal<PreSave<'static>, ReceiverResult> = Signal::new();
    for suffix in [" King", " Lovelace"] {
        SAVE.connect(move |_sender, event| {
            let mut user = event.instance::<User>().ok_or("not a user")?;
            user.name.push_str(suffix);
            Ok(())
        });
    }
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    SAVE.from(Sender::of::<User>())
        .send_until_err(&event)
        .unwrap();
    assert_eq!(user.name, "Ada King Lovelace");
}

#[test]
fn a_closure_changes_the_instance_if_it_is_of_its_type() {
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    assert_eq!(event.with_instance(|_: &mut Draft| ()), None);
    let length = event.with_instance(|user: &mut User| {
        user.name.push_str(" King");
        user.name.len()
    });
    assert_eq!(length, Some(8));
    // The lock is free again.
    assert!(event.instance::<User>().is_some());
    assert_eq!(user.name, "Ada King");

    let event = PreInit::new(&mut user);
    event.with_instance(|user: &mut User| user.name.clear());
    assert_eq!(event.with_instance(|_: &mut Draft| ()), None);
    assert_eq!(user.name, "");

    let mut keys = vec![1, 2, 3];
    let sender = Sender::named("other");
    let context = Context::default();
    let event = M2mChanged::new(
        M2mAction::PreAdd,
        &user,
        false,
        sender,
        Some(&mut keys),
        context,
    );
    event.with_pk_set(|keys: &mut Vec<i32>| keys.retain(|key| *key != 2));
    assert_eq!(event.with_pk_set(|_: &mut User| ()), None);
    assert_eq!(keys, [1, 3]);
    let event = M2mChanged::new(M2mAction::PreClear, &user, false, sender, None, context);
    assert_eq!(event.with_pk_set(|_: &mut Vec<i32>| ()), None);
}

#[test]
fn an_event_has_the_models_name_and_the_key_that_the_emitter_gives() {
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    assert_eq!(event.model_name(), "");
    assert!(event.pk().is_none());

    let known = Context::default()
        .with_model_name("shop.User")
        .with_pk(PrimaryKey::new(&7_i32));
    let event = PreSave::new(&mut user, true, None, known);
    assert_eq!(event.model_name(), "shop.User");
    assert_eq!(event.pk().unwrap().downcast_ref(), Some(&7_i32));
    assert!(event.pk().unwrap().downcast_ref::<i64>().is_none());
    assert_eq!(format!("{0} {0:?}", PrimaryKey::new(&"a")), "a \"a\"");
    let event = PreInit::new(&mut user);
    assert_eq!((event.model_name(), event.pk().is_none()), ("", true));

    let event = PostSave::new(&user, true, None, known);
    assert_eq!(
        (event.model_name(), event.pk().is_some()),
        ("shop.User", true)
    );
    let event = Delete::new(&user, known);
    assert_eq!(
        (event.model_name(), event.pk().is_some()),
        ("shop.User", true)
    );
    let event = Bulk::new(1, None, known);
    assert_eq!(event.model_name(), "shop.User");
    let event = PostInit::new(&user).with_model_name("shop.User");
    assert_eq!(
        (event.model_name(), event.pk().is_some()),
        ("shop.User", false)
    );
}

#[test]
fn a_future_that_waits_between_two_changes_is_send() {
    fn assert_send(_: impl Future<Output = ()> + Send) {}
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    assert_send(async {
        let name = event.with_instance(|user: &mut User| user.name.clone());
        std::future::ready(()).await;
        event.with_instance(|user: &mut User| user.name = name.unwrap_or_default());
    });
}

#[test]
fn an_instance_of_another_type_is_refused_without_a_lock() {
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    assert!(event.instance::<Draft>().is_none());
    let held = event.instance::<User>().unwrap();
    assert_eq!(*held, ada());
}

#[test]
fn a_second_guard_on_the_same_thread_panics_and_the_first_stays() {
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    let mut held = event.instance::<User>().unwrap();
    let second = catch_unwind(AssertUnwindSafe(|| event.instance::<User>().is_some()));
    let panic = second.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("already holds the instance"), "{text}");
    held.name.push('!');
    drop(held);
    assert_eq!(event.instance::<User>().unwrap().name, "Ada!");
}

/// A receiver that panics with the guard leaves the instance to the next.
#[test]
fn a_panic_under_a_guard_leaves_the_instance_usable() {
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = event.instance::<User>().unwrap();
        panic!("in a receiver");
    }));
    assert!(panicked.is_err());
    assert_eq!(event.instance::<User>().unwrap().name, "Ada");
}

/// A send that runs its receivers on several threads: the second waits.
#[test]
fn a_guard_on_another_thread_is_waited_for() {
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    let (asked, asks) = mpsc::channel();
    let (got, gets) = mpsc::channel();
    thread::scope(|scope| {
        let mut held = event.instance::<User>().unwrap();
        let event = &event;
        scope.spawn(move || {
            asked.send(()).unwrap();
            got.send(event.instance::<User>().unwrap().name.clone())
                .unwrap();
        });
        asks.recv().unwrap();
        assert!(gets.recv_timeout(Duration::from_millis(20)).is_err());
        held.name.push('!');
        drop(held);
        assert_eq!(gets.recv().unwrap(), "Ada!");
        // Both are free again: this thread may ask anew.
        assert_eq!(event.instance::<User>().unwrap().name, "Ada!");
    });
}

#[test]
fn pre_init_lends_the_values() {
    let mut user = ada();
    let event = PreInit::new(&mut user);
    event.instance::<User>().unwrap().name.push('!');
    let event = PostInit::new(&user);
    assert_eq!(event.instance::<User>().map(|it| &*it.name), Some("Ada!"));
    assert!(event.instance::<Draft>().is_none());
}

#[test]
fn a_save_has_its_columns_and_its_database() {
    let after_commit = AfterCommit::new();
    let context = Context::new("replica")
        .raw(true)
        .after_commit(&after_commit);
    let mut user = ada();
    let event = PreSave::new(&mut user, false, Some(&["name"]), context);
    assert!(!event.created() && event.raw());
    assert_eq!(event.using(), "replica");
    assert_eq!(event.update_fields(), Some(&["name"][..]));

    let event = PostSave::new(&user, true, None, context);
    assert!(event.created() && event.raw());
    assert_eq!(event.using(), "replica");
    assert_eq!(event.update_fields(), None);
    assert_eq!(event.instance(), Some(&user));
    static DONE: Signal<u32> = Signal::new();
    event.after_commit().unwrap().record(&DONE, 1);
    assert_eq!(after_commit.len(), 1);

    let event = PostSave::new(&user, true, None, Context::default());
    assert!(!event.raw() && event.after_commit().is_none());
    assert_eq!(event.using(), "default");
}

#[test]
fn a_delete_has_its_origin_and_two_types() {
    let (user, draft) = (
        ada(),
        Draft {
            name: String::from("Ada"),
        },
    );
    let event = Delete::new(&draft, Context::default().origin(&user)).or_as(&user);
    assert_eq!(event.instance::<Draft>().map(|it| &*it.name), Some("Ada"));
    assert_eq!(event.instance(), Some(&user));
    assert_eq!(event.origin(), Some(&user));
    assert!(event.origin::<Draft>().is_none());
    assert!(
        Delete::new(&user, Context::default())
            .origin::<User>()
            .is_none()
    );
}

#[test]
fn a_pre_add_receiver_takes_keys_out() {
    let user = ada();
    let mut pks = vec![1, 2, 3];
    let tags = Sender::of::<Draft>();
    let event = M2mChanged::new(
        M2mAction::PreAdd,
        &user,
        true,
        tags,
        Some(&mut pks),
        Context::default(),
    );
    assert_eq!(event.action().to_string(), "pre_add");
    assert!(event.reverse());
    assert_eq!(event.model(), tags);
    assert_eq!(event.instance(), Some(&user));
    event.pk_set::<Vec<i32>>().unwrap().retain(|pk| *pk != 2);
    assert_eq!(pks, [1, 3]);

    let clear = M2mChanged::new(
        M2mAction::PreClear,
        &user,
        false,
        tags,
        None,
        Context::default(),
    );
    assert!(clear.pk_set::<Vec<i32>>().is_none());
}

#[test]
fn a_bulk_event_has_the_rows_where_they_are_known() {
    let users = vec![ada()];
    let event = Bulk::new(1, Some(&users), Context::new("replica"));
    assert_eq!(event.instances::<User>(), Some(&*users));
    assert!(event.instances::<Draft>().is_none());
    assert_eq!((event.rows(), event.using()), (1, "replica"));
    assert!(
        Bulk::new(7, None, Context::default())
            .instances::<User>()
            .is_none()
    );
}

#[test]
fn an_async_receiver_changes_the_instance_between_awaits() {
    fn send<T: Send>(future: T) -> T {
        future
    }
    static SAVE: Signal<PreSave<'static>, ReceiverResult> = Signal::new();
    SAVE.connect_async(|_sender, event| {
        Box::pin(async move {
            event.instance::<User>().ok_or("not a user")?.name.push('1');
            std::future::ready(()).await;
            event.instance::<User>().ok_or("not a user")?.name.push('2');
            Ok(())
        })
    });
    let mut user = ada();
    let event = PreSave::new(&mut user, true, None, Context::default());
    pollster::block_on(send(
        SAVE.from(Sender::of::<User>()).asend_until_err(&event),
    ))
    .unwrap();
    assert_eq!(user.name, "Ada12");
}
