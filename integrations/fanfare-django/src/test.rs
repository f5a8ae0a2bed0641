//! The signal of changed settings, for tests: [`SETTING_CHANGED`].
//!
//! [`override_setting`] sends it, or the application's own way to change a setting.
//!
//! # Limitations
//!
//! Settings belong to the process, so tests that override the same setting must not run at the same
//! time. Overrides of one setting must end in the reverse of their order, as guards in one scope
//! do. Otherwise the last one to end decides the value.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use fanfare::connections::IntoSender;
use fanfare::{Event, Sender, Signal};

use crate::{ReceiverResult, downcast};

/// Sent when a test has changed a setting, and when it has changed it back.
///
/// Receivers compute anew the values that they computed from the setting.
///
/// - **Sender**: the sender that the caller of [`override_setting`] names.
/// - **When**: on enter it is sent with `send_until_err`, and on exit robustly.
/// - **Errors**: an `Err` on enter undoes the change. On exit
///   [`restore`](OverriddenSetting::restore) returns the first error after all receivers have run.
/// - **Django**: `override_settings` sends it for each setting, on enter with `send`, so that a
///   receiver that raises undoes the override. On exit it sends robustly, and then raises the first
///   error. The sender is the class of the settings.
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
pub static SETTING_CHANGED: Signal<SettingChanged<'static>, ReceiverResult> = Signal::new();

fanfare::signals!(SETTING_CHANGED);

/// The event of [`SETTING_CHANGED`]: the setting, its value now, and whether an override begins or
/// ends.
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
    /// Returns an event for the setting of this name, which does not exist now.
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

    /// Returns the name of the setting.
    pub fn setting(&self) -> &'a str {
        self.setting
    }

    /// Returns its value now, or `None` if it does not exist or is not a `T`.
    pub fn value<T: Any>(&self) -> Option<&'a T> {
        downcast(self.value?)
    }

    /// Returns `true` if it exists now. On the exit from an override it may not exist.
    pub fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// Returns `true` where an override begins, and `false` where it ends.
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
/// No lock is held while receivers run, so they may read the setting. They get a clone of the
/// value. Async receivers are run as in any [`send`](Signal::send).
///
/// # Errors
///
/// Returns the first `Err` of a receiver. No later receiver ran. The old value has been restored,
/// and the signal for that has been sent robustly.
///
/// # Panics
///
/// Resumes a receiver's panic, after it has restored the old value and sent the signal for that.
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
    sender: impl IntoSender<'s>,
    setting: &'s str,
    cell: &'s RwLock<T>,
    value: T,
) -> Result<OverriddenSetting<'s, T>, Box<dyn Error + Send + Sync>>
where
    T: Any + Clone + Send + Sync,
{
    let told = value.clone();
    // It is made first, so that its destructor changes the setting back even if a receiver panics.
    let guard = OverriddenSetting {
        sender: sender.into_sender(),
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

/// A guard of an override, which ends when the guard is dropped. See [`override_setting`].
///
/// Dropping it discards the errors of receivers, because a destructor cannot return them.
/// [`restore`](OverriddenSetting::restore) returns the first error.
#[must_use = "the override ends when its guard is dropped"]
pub struct OverriddenSetting<'s, T: Any + Clone + Send + Sync> {
    sender: Sender<'s>,
    setting: &'s str,
    cell: &'s RwLock<T>,
    /// `None` once the override has ended.
    before: Option<T>,
}

impl<T: Any + Clone + Send + Sync> OverriddenSetting<'_, T> {
    /// Ends the override: changes the setting back and sends the signal to all receivers, even if
    /// some fail.
    ///
    /// # Errors
    ///
    /// Returns the first `Err` of a receiver, or the text of its panic. The setting has been
    /// changed back even so, and every receiver ran.
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
    pub fn restore(mut self) -> ReceiverResult {
        self.end()
    }

    fn end(&mut self) -> ReceiverResult {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let told = before.clone();
        exchange(self.cell, before);
        let changed = SettingChanged::new(self.setting, false).with_value(&told);
        let outcomes = SETTING_CHANGED.from(self.sender).send_robust(&changed);
        let first = outcomes.into_iter().find_map(|outcome| match outcome {
            Ok(response) => response.err(),
            Err(failure) => Some(failure.to_string().into()),
        });
        first.map_or(Ok(()), Err)
    }
}

impl<T: Any + Clone + Send + Sync> Drop for OverriddenSetting<'_, T> {
    fn drop(&mut self) {
        // A destructor cannot return the error, which `restore` does. It must not panic either, and
        // a send that is refused panics.
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

/// Swaps the value. The old value leaves the lock, so its destructor does not run under it.
fn exchange<T>(cell: &RwLock<T>, value: T) -> T {
    std::mem::replace(
        &mut cell.write().unwrap_or_else(PoisonError::into_inner),
        value,
    )
}
