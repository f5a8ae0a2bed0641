//! Who hears of a request is decided when it comes; senders tell applications apart.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::Ears;
use bytes::Bytes;
use fanfare::Sender;
use fanfare::signals::request::{GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED};
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
async fn a_request_that_nobody_heard_start_has_no_end() {
    let service = service(SignalLayer::new().sender("late ears"));
    let response = service.oneshot(Request::new(())).await;
    let ears = Ears::new("late ears");
    drop(response);
    assert_eq!(ears.heard(), []);
}

#[tokio::test]
async fn who_connects_in_the_middle_of_a_followed_request_hears_its_end() {
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
async fn who_disconnects_in_the_middle_hears_no_end() {
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
