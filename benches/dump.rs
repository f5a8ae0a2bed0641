//! A list of all signals while two threads send: `dump/100000` is the time of a list of 100,000
//! connections with its JSON, and `dump/100000/loss` is the part of their sends that the threads
//! lose while such a list is made each second. `dump/100000/cpu` is the time for which the list had
//! a core.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fanfare::{Sender, Signal, watch};
use fanfare_benches::connect_senders;

const CONNECTIONS: u64 = 100_000;
const SENDERS: usize = 2;
/// The number of pairs of a second with a list and one without.
const PAIRS: usize = 10;
const SECOND: Duration = Duration::from_secs(1);

/// The sends of one thread, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Sends(AtomicU64);

fn main() {
    let signal = Signal::<u64>::new();
    let _held = connect_senders(&signal, CONNECTIONS);
    let (sends, is_over) = (
        [const { Sends(AtomicU64::new(0)) }; SENDERS],
        AtomicBool::new(false),
    );
    thread::scope(|scope| {
        for (number, sends) in sends.iter().enumerate() {
            let (signal, is_over) = (&signal, &is_over);
            scope.spawn(move || {
                let sender = Sender::key(number as u128);
                while !is_over.load(Ordering::Relaxed) {
                    black_box(signal).from(sender).send(black_box(&1));
                    // Only this thread writes it.
                    sends
                        .0
                        .store(sends.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                }
            });
        }
        let sum = || {
            sends
                .iter()
                .map(|it| it.0.load(Ordering::Relaxed))
                .sum::<u64>()
        };
        let rate = |work: &mut dyn FnMut()| {
            let (start, before) = (Instant::now(), sum());
            work();
            thread::sleep(SECOND.saturating_sub(start.elapsed()));
            (sum() - before) as f64 / start.elapsed().as_secs_f64()
        };
        let (mut lists, mut dumps, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        let mut busy = Vec::new();
        for _ in 0..PAIRS {
            let without = rate(&mut || ());
            let with = rate(&mut || {
                let (start, cpu) = (Instant::now(), cpu_time());
                let list = watch::signals();
                lists.push(start.elapsed().as_secs_f64() * 1e3);
                assert!(
                    list.iter()
                        .any(|it| it.connections.len() as u64 == CONNECTIONS)
                );
                black_box(list.to_json());
                dumps.push(start.elapsed().as_secs_f64() * 1e3);
                busy.extend(cpu_time().zip(cpu).map(|(after, before)| after - before));
            });
            losses.push(100.0 * (1.0 - with / without));
        }
        is_over.store(true, Ordering::Relaxed);
        println!("dump/{CONNECTIONS}/list  {}", spread(lists, "ms"));
        println!("dump/{CONNECTIONS}       {}", spread(dumps, "ms"));
        if !busy.is_empty() {
            println!("dump/{CONNECTIONS}/cpu   {}", spread(busy, "ms"));
        }
        println!(
            "dump/{CONNECTIONS}/loss  {}",
            spread(losses, "% of the sends of a second")
        );
    });
}

/// Returns the time in ms for which this thread has had a core, on Linux. On a busy machine it is
/// less than the time that has passed.
fn cpu_time() -> Option<f64> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

/// Returns the least, the middle and the greatest value.
fn spread(mut values: Vec<f64>, unit: &str) -> String {
    values.sort_by(f64::total_cmp);
    let (least, middle) = (values[0], values[values.len() / 2]);
    let greatest = values[values.len() - 1];
    format!("{least:.1} / {middle:.1} / {greatest:.1} {unit} (least, median, greatest)")
}
