//! Values that replicas confirm.

use std::time::Duration;

use tokenkeep_test_support::{Tool, engines::redis::Server, need};
use tokenkeep_web::store::{Durability, Loaded, Put, PutOutcome, Store as _, StoreError};

use crate::support::{HOUR, connect, key, mark, replicated, until, value};

/// More than any replica needs.
const ENOUGH: Durability = Durability::Replicated { replicas: 1, timeout: Duration::from_secs(20) };

/// A primary and its replica.
async fn pair() -> (Server, Server) {
    let (primary, replica) = (Server::start(&[]), Server::start(&[]));
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let follows = || primary.cli(&["INFO", "replication"]).contains("state=online");
    until(|| async { follows() }).await;
    (primary, replica)
}

#[tokio::test]
async fn a_value_counts_as_stored_when_replicas_have_it() {
    if !need(Tool::Redis) {
        return;
    }
    let (primary, replica) = pair().await;
    let store = connect(&primary).await;
    let (key, first, second) = (key(), value(300), value(300));
    let put = Put::new(None, &first, HOUR).durability(ENOUGH);
    assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
    let other = connect(&replica).await;
    assert_eq!(other.load(&key, None).await.unwrap(), Loaded::Value(first.clone()));

    replica.freeze();
    let expected = mark(&first);
    let put = Put::new(Some(&expected), &second, HOUR).durability(replicated());
    // The second time the value is there already, and no replica has it yet either.
    for store in [&store, &connect(&primary).await] {
        let error = store.put(&key, put).await.unwrap_err();
        let fits =
            matches!(error, StoreError::NotReplicated { reached: 0, wanted: 1, written: true });
        assert!(fits, "{error:?}");
    }
    // Everybody else is not held up.
    assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(second.clone()));
    replica.thaw();
    let put = put.durability(ENOUGH);
    assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
    assert_eq!(other.load(&key, None).await.unwrap(), Loaded::Value(second.clone()));

    let two = Durability::Replicated { replicas: 2, timeout: Duration::from_millis(50) };
    let put = Put::new(Some(&expected), &second, HOUR).durability(two);
    let error = store.put(&key, put).await.unwrap_err();
    let fits = matches!(error, StoreError::NotReplicated { reached: 1, wanted: 2, written: true });
    assert!(fits, "{error:?}");
    let stale = Put::new(None, &first, HOUR).durability(two);
    let outcome = store.put(&key, stale).await.unwrap();
    assert_eq!(outcome, PutOutcome::Conflict(Loaded::Value(second.clone())));
    primary.cli(&["CONFIG", "SET", "min-replicas-to-write", "2"]);
    let error = store.put(&key, put).await.unwrap_err();
    assert!(matches!(error, StoreError::NotReplicated { wanted: 2, written: false, .. }));
}

#[tokio::test]
async fn many_wait_for_replicas_together() {
    if !need(Tool::Redis) {
        return;
    }
    let (primary, replica) = pair().await;
    let store = std::sync::Arc::new(connect(&primary).await);
    let all = |durability| {
        let mut tasks = tokio::task::JoinSet::new();
        for nth in 0..100 {
            let store = store.clone();
            tasks.spawn(async move {
                if nth == 50 {
                    // Nobody is there for its answer.
                    let value = value(200);
                    let put = Put::new(None, &value, HOUR).durability(durability);
                    let key = key();
                    let dropped = store.put(&key, put);
                    tokio::time::timeout(Duration::ZERO, dropped).await.ok();
                    return None;
                }
                let value = value(200);
                let put = Put::new(None, &value, HOUR).durability(durability);
                Some(store.put(&key(), put).await)
            });
        }
        tasks.join_all()
    };
    primary.cli(&["SCRIPT", "FLUSH"]);
    for answer in all(ENOUGH).await.into_iter().flatten() {
        assert_eq!(answer.unwrap(), PutOutcome::Stored);
    }
    replica.freeze();
    for answer in all(replicated()).await.into_iter().flatten() {
        let error = answer.unwrap_err();
        assert!(matches!(error, StoreError::NotReplicated { written: true, .. }), "{error:?}");
    }
    replica.thaw();
}
