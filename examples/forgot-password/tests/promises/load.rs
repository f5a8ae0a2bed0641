//! Under load, and killed in the middle of it: each request that was answered has its mail, and few
//! have two.
//!
//! 200 addresses, or as many as `FORGOT_PASSWORD_LOAD` says.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::json;

use crate::common::{Site, until};

/// How many mails the program has in hand at a time, and so may have sent without noting it when
/// it is killed.
const WORKERS: usize = 4;

const PATH: &str = "/user/account/forgot-password";

/// Asks for each address, 32 at a time; returns whose request was accepted.
async fn ask(client: &Client, url: &str, numbers: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let asked = stream::iter(numbers).map(|n| {
        let fields = json!({ "email": format!("user{n}@example.org") });
        let request = client.post(url).json(&fields);
        async move {
            let answer = request.send().await.ok()?;
            (answer.status() == 202).then_some(n)
        }
    });
    asked
        .buffer_unordered(32)
        .filter_map(async |n| n)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_no_mail_is_lost() {
    let count = std::env::var("FORGOT_PASSWORD_LOAD").map_or(200, |n| n.parse().unwrap());
    let (server, mut site) = Site::with_mail_server(true).await;
    let numbers = "WITH RECURSIVE numbers (n) AS \
                   (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ";
    site.sql(&format!(
        "INSERT INTO \"user\" (email, password_hash, password_changes) {numbers} {count}) \
         SELECT 'user' || n || '@example.org', '', 0 FROM numbers"
    ))
    .await;

    let half = count / 2;
    let client = site.client.clone();
    let url = site.url(PATH);
    assert_eq!(ask(&client, &url, 0..half).await.len(), half);
    site.logged(half, "start ").await;
    site.logged(half, "end ").await;

    let program = site.program.take().unwrap();
    let kill = async {
        let mailed = server.mails().len();
        until(async || (server.mails().len() > mailed + 2).then_some(())).await;
        program.kill();
    };
    let (accepted, ()) = tokio::join!(ask(&client, &url, half..count), kill);
    let rows = site.count("reset_request").await;
    let owed = site.count("reset_request WHERE state = 'owed'").await;
    println!(
        "killed with {} of {count} accepted, {rows} rows, {owed} owed",
        half + accepted.len()
    );
    assert!(owed > 0, "the kill came too late to lose anything");

    site.restart();
    let rest = (half..count).filter(|n| !accepted.contains(n));
    let asked_again = ask(&client, &site.url(PATH), rest.clone()).await;
    assert!(asked_again.iter().copied().eq(rest));
    site.settled().await;

    let rows = site.count("reset_request WHERE state = 'mailed'").await as usize;
    let mails = server.mails();
    let to = |n: usize| format!("To: user{n}@example.org\r\n");
    let mailed: BTreeSet<&str> = mails
        .iter()
        .filter_map(|mail| mail.lines().find(|it| it.starts_with("To: ")))
        .collect();
    for n in 0..count {
        assert!(mailed.contains(to(n).trim_end()), "user{n} has no mail");
    }
    println!("{} mails for {rows} rows of {count} addresses", mails.len());
    assert!(
        (rows..=rows + WORKERS).contains(&mails.len()),
        "{} mails for {rows} rows",
        mails.len()
    );
}
