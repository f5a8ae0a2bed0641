//! The program takes little memory, however many passwords it hashes.

use crate::common::{OLD, Site};

/// Four hashes at a time take 19 MiB each. The rest is the program, in a debug build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hashes_at_a_time_take_the_memory_of_four() {
    let site = Site::with_ada().await;
    for _ in 0..10 {
        let logins = (0..40).map(|_| site.login(OLD));
        for status in futures_util::future::join_all(logins).await {
            assert_eq!(status, 200);
        }
    }
    let peak = site.program().peak_mib();
    println!("{peak} MiB at most");
    assert!(peak < 76 + 80, "{peak} MiB");
}
