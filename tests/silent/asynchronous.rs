//! Exchanges that are futures.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering, mpsc},
    task::{Context, Poll, Wake},
    thread,
    time::Duration,
};

use tokenkeep::{
    Error,
    silent::{SilentOptions, Spend},
};
use tokio::runtime::Builder;

use crate::script::*;

#[test]
fn a_renewal_whose_future_is_dropped_is_stored_and_settled() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    runtime.block_on(async {
        let mut may_go_on = Some(may_go_on);
        let exchange = move |spend: Spend| {
            let (asked, may_go_on) = (asked.clone(), may_go_on.take().expect("one request"));
            async move {
                asked.send(spend.refresh_token().unwrap().to_owned()).unwrap();
                may_go_on.await.unwrap();
                ok("a1", Some("r1"))
            }
        };
        let request = request();
        tokio::select! {
            token = cache.acquire_token_silent_async(&request, exchange) => panic!("{token:?}"),
            asked = is_asked.recv() => assert_eq!(asked.as_deref(), Some("r0")),
        }
    });
    let busy = cache.settle(Duration::ZERO).unwrap_err();
    assert!(matches!(busy, Error::RefreshInProgress { .. }), "{busy:?}");
    go_on.send(()).unwrap();
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(refresh_token(&cache), "r1");
    assert_eq!(secret(Script::new([]).call(&cache)), "a1");
}

#[test]
fn a_future_is_driven_without_a_runtime_and_one_that_was_shut_down_is_no_answer() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let wanted = request();
    let mut silent =
        Box::pin(cache.acquire_token_silent_async(&wanted, |_| async { ok("a1", Some("r1")) }));
    let waker = Arc::new(Unparks(thread::current())).into();
    let token = loop {
        match silent.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(token) => break token,
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(secret(token), "a1");

    clock.store(NOW + 7200, Ordering::SeqCst);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let (asked, is_asked) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let theirs = cache.clone();
    runtime.spawn(async move {
        let wanted = request();
        let token = theirs.acquire_token_silent_async(&wanted, move |_| {
            asked.send(()).unwrap();
            std::future::pending()
        });
        token.await.ok();
    });
    is_asked.recv().unwrap();
    // Its tasks end, and with them the request.
    runtime.shutdown_background();
    let waiting = cache.clone();
    thread::spawn(move || ended.send(waiting.settle(Duration::from_secs(60))).unwrap());
    has_ended.recv().unwrap().unwrap();
    assert_eq!(refresh_token(&cache), "r1", "nothing came, so the old one stays");
}

#[test]
fn a_wait_for_another_program_can_be_stopped() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let lease = cache.refresh_lease(&request(), &SilentOptions::new()).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let options = SilentOptions::new().stop_when(|| true);
    let wanted = request();
    let error = runtime
        .block_on(cache.acquire_token_silent_with_async(&wanted, &options, |_| async {
            panic!("another one has the lease")
        }))
        .unwrap_err();
    assert!(matches!(error, Error::WaitCanceled { .. }), "{error:?}");
    drop(lease);
}

/// Wakes a thread.
struct Unparks(thread::Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
