//! The macro `apps!`, whose expansion uses `private.rs`.

/// Names the crates whose receivers the program needs, as `INSTALLED_APPS` does in Django.
///
/// The compiler links a dependency only if some code names it. So the receivers of a crate that has
/// nothing else are missing from the program, without an error. Write `apps!` once, beside `main`:
///
/// ```standalone_crate,no_run
/// # extern crate self as shop_receivers;
/// # extern crate self as billing;
/// fanfare::apps!(shop_receivers, billing);
///
/// fn main() {
///     println!("{}", fanfare::connect_receivers());
/// }
/// ```
///
/// It is an item, which expands to `use shop_receivers as _;` and `use billing as _;`, and has
/// [`connect_receivers`](crate::connect_receivers) check that each crate declares a receiver. A
/// program may have several, also in its libraries. A crate of which the program uses an item is
/// linked without `apps!`, and its place in the list is a check only.
///
/// Name the crates that have the `#[receiver]`s, not a crate that depends on them. If `Cargo.toml`
/// renames a dependency, write the name of the crate and then the new name:
/// `apps!(acme_billing as billing)`.
///
/// # Errors
///
/// The compiler reports a crate that is not a dependency.
///
/// # Panics
///
/// `connect_receivers` panics if one of the crates declares no receiver. The message names the
/// crate and the place of the macro.
///
/// ```standalone_crate
/// // This crate has signals, and declares no receiver.
/// fanfare::apps!(fanfare_django);
///
/// let refused = std::panic::catch_unwind(fanfare::connect_receivers).unwrap_err();
/// let message = refused.downcast_ref::<String>().unwrap();
/// assert!(message.starts_with("`apps!` names crates that declare no receiver, `fanfare_django`"));
/// ```
///
/// # Cost
///
/// A small static and a function that runs before `main`, for each crate.
#[macro_export]
macro_rules! apps {
    (@app $name:ident) => {
        $crate::apps!(@app $name as $name);
    };
    (@app $name:ident as $renamed:ident) => {
        const _: () = {
            use ::$renamed as _;
            $crate::__private::submit! {
                $crate::__private::App::new(
                    ::core::stringify!($name),
                    ::core::file!(),
                    ::core::line!(),
                )
            }
        };
    };
    ($($name:ident $(as $renamed:ident)?),+ $(,)?) => {
        $($crate::apps!(@app $name $(as $renamed)?);)+
    };
    () => {
        ::core::compile_error!(
            "`apps!` names no crate: write `apps!(shop_receivers, billing)` with the crates that \
             declare receivers"
        );
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "`apps!` takes the names of crates, separated by commas: write \
             `apps!(shop_receivers, billing)`"
        );
    };
}
