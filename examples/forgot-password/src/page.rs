//! The pages.

use maud::{DOCTYPE, Markup, html};

use crate::model::user;

fn page(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
            }
            body { main { (content) } }
        }
    }
}

/// A form that posts `fields`: label, name, type, and what a password manager is told.
fn form(title: &str, action: &str, fields: &[(&str, &str, &str, &str)]) -> Markup {
    html! {
        h2 { (title) }
        form method="post" action={ "/user/account/" (action) } id=(action) {
            @for (label, name, kind, autocomplete) in fields {
                p {
                    label { (label) " " input name=(name) type=(kind) autocomplete=(autocomplete) required; }
                }
            }
            p { button { (title) } }
        }
    }
}

pub(crate) fn home(user: Option<&user::Model>, has_mailbox: bool) -> Markup {
    let email = ("E-mail", "email", "email", "username");
    let new = ("Password", "password", "password", "new-password");
    let current = ("Password", "password", "password", "current-password");
    let one_time = (
        "One-time password",
        "one_time_password",
        "text",
        "one-time-code",
    );
    let chosen = ("New password", "new_password", "password", "new-password");
    page(
        "Forgot password",
        html! {
            h1 { "Forgot password" }
            p id="who" {
                @match user {
                    Some(user) => { "Logged in as " (user.email) "." }
                    None => { "Not logged in." }
                }
            }
            (form("Register", "register", &[email, new]))
            (form("Log in", "login", &[email, current]))
            (form("Log out", "logout", &[]))
            (form("Forgot password", "forgot-password", &[email]))
            (form("Reset password", "reset-password", &[email, one_time, chosen]))
            @if has_mailbox {
                p { a href="/dev/mailbox" { "The mailbox, which a real program does not show" } }
            }
        },
    )
}

pub(crate) fn message(message: &str) -> Markup {
    page(
        "Forgot password",
        html! {
            p id="message" role="status" { (message) }
            p { a href="/" { "Back" } }
        },
    )
}

pub(crate) fn mailbox(mails: &[String]) -> Markup {
    page(
        "Mailbox",
        html! {
            h1 { "Mailbox" }
            p { "Mails land here because no " code { "SMTP_URL" } " is set." }
            @for mail in mails { pre { (mail) } }
        },
    )
}
