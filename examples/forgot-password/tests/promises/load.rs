//! Under load, and killed in the middle of it: each request has one start and one end in the access
//! log, each request that got a response has its mail, and few have two.
//!
//! 200 addresses, or the number in `FORGOT_PASSWORD_LOAD`:
//!
//! ```sh
//! FORGOT_PASSWORD_LOAD=10000 cargo test --release -p forgot-password load -- --nocapture
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::json;

use crate::common::{MAILED, OWED, Site, starts_and_ends, until};
use crate::smtp::Mood;

/// The number of mails that the program sends at a time, and so may have sent without noting it
/// when it is killed: two lanes of 16.
const WORKERS: i64 = 32;

/// The number of requests that are under way at a time.
const AT_ONCE: usize = 32;

const PATH: &str = "/user/account/forgot-password";

/// Asks for each address, [`AT_ONCE`]; returns whose request was accepted.
async fn ask(client: &Client, url: &str, numbers: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let asked = stream::iter(numbers).map(|n| {
        let fields = json!({ "email": format!("user{n}@example.org") });
        let request = client.post(url).json(&fields);
        async move {
            let response = request.send().await.ok()?;
            (response.status() == 202).then_some(n)
        }
    });
    asked
        .buffer_unordered(AT_ONCE)
        .filter_map(async |n| n)
        .collect()
        .await
}

/// Returns the number of requests in a log, and of those that have not ended. None starts or ends
/// twice, or ends without a start.
fn requests(log: &[String]) -> (usize, usize) {
    let seen = starts_and_ends(log);
    let odd = seen
        .iter()
        .find(|(_, counts)| !matches!(counts, (1, 0 | 1)));
    assert_eq!(odd, None, "a request of so many starts and ends");
    let open = seen.values().filter(|(_, ends)| *ends == 0);
    (seen.len(), open.count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_no_mail_is_lost() {
    let count = std::env::var("FORGOT_PASSWORD_LOAD").map_or(200, |n| n.parse().unwrap());
    let (server, mut site) = Site::with_mail_server(true).await;
    site.add_users(count).await;

    let half = count / 2;
    let client = site.client.clone();
    let url = site.url(PATH);
    let began = Instant::now();
    assert_eq!(ask(&client, &url, 0..half).await.len(), half);
    println!("{half} requests with a response in {:.1?}", began.elapsed());
    site.logged(half, "end ").await;
    assert_eq!(requests(&site.program().log()), (half, 0));

    // At the kill one mail is under way, however slow this test is: the mail server hangs at it.
    let hanging = format!("user{half}@example.org");
    server.set_mood(&hanging, Some(Mood::Hang));
    let program = site.program.take().unwrap();
    let kill = async {
        let mailed = server.mails().len();
        until(async || (server.hung() > 0 && server.mails().len() > mailed + 2).then_some(()))
            .await;
        program.kill()
    };
    let (accepted, log) = tokio::join!(ask(&client, &url, half..count), kill);
    let (started, open) = requests(&log);
    let rows = site.count("reset_request").await;
    let owed = site.count(OWED).await;
    println!(
        "killed: {started} requests started, {open} of them open; {} with a response; {rows} rows, {owed} of them owed",
        half + accepted.len()
    );
    // Requests that got a response have ended, except for lines that the program had not written
    // yet.
    assert!(started >= half + accepted.len());
    assert!(open <= AT_ONCE, "{open} ends are missing");
    assert!(owed > 0, "the kill came too late to lose anything");

    server.set_mood(&hanging, None);
    site.restart();
    let rest = (half..count).filter(|n| !accepted.contains(n));
    let asked_again = ask(&client, &site.url(PATH), rest.clone()).await;
    assert!(asked_again.iter().copied().eq(rest));
    site.settled().await;
    site.logged(asked_again.len(), "end ").await;
    assert_eq!(requests(&site.program().log()), (asked_again.len(), 0));

    // One mail for each row, and one row for each response. A client without a response has asked
    // again, and may have a row of the first time as well.
    let rows = site.count_by("email", MAILED).await;
    let mails = server.mails();
    let mut mailed = BTreeMap::<&str, i64>::new();
    for to in mails
        .iter()
        .filter_map(|mail| mail.lines().find_map(|it| it.strip_prefix("To: ")))
    {
        *mailed.entry(to).or_default() += 1;
    }
    let mut twice = 0;
    for n in 0..count {
        let address = format!("user{n}@example.org");
        let rows = rows.get(&address).copied().unwrap_or(0);
        let mails = mailed.get(&*address).copied().unwrap_or(0);
        let most = if n < half || accepted.contains(&n) {
            1
        } else {
            2
        };
        assert!((1..=most).contains(&rows), "{address} has {rows} rows");
        assert!(mails >= rows, "{address} has {mails} mails for {rows} rows");
        twice += mails - rows;
    }
    let rows: i64 = rows.values().sum();
    println!(
        "{} mails for {rows} rows of {count} addresses in {:.1?}: {twice} twice",
        mails.len(),
        began.elapsed()
    );
    assert_eq!(
        mailed.values().sum::<i64>(),
        rows + twice,
        "mails to nobody"
    );
    assert!(twice <= WORKERS, "{twice} mails came twice");
}
