//! A receiver of every kind is disconnected by its type.

use std::sync::Arc;

use fanfare::{BoxFuture, Event, Queue, Sender, Signal};

#[derive(Event)]
struct Line<'a> {
    text: &'a str,
}

type Lines = Signal<Line<'static>, usize>;

fn plain(_: Sender<'_>, line: &Line<'_>) -> usize {
    line.text.len()
}

fn boxed<'a>(_: Sender<'a>, line: &'a Line<'_>) -> BoxFuture<'a, usize> {
    Box::pin(async { line.text.len() })
}

fn slices(_: Sender<'_>, lines: &[Line<'_>]) -> usize {
    lines.len()
}

#[test]
fn receivers_of_every_kind_are_disconnected_by_their_function() {
    let signal = Lines::new();
    signal.connect(plain);
    signal.connect_async(boxed);
    signal.options().connect_batch(slices);
    assert_eq!(signal.receiver_count(), 3);
    assert!(signal.disconnect(boxed) && !signal.disconnect(boxed));
    assert!(signal.disconnect(slices) && !signal.disconnect(slices));
    assert!(signal.disconnect(plain) && !signal.disconnect(plain));
    assert_eq!(signal.receiver_count(), 0);
}

#[test]
fn an_async_closure_without_captures_is_disconnected_by_its_type() {
    fn typed<F>(closure: F) -> F
    where
        F: for<'a> Fn(Sender<'a>, &'a u32) -> BoxFuture<'a, u32>,
    {
        closure
    }
    let signal = Signal::<u32, u32>::new();
    let closure = typed(|_, number| Box::pin(async move { number + 1 }));
    let first = signal.connect_async(closure);
    assert!(!signal.connect_async(closure).is_new());
    assert!(
        signal
            .options()
            .sender("web")
            .connect_async(closure)
            .is_new()
    );
    assert!(signal.disconnect(closure));
    assert!(!first.is_connected());
    assert!(signal.options().sender("web").disconnect(closure));
}

#[test]
fn a_queued_receiver_is_disconnected_by_its_function() {
    fn note(_: Sender<'_>, _: &u32) {}
    fn note_later<'a>(_: Sender<'a>, _: &'a u32) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
    let queue = Queue::bounded(1).unwrap();
    let signal = Signal::<u32, Result<(), fanfare::queue::Error>>::new();
    signal.options().queued(&queue).connect(note);
    signal.options().queued(&queue).connect_async(note_later);
    assert!(signal.disconnect(note) && !signal.disconnect(note));
    assert!(signal.disconnect(note_later) && !signal.disconnect(note_later));
}

#[test]
fn an_async_method_is_disconnected_for_its_object() {
    struct Shelf(usize);
    impl Shelf {
        fn take<'a>(&'a self, _: Sender<'a>, line: &'a Line<'_>) -> BoxFuture<'a, usize> {
            Box::pin(async { line.text.len().min(self.0) })
        }
    }
    let signal = Lines::new();
    let (shelf, other) = (Arc::new(Shelf(5)), Arc::new(Shelf(5)));
    let for_web = || signal.options().sender("web");
    signal.options().connect_weak_async(&shelf, Shelf::take);
    for_web().connect_weak_async(&shelf, Shelf::take);
    assert!(!signal.options().disconnect_weak(&other, Shelf::take));
    assert!(signal.options().disconnect_weak(&shelf, Shelf::take));
    assert!(!signal.options().disconnect_weak(&shelf, Shelf::take));
    assert!(for_web().disconnect_weak(&shelf, Shelf::take));
}

#[test]
fn a_uid_among_the_options_stands_for_the_function() {
    let signal = Lines::new();
    signal.options().dispatch_uid("first").connect(plain);
    assert!(!signal.disconnect(plain), "it is identified by its uid");
    let options = || signal.options().dispatch_uid("first");
    assert!(!options().sender("web").disconnect(plain));
    // As in Django, the uid alone decides.
    assert!(options().disconnect(slices));
    assert!(!options().disconnect(plain));
}

#[test]
fn a_receiver_is_disconnected_by_its_id_from_its_own_signal_alone() {
    let (signal, other) = (Lines::new(), Lines::new());
    let web = signal.options().sender("web").connect(plain);
    let captured = 7;
    let any = signal.connect(move |_, line| line.text.len() + captured);
    other.connect(plain);
    assert!(!other.disconnect_id(any.id()));
    assert!(signal.disconnect_id(any.id()) && !signal.disconnect_id(any.id()));
    assert!(signal.disconnect_id(web.id()));
    assert_eq!((signal.receiver_count(), other.receiver_count()), (0, 1));
}
