//! The pages. Each form has a page of its own, and the response to a form is the page that comes
//! next. They need no script, and their style is one sheet from this site.

use axum::extract::FromRef;
use axum::http::header;
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};

use crate::App;
use crate::model::user;

/// The address of the mails that were not sent.
pub(crate) const MAILBOX: &str = "/dev/mailbox";
pub(crate) const STYLE: &str = "/style.css";

/// The style sheet. It comes anew with each page, since it is small and changes with the pages.
pub(crate) async fn style() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("style.css"))
}

/// The facts that each page shows.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) has_mailbox: bool,
}

impl FromRef<App> for Site {
    fn from_ref(app: &App) -> Self {
        Site {
            has_mailbox: app.post.has_mailbox(),
        }
    }
}

/// One sentence about the last request.
#[derive(Clone, Copy)]
pub(crate) struct Note<'a> {
    pub(crate) text: &'a str,
    pub(crate) is_error: bool,
}

/// The forms that people fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    SignUp,
    LogIn,
    Forgot,
    Reset,
}

/// A field of a form. `autocomplete` is the hint for password managers.
struct Field {
    label: &'static str,
    name: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    hint: Option<&'static str>,
}

const EMAIL: Field = Field {
    label: "E-mail address",
    name: "email",
    kind: "email",
    autocomplete: "username",
    hint: None,
};
const CURRENT: Field = Field {
    label: "Password",
    name: "password",
    kind: "password",
    autocomplete: "current-password",
    hint: None,
};
const NEW: Field = Field {
    label: "Password",
    name: "password",
    kind: "password",
    autocomplete: "new-password",
    hint: Some("At least 8 characters."),
};
const ONE_TIME: Field = Field {
    label: "One-time password",
    name: "one_time_password",
    kind: "text",
    autocomplete: "one-time-code",
    hint: Some("Ten letters and digits from the mail. Small letters and spaces are fine."),
};
const CHOSEN: Field = Field {
    label: "New password",
    name: "new_password",
    ..NEW
};

impl Form {
    pub(crate) const ALL: [Form; 4] = [Form::SignUp, Form::LogIn, Form::Forgot, Form::Reset];

    /// The address of the form's own page.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Form::SignUp => "/sign-up",
            Form::LogIn => "/log-in",
            Form::Forgot => "/forgot-password",
            Form::Reset => "/reset-password",
        }
    }

    /// Returns the form that follows this one when it was accepted, if there is one.
    pub(crate) const fn next(self) -> Option<Form> {
        match self {
            Form::SignUp | Form::Reset => Some(Form::LogIn),
            Form::Forgot => Some(Form::Reset),
            Form::LogIn => None,
        }
    }

    /// The last part of the address that the form is sent to. It is the `id` of the form as well.
    const fn action(self) -> &'static str {
        match self {
            Form::SignUp => "register",
            Form::LogIn => "login",
            Form::Forgot => "forgot-password",
            Form::Reset => "reset-password",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Form::SignUp => "Sign up",
            Form::LogIn => "Log in",
            Form::Forgot => "Forgot your password?",
            Form::Reset => "Choose a new password",
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Form::SignUp => "Sign up",
            Form::LogIn => "Log in",
            Form::Forgot => "Mail me a one-time password",
            Form::Reset => "Change the password",
        }
    }

    const fn fields(self) -> &'static [Field] {
        match self {
            Form::SignUp => &[EMAIL, NEW],
            Form::LogIn => &[EMAIL, CURRENT],
            Form::Forgot => &[EMAIL],
            Form::Reset => &[EMAIL, ONE_TIME, CHOSEN],
        }
    }

    /// The sentence above the fields, and the place among the steps of a forgotten password.
    const fn lead(self) -> Option<(&'static str, &'static str)> {
        match self {
            Form::SignUp | Form::LogIn => None,
            Form::Forgot => Some((
                "Step 1 of 2",
                "If the address has an account, a one-time password is mailed to it.",
            )),
            Form::Reset => Some((
                "Step 2 of 2",
                "Copy the one-time password from the mail. It is good once, and not for long.",
            )),
        }
    }

    /// The ways from here to the other forms: a question, and the link that answers it.
    const fn ways_out(self) -> &'static [(&'static str, Form, &'static str)] {
        match self {
            Form::SignUp => &[("Have an account?", Form::LogIn, "Log in")],
            Form::LogIn => &[
                ("", Form::Forgot, "Forgot your password?"),
                ("No account yet?", Form::SignUp, "Sign up"),
            ],
            Form::Forgot => &[
                ("Have a one-time password?", Form::Reset, "Use it"),
                ("Remember it after all?", Form::LogIn, "Log in"),
            ],
            Form::Reset => &[("No mail, or too late?", Form::Forgot, "Ask for another")],
        }
    }
}

/// A page: its title, the card in the middle, and the links below it.
fn page(site: Site, title: &str, card: Markup, links: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Forgot password" }
                link rel="stylesheet" href=(STYLE);
            }
            body {
                header {
                    a.brand href="/" {
                        (key())
                        span { "Forgot password" }
                    }
                }
                main {
                    div.card { (card) }
                    (links)
                }
                @if site.has_mailbox {
                    footer {
                        p { "No mail server is set, so mails go to " a href=(MAILBOX) { "the mailbox" } "." }
                    }
                }
            }
        }
    }
}

/// The key beside the name. A screen reader skips it.
fn key() -> Markup {
    html! {
        svg viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" {
            circle cx="8" cy="12" r="4.5" {}
            path d="M12.5 12H22M17.5 12v4.5M21.5 12v3.5" {}
        }
    }
}

/// The sentence about the last request. A screen reader reads it out, and an error at once.
fn message(note: Note<'_>) -> Markup {
    let (class, role, live) = match note.is_error {
        true => ("note bad", "alert", "assertive"),
        false => ("note good", "status", "polite"),
    };
    html! { p id="message" class=(class) role=(role) aria-live=(live) { (note.text) } }
}

/// The title in the window: an error is named there first, since a screen reader begins with it.
fn window_title(title: &str, note: Option<Note<'_>>) -> String {
    match note {
        Some(note) if note.is_error => format!("Error: {title}"),
        _ => title.to_owned(),
    }
}

pub(crate) fn home(site: Site, user: Option<&user::Model>) -> Markup {
    let (title, card) = match user {
        Some(user) => (
            "Your account",
            html! {
                h1 { "Your account" }
                p id="who" { "Logged in as " (user.email) "." }
                form id="logout" method="post" action="/user/account/logout" {
                    button { "Log out" }
                }
            },
        ),
        None => (
            "Welcome",
            html! {
                h1 { "Welcome" }
                p id="who" { "Not logged in." }
                div.choices {
                    a.button href=(Form::LogIn.path()) { "Log in" }
                    a.button.second href=(Form::SignUp.path()) { "Sign up" }
                }
            },
        ),
    };
    let forgot = match user {
        Some(_) => "Change your password by mail",
        None => "Forgot your password?",
    };
    let links = html! {
        nav aria-label="Other pages" {
            p { a href=(Form::Forgot.path()) { (forgot) } }
        }
    };
    page(site, title, card, links)
}

/// The page of one form, with the address that was typed before. The keyboard begins in the first
/// field that is empty.
pub(crate) fn form(site: Site, form: Form, email: &str, note: Option<Note<'_>>) -> Markup {
    let fields = form.fields();
    let first = usize::from(!email.is_empty() && fields.len() > 1);
    let card = html! {
        @if let Some((step, _)) = form.lead() { p.step { (step) } }
        h1 { (form.title()) }
        @if let Some((_, lead)) = form.lead() { p.lead { (lead) } }
        @if let Some(note) = note { (message(note)) }
        form id=(form.action()) method="post" action={ "/user/account/" (form.action()) } {
            @for (place, field) in fields.iter().enumerate() {
                (input(field, email, place == first, note.is_some()))
            }
            button { (form.button()) }
        }
    };
    let links = html! {
        nav aria-label="Other forms" {
            @for (question, to, answer) in form.ways_out() {
                p { (question) " " a href=(to.path()) { (answer) } }
            }
        }
    };
    page(site, &window_title(form.title(), note), card, links)
}

/// A field with its label and hint. The first one is described by the message as well, if there is
/// one, so that a screen reader that begins in the field reads it out.
fn input(field: &Field, email: &str, is_first: bool, has_message: bool) -> Markup {
    let hint = format!("{}-hint", field.name);
    let described: Vec<&str> = [
        (is_first && has_message).then_some("message"),
        field.hint.map(|_| &*hint),
    ]
    .into_iter()
    .flatten()
    .collect();
    let described = (!described.is_empty()).then(|| described.join(" "));
    let shortest = (field.autocomplete == "new-password").then_some("8");
    let typed = (field.name == "email").then_some(email);
    html! {
        div.field {
            label for=(field.name) { (field.label) }
            input id=(field.name) name=(field.name) type=(field.kind) value=[typed]
                autocomplete=(field.autocomplete) autocapitalize="none" spellcheck="false"
                minlength=[shortest] aria-describedby=[described] required autofocus[is_first];
            @if let Some(text) = field.hint { p.hint id=(hint) { (text) } }
        }
    }
}

/// A page with one sentence and the way home, where the keyboard begins.
pub(crate) fn notice(site: Site, title: &str, note: Note<'_>) -> Markup {
    let card = html! {
        h1 { (title) }
        (message(note))
        a.button href="/" autofocus { "Go to the first page" }
    };
    page(site, &window_title(title, Some(note)), card, html! {})
}

/// The mails, the newest first, each as it would leave.
pub(crate) fn mailbox(mails: &[String]) -> Markup {
    let card = html! {
        h1 { "Mailbox" }
        p.lead { "Mails land here because no " code { "SMTP_URL" } " is set. A real program does not show them." }
        nav.back aria-label="Back" {
            a href=(Form::Reset.path()) { "Back to the one-time password" }
            a href="/" { "Back to the first page" }
        }
        @if mails.is_empty() { p.empty { "No mail yet." } }
        @for mail in mails {
            @let (head, text) = mail.split_once("\r\n\r\n").unwrap_or(("", mail));
            article.mail {
                pre.head { (head) }
                pre { (text) }
            }
        }
    };
    let site = Site { has_mailbox: false };
    page(site, "Mailbox", html! { div.mailbox { (card) } }, html! {})
}
