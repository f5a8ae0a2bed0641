//! The signals of a forgotten password, from the request to the mail and to the new password.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::pin::pin;
use std::time::Duration;

use axum::http::StatusCode;
use fanfare::Sender;
use fanfare::testing::{self, Scope};
use fanfare_django::auth::{USER_LOGGED_IN, USER_LOGIN_FAILED};
use fanfare_django::model::POST_SAVE;
use fanfare_django::request::{GOT_REQUEST_EXCEPTION, Outcome, REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_django::transaction::{COMMITTED, ROLLED_BACK};
use fanfare_outbox::{DurableEvent, SendDurable};
use futures_util::future::{join_all, pending};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{ADA, FROM, NEW, OLD, PATIENCE, Site};
use crate::account::PASSWORD_RESET;
use crate::model::{reset_request, user};
use crate::outbox::{self, FIRST, FirstMail, LaterMail};
use crate::post::Post;
use crate::smtp::MailServer;

/// Connects receivers to the signals of transactions, because the program has none, and a signal
/// without receivers is not sent.
fn listen_to_transactions() {
    COMMITTED.connect(|_sender, _committed| ());
    ROLLED_BACK.connect(|_sender, _undone| ());
}

/// Returns the name of the event that owes a first mail.
fn first() -> String {
    FirstMail::NAME.to_owned()
}

/// Returns the name of the event that owes another mail.
fn later() -> String {
    LaterMail::NAME.to_owned()
}

/// Returns the lines of the scope's tree from the first `POST_SAVE` to the next root, without the
/// places of the receivers. A connection that the pool opens for the mailer is left out, because
/// the pool may have a free one.
fn saved(scope: &Scope) -> Vec<String> {
    let tree = scope.tree();
    let mut lines = tree
        .lines()
        .skip_while(|line| !line.starts_with("fanfare_django::model::signals::POST_SAVE"));
    let root = lines.next();
    let below = lines.take_while(|line| line.starts_with(' '));
    let is_opened = |line: &&str| line.contains("::CONNECTION_CREATED from ");
    let of = root
        .into_iter()
        .chain(below.filter(|line| !is_opened(line)));
    of.map(|line| line.split(" at ").next().unwrap_or(line).to_owned())
        .collect()
}

#[tokio::test]
async fn a_request_for_an_account_sends_its_signals_in_order() {
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        listen_to_transactions();
        scope.keep_with(&REQUEST_FINISHED, |request| request.status());
        assert_eq!(site.forgot(ADA).await, StatusCode::ACCEPTED);
        scope.settle_async(PATIENCE).await.unwrap();

        scope
            .assert_sent(&REQUEST_STARTED)
            .once()
            .before(&POST_SAVE);
        scope
            .assert_sent(&POST_SAVE)
            .once()
            .from(Sender::of::<reset_request::Entity>())
            .before(&COMMITTED);
        scope
            .assert_sent(&COMMITTED)
            .once()
            .before(&REQUEST_FINISHED);
        scope
            .assert_sent(&REQUEST_FINISHED)
            .once()
            .matching_kept(|status: &Option<u16>| *status == Some(202));
        scope.assert_not_sent(&GOT_REQUEST_EXCEPTION);

        // The mail is owed by the commit, and leaves after it.
        let request = site.rows().await[0].id;
        assert_eq!(site.owed().await, [(first(), request)]);
        assert!(site.mails().is_empty());
        site.send_mails().await;
        assert_eq!(site.mails().len(), 1);
        assert!(site.rows().await[0].expires_at.is_some());
        assert!(site.owed().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_request_for_an_unknown_address_differs_in_its_lane_alone() {
    let known = testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        listen_to_transactions();
        site.forgot(ADA).await;
        scope.settle_async(PATIENCE).await.unwrap();
        let owed = site.owed().await;
        assert_eq!(owed, [(first(), site.rows().await[0].id)]);
        saved(scope)
    })
    .await;
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        listen_to_transactions();
        scope.keep_with(&REQUEST_FINISHED, |request| request.status());
        site.forgot("nobody@example.org").await;
        scope.settle_async(PATIENCE).await.unwrap();

        scope
            .assert_sent(&REQUEST_STARTED)
            .once()
            .before(&POST_SAVE);
        scope
            .assert_sent(&REQUEST_FINISHED)
            .once()
            .matching_kept(|status: &Option<u16>| *status == Some(202));
        assert_eq!(saved(scope), known);
        let owed = site.owed().await;
        assert_eq!(owed, [(later(), site.rows().await[0].id)]);

        site.send_mails().await;
        assert!(site.mails().is_empty());
        assert!(site.rows().await[0].expires_at.is_some());
        assert!(site.owed().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_invalid_address_owes_no_mail() {
    testing::scope_async(async |_program| {
        let site = Site::with_ada().await;
        testing::scope_async(async |scope| {
            scope.nothing_sent();
            let status = site.forgot("not an address").await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
            scope
                .assert_sent(&REQUEST_STARTED)
                .once()
                .before(&REQUEST_FINISHED);
            scope.assert_not_sent(&POST_SAVE);
        })
        .await;
        assert!(site.owed().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn one_receiver_of_the_save_owes_the_mail() {
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        site.forgot(ADA).await;
        scope.settle_async(PATIENCE).await.unwrap();
        assert_eq!(
            saved(scope),
            [
                "fanfare_django::model::signals::POST_SAVE from \
                 forgot_password::model::reset_request::Entity (Async)",
                "  -> forgot_password::outbox::owe_mail",
            ]
        );
        assert_eq!(site.owed().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_rolled_back_sends_no_signal_of_the_commit() {
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        listen_to_transactions();
        // It runs after the receiver that owes the mail.
        POST_SAVE.connect(|_sender, _event| Err("the disk is full".into()));
        assert_eq!(site.forgot(ADA).await, StatusCode::INTERNAL_SERVER_ERROR);
        scope.settle_async(PATIENCE).await.unwrap();

        scope.assert_sent(&POST_SAVE).once().before(&ROLLED_BACK);
        scope
            .assert_sent(&ROLLED_BACK)
            .once()
            .before(&GOT_REQUEST_EXCEPTION);
        scope
            .assert_sent(&GOT_REQUEST_EXCEPTION)
            .once()
            .before(&REQUEST_FINISHED);
        scope.assert_not_sent(&COMMITTED);
        assert!(site.rows().await.is_empty());
        assert!(site.owed().await.is_empty());
        site.send_mails().await;
        assert!(site.mails().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_transaction_rolls_it_back() {
    static SAVED: Notify = Notify::const_new();
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        listen_to_transactions();
        scope.keep_with(&REQUEST_FINISHED, |request| request.outcome());
        POST_SAVE.connect_async(|_sender, _event| {
            SAVED.notify_one();
            Box::pin(pending())
        });
        {
            let mut request = pin!(site.forgot(ADA));
            tokio::select! {
                status = &mut request => panic!("it ended with {status}"),
                () = SAVED.notified() => {}
            }
            // The end of this block drops the request.
        }
        scope.settle_async(PATIENCE).await.unwrap();

        scope.assert_sent(&ROLLED_BACK).once();
        scope
            .assert_sent(&REQUEST_FINISHED)
            .once()
            .matching_kept(|outcome: &Outcome| *outcome == Outcome::Aborted);
        scope.assert_not_sent(&COMMITTED);
        assert!(site.rows().await.is_empty());
        assert!(site.owed().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn async_receivers_of_an_interrupted_request_run_in_its_scope() {
    static SAVED: Notify = Notify::const_new();
    static UNDONE: Notify = Notify::const_new();
    static ENDED: Notify = Notify::const_new();
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        POST_SAVE.connect_async(|_sender, _event| {
            SAVED.notify_one();
            Box::pin(pending())
        });
        ROLLED_BACK.connect_async(|_sender, _undone| Box::pin(async { UNDONE.notify_one() }));
        REQUEST_FINISHED.connect_async(|_sender, _request| Box::pin(async { ENDED.notify_one() }));
        {
            let mut request = pin!(site.forgot(ADA));
            tokio::select! {
                status = &mut request => panic!("it ended with {status}"),
                () = SAVED.notified() => {}
            }
        }
        // Destructors cannot await, so tasks of the runtime send both signals.
        timeout(PATIENCE, UNDONE.notified()).await.unwrap();
        timeout(PATIENCE, ENDED.notified()).await.unwrap();
        scope.settle_async(PATIENCE).await.unwrap();
        scope.assert_sent(&ROLLED_BACK).once();
        scope.assert_sent(&REQUEST_FINISHED).once();
    })
    .await;
}

#[tokio::test]
async fn a_mail_waits_for_the_outbox_to_start() {
    testing::scope_async(async |scope| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = MailServer::from_url(&url, PATIENCE).unwrap();
        let site = Site::with_post(Post::new(FROM, Some(server)).unwrap()).await;
        site.add_account(ADA).await;

        site.forgot(ADA).await;
        scope.settle_async(PATIENCE).await.unwrap();
        let refused = listener.accept().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert_eq!(site.rows().await[0].one_time_hash, None);

        // After its start, the same request reaches the mail server.
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let refuse = async {
            let accepted = timeout(PATIENCE, listener.accept()).await.unwrap();
            let (connection, _) = accepted.unwrap();
            let mut connection = connection.into_std().unwrap();
            connection.write_all(b"421 no mails today\r\n").unwrap();
        };
        let outbox = outbox::start(&site.app.db).await.unwrap();
        refuse.await;
        // The retry is of the other lane.
        let is_handed_on = async || site.owed().await == [(later(), site.rows().await[0].id)];
        timeout(PATIENCE, async {
            while !is_handed_on().await {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        outbox.shutdown().await;
        assert!(site.rows().await[0].one_time_hash.is_some());
        assert_eq!(site.rows().await[0].expires_at, None);
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_a_start_has_sent_is_not_sent_by_the_next() {
    testing::scope_async(async |_scope| {
        let site = Site::with_ada().await;
        site.forgot(ADA).await;
        for _ in 0..2 {
            site.send_mails().await;
            assert_eq!(site.mails().len(), 1);
        }

        // Nor is it if the note of its delivery was lost.
        let request = site.rows().await[0].id;
        let again = FirstMail { request };
        let sent = site.app.db.send_durable(&FIRST, request, &again).await;
        sent.unwrap();
        site.send_mails().await;
        assert_eq!(site.mails().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_events_of_the_outbox_have_no_password_and_no_address() {
    testing::scope_async(async |_scope| {
        let site = Site::with_ada().await;
        site.forgot(ADA).await;
        site.forgot("nobody@example.org").await;
        let db = &site.app.db;
        let query = "SELECT sender, key, payload FROM fanfare_outbox_event ORDER BY id";
        let query = Statement::from_string(db.get_database_backend(), query);
        let events = db.query_all_raw(query).await.unwrap();
        let texts = events.iter().map(|event| {
            let text = |column| event.try_get::<String>("", column).unwrap();
            (text("sender"), text("key"), text("payload"))
        });
        let number = |request: i32| format!("key:{request}");
        let rows = site.rows().await;
        let [first, second] = [rows[0].id, rows[1].id];
        assert_eq!(
            texts.collect::<Vec<_>>(),
            [
                (
                    number(first),
                    number(first),
                    format!(r#"{{"request":{first}}}"#)
                ),
                (
                    number(second),
                    number(second),
                    format!(r#"{{"request":{second},"first_error":null}}"#)
                ),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_changed_password_is_reported_after_its_commit() {
    testing::scope_async(async |_program| {
        let site = Site::start().await;
        let ada = site.add_account(ADA).await;
        site.forgot(ADA).await;
        site.send_mails().await;
        let mail = site.mails().remove(0);
        let (_, one_time) = mail.split_once("one-time password: ").unwrap();
        let one_time = &one_time[..11];
        listen_to_transactions();

        testing::scope_async(async |scope| {
            assert_eq!(site.reset("AAAAA-AAAAA").await, StatusCode::FORBIDDEN);
            scope.assert_sent(&REQUEST_STARTED).once();
            scope.assert_not_sent(&PASSWORD_RESET);
        })
        .await;
        testing::scope_async(async |scope| {
            scope.keep(&PASSWORD_RESET);
            assert_eq!(site.reset(one_time).await, StatusCode::OK);
            scope.settle_async(PATIENCE).await.unwrap();
            scope.assert_sent(&COMMITTED).before(&PASSWORD_RESET);
            scope
                .assert_sent(&PASSWORD_RESET)
                .once()
                .from(Sender::of::<user::Model>())
                .matching(|reset| reset.user_id == ada)
                .before(&REQUEST_FINISHED);
        })
        .await;
        testing::scope_async(async |scope| {
            assert_eq!(site.reset(one_time).await, StatusCode::FORBIDDEN);
            scope.assert_not_sent(&PASSWORD_RESET);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn receivers_of_a_log_in_depend_on_no_order() {
    testing::scope_async(async |_program| {
        let site = Site::start().await;
        let fields = json!({ "email": ADA, "password": OLD });
        assert_eq!(site.post("register", fields).await, StatusCode::OK);
        let mut last = None;
        for seed in 0..3 {
            testing::scope_async(async |scope| {
                scope.shuffle(seed);
                assert_eq!(site.login(OLD).await, StatusCode::OK);
                scope.settle_async(PATIENCE).await.unwrap();
                scope
                    .assert_sent(&USER_LOGGED_IN)
                    .once()
                    .from(Sender::of::<user::Model>())
                    .before(&REQUEST_FINISHED);
                scope.assert_not_sent(&USER_LOGIN_FAILED);
            })
            .await;
            let logged_in = site.account().await.last_login;
            assert!(logged_in > last, "seed {seed}: {logged_in:?}");
            last = logged_in;
        }
        testing::scope_async(async |scope| {
            scope.keep_with(&USER_LOGIN_FAILED, |failed| {
                format!("{:?}", failed.credentials())
            });
            assert_eq!(site.login(NEW).await, StatusCode::FORBIDDEN);
            scope
                .assert_sent(&USER_LOGIN_FAILED)
                .once()
                .matching_kept(|typed: &String| typed.contains(ADA) && !typed.contains(NEW));
            scope.assert_not_sent(&USER_LOGGED_IN);
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_two_scopes_share_no_send() {
    async fn ask(users: usize) {
        testing::scope_async(async |scope| {
            let site = Site::start().await;
            let emails = (0..users).map(|n| format!("user{n}@example.org"));
            let emails: Vec<String> = emails.collect();
            for email in &emails {
                site.add_account(email).await;
            }
            let requests = emails.iter().map(|email| site.forgot(email));
            let statuses = join_all(requests).await;
            assert_eq!(statuses, vec![StatusCode::ACCEPTED; users]);
            scope.settle_async(PATIENCE).await.unwrap();
            scope.assert_sent(&REQUEST_STARTED).times(users);
            scope.assert_sent(&POST_SAVE).times(users);
            scope.assert_sent(&REQUEST_FINISHED).times(users);
            // Nor a mail: the outboxes of all three run at the same time.
            site.send_mails().await;
            assert_eq!(site.mails().len(), users);
            assert!(site.owed().await.is_empty());
        })
        .await;
    }
    tokio::join!(ask(3), ask(5), ask(8));
}

/// Those of the outbox, `programs_of_two_scopes_share_no_send` tests.
#[tokio::test]
async fn receivers_with_a_state_exist_in_their_scope_alone() {
    let updates_last_login = || {
        let receivers = USER_LOGGED_IN.connections();
        receivers.iter().any(|it| it.name == "update_last_login")
    };
    testing::scope_async(async |scope| {
        assert!(!updates_last_login());
        let _site = Site::start().await;
        assert!(updates_last_login());
        scope.assert_listening(USER_LOGGED_IN.from(Sender::of::<user::Model>()));
        scope.assert_listening(POST_SAVE.from(Sender::of::<reset_request::Entity>()));
        scope.assert_listening(&PASSWORD_RESET);
    })
    .await;
    assert!(!updates_last_login());
}

#[tokio::test]
async fn the_wiring_is_reviewed() {
    testing::scope_async(async |_scope| {
        let _site = Site::start().await;
        testing::assert_wiring("signals.lock", |signal| !signal.connections.is_empty());
    })
    .await;
}
