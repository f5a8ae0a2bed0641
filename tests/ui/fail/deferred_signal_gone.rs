use fanfare::{Deferred, Signal};

fn main() {
    let mut deferred = Deferred::new();
    {
        let signal = Signal::<u32>::new();
        deferred.record(&signal, 1);
    }
    deferred.commit();
}
