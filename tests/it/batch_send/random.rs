//! Random receivers and events: a batch, and separate sends.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// A receiver of a random program: its kind, and its sender.
#[derive(Clone, Copy, Debug)]
struct Spec {
    priority: i32,
    sender: Option<u64>,
    once: bool,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Single,
    Weak,
    Slices,
}

fn spec() -> impl Strategy<Value = Spec> {
    let form = prop_oneof![3 => Just(Form::Single), 1 => Just(Form::Weak), 2 => Just(Form::Slices)];
    let sender = proptest::option::weighted(0.4, 0..2_u64);
    let once = proptest::bool::weighted(0.2);
    (-1..2_i32, sender, once, form).prop_map(|(priority, sender, once, form)| Spec {
        priority,
        sender,
        once,
        form,
    })
}

/// Returns the events that each receiver got, and the responses of each, after `send` on such
/// receivers.
fn heard(
    specs: &[Spec],
    send: impl Fn(&Sums) -> Vec<(fanfare::ReceiverId, u32)>,
) -> Vec<(Vec<u32>, Vec<u32>)> {
    let signal = Sums::new();
    let target = Arc::new(1_000_u32);
    let logs: Vec<_> = specs
        .iter()
        .map(|_| Arc::new(Mutex::new(Vec::new())))
        .collect();
    let connections: Vec<_> = specs
        .iter()
        .zip(&logs)
        .map(|(spec, log)| {
            let log = Arc::clone(log);
            let mut options = signal.options().priority(spec.priority);
            if let Some(sender) = spec.sender {
                options = options.sender(sender);
            }
            if spec.once {
                options = options.once();
            }
            match spec.form {
                Form::Single => options.connect(move |_, event| {
                    log.lock().unwrap().push(*event);
                    event + 1
                }),
                Form::Weak => options.connect_weak(&target, move |target: &u32, _, event| {
                    log.lock().unwrap().push(*event);
                    event + target
                }),
                Form::Slices => options.connect_batch(move |_, events| {
                    log.lock().unwrap().extend(events);
                    events.iter().sum()
                }),
            }
        })
        .collect();
    let responses = send(&signal);
    let of = |connection: &Connection| {
        let own = responses.iter().filter(|(id, _)| *id == connection.id());
        own.map(|(_, response)| *response).collect()
    };
    let heard = logs.iter().map(|log| log.lock().unwrap().clone());
    heard.zip(connections.iter().map(of)).collect()
}

proptest! {
    /// Each receiver gets, and responds to, the same events as in separate sends. A receiver of
    /// slices gets the same events in fewer calls, and a once receiver of slices gets all of them.
    #[test]
    fn a_batch_equals_separate_sends_to_each_receiver(
        specs in vec(spec(), 0..80),
        events in vec(0..1_000_u32, 0..6),
        sender in 0..3_u64,
    ) {
        let batch = heard(&specs, |signal| {
            signal.from(sender).send_batch(&events).into_pairs().collect()
        });
        let sends = heard(&specs, |signal| {
            let each = events.iter().flat_map(|event| signal.from(sender).send(event).into_pairs());
            each.collect()
        });
        for ((spec, batch), (heard, responses)) in specs.iter().zip(batch).zip(sends) {
            let expected = match spec.form {
                Form::Slices if heard.is_empty() => (heard, responses),
                Form::Slices => (events.clone(), vec![events.iter().sum()]),
                _ => (heard, responses),
            };
            prop_assert_eq!(batch, expected, "{:?}", spec);
        }
    }
}
