use fanfare::{Deferred, Sender, Signal};

fn main() {
    let mut deferred = Deferred::new();
    {
        let signal = Signal::<u32>::new();
        deferred.send(&signal, Sender::NONE, 1);
    }
    deferred.commit();
}
