//! The signals of a forgotten password, from the request to the mail and to the new password.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::pin::pin;

use axum::http::StatusCode;
use fanfare::testing::{self, Scope};
use fanfare::{Sender, mute};
use fanfare_django::auth::{USER_LOGGED_IN, USER_LOGIN_FAILED};
use fanfare_django::model::POST_SAVE;
use fanfare_django::request::{GOT_REQUEST_EXCEPTION, Outcome, REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_django::transaction::{COMMITTED, ROLLED_BACK};
use futures_util::future::{join_all, pending};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{ADA, FROM, NEW, OLD, PATIENCE, Site};
use crate::account::PASSWORD_RESET;
use crate::model::reset_request::{self, State};
use crate::model::user;
use crate::outbox::{FIRST, LATER};
use crate::post::Post;
use crate::smtp::MailServer;

/// Connects receivers to the signals of transactions, because the program has none, and a signal
/// without receivers is not sent.
fn listen_to_transactions() {
    COMMITTED.connect(|_sender, _committed| ());
    ROLLED_BACK.connect(|_sender, _undone| ());
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
        scope.assert_sent(&COMMITTED).once().before(&FIRST);
        scope
            .assert_sent(&FIRST)
            .once()
            .caused_by(&POST_SAVE)
            .before(&REQUEST_FINISHED);
        scope
            .assert_sent(&REQUEST_FINISHED)
            .once()
            .matching_kept(|status: &Option<u16>| *status == Some(202));
        scope.assert_not_sent(&LATER);
        scope.assert_not_sent(&GOT_REQUEST_EXCEPTION);
        assert_eq!(site.mails().len(), 1);
        assert_eq!(site.rows().await[0].state, State::Mailed);
    })
    .await;
}

#[tokio::test]
async fn a_request_for_an_unknown_address_differs_in_its_lane_alone() {
    let known = testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        site.forgot(ADA).await;
        scope.settle_async(PATIENCE).await.unwrap();
        saved(scope)
    })
    .await;
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        scope.keep_with(&REQUEST_FINISHED, |request| request.status());
        site.forgot("nobody@example.org").await;
        scope.settle_async(PATIENCE).await.unwrap();

        scope
            .assert_sent(&REQUEST_STARTED)
            .once()
            .before(&POST_SAVE);
        scope
            .assert_sent(&LATER)
            .once()
            .caused_by(&POST_SAVE)
            .before(&REQUEST_FINISHED);
        scope
            .assert_sent(&REQUEST_FINISHED)
            .once()
            .matching_kept(|status: &Option<u16>| *status == Some(202));
        scope.assert_not_sent(&FIRST);
        assert!(site.mails().is_empty());
        let later = saved(scope);
        let as_first: Vec<_> = later
            .iter()
            .map(|line| line.replace("LATER", "FIRST"))
            .collect();
        assert_eq!(as_first, known);
        assert_ne!(later, known);
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
            scope.assert_not_sent(&FIRST);
            scope.assert_not_sent(&LATER);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_commit_causes_the_mail_through_the_outbox() {
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        site.forgot(ADA).await;
        scope.settle_async(PATIENCE).await.unwrap();
        assert_eq!(
            saved(scope),
            [
                "fanfare_django::model::signals::POST_SAVE from \
                 forgot_password::model::reset_request::Entity (Async)",
                "  -> outbox",
                "    forgot_password::outbox::FIRST (Async)",
                "      -> mailer",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_rolled_back_sends_no_signal_of_the_commit() {
    testing::scope_async(async |scope| {
        let site = Site::with_ada().await;
        listen_to_transactions();
        // It runs after the outbox has recorded its event.
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
        scope.assert_not_sent(&FIRST);
        scope.assert_not_sent(&LATER);
        assert!(site.rows().await.is_empty());
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
        scope.assert_not_sent(&FIRST);
        assert!(site.rows().await.is_empty());
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
async fn a_faked_mailer_connects_to_no_mail_server() {
    testing::scope_async(async |program| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = MailServer::from_url(&url, PATIENCE).unwrap();
        let site = Site::with_post(Post::new(FROM, Some(server)).unwrap()).await;
        site.add_account(ADA).await;

        testing::scope_async(async |scope| {
            scope.fake(mute::tag("mail"));
            site.forgot(ADA).await;
            scope.settle_async(PATIENCE).await.unwrap();
            scope.assert_sent(&FIRST).once();
        })
        .await;
        let refused = listener.accept().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert_eq!(site.rows().await[0].tries, 0);

        // After the fake, the same row reaches the mail server.
        site.outbox.hand_out_due().await.unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let accepted = timeout(PATIENCE, listener.accept()).await.unwrap();
        let (connection, _) = accepted.unwrap();
        let mut connection = connection.into_std().unwrap();
        connection.write_all(b"554 no mails today\r\n").unwrap();
        drop(connection);
        program.settle_async(PATIENCE).await.unwrap();
        assert_eq!(site.rows().await[0].tries, 1);
    })
    .await;
}

#[tokio::test]
async fn a_row_whose_event_was_lost_is_handed_out_once() {
    testing::scope_async(async |_program| {
        let site = Site::with_ada().await;
        testing::scope_async(async |scope| {
            scope.fake(mute::signal(&FIRST));
            site.forgot(ADA).await;
            scope.settle_async(PATIENCE).await.unwrap();
        })
        .await;
        assert!(site.mails().is_empty());

        let row = site.rows().await[0].id;
        testing::scope_async(async |scope| {
            scope.keep_with(&FIRST, |owed| owed.request);
            site.outbox.hand_out_due().await.unwrap();
            scope.settle_async(PATIENCE).await.unwrap();
            scope
                .assert_sent(&FIRST)
                .once()
                .matching_kept(|request: &i32| *request == row);
            scope.assert_not_sent(&LATER);
        })
        .await;
        assert_eq!(site.mails().len(), 1);

        testing::scope_async(async |scope| {
            site.outbox.hand_out_due().await.unwrap();
            scope.assert_not_sent(&FIRST);
            scope.assert_not_sent(&LATER);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_changed_password_is_reported_after_its_commit() {
    testing::scope_async(async |program| {
        let site = Site::start().await;
        let ada = site.add_account(ADA).await;
        site.forgot(ADA).await;
        program.settle_async(PATIENCE).await.unwrap();
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
            scope.assert_sent(&FIRST).times(users);
            scope.assert_sent(&REQUEST_FINISHED).times(users);
            assert_eq!(site.mails().len(), users);
        })
        .await;
    }
    tokio::join!(ask(3), ask(5), ask(8));
}

#[tokio::test]
async fn receivers_with_a_state_exist_in_their_scope_alone() {
    let requests = Sender::of::<reset_request::Entity>();
    let users = Sender::of::<user::Model>();
    testing::scope_async(async |scope| {
        assert!(!FIRST.has_listeners());
        let _site = Site::start().await;
        scope.assert_listening(&FIRST);
        scope.assert_listening(&LATER);
        scope.assert_listening(&PASSWORD_RESET);
        scope.assert_listening(POST_SAVE.from(requests));
        scope.assert_listening(USER_LOGGED_IN.from(users));
    })
    .await;
    assert!(!FIRST.has_listeners());
    assert!(!LATER.has_listeners());
    assert!(!POST_SAVE.from(requests).has_listeners());
}

#[tokio::test]
async fn the_wiring_is_reviewed() {
    testing::scope_async(async |_scope| {
        let _site = Site::start().await;
        testing::assert_wiring("signals.lock", |signal| !signal.connections.is_empty());
    })
    .await;
}
