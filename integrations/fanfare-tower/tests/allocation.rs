//! Without receivers the layer does not allocate.
//!
//! Allocations are counted for each thread. Only one test uses the signals: a receiver that another
//! connects would make a thread's first look at them allocate.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use fanfare_django::request::{GOT_REQUEST_EXCEPTION, REQUEST_FINISHED, REQUEST_STARTED};
use fanfare_tower::SignalLayer;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

type Page = Response<Full<Bytes>>;

fn page(_: Request<()>) -> Ready<Result<Page, Infallible>> {
    ready(Ok(Response::new(Full::new(Bytes::from_static(b"page")))))
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(Box::new(1_u64)))),
        1
    );
}

#[test]
fn without_receivers_a_request_does_not_allocate() {
    let layer: SignalLayer = SignalLayer::new();
    let mut unnamed = layer.layer(service_fn(page));
    let mut named = layer.sender("web").layer(service_fn(page));
    assert_eq!(allocations(|| ask(&mut unnamed)), 0);
    assert_eq!(allocations(|| ask(&mut named)), 0);

    for connect in [
        || REQUEST_STARTED.options().sender("web").connect(|_, _| ()),
        || REQUEST_FINISHED.options().sender("web").connect(|_, _| ()),
        || {
            let options = GOT_REQUEST_EXCEPTION.options();
            options.sender("web").connect(|_, _| ())
        },
    ] {
        let receiver = connect();
        assert_ne!(allocations(|| ask(&mut named)), 0, "it is followed");
        // Of a thread that has looked before, as this one has by now.
        assert_eq!(allocations(|| ask(&mut unnamed)), 0);
        receiver.disconnect();
        assert_eq!(allocations(|| ask(&mut named)), 0);
    }
}

/// Runs one request from its call to the end of its body.
fn ask<S, B>(mut service: S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Error = Infallible>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(service.call(Request::new(()))).poll(&mut cx) else {
        panic!("it is ready at once");
    };
    let mut body = pin!(response.into_body());
    let mut frames = 0;
    while let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut cx) {
        frames += 1;
    }
    assert_eq!(frames, 1);
}

/// Returns how often `run` allocated or grew an allocation on this thread.
fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}
