//! The program takes little memory, however many passwords it hashes.

use futures_util::future::join_all;
use serde_json::json;

use crate::common::{OLD, Site};

const EVE: &str = "eve@example.org";

/// Four hashes at a time take 19 MiB each. Later ones take their memory over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hashes_at_a_time_take_the_memory_of_four() {
    let site = Site::with_ada().await;
    site.register(EVE).await;
    site.slow_down_log_ins(EVE, 15).await;
    // These take so long that four are hashed at a time.
    let fields = json!({ "email": EVE, "password": OLD });
    let logins = (0..8).map(|_| site.status("login", fields.clone()));
    for status in join_all(logins).await {
        assert_eq!(status, 403);
    }
    let four = site.program().peak_mib();
    for _ in 0..10 {
        let logins = (0..40).map(|_| site.login(OLD));
        for status in join_all(logins).await {
            assert_eq!(status, 200);
        }
    }
    let peak = site.program().peak_mib();
    println!("{four} MiB with four hashes, {peak} MiB after all of them");
    assert!(peak < four + 40, "{peak} MiB after {four} MiB");
}

/// The threads of the runtime drive the mails, whatever the number of mails under way.
#[tokio::test]
async fn the_mails_under_way_take_no_thread_each() {
    let few = Site::start(&[("MAIL_WORKERS", "1")]).await;
    let many = Site::start(&[("MAIL_WORKERS", "100")]).await;
    let (few, many) = (few.program().threads(), many.program().threads());
    assert!(many < few + 10, "{few} threads for 1 mail, {many} for 100");
}
