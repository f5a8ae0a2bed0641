use fanfare::{Deferred, Signal};

fn main() {
    let signal = Signal::<u32>::new();
    let mut deferred = Deferred::new();
    {
        deferred.record(&signal, 1);
    }
    deferred.commit();
}
