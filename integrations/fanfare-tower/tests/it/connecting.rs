//! The receivers of a request are selected when it comes. Senders distinguish applications.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::Ears;
use bytes::Bytes;
use fanfare::Sender;
use fanfare_django::request::{GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_tower::{Boxed, SignalLayer};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};

fn service(
    layer: SignalLayer,
) -> impl Service<
    Request<()>,
    Response = Response<fanfare_tower::SignalBody<Full<Bytes>>>,
    Error = Infallible,
> {
    layer.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("page"))))
    }))
}

#[tokio::test]
async fn a_request_whose_start_had_no_receiver_has_no_end() {
    let service = service(SignalLayer::new().sender("late ears"));
    let response = service.oneshot(Request::new(())).await;
    let ears = Ears::new("late ears");
    drop(response);
    assert_eq!(ears.heard(), []);
}

#[tokio::test]
async fn a_receiver_connected_during_a_followed_request_gets_its_end() {
    let name = "first and second ears";
    let first = GOT_REQUEST_EXCEPTION
        .options()
        .sender(name)
        .connect(|_, _| ())
        .scoped();
    let service = service(SignalLayer::new().sender(name));
    let response = service.oneshot(Request::new(())).await;
    let ears = Ears::new(name);
    drop(first);
    drop(response);
    assert_eq!(ears.briefs(), ["finished Aborted"]);
}

#[tokio::test]
async fn a_receiver_disconnected_during_a_request_gets_no_end() {
    let name = "ears that go";
    let ears = Ears::new(name);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let going = REQUEST_FINISHED
        .options()
        .sender(name)
        .connect(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
    let response = service(ears.layer()).oneshot(Request::new(())).await;
    going.disconnect();
    drop(response);
    assert_eq!(ears.briefs(), ["started", "finished Aborted"]);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn one_application_of_two() {
    let (tea, coffee) = (Ears::new("tea"), Ears::new("coffee"));
    let ask = |ears: &Ears| service(ears.layer()).oneshot(Request::new(()));
    drop(ask(&tea).await);
    drop(ask(&tea).await);
    drop(ask(&coffee).await);
    assert_eq!(tea.heard().len(), 4);
    assert_eq!(coffee.heard().len(), 2);
}

/// All three signals have the same sender: also that of exceptions, where Django has none.
#[tokio::test]
async fn without_a_name_the_layer_is_the_sender() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let _started = REQUEST_STARTED
        .options()
        .sender(Sender::of::<SignalLayer>())
        .connect(move |sender, _| {
            assert_eq!(sender, Sender::of::<SignalLayer>());
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .scoped();
    drop(service(SignalLayer::new()).oneshot(Request::new(())).await);
    // Whatever the errors are.
    let boxed: SignalLayer<Boxed> = SignalLayer::default();
    let service = boxed.layer(service_fn(async |_: Request<()>| {
        Ok::<_, tower::BoxError>(Response::new(Full::new(Bytes::new())))
    }));
    drop(service.oneshot(Request::new(())).await);
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_layer_around_a_layer_has_a_request_of_its_own() {
    let ears = Ears::new("twice");
    let inner = ears.layer().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("page"))))
    }));
    drop(ears.layer().layer(inner).oneshot(Request::new(())).await);
    let ids: Vec<_> = ears.heard().iter().map(|heard| heard.id()).collect();
    assert_eq!(ids.len(), 4);
    let (outer, inner) = (ids[0], ids[1]);
    assert!(outer != inner && ids[2..] == [inner, outer], "{ids:?}");
}

/// The layers are those of the README. The nested router gets the path without its prefix.
#[tokio::test]
async fn a_layer_inside_of_a_nested_router_finds_the_whole_path_in_the_extensions() {
    use axum::extract::OriginalUri;
    use axum::{Router, body::Body, routing::get};
    use http::request::Parts;
    use std::sync::Mutex;

    let seen = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&seen);
    let started = REQUEST_STARTED.options().sender("nested router");
    let started = started.connect(move |_sender, request| {
        let head: &Parts = request.request().unwrap();
        let original = head.extensions.get::<OriginalUri>();
        let original = original.map(|uri| uri.path().to_owned());
        paths
            .lock()
            .unwrap()
            .push((request.path().to_owned(), original));
    });
    let _started = started.scoped();
    let layer: SignalLayer = SignalLayer::new().sender("nested router");
    let tea = Router::new().route("/tea", get(async || "tea"));
    let inside: Router = Router::new().nest("/shop", tea.clone().layer(layer.clone()));
    let twice: Router = Router::new().nest("/v1", inside.clone());
    let outside: Router = Router::new().nest("/shop", tea).layer(layer);
    for (app, path) in [
        (inside, "/shop/tea"),
        (twice, "/v1/shop/tea"),
        (outside, "/shop/tea"),
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert!(response.status().is_success());
    }
    let whole = |path: &str| Some(path.to_owned());
    assert_eq!(
        *seen.lock().unwrap(),
        [
            ("/tea".to_owned(), whole("/shop/tea")),
            ("/tea".to_owned(), whole("/v1/shop/tea")),
            ("/shop/tea".to_owned(), whole("/shop/tea"))
        ]
    );
}
