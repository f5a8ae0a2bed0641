//! A headless Chromium, which Debian's `chromium` and `chromium-driver` install.

use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};

use fantoccini::elements::Element;
use fantoccini::error::NewSessionError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::until;

/// A browser window, with its driver. Derefs to the client of fantoccini.
pub(crate) struct Browser {
    client: Client,
    _driver: Driver,
    _profile: TempDir,
}

/// Light or dark, as the system would prefer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

/// The width and height of the page in pixels, as on a screen or on a phone.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    Desktop(u32, u32),
    Phone(u32, u32),
}

struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Driver {
    /// Starts chromedriver on a free port; returns its URL as well.
    fn start() -> Option<(Driver, String)> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let stdout = BufReader::new(child.stdout.take()?);
        let driver = Driver(child);
        for line in stdout.lines() {
            let line = line.ok()?;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end_matches('.');
                return Some((driver, format!("http://127.0.0.1:{port}")));
            }
        }
        None
    }
}

fn skipped(missing: &str) {
    let line = format!("skipped: no {missing}: apt-get install chromium chromium-driver\n");
    // Past the capture of the test harness.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Returns `true` if chromedriver found no browser: "cannot find Chrome binary" or "no chrome
/// binary at /usr/bin/chromium".
fn has_no_chromium(message: &str) -> bool {
    message.to_lowercase().contains("chrome binary")
}

impl Browser {
    /// Opens a window. Without chromedriver or Chromium, reports that the test is skipped and
    /// returns `None`.
    pub(crate) async fn open(scheme: Scheme, size: Size) -> Option<Browser> {
        let Some((driver, url)) = Driver::start() else {
            skipped("chromedriver");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let color = match scheme {
            Scheme::Dark => 0,
            Scheme::Light => 1,
        };
        let mut options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars",
            format!("--blink-settings=preferredColorScheme={color}"),
            format!("--user-data-dir={}", profile.path().display()),
        ] });
        match size {
            Size::Desktop(width, height) => {
                let arguments = options["args"].as_array_mut().unwrap();
                arguments.push(json!(format!("--window-size={width},{height}")));
            }
            Size::Phone(width, height) => {
                options["mobileEmulation"] = json!({ "deviceMetrics": {
                    "width": width, "height": height, "pixelRatio": 1.5, "touch": true,
                } });
            }
        }
        let Value::Object(capabilities) = json!({ "goog:chromeOptions": options }) else {
            unreachable!()
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&url)
            .await;
        let client = match client {
            Err(NewSessionError::SessionNotCreated(error)) if has_no_chromium(&error.message) => {
                skipped("Chromium");
                return None;
            }
            client => client.unwrap(),
        };
        // Puts the window in front, so that the focus shows. The command is one of Chromium's own.
        let session = client.session_id().await.unwrap().unwrap();
        let command = json!({
            "cmd": "Emulation.setFocusEmulationEnabled", "params": { "enabled": true },
        });
        let request = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = request.post(format!("{url}/session/{session}/goog/cdp/execute"));
        let response = request.json(&command).send().await.unwrap();
        assert_eq!(response.status(), 200);
        Some(Browser {
            client,
            _driver: driver,
            _profile: profile,
        })
    }

    /// Opens a page, and again until its style has come too. The style is a separate request, to
    /// which a busy machine may respond late or not at all.
    pub(crate) async fn visit(&self, url: &str) {
        until(async || {
            self.goto(url).await.unwrap();
            self.is_styled().await.then_some(())
        })
        .await;
    }

    /// Waits until the style of the page has been loaded.
    pub(crate) async fn styled(&self) {
        until(async || self.is_styled().await.then_some(())).await;
    }

    async fn is_styled(&self) -> bool {
        let rules = "return document.readyState == 'complete'
            && [...document.styleSheets].some(sheet => sheet.cssRules.length > 9)";
        self.script(rules).await == true
    }

    pub(crate) async fn element(&self, css: &str) -> Element {
        self.wait().for_element(Locator::Css(css)).await.unwrap()
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    pub(crate) async fn follow(&self, link: &str) {
        let link = self.wait().for_element(Locator::LinkText(link)).await;
        link.unwrap().click().await.unwrap();
    }

    /// Runs a function body of JavaScript; returns its result.
    pub(crate) async fn script(&self, body: &str) -> Value {
        self.execute(body, Vec::new()).await.unwrap()
    }

    /// Types into whichever element has the focus.
    pub(crate) async fn keys(&self, keys: &str) {
        let focused = self.active_element().await.unwrap();
        focused.send_keys(keys).await.unwrap();
    }

    pub(crate) async fn shut(self) {
        self.client.close().await.unwrap();
    }
}

impl Deref for Browser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
