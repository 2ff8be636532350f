//! Calls that are sent a second time, because the answer to the first was lost.

use std::time::Duration;

use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Fault, Proxy, redis_writes},
        redis::Server,
    },
    need,
};
use tokenkeep_web::store::{Durability, Loaded, Put, PutOutcome, Store as _, StoreError, StoreKey};

use crate::support::{HOUR, connect, key, mark, patient, value};

/// For servers without a replica, at the connection that waits for replicas.
pub(crate) const NOBODY: Durability =
    Durability::Replicated { replicas: 1, timeout: Duration::from_millis(1) };

/// The first try of a put is done at `first`, and only its answer is lost. The second one comes to
/// `second`.
pub(crate) async fn put_twice(
    first: &Server,
    second: &Server,
    key: &StoreKey,
    old: &[u8],
    durability: Durability,
) -> StoreError {
    let proxy = Proxy::start(first.port(), redis_writes);
    let store = patient().connect(&proxy.redis_url()).await.unwrap();
    // There are connections of both kinds after this.
    store.put(key, Put::new(None, old, HOUR)).await.unwrap();
    store.put(key, Put::new(None, old, HOUR).durability(NOBODY)).await.unwrap_err();
    let (expected, newer) = (mark(old), value(300));
    proxy.on_write(1, Fault::CutAfter(0));
    proxy.lead_to(second.port());
    let put = Put::new(Some(&expected), &newer, HOUR).durability(durability);
    let error = store.put(key, put).await.unwrap_err();
    assert_eq!(proxy.counts().faults, 1);
    let here = connect(first).await;
    assert_eq!(here.load(key, None).await.unwrap(), Loaded::Value(newer));
    error
}

#[tokio::test]
async fn a_second_try_that_is_not_done_says_nothing_of_the_first() {
    if !need(Tool::Redis) {
        return;
    }
    let first = Server::start(&[]);
    // Nobody listens there.
    let is_replica = |second: &Server| drop(second.cli(&["REPLICAOF", "127.0.0.1", "1"]));
    let is_full = |second: &Server| drop(second.cli(&["CONFIG", "SET", "maxmemory", "1"]));
    let wants_replicas =
        |second: &Server| drop(second.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]));
    let is_down = |second: &Server| second.kill();
    let all: [&dyn Fn(&Server); 4] = [&is_replica, &is_full, &wants_replicas, &is_down];
    let names = ["a replica", "full", "without replicas", "down"];
    for (what, becomes) in names.into_iter().zip(all) {
        for durability in [Durability::Local, NOBODY] {
            let (second, key, old) = (Server::start(&[]), key(), value(200));
            connect(&second).await.put(&key, Put::new(None, &old, HOUR)).await.unwrap();
            becomes(&second);
            let error = put_twice(&first, &second, &key, &old, durability).await;
            let is_unknown = matches!(error, StoreError::Timeout { .. });
            assert!(is_unknown, "{what}, {durability:?}: {error:?}");
        }
    }
}

/// What the second try finds may have replaced the value of the first.
#[tokio::test]
async fn a_second_try_that_finds_another_value_is_no_conflict() {
    if !need(Tool::Redis) {
        return;
    }
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    for durability in [Durability::Local, NOBODY] {
        let error = put_twice(&server, &other, &key(), &value(200), durability).await;
        assert!(matches!(error, StoreError::Timeout { .. }), "{durability:?}: {error:?}");
    }
    // Sent once it is a conflict.
    let (store, stale, newer) = (connect(&other).await, mark(&value(200)), value(300));
    let put = Put::new(Some(&stale), &newer, HOUR).durability(NOBODY);
    assert_eq!(store.put(&key(), put).await.unwrap(), PutOutcome::Conflict(Loaded::Absent));
}
