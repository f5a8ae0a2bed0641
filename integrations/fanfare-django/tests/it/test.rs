//! A setting that a test overrides is back afterwards, whatever receivers do, and they get both
//! changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, RwLock};

use fanfare::{ScopedConnection, Sender};
use fanfare_django::test::{SETTING_CHANGED, SettingChanged, override_setting};

type Seen = Mutex<Vec<(u32, bool)>>;

/// Notes each change, as the value and whether it was on enter.
fn note(app: Sender<'_>) -> (&'static Seen, ScopedConnection) {
    let seen: &'static Seen = Box::leak(Box::default());
    let receiver = SETTING_CHANGED.options().sender(app).connect(|_, changed| {
        assert_eq!(changed.setting(), "PAGE_SIZE");
        seen.lock()
            .unwrap()
            .push((*changed.value().unwrap(), changed.enter()));
        Ok(())
    });
    (seen, receiver.scoped())
}

#[test]
fn sent_after_each_change() {
    let app = Sender::named("after each change");
    let (seen, _receiver) = note(app);
    let setting = RwLock::new(100_u32);
    {
        let _guard = override_setting(app, "PAGE_SIZE", &setting, 2).unwrap();
        assert_eq!(*setting.read().unwrap(), 2);
        assert_eq!(*seen.lock().unwrap(), [(2, true)]);
    }
    assert_eq!(*setting.read().unwrap(), 100);
    assert_eq!(*seen.lock().unwrap(), [(2, true), (100, false)]);
}

#[test]
fn receivers_may_read_the_setting_which_has_its_new_value() {
    static SETTING: RwLock<u32> = RwLock::new(100);
    let app = Sender::named("may read");
    let _receiver = SETTING_CHANGED
        .options()
        .sender(app)
        .connect(|_, changed| {
            let told = changed.value::<u32>();
            // A reader that would wait is one that a writer keeps out.
            assert_eq!(told, SETTING.try_read().ok().as_deref());
            Ok(())
        })
        .scoped();
    override_setting(app, "PAGE_SIZE", &SETTING, 2)
        .unwrap()
        .restore()
        .unwrap();
}

#[test]
fn overrides_of_settings_nest() {
    let app = Sender::named("nest");
    let (seen, _receiver) = note(app);
    let setting = RwLock::new(100_u32);
    let outer = override_setting(app, "PAGE_SIZE", &setting, 2).unwrap();
    let inner = override_setting(app, "PAGE_SIZE", &setting, 3).unwrap();
    inner.restore().unwrap();
    assert_eq!(*setting.read().unwrap(), 2);
    outer.restore().unwrap();
    assert_eq!(*setting.read().unwrap(), 100);
    assert_eq!(
        *seen.lock().unwrap(),
        [(2, true), (3, true), (2, false), (100, false)]
    );
}

#[test]
fn an_error_on_enter_undoes_the_override_and_all_receivers_get_it() {
    let app = Sender::named("error on enter");
    let _refuses = SETTING_CHANGED
        .options()
        .sender(app)
        .connect(|_, changed| match changed.enter() {
            true => Err("not two".into()),
            false => Ok(()),
        })
        .scoped();
    let (seen, _later) = note(app);
    let setting = RwLock::new(100_u32);
    let refused = override_setting(app, "PAGE_SIZE", &setting, 2).unwrap_err();
    assert_eq!(refused.to_string(), "not two");
    assert_eq!(*setting.read().unwrap(), 100);
    assert_eq!(*seen.lock().unwrap(), [(100, false)]);
}

#[test]
fn a_panic_on_enter_undoes_the_override_and_all_receivers_get_it() {
    let app = Sender::named("panic on enter");
    let _panics = SETTING_CHANGED
        .options()
        .sender(app)
        .connect(|_, changed| {
            assert!(!changed.enter(), "not two");
            Ok(())
        })
        .scoped();
    let (seen, _later) = note(app);
    let setting = RwLock::new(100_u32);
    let entered = catch_unwind(AssertUnwindSafe(|| {
        let _ = override_setting(app, "PAGE_SIZE", &setting, 2);
    }));
    assert!(entered.is_err());
    assert_eq!(*setting.read().unwrap(), 100);
    assert_eq!(*seen.lock().unwrap(), [(100, false)]);
}

#[test]
fn on_exit_all_run_and_the_first_error_is_returned() {
    let app = Sender::named("error on exit");
    let _panics = SETTING_CHANGED
        .options()
        .sender(app)
        .connect(|_, changed| {
            assert!(changed.enter(), "the first");
            Ok(())
        })
        .scoped();
    let _refuses = SETTING_CHANGED
        .options()
        .sender(app)
        .connect(|_, changed| match changed.enter() {
            true => Ok(()),
            false => Err("the second".into()),
        })
        .scoped();
    let (seen, _later) = note(app);
    let setting = RwLock::new(100_u32);
    let guard = override_setting(app, "PAGE_SIZE", &setting, 2).unwrap();
    let error = guard.restore().unwrap_err().to_string();
    assert!(error.ends_with("the first"), "{error}");
    assert_eq!(*setting.read().unwrap(), 100);
    assert_eq!(*seen.lock().unwrap(), [(2, true), (100, false)]);
}

#[test]
fn a_setting_that_did_not_exist_has_no_value_afterwards() {
    let gone = SettingChanged::new("PAGE_SIZE", false);
    assert!(!gone.exists() && gone.value::<u32>().is_none());
    let there = gone.with_value(&2_u32);
    assert!(there.exists());
    assert_eq!(
        (there.value::<u32>(), there.value::<u64>()),
        (Some(&2), None)
    );
}

/// An async receiver on an executor's thread: the send is refused with a panic, and so is the send
/// of the old value, from a destructor. That must not end the process.
#[test]
fn a_refused_override_is_a_panic_and_no_abort() {
    static CELL: RwLock<u32> = RwLock::new(1);
    let sender = Sender::named("refused");
    let _receiver = SETTING_CHANGED
        .options()
        .sender(sender)
        .connect_async(|_sender, _changed| Box::pin(async { Ok(()) }))
        .scoped();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let refused = catch_unwind(|| {
        runtime.block_on(async { override_setting(sender, "CELL", &CELL, 2).map(drop) })
    });
    assert!(refused.is_err());
    assert_eq!(*CELL.read().unwrap(), 1);
}
