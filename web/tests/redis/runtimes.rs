//! A store that outlives the runtime that it was made on.

use tokenkeep_test_support::{Tool, engines::redis::Server, need};
use tokenkeep_web::store::{Durability, Loaded, Put, PutOutcome, Store as _, StoreError};

use crate::support::{HOUR, connect, key, mark, until, value};

/// Runs a part of a test on a runtime that ends with it.
pub(crate) fn on_a_runtime<T>(part: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(part)
}

#[test]
fn calls_go_on_with_another_runtime() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let store = on_a_runtime(connect(&server));
    let (key, mut last) = (key(), value(200));
    on_a_runtime(store.put(&key, Put::new(None, &last, HOUR))).unwrap();
    let timeout = std::time::Duration::from_millis(1);
    let durability = Durability::Replicated { replicas: 1, timeout };
    for _ in 0..3 {
        on_a_runtime(async {
            assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(last.clone()));
            let newer = value(200);
            let outcome = store.put(&key, Put::new(Some(&mark(&last)), &newer, HOUR)).await;
            assert_eq!(outcome.unwrap(), PutOutcome::Stored);
            // The connection that waits for replicas has a task of its own.
            let put = Put::new(None, &newer, HOUR).durability(durability);
            let error = store.put(&key, put).await.unwrap_err();
            let fits = matches!(error, StoreError::NotReplicated { written: true, .. });
            assert!(fits, "{error:?}");
            last = newer;
        });
    }
}

#[test]
fn a_connection_that_was_being_made_is_made_by_another_runtime() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let store = on_a_runtime(connect(&server));
    let key = key();
    on_a_runtime(async {
        server.kill();
        store.load(&key, None).await.unwrap_err();
        store.load(&key, None).await.unwrap_err();
    });
    server.restart();
    on_a_runtime(until(|| async { store.load(&key, None).await.is_ok() }));
}
