//! Values and leases that replicas confirm.

use std::time::Duration;

use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Proxy, redis_writes},
        redis::Server,
    },
    need, say,
};
use tokenkeep_web::store::{
    Durability, Lease, LeaseRequest, Loaded, Owner, Put, PutOutcome, Store as _, StoreError,
};

use crate::support::{HOUR, connect, key, mark, patient, random, replicated, until, value};

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
async fn a_lease_counts_as_taken_when_replicas_have_it() {
    if !need(Tool::Redis) {
        return;
    }
    let (primary, replica) = pair().await;
    let store = connect(&primary).await;
    let [taken, untaken, local, refused] = [(); 4].map(|()| key());
    let [owner, other] = [(); 2].map(|()| Owner::from_bytes(random()));
    let ask = async |key, owner, durability| {
        let request = LeaseRequest::new(owner, HOUR).durability(durability);
        store.lease(key, request).await.map(|(lease, _)| lease)
    };
    let leases = || replica.cli(&["KEYS", "tk1:shop:*:l"]).split_ascii_whitespace().count();
    assert_eq!(ask(&taken, owner, ENOUGH).await.unwrap(), Lease::Mine);
    assert_eq!(leases(), 1, "the replica has it");
    // Renewed, it has to be confirmed again.
    assert_eq!(ask(&taken, owner, ENOUGH).await.unwrap(), Lease::Mine);

    replica.freeze();
    for (key, owner) in [(&untaken, owner), (&untaken, owner), (&taken, owner)] {
        let error = ask(key, owner, replicated()).await.unwrap_err();
        let fits =
            matches!(error, StoreError::NotReplicated { reached: 0, wanted: 1, written: true });
        assert!(fits, "{error:?}");
    }
    // Of another's nothing was written.
    let lease = ask(&taken, other, replicated()).await.unwrap();
    assert!(matches!(lease, Lease::Other { .. }), "{lease:?}");
    assert_eq!(ask(&local, owner, Durability::Local).await.unwrap(), Lease::Mine);
    store.release(&untaken, owner, None).await.unwrap();
    replica.thaw();
    assert_eq!(ask(&untaken, other, ENOUGH).await.unwrap(), Lease::Mine);
    primary.cli(&["CONFIG", "SET", "min-replicas-to-write", "2"]);
    let error = ask(&refused, owner, ENOUGH).await.unwrap_err();
    let fits = matches!(error, StoreError::NotReplicated { wanted: 1, written: false, .. });
    assert!(fits, "{error:?}");
}

#[tokio::test]
async fn a_removal_counts_when_replicas_have_it() {
    if !need(Tool::Redis) {
        return;
    }
    let (primary, replica) = pair().await;
    let store = connect(&primary).await;
    let (gone, local, value) = (key(), key(), value(300));
    for key in [&gone, &local] {
        store.put(key, Put::new(None, &value, HOUR).durability(ENOUGH)).await.unwrap();
    }
    replica.freeze();
    // The second time nothing is there, and no replica knows that either.
    for _ in 0..2 {
        let error = store.remove(&gone, replicated()).await.unwrap_err();
        let fits =
            matches!(error, StoreError::NotReplicated { reached: 0, wanted: 1, written: true });
        assert!(fits, "{error:?}");
        assert_eq!(store.load(&gone, None).await.unwrap(), Loaded::Absent);
    }
    store.remove(&local, Durability::Local).await.unwrap();
    replica.thaw();
    store.remove(&gone, ENOUGH).await.unwrap();
    assert_eq!(connect(&replica).await.load(&gone, None).await.unwrap(), Loaded::Absent);
}

#[tokio::test]
async fn a_step_that_waits_for_replicas_is_one_round_trip() {
    if !need(Tool::Redis) {
        return;
    }
    let (primary, _replica) = pair().await;
    let proxy = Proxy::start(primary.port(), redis_writes);
    let store = patient().connect(&proxy.redis_url()).await.unwrap();
    let owner = Owner::from_bytes(random());
    let mut trips = Vec::new();
    // The first makes the connection, and brings the scripts.
    for _ in 0..2 {
        trips.clear();
        let (key, value) = (key(), value(7_000));
        let mut count = |what| {
            trips.push((what, proxy.counts().round_trips));
            proxy.forget();
        };
        proxy.forget();
        store.lease(&key, LeaseRequest::new(owner, HOUR).durability(ENOUGH)).await.unwrap();
        count("lease");
        let put = Put::new(None, &value, HOUR).release(Some(owner)).durability(ENOUGH);
        store.put(&key, put).await.unwrap();
        count("put");
    }
    say(&format!("round trips with one replica: {trips:?}"));
    assert_eq!(trips, [("lease", 1), ("put", 1)]);
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
