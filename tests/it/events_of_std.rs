//! Types of std are events, and integers are senders.

use std::sync::Arc;

use fanfare::{Event, Sender, Signal};

/// Sends `event` and returns the copy that a receiver made of it.
fn received<E>(event: &E) -> E
where
    E: for<'a> Event<Args<'a> = E> + Clone,
{
    let signal: Signal<E, E> = Signal::new();
    signal.connect(|_sender, event| event.clone());
    let mut responses = signal.send(event).into_vec();
    responses.pop().expect("one receiver")
}

#[test]
fn types_of_std_that_hold_others_are_events() {
    assert_eq!(received(&vec![1_u8, 2]), [1, 2]);
    assert_eq!(received(&Some(String::from("tea"))), Some("tea".into()));
    assert_eq!(
        received(&Err::<u8, String>("cold".into())),
        Err("cold".into())
    );
    assert_eq!(*received(&Box::new(7_u64)), 7);
    assert_eq!(received(&Box::<[u8]>::from([1, 2])), Box::from([1, 2]));
    assert_eq!(*received(&Arc::<str>::from("tea")), *"tea");
    assert_eq!(received(&(1_u8,)), (1,));
    assert_eq!(received(&(1_u8, "tea")), (1, "tea"));
    assert_eq!(received(&(1_u8, 2_u8, 3_u8)), (1, 2, 3));
    assert_eq!(received(&(1_u8, 2_u8, 3_u8, 'x')), (1, 2, 3, 'x'));
}

#[test]
fn a_trait_object_in_a_box_or_an_arc_is_an_event() {
    trait Shape: Send + Sync {
        fn corners(&self) -> u32;
    }
    struct Triangle;
    impl Shape for Triangle {
        fn corners(&self) -> u32 {
            3
        }
    }
    let boxed: Signal<Box<dyn Shape>, u32> = Signal::new();
    boxed.connect(|_sender, shape| shape.corners());
    assert_eq!(*boxed.send(&(Box::new(Triangle) as Box<dyn Shape>)), [3]);
    let shared: Signal<Arc<dyn Shape>, u32> = Signal::new();
    shared.connect(|_sender, shape| shape.corners());
    assert_eq!(*shared.send(&(Arc::new(Triangle) as Arc<dyn Shape>)), [3]);
}

#[test]
fn one_number_is_one_sender_in_every_integer_type() {
    let seven = [
        Sender::from(7_u8),
        7_u16.into(),
        7_u32.into(),
        7_u64.into(),
        7_u128.into(),
        7_usize.into(),
        7_i8.into(),
        7_i16.into(),
        7_i32.into(),
        7_i64.into(),
        7_i128.into(),
        7_isize.into(),
        Sender::key(7),
    ];
    for sender in seven {
        assert_eq!(sender, Sender::key(7));
    }
    let minus = [
        Sender::from(-1_i8),
        (-1_i16).into(),
        (-1_i32).into(),
        (-1_i64).into(),
        (-1_i128).into(),
        (-1_isize).into(),
    ];
    for sender in minus {
        assert_eq!(sender, Sender::key(u128::MAX));
    }
    assert_ne!(Sender::from(-1_i64), Sender::from(u64::MAX));
}

#[test]
fn a_receiver_for_a_number_gets_events_from_that_number() {
    let signal: Signal<(), u8> = Signal::new();
    signal.options().sender(-3).connect(|_sender, ()| 1);
    assert_eq!(*signal.from(-3_i64).send(&()), [1]);
    assert!(signal.from(3).send(&()).is_empty());
}
