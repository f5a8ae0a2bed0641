//! For tests: [`SETTING_CHANGED`].
//!
//! Weak points first. Settings are the process's, so tests that override the same one must not run at the
//! same time. Overrides of one setting must end in the reverse of their order, as guards in one
//! scope do; otherwise the last to end decides the value.
//!
//! Who sends it: [`override_setting`], or the application's own way to change a setting.
//!
//! What Django does: `override_settings` sends it for each setting, on enter with `send`, so that a
//! receiver that raises undoes the override, and on exit robustly, after which the first error is
//! raised. So it is here. Django's sender is the class of the settings; here the caller names one.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use fanfare::{Event, Sender, Signal};

use crate::{Answer, downcast};

/// Sent when a test has changed a setting, and when it has changed it back.
///
/// What was computed from the setting is computed anew by the receivers. An `Err` on enter undoes
/// the change.
///
/// ```
/// use fanfare_django::test::{SETTING_CHANGED, SettingChanged};
///
/// SETTING_CHANGED.connect(|_sender, changed| match changed.setting() {
///     "PAGE_SIZE" if changed.value() == Some(&0_usize) => Err("pages cannot be empty".into()),
///     _ => Ok(()),
/// });
///
/// let changed = SettingChanged::new("PAGE_SIZE", true).with_value(&0_usize);
/// assert!(SETTING_CHANGED.from("settings").send_until_err(&changed).is_err());
/// ```
pub static SETTING_CHANGED: Signal<SettingChanged<'static>, Answer> = Signal::new();

/// Which setting changed, its value now, and whether a test enters or leaves an override.
#[derive(Clone, Copy)]
pub struct SettingChanged<'a> {
    setting: &'a str,
    value: Option<&'a (dyn Any + Sync)>,
    enter: bool,
}

impl Event for SettingChanged<'static> {
    type Args<'a> = SettingChanged<'a>;
}

impl<'a> SettingChanged<'a> {
    /// The setting of this name, which does not exist now.
    pub fn new(setting: &'a str, enter: bool) -> Self {
        SettingChanged {
            setting,
            value: None,
            enter,
        }
    }

    /// Adds the value that it has now.
    pub fn with_value<T: Any + Sync>(self, value: &'a T) -> Self {
        SettingChanged {
            value: Some(value),
            ..self
        }
    }

    /// The name of the setting.
    pub fn setting(&self) -> &'a str {
        self.setting
    }

    /// Its value now, or `None` if it does not exist or is not a `T`.
    pub fn value<T: Any>(&self) -> Option<&'a T> {
        downcast(self.value?)
    }

    /// Whether it exists now: on the exit from an override it may not.
    pub fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// True where an override begins, false where it ends.
    pub fn enter(&self) -> bool {
        self.enter
    }
}

impl fmt::Debug for SettingChanged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingChanged")
            .field("setting", &self.setting)
            .field("exists", &self.exists())
            .field("enter", &self.enter)
            .finish_non_exhaustive()
    }
}

/// Gives `cell` the `value` until the guard is dropped, and sends [`SETTING_CHANGED`] after each of
/// the two changes.
///
/// No lock is held while receivers run, so they may read the setting. They are given a clone of the value.
/// Async receivers are run as in any [`send`](Signal::send).
///
/// # Errors
///
/// With the first `Err` of a receiver: no later one ran. The old value is back then, and the signal for
/// that has been sent, robustly.
///
/// # Panics
///
/// With a receiver's panic, after the same.
///
/// ```
/// use fanfare_django::test::{SETTING_CHANGED, override_setting};
/// use std::sync::RwLock;
///
/// static PAGE_SIZE: RwLock<usize> = RwLock::new(100);
///
/// {
///     let _guard = override_setting("settings", "PAGE_SIZE", &PAGE_SIZE, 2)?;
///     assert_eq!(*PAGE_SIZE.read().unwrap(), 2);
/// }
/// assert_eq!(*PAGE_SIZE.read().unwrap(), 100);
///
/// SETTING_CHANGED.connect(|_sender, changed| match changed.value::<usize>() {
///     Some(0) => Err("pages cannot be empty".into()),
///     _ => Ok(()),
/// });
/// assert!(override_setting("settings", "PAGE_SIZE", &PAGE_SIZE, 0).is_err());
/// assert_eq!(*PAGE_SIZE.read().unwrap(), 100);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub fn override_setting<'s, T>(
    sender: impl Into<Sender<'s>>,
    setting: &'s str,
    cell: &'s RwLock<T>,
    value: T,
) -> Result<OverriddenSetting<'s, T>, Box<dyn Error + Send + Sync>>
where
    T: Any + Clone + Send + Sync,
{
    let told = value.clone();
    // Made first: whatever happens in a receiver, its destructor changes the setting back.
    let guard = OverriddenSetting {
        sender: sender.into(),
        setting,
        cell,
        before: Some(exchange(cell, value)),
    };
    let changed = SettingChanged::new(setting, true).with_value(&told);
    match SETTING_CHANGED.from(guard.sender).send_until_err(&changed) {
        Ok(_) => Ok(guard),
        Err(stopped) => Err(stopped.error),
    }
}

/// An override that ends when this is dropped. See [`override_setting`].
///
/// Dropping it swallows the errors of receivers, for a destructor cannot answer;
/// [`restore`](OverriddenSetting::restore) returns the first.
#[must_use = "dropping it ends the override"]
pub struct OverriddenSetting<'s, T: Any + Clone + Send + Sync> {
    sender: Sender<'s>,
    setting: &'s str,
    cell: &'s RwLock<T>,
    /// `None` once the override has ended.
    before: Option<T>,
}

impl<T: Any + Clone + Send + Sync> OverriddenSetting<'_, T> {
    /// Ends the override: changes the setting back and tells all receivers, whatever the others do.
    ///
    /// # Errors
    ///
    /// With the first `Err` of a receiver, or the text of its panic. The setting has been changed
    /// back all the same, and every receiver ran.
    ///
    /// ```
    /// use fanfare_django::test::{SETTING_CHANGED, override_setting};
    /// use std::sync::RwLock;
    ///
    /// static DEBUG: RwLock<bool> = RwLock::new(false);
    ///
    /// SETTING_CHANGED.connect(|_sender, changed| match changed.enter() {
    ///     true => Ok(()),
    ///     false => Err("the cache is still warm".into()),
    /// });
    /// let debug = override_setting("settings", "DEBUG", &DEBUG, true)?;
    /// assert_eq!(debug.restore().unwrap_err().to_string(), "the cache is still warm");
    /// assert!(!*DEBUG.read().unwrap());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn restore(mut self) -> Answer {
        self.end()
    }

    fn end(&mut self) -> Answer {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let told = before.clone();
        exchange(self.cell, before);
        let changed = SettingChanged::new(self.setting, false).with_value(&told);
        let outcomes = SETTING_CHANGED.from(self.sender).send_robust(&changed);
        let first = outcomes.into_iter().find_map(|outcome| match outcome {
            Ok(answer) => answer.err(),
            Err(failure) => Some(failure.to_string().into()),
        });
        first.map_or(Ok(()), Err)
    }
}

impl<T: Any + Clone + Send + Sync> Drop for OverriddenSetting<'_, T> {
    fn drop(&mut self) {
        // There is nobody to tell: `restore` is for who wants to know. And a destructor must not panic,
        // which a send that is refused does.
        let _ = catch_unwind(AssertUnwindSafe(|| self.end()));
    }
}

impl<T: Any + Clone + Send + Sync> fmt::Debug for OverriddenSetting<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverriddenSetting")
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}

/// Swaps the value; the old one leaves the lock, so its destructor does not run under it.
fn exchange<T>(cell: &RwLock<T>, value: T) -> T {
    std::mem::replace(
        &mut cell.write().unwrap_or_else(PoisonError::into_inner),
        value,
    )
}
