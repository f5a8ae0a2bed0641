//! The pages in a browser: the same as over HTTP, one form at a time, by the keyboard alone, on a
//! phone, and in the dark. Without Chromium, each of these tests reports that it is skipped.

use std::path::Path;
use std::time::Duration;

use fantoccini::key::Key;
use serde_json::json;

use crate::chromium::{Browser, Scheme, Size};
use crate::common::{ADA, NEW, OLD, Site};

const DESKTOP: Size = Size::Desktop(1000, 900);
const PATHS: [&str; 6] = [
    "/",
    "/sign-up",
    "/log-in",
    "/forgot-password",
    "/reset-password",
    "/dev/mailbox",
];

/// Fills in fields of the form of this id and sends it.
async fn submit(browser: &Browser, form: &str, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        let input = format!("#{form} input[name={name}]");
        let input = browser.element(&input).await;
        input.clear().await.unwrap();
        input.send_keys(value).await.unwrap();
    }
    let button = browser.element(&format!("#{form} button")).await;
    button.click().await.unwrap();
}

/// Sends it, and returns the sentence of the page that follows.
async fn said(browser: &Browser, form: &str, fields: &[(&str, &str)]) -> String {
    // A mark that the next page does not have.
    browser.script("document.body.id = 'before'").await;
    submit(browser, form, fields).await;
    browser.text("body:not(#before) #message").await
}

async fn value(browser: &Browser, css: &str) -> String {
    let value = browser.element(css).await.prop("value").await;
    value.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_registration_to_a_new_password_in_chromium() {
    let Some(browser) = Browser::open(Scheme::Light, DESKTOP).await else {
        return;
    };
    let site = Site::start(&[]).await;
    browser.goto(&site.url("/")).await.unwrap();
    assert_eq!(browser.text("#who").await, "Not logged in.");

    browser.follow("Sign up").await;
    let sentence = said(&browser, "register", &[("email", ADA), ("password", OLD)]).await;
    assert!(sentence.contains("it has an account now"), "{sentence}");
    // The next form has the address of the last one.
    assert_eq!(value(&browser, "#login input[name=email]").await, ADA);
    let sentence = said(&browser, "login", &[("password", OLD)]).await;
    assert_eq!(sentence, "You are logged in.");
    browser.follow("Go to the first page").await;
    assert_eq!(browser.text("#who").await, "Logged in as ada@example.org.");

    browser.follow("Change your password by mail").await;
    said(&browser, "forgot-password", &[("email", ADA)]).await;
    let one_time = site.mailed(1).await.remove(0);
    let fields = [("one_time_password", &*one_time), ("new_password", NEW)];
    let sentence = said(&browser, "reset-password", &fields).await;
    assert!(sentence.contains("The password is changed."), "{sentence}");

    // The same form again, after a failure.
    let sentence = said(&browser, "login", &[("password", OLD)]).await;
    assert_eq!(sentence, "The e-mail or the password is wrong.");
    assert_eq!(value(&browser, "#login input[name=email]").await, ADA);
    assert_eq!(value(&browser, "#login input[name=password]").await, "");
    let sentence = said(&browser, "login", &[("password", NEW)]).await;
    assert_eq!(sentence, "You are logged in.");

    browser.follow("Go to the first page").await;
    let sentence = said(&browser, "logout", &[]).await;
    assert_eq!(sentence, "You are logged out.");
    browser.follow("Go to the first page").await;
    assert_eq!(browser.text("#who").await, "Not logged in.");
    browser.shut().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_has_one_form_at_most_and_the_style_of_this_site() {
    let Some(browser) = Browser::open(Scheme::Light, DESKTOP).await else {
        return;
    };
    let site = Site::start(&[]).await;
    for path in PATHS {
        browser.visit(&site.url(path)).await;
        let forms = browser.script("return document.forms.length").await;
        let expected = u8::from(!matches!(path, "/" | "/dev/mailbox"));
        assert_eq!(forms, expected, "{path}");
        let sheets = browser
            .script("return Array.from(document.styleSheets, sheet => sheet.cssRules.length > 9)")
            .await;
        assert_eq!(sheets, json!([true]), "{path}");
        let bare = "return document.querySelectorAll('[style], style, script').length";
        assert_eq!(browser.script(bare).await, 0, "{path}");
        // Each field has a label that is its own.
        let unlabeled = browser
            .script(
                "return [...document.querySelectorAll('input')]
                   .filter(input => input.labels.length != 1).length",
            )
            .await;
        assert_eq!(unlabeled, 0, "{path}");
    }
    browser.shut().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mailbox_has_ways_back() {
    let Some(browser) = Browser::open(Scheme::Light, DESKTOP).await else {
        return;
    };
    let site = Site::start(&[]).await;
    browser.goto(&site.url("/")).await.unwrap();
    browser.follow("the mailbox").await;
    browser.follow("Back to the one-time password").await;
    browser.element("#reset-password").await;
    browser.follow("the mailbox").await;
    browser.follow("Back to the first page").await;
    browser.element("#who").await;
    browser.shut().await;
}

/// Returns the element that has the focus, by its id or its text, and whether the focus can be
/// seen.
async fn focus(browser: &Browser) -> (String, bool) {
    let found = browser
        .script(
            "const it = document.activeElement, style = getComputedStyle(it);
             const visible = style.outlineStyle == 'solid' && parseFloat(style.outlineWidth) >= 2;
             return [it.id || it.innerText.trim(), visible]",
        )
        .await;
    serde_json::from_value(found).unwrap()
}

/// Waits until this element has the focus, and shows it: a page begins with that once it is drawn.
async fn begins_in(browser: &Browser, element: &str) {
    let mut found = (String::new(), false);
    for _ in 0..1_000 {
        found = focus(browser).await;
        if found == (element.to_owned(), true) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the focus is on {found:?}, not on {element}");
}

/// Presses Tab until this element has the focus, past elements that show that they have it.
async fn tab_to(browser: &Browser, element: &str) {
    let mut passed = Vec::new();
    for _ in 0..9 {
        let (name, visible) = focus(browser).await;
        if name == element {
            assert!(visible, "the focus on {name} cannot be seen");
            return;
        }
        passed.push(name);
        browser.keys(&Key::Tab.to_string()).await;
    }
    panic!("Tab passes {passed:?} and not {element}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_is_enough() {
    let Some(browser) = Browser::open(Scheme::Light, DESKTOP).await else {
        return;
    };
    let site = Site::start(&[]).await;
    let (tab, enter) = (Key::Tab.to_string(), Key::Enter.to_string());
    browser.goto(&site.url("/")).await.unwrap();
    tab_to(&browser, "Sign up").await;
    browser.keys(&enter).await;

    // A form begins in its first field, and Tab goes down from there.
    browser.element("#register").await;
    begins_in(&browser, "email").await;
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(focus(&browser).await);
        browser.keys(&tab).await;
    }
    let expected = ["email", "password", "Sign up", "Log in", "the mailbox"];
    assert_eq!(order, expected.map(|name| (name.to_owned(), true)));

    browser.goto(&site.url("/sign-up")).await.unwrap();
    begins_in(&browser, "email").await;
    browser.keys(&format!("{ADA}{tab}{OLD}{enter}")).await;
    browser.element("#login").await;
    // After a success the first empty field has the focus, and the message describes it.
    begins_in(&browser, "password").await;
    let described = "return document.activeElement.getAttribute('aria-describedby')";
    assert_eq!(browser.script(described).await, "message");
    browser.keys(&format!("wrong horse{enter}")).await;
    browser.element("#message[role=alert][aria-live]").await;
    begins_in(&browser, "password").await;
    let title = browser.title().await.unwrap();
    assert_eq!(title, "Error: Log in · Forgot password");

    tab_to(&browser, "Forgot your password?").await;
    browser.keys(&enter).await;
    browser.element("#forgot-password").await;
    begins_in(&browser, "email").await;
    browser.keys(&format!("{ADA}{enter}")).await;
    browser.element("#reset-password").await;
    browser.element("#message[role=status][aria-live]").await;
    begins_in(&browser, "one_time_password").await;
    let one_time = site.mailed(1).await.remove(0);
    browser.keys(&format!("{one_time}{tab}{NEW}{enter}")).await;
    browser.element("#login").await;
    begins_in(&browser, "password").await;
    browser.keys(&format!("{NEW}{enter}")).await;
    begins_in(&browser, "Go to the first page").await;
    browser.keys(&enter).await;
    assert_eq!(browser.text("#who").await, "Logged in as ada@example.org.");
    browser.shut().await;
}

/// Asserts that no part of this page is beyond the edge of a window of 320 pixels, and that fingers
/// can hit each control.
async fn fits(browser: &Browser, page: &str) {
    browser.styled().await;
    let measured = browser
        .script(
            "const small = [...document.querySelectorAll('input, button, .button')]
               .filter(it => it.getBoundingClientRect().height < 44).length;
             const zoomed = [...document.querySelectorAll('input')]
               .filter(it => parseFloat(getComputedStyle(it).fontSize) < 16).length;
             const out = [...document.querySelectorAll('body *')]
               .filter(it => it.getBoundingClientRect().right > 320).length;
             return [innerWidth, document.documentElement.scrollWidth, out, small, zoomed]",
        )
        .await;
    assert_eq!(measured, json!([320, 320, 0, 0, 0]), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_of_320_pixels_scrolls_no_page_sideways() {
    let Some(browser) = Browser::open(Scheme::Light, Size::Phone(320, 640)).await else {
        return;
    };
    let site = Site::start(&[]).await;
    let long = format!("{}@{}.example.org", "a".repeat(60), "b".repeat(60));
    site.register(&long).await;
    site.forgot(&long).await;
    site.mailed(1).await;
    for path in PATHS {
        browser.visit(&site.url(path)).await;
        fits(&browser, path).await;
    }
    browser.goto(&site.url("/log-in")).await.unwrap();
    said(&browser, "login", &[("email", &long), ("password", NEW)]).await;
    fits(&browser, "a failed log-in").await;
    said(&browser, "login", &[("password", OLD)]).await;
    fits(&browser, "a log-in").await;
    browser.follow("Go to the first page").await;
    assert!(browser.text("#who").await.contains(&long));
    fits(&browser, "an account").await;
    browser.shut().await;
}

/// The lightness of the page, and the least contrast of a text with its ground, as WCAG defines
/// them.
const CONTRAST: &str = "
  const channels = color => color.match(/[0-9.]+/g).map(Number);
  const light = color => {
    const [r, g, b] = channels(color).slice(0, 3).map(it => {
      it /= 255;
      return it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = it => {
    const color = getComputedStyle(it).backgroundColor;
    return channels(color)[3] === 0 ? ground(it.parentElement) : color;
  };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const texts = [...document.querySelectorAll('body *')].filter(it =>
    it.matches('input') || [...it.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
  const contrasts = texts.map(it =>
    contrast(light(getComputedStyle(it).color), light(ground(it))));
  const edges = [...document.querySelectorAll('input')].map(it =>
    contrast(light(getComputedStyle(it).borderTopColor), light(ground(it.parentElement))));
  return [light(ground(document.body)), Math.min(...contrasts), Math.min(...edges, 21)]";

async fn colors(browser: &Browser, scheme: Scheme, page: &str) {
    browser.styled().await;
    let [lightness, text, edge]: [f64; 3] =
        serde_json::from_value(browser.script(CONTRAST).await).unwrap();
    let is_light = scheme == Scheme::Light;
    assert_eq!(lightness > 0.5, is_light, "{page}: {lightness}");
    assert!(text >= 4.5, "{page}: a text has a contrast of {text}");
    assert!(edge >= 3.0, "{page}: a field has a contrast of {edge}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_light_or_dark_as_preferred_and_legible() {
    let site = Site::with_ada().await;
    site.forgot_and_mailed(1).await;
    for scheme in [Scheme::Light, Scheme::Dark] {
        let Some(browser) = Browser::open(scheme, DESKTOP).await else {
            return;
        };
        for path in PATHS {
            browser.visit(&site.url(path)).await;
            colors(&browser, scheme, path).await;
        }
        browser.goto(&site.url("/log-in")).await.unwrap();
        said(&browser, "login", &[("email", ADA), ("password", NEW)]).await;
        colors(&browser, scheme, "a failure").await;
        said(&browser, "login", &[("password", OLD)]).await;
        colors(&browser, scheme, "a success").await;
        browser.shut().await;
    }
}

/// Draws the pictures of the README again.
#[ignore = "writes into the source tree: run it after a change of the pages"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_for_the_readme() {
    let site = Site::with_ada().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
    let write = async |browser: Browser, name: &str| {
        let picture = browser.screenshot().await.unwrap();
        assert!(picture.len() < 60_000, "{name} has {} bytes", picture.len());
        std::fs::write(folder.join(name), picture).unwrap();
        browser.shut().await;
    };
    let (tall, low) = (Size::Desktop(520, 1000), Size::Desktop(520, 800));

    let browser = Browser::open(Scheme::Light, tall).await.unwrap();
    browser.goto(&site.url("/forgot-password")).await.unwrap();
    said(&browser, "forgot-password", &[("email", ADA)]).await;
    write(browser, "light.png").await;

    let browser = Browser::open(Scheme::Dark, low).await.unwrap();
    browser.goto(&site.url("/log-in")).await.unwrap();
    said(&browser, "login", &[("email", ADA), ("password", NEW)]).await;
    write(browser, "dark.png").await;

    let phone = Size::Phone(320, 640);
    let browser = Browser::open(Scheme::Light, phone).await.unwrap();
    browser.goto(&site.url("/sign-up")).await.unwrap();
    write(browser, "phone.png").await;
}
