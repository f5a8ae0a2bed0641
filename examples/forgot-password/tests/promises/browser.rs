//! The pages do in a browser what they do over HTTP.
//!
//! In a headless Chromium, which Debian's `chromium` and `chromium-driver` install; without them the
//! test says that it is skipped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::common::{ADA, NEW, OLD, Site};

struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts chromedriver on a free port.
fn driver() -> Option<(Driver, String)> {
    let mut command = Command::new("chromedriver");
    command
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let stdout = BufReader::new(child.stdout.take()?);
    let driver = Driver(child);
    for line in stdout.lines() {
        let line = line.ok()?;
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return Some((
                driver,
                format!("http://127.0.0.1:{}", port.trim_end_matches('.')),
            ));
        }
    }
    None
}

/// Fills in the form of this id, sends it, and returns what the next page says.
async fn submit(browser: &Client, form: &str, fields: &[(&str, &str)]) -> String {
    for (name, value) in fields {
        let input = format!("#{form} input[name={name}]");
        let input = browser.find(Locator::Css(&input)).await.unwrap();
        input.send_keys(value).await.unwrap();
    }
    let button = format!("#{form} button");
    browser
        .find(Locator::Css(&button))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    let said = browser
        .wait()
        .for_element(Locator::Id("message"))
        .await
        .unwrap();
    let said = said.text().await.unwrap();
    browser
        .find(Locator::LinkText("Back"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    browser
        .wait()
        .for_element(Locator::Id("who"))
        .await
        .unwrap();
    said
}

async fn who(browser: &Client) -> String {
    browser
        .find(Locator::Id("who"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_registration_to_a_new_password_in_chromium() {
    let Some((_driver, driver_url)) = driver() else {
        // Past the capture of the test harness.
        use std::io::Write;
        let skipped = "skipped: no chromedriver: apt-get install chromium chromium-driver";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    };
    let site = Site::start(&[]).await;
    let profile = tempfile::tempdir().unwrap();
    let arguments = json!({
        "goog:chromeOptions": { "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            format!("--user-data-dir={}", profile.path().display()),
        ] }
    });
    let serde_json::Value::Object(capabilities) = arguments else {
        unreachable!()
    };
    let browser = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&driver_url)
        .await
        .unwrap();

    browser.goto(&site.url("/")).await.unwrap();
    assert_eq!(who(&browser).await, "Not logged in.");
    let said = submit(&browser, "register", &[("email", ADA), ("password", OLD)]).await;
    assert!(said.contains("it has an account now"), "{said}");
    let said = submit(&browser, "login", &[("email", ADA), ("password", OLD)]).await;
    assert_eq!(said, "You are logged in.");
    assert_eq!(who(&browser).await, "Logged in as ada@example.org.");

    submit(&browser, "forgot-password", &[("email", ADA)]).await;
    let one_time = site.mailed(1).await.remove(0);
    let fields = [
        ("email", ADA),
        ("one_time_password", &*one_time),
        ("new_password", NEW),
    ];
    let said = submit(&browser, "reset-password", &fields).await;
    assert!(said.contains("The password is changed."), "{said}");
    assert_eq!(who(&browser).await, "Not logged in.");

    let said = submit(&browser, "login", &[("email", ADA), ("password", OLD)]).await;
    assert_eq!(said, "The e-mail or the password is wrong.");
    let said = submit(&browser, "login", &[("email", ADA), ("password", NEW)]).await;
    assert_eq!(said, "You are logged in.");
    let said = submit(&browser, "logout", &[]).await;
    assert_eq!(said, "You are logged out.");
    assert_eq!(who(&browser).await, "Not logged in.");
    browser.close().await.unwrap();
}
