use fanfare::{Event, Sender, Signal, receiver};

/// A stand-in for fanfare-outbox, with the functions that the expansion names.
mod outbox {
    pub(crate) mod __private {
        use fanfare::__private::Declared;
        use fanfare::{BoxFuture, Connection, Event, Sender, Signal};

        pub(crate) struct Options(&'static str);

        impl Options {
            pub(crate) fn attempts(self, attempts: u32) -> Self {
                assert!(attempts > 0);
                self
            }
        }

        struct Waits;

        impl fanfare::__private::WaitingReceiver for Waits {
            fn connection(&self) -> Option<Connection> {
                None
            }

            fn is_waiting(&self) -> bool {
                true
            }

            fn stop_waiting(&self) -> bool {
                true
            }
        }

        pub(crate) fn options<E: Event, R: 'static>(
            _signal: &'static Signal<E, R>,
            name: &'static str,
        ) -> Options {
            Options(name)
        }

        pub(crate) fn declare<F>(
            options: Options,
            _function: F,
            _start: impl for<'a> Fn(
                Sender<'a>,
                &'a super::super::Paid,
            ) -> BoxFuture<'a, Result<(), String>>,
        ) -> Declared {
            Declared::durable(options.0.to_owned(), true, Waits)
        }
    }
}

#[derive(Event)]
struct Paid(u64);

static PAID: Signal<Paid> = Signal::new();
static SENT: Signal<Paid> = Signal::new();

#[receiver(PAID, durable = "mail.first", outbox = self::outbox)]
#[receiver(PAID, durable = "mail.second", attempts = 3, outbox = self::outbox)]
#[receiver(SENT, durable = "mail.third", outbox = "self::outbox")]
async fn mail(_sender: Sender<'_>, paid: &Paid) -> Result<(), String> {
    println!("{}", paid.0);
    Ok(())
}

fn main() {}
