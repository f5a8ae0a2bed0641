//! `#[derive(Event)]` on every shape of type.

#![cfg(feature = "macros")]
#![warn(clippy::pedantic)]

use std::cell::Cell;
use std::fmt::Debug;

use fanfare::{Event, Sender, Signal};

#[test]
fn an_event_has_borrowed_fields() {
    #[derive(Event)]
    struct PizzaDone<'a> {
        toppings: &'a [&'a str],
        size_cm: u32,
    }

    static DONE: Signal<PizzaDone<'static>, usize> = Signal::new();

    DONE.connect(|_sender, pizza| pizza.toppings.concat().len() + pizza.size_cm as usize);
    let topping = String::from("olives");
    let toppings = vec![&*topping, "basil"];
    assert_eq!(
        *DONE.send(&PizzaDone {
            toppings: &toppings,
            size_cm: 32
        }),
        [43]
    );
}

#[test]
fn an_event_has_several_lifetimes() {
    #[derive(Event)]
    struct Replaced<'old, 'new: 'old>
    where
        'new: 'old,
    {
        before: &'old str,
        after: &'new str,
    }

    fn after(_sender: Sender<'_>, event: &Replaced<'_, '_>) -> String {
        format!("{} {}", event.before, event.after)
    }

    static REPLACED: Signal<Replaced<'static, 'static>, String> = Signal::new();

    REPLACED.connect(after);
    let old = String::from("old");
    let new = String::from("new");
    assert_eq!(
        *REPLACED.send(&Replaced {
            before: &old,
            after: &new
        }),
        ["old new"]
    );
}

#[test]
fn an_event_has_type_parameters() {
    #[derive(Event)]
    struct Saved<'a, T: ?Sized + Debug + 'a, K = u32, const N: usize = 2>
    where
        K: Copy,
    {
        instance: &'a T,
        keys: [K; N],
    }

    static SAVED: Signal<Saved<'static, str>, String> = Signal::new();
    static MANY: Signal<Saved<'static, [u8], i64, 3>, i64> = Signal::new();

    SAVED.connect(|_sender, saved| format!("{:?} {}", saved.instance, saved.keys[1]));
    MANY.connect(|_sender, saved| saved.keys.iter().sum());
    let name = String::from("pizza");
    assert_eq!(
        *SAVED.send(&Saved {
            instance: &*name,
            keys: [1, 2]
        }),
        ["\"pizza\" 2"]
    );
    assert_eq!(
        *MANY.send(&Saved {
            instance: &[0][..],
            keys: [1, 2, 3]
        }),
        [6]
    );
}

#[test]
fn type_parameters_without_lifetimes() {
    #[derive(Event)]
    struct Counted<T>(T);

    static COUNTED: Signal<Counted<Vec<u8>>, usize> = Signal::new();

    COUNTED.connect(|_sender, counted| counted.0.len());
    assert_eq!(*COUNTED.send(&Counted(vec![1, 2])), [2]);
}

trait Shape<'a> {
    fn name(&self) -> &'a str;
}

struct Round;

impl<'a> Shape<'a> for Round {
    fn name(&self) -> &'a str {
        "round"
    }
}

#[test]
fn bounds_that_name_a_lifetime() {
    #[derive(Event)]
    struct Cut<'a, T: Shape<'a>, U>
    where
        &'a U: IntoIterator,
        U: for<'b> PartialEq<&'b [u8]> + Debug + 'a,
    {
        shape: &'a T,
        pieces: &'a U,
    }

    static CUT: Signal<Cut<'static, Round, Vec<u8>>, (String, usize)> = Signal::new();

    CUT.connect(|_sender, cut| {
        let pieces = IntoIterator::into_iter(cut.pieces);
        (cut.shape.name().to_owned(), pieces.len())
    });
    let pieces = vec![1, 2, 3];
    assert_eq!(
        *CUT.send(&Cut {
            shape: &Round,
            pieces: &pieces
        }),
        [("round".to_owned(), 3)]
    );
}

#[test]
fn an_enum_is_an_event() {
    #[derive(Event)]
    enum Changed<'a, T> {
        Nothing,
        Text(&'a str),
        Both { text: &'a str, value: &'a T },
    }

    static CHANGED: Signal<Changed<'static, u32>, String> = Signal::new();

    CHANGED.connect(|_sender, changed| match changed {
        Changed::Nothing => String::new(),
        Changed::Text(text) => (*text).to_owned(),
        Changed::Both { text, value } => format!("{text}{value}"),
    });
    let text = String::from("x");
    assert_eq!(*CHANGED.send(&Changed::Nothing), [""]);
    assert_eq!(*CHANGED.send(&Changed::Text(&text)), ["x"]);
    assert_eq!(
        *CHANGED.send(&Changed::Both {
            text: &text,
            value: &1
        }),
        ["x1"]
    );
}

#[test]
fn an_event_without_fields_compiles() {
    #[derive(Event)]
    struct Opened;

    #[derive(Event)]
    struct Closed {}

    #[derive(Event)]
    enum Never {}

    static OPENED: Signal<Opened, u32> = Signal::new();
    static CLOSED: Signal<Closed, u32> = Signal::new();
    static NEVER: Signal<Never> = Signal::new();

    OPENED.connect(|_sender, _opened| 1);
    CLOSED.connect(|_sender, _closed| 2);
    NEVER.connect(|_sender, never| match *never {});
    assert_eq!(*OPENED.send(&Opened), [1]);
    assert_eq!(*CLOSED.send(&Closed {}), [2]);
    assert_eq!(NEVER.receiver_count(), 1);
}

#[test]
fn invariant_in_its_lifetime() {
    #[derive(Event)]
    struct Saving<'a> {
        name: &'a Cell<&'a str>,
    }

    static SAVING: Signal<Saving<'static>> = Signal::new();

    SAVING.connect(|_sender, saving| saving.name.set("changed"));
    let original = String::from("original");
    let name = Cell::new(&*original);
    SAVING.send(&Saving { name: &name });
    assert_eq!(name.get(), "changed");
}

#[test]
fn an_event_has_raw_names() {
    #[derive(Event)]
    struct r#Type<'r#a, r#T> {
        r#ref: &'r#a r#T,
    }

    static RAW: Signal<r#Type<'static, u32>, u32> = Signal::new();

    RAW.connect(|_sender, raw| *raw.r#ref);
    assert_eq!(*RAW.send(&r#Type { r#ref: &7 }), [7]);
}

#[test]
fn declared_by_a_macro() {
    macro_rules! event {
        ($name:ident<$lifetime:lifetime> { $field:ident: $type:ty }) => {
            #[derive(Event)]
            struct $name<$lifetime> {
                $field: &$lifetime $type,
            }
        };
    }

    event!(Moved<'a> { to: str });

    static MOVED: Signal<Moved<'static>, usize> = Signal::new();

    MOVED.connect(|_sender, moved| moved.to.len());
    assert_eq!(*MOVED.send(&Moved { to: "oven" }), [4]);
}
