//! Engines that refuse some calls.

use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Mode, Proxy, redis_writes},
        redis::Server,
    },
    need,
};
use tokenkeep_web::store::{
    LeaseRequest, Loaded, Owner, Put, PutOutcome, Store as _, StoreError, StoreKey,
};

use crate::support::{HOUR, connect, key, mark, patient, random, until, value};

/// A server with a value.
async fn filled(config: &[&str]) -> (Server, tokenkeep_web::RedisStore, StoreKey, Vec<u8>) {
    let server = Server::start(config);
    let store = connect(&server).await;
    let (key, value) = (key(), value(300));
    store.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
    (server, store, key, value)
}

#[tokio::test]
async fn a_full_server_is_read() {
    if !need(Tool::Redis) {
        return;
    }
    let (server, store, key, old) = filled(&[]).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let new = value(300);
    let expected = mark(&old);
    let error = store.put(&key, Put::new(Some(&expected), &new, HOUR)).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { source: Some(_) }), "{error:?}");
    let request = LeaseRequest::new(Owner::from_bytes(random()), HOUR);
    let error = store.lease(&key, request).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    // Nothing was written, and it is read, also by a program that starts now.
    let later = connect(&server).await;
    for store in [&store, &later] {
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(old.clone()));
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    let outcome = store.put(&key, Put::new(Some(&expected), &new, HOUR)).await.unwrap();
    assert_eq!(outcome, PutOutcome::Stored);
}

/// A value on its way has a short time to live, and some policies evict that first. Here a test
/// removes it.
#[tokio::test]
async fn a_value_that_is_evicted_on_its_way_changes_nothing() {
    if !need(Tool::Redis) {
        return;
    }
    let (server, direct, key, old) = filled(&[]).await;
    let proxy = Proxy::start(server.port(), redis_writes);
    let store = patient().connect(&proxy.redis_url()).await.unwrap();
    let (expected, newer) = (mark(&old), value(300));
    for there in [&old, &newer] {
        if there == &newer {
            // As if an earlier try of the same put had stored it.
            let put = Put::new(Some(&expected), &newer, HOUR);
            assert_eq!(direct.put(&key, put).await.unwrap(), PutOutcome::Stored);
        }
        // The script is sent a second time, and its value is not.
        server.cli(&["SCRIPT", "FLUSH"]);
        proxy.set(Mode::Delay(HOUR));
        let evicted = async {
            until(|| async {
                let draft = server.cli(&["KEYS", "tk1:*:d*"]);
                !draft.is_empty() && server.cli(&["DEL", &draft]) == "1"
            })
            .await;
            proxy.set(Mode::Pass);
        };
        let put = store.put(&key, Put::new(Some(&expected), &newer, HOUR));
        let (error, ()) = tokio::join!(put, evicted);
        assert!(matches!(error, Err(StoreError::Full { source: Some(_) })), "{error:?}");
        assert_eq!(direct.load(&key, None).await.unwrap(), Loaded::Value(there.clone()));
    }
}

#[tokio::test]
async fn a_server_that_cannot_write_its_disk_is_read() {
    if !need(Tool::Redis) {
        return;
    }
    let (server, store, key, old) = filled(&["dbfilename blocked", "save 3600 1"]).await;
    let folder = server.cli(&["CONFIG", "GET", "dir"]);
    let folder = folder.lines().last().unwrap();
    std::fs::create_dir(format!("{folder}/blocked")).unwrap();
    server.cli(&["BGSAVE"]);
    let fails = || server.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err");
    until(|| async { fails() }).await;

    let later = connect(&server).await;
    for store in [&store, &later] {
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(old.clone()));
        let error = store.put(&key, Put::new(None, &value(200), HOUR)).await.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_replicas_writes_nothing() {
    if !need(Tool::Redis) {
        return;
    }
    let (server, store, key, old) = filled(&[]).await;
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let expected = mark(&old);
    let error = store.put(&key, Put::new(Some(&expected), &value(200), HOUR)).await.unwrap_err();
    let fits = matches!(error, StoreError::NotReplicated { reached: 0, written: false, .. });
    assert!(fits, "{error:?}");
    let later = connect(&server).await;
    assert_eq!(later.load(&key, None).await.unwrap(), Loaded::Value(old));
}

#[tokio::test]
async fn a_replica_is_unreachable_for_writes() {
    if !need(Tool::Redis) {
        return;
    }
    let (server, store, key, old) = filled(&[]).await;
    // Nobody listens there.
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let expected = mark(&old);
    let error = store.put(&key, Put::new(Some(&expected), &value(200), HOUR)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { source: Some(_), .. }), "{error:?}");
    assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(old.clone()));
    server.cli(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    let error = store.load(&key, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    until(|| async { store.load(&key, None).await.is_ok() }).await;
}

#[tokio::test]
async fn settings_that_put_sign_ins_at_risk_are_named() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&["appendonly yes"]);
    let store = connect(&server).await;
    let has = |text: &'static str| {
        let store = &store;
        async move {
            let inspection = store.inspect().await.unwrap();
            assert!(inspection.now.is_some());
            inspection.advice.iter().any(|advice| advice.found.contains(text))
        }
    };
    assert!(!has("policy").await);
    assert!(!has("append-only").await);
    assert!(has("no replica,").await);
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    assert!(has("evicts leases first").await);
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert!(has("`allkeys-lru` evicts sign-ins").await);
    server.cli(&["CONFIG", "SET", "appendonly", "no"]);
    assert!(has("append-only").await);
}
