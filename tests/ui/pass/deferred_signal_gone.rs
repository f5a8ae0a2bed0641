use fanfare::{Deferred, Sender, Signal};

fn main() {
    let signal = Signal::<u32>::new();
    let mut deferred = Deferred::new();
    {
        deferred.send(&signal, Sender::NONE, 1);
    }
    deferred.commit();
}
