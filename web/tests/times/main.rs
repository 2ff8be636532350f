//! How long calls take while the engine, or the way to it, fails.
#![cfg(unix)]

mod postgres;
mod redis;

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokenkeep_test_support::say;
use tokenkeep_web::store::{Loaded, Mark, Put, PutOutcome, Store, StoreError, StoreKey};
use tokio::task::JoinSet;

/// Nothing else of this program runs while a test measures.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("there are threads").block_on(test)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// A value that no other is equal to.
fn value() -> Vec<u8> {
    let mut value = vec![b'v'; 300];
    value[Mark::RANGE].copy_from_slice(&random::<{ Mark::LEN }>());
    value
}

fn mark(value: &[u8]) -> Mark {
    Mark::of(value).expect("it is long enough")
}

/// A key with a value.
async fn filled(store: &impl Store) -> (StoreKey, Vec<u8>) {
    let (key, value) = (StoreKey::new("shop", random()), value());
    let stored = store.put(&key, Put::new(None, &value, HOUR)).await;
    assert_eq!(stored.expect("the engine answers"), PutOutcome::Stored);
    (key, value)
}

/// Five calls fail within their time. Then calls end at once. Within `most` of `back` the store
/// serves again.
async fn fails_and_comes_back(
    what: &str,
    store: impl Store + 'static,
    most: Duration,
    back: impl FnOnce(),
    cut: impl FnOnce(),
) {
    let store = Arc::new(store);
    let (key, value) = filled(&*store).await;
    cut();
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let (store, key) = (Arc::clone(&store), key.clone());
        calls.spawn(async move { timed(store.load(&key, None)).await });
    }
    let mut longest = Duration::ZERO;
    for (result, took) in calls.join_all().await {
        assert!(is_silence(&result), "{what}: {result:?}");
        longest = longest.max(took);
    }
    let mut refused = Vec::new();
    for nth in 0..101 {
        let (result, took) = if nth % 2 == 0 {
            timed(store.load(&key, None)).await
        } else {
            let (result, took) = timed(store.put(&key, Put::new(None, &value, HOUR))).await;
            (result.map(|_| Loaded::Absent), took)
        };
        assert!(is_silence(&result), "{what}: {result:?}");
        refused.push(took);
    }
    refused.sort_unstable();
    let median = refused[refused.len() / 2];
    let start = Instant::now();
    back();
    loop {
        match store.load(&key, None).await {
            Ok(loaded) => break assert_eq!(loaded, Loaded::Value(value), "{what}"),
            Err(StoreError::Unreachable { retry_after, .. }) => {
                tokio::time::sleep(retry_after.min(Duration::from_millis(20))).await;
            }
            Err(StoreError::Timeout { .. }) => {}
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    let returned = start.elapsed();
    say(&format!(
        "{what}: the first calls took up to {longest:?}, the next {median:?} (median), and it was \
         back after {returned:?}"
    ));
    assert!(longest <= CALL, "{what}: {longest:?}");
    assert!(median < Duration::from_millis(1), "{what}: {median:?}");
    assert!(returned < most, "{what}: {returned:?}");
}

/// A call that the engine does not answer in time is a timeout, and takes no longer.
async fn is_a_timeout<T: std::fmt::Debug>(
    what: &str,
    call: impl Future<Output = Result<T, StoreError>>,
) {
    let (result, took) = timed(call).await;
    assert!(matches!(result, Err(StoreError::Timeout { .. })), "{what}: {result:?}");
    say(&format!("{what}: {took:?}"));
    assert!(took <= CALL, "{what}: {took:?}");
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (call.await, start.elapsed())
}

fn is_silence<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unreachable { .. } | StoreError::Timeout { .. }))
}

const HOUR: Duration = Duration::from_secs(3_600);
/// What a call may take: its 500 ms, and the way back to the caller.
const CALL: Duration = Duration::from_millis(600);
