//! What networks and stopped servers do to calls.

use std::time::Duration;

use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Fault, Mode, Proxy, redis_writes},
        redis::Server,
    },
    need,
};
use tokenkeep_web::{
    RedisStore,
    contract::{self, Setup},
    store::{
        Durability, Lease, LeaseRequest, Loaded, Note, Owner, Put, PutOutcome, Removal, Store as _,
        StoreError,
    },
};

use crate::support::{HOUR, key, mark, patient, random, until, value};

async fn through_proxy(server: &Server) -> (Proxy, RedisStore) {
    let proxy = Proxy::start(server.port(), redis_writes);
    let store = RedisStore::connect(&proxy.redis_url()).await.unwrap();
    (proxy, store)
}

#[tokio::test]
async fn each_step_is_one_round_trip() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let (proxy, store) = through_proxy(&server).await;
    // The scripts are known after this.
    let (warm, owner) = (key(), Owner::from_bytes(random()));
    store.put(&warm, Put::new(None, &value(200), HOUR).release(Some(owner))).await.unwrap();
    store.lease(&warm, LeaseRequest::new(owner, HOUR)).await.unwrap();
    store.release(&warm, owner, None).await.unwrap();
    store.remove(&warm, Durability::Local).await.unwrap();

    let (key, value) = (key(), value(7_000));
    let known = mark(&value);
    let trips = || {
        let trips = proxy.counts().round_trips;
        proxy.forget();
        trips
    };
    trips();
    store.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
    assert_eq!(trips(), 1, "put");
    store.load(&key, None).await.unwrap();
    assert_eq!(trips(), 1, "load");
    assert_eq!(store.load(&key, Some(&known)).await.unwrap(), Loaded::Unchanged);
    assert_eq!(trips(), 1, "probe");
    store.lease(&key, LeaseRequest::new(owner, HOUR)).await.unwrap();
    assert_eq!(trips(), 1, "lease");
    store.release(&key, owner, None).await.unwrap();
    assert_eq!(trips(), 1, "release");
    store.remove(&key, Durability::Local).await.unwrap();
    assert_eq!(trips(), 1, "remove");
}

#[tokio::test]
async fn a_probe_brings_forty_bytes() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let (_proxy, store) = through_proxy(&server).await;
    let (key, value) = (key(), value(100_000));
    store.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
    let sent = || {
        let info = server.cli(&["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let calls = || server.cli(&["INFO", "commandstats"]);
    server.cli(&["CONFIG", "RESETSTAT"]);
    let before = sent();
    store.load(&key, Some(&mark(&value))).await.unwrap();
    // The rest is the answer to the question.
    assert!(sent() - before < 20_000, "{} bytes", sent() - before);
    let calls = calls();
    assert!(calls.contains("cmdstat_getrange:calls=1,"), "{calls}");
    assert!(!calls.contains("cmdstat_get:"), "{calls}");
}

/// All writes. Each says what it has to say although an answer was lost.
async fn all_writes(store: &RedisStore) {
    let (key, first, second) = (key(), value(200), value(300));
    let put = Put::new(None, &first, HOUR);
    assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
    let owner = Owner::from_bytes(random());
    let answer = store.lease(&key, LeaseRequest::new(owner, HOUR)).await.unwrap();
    assert_eq!(answer, (Lease::Mine, Loaded::Value(first.clone())));
    let expected = mark(&first);
    let put = Put::new(Some(&expected), &second, HOUR).release(Some(owner));
    assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
    let next = Owner::from_bytes(random());
    let answer = store.lease(&key, LeaseRequest::new(next, HOUR)).await.unwrap();
    assert_eq!(answer, (Lease::Mine, Loaded::Value(second)));
    let note = Note::from_bytes(random::<40>()).unwrap();
    store.release(&key, next, Some((&note, HOUR))).await.unwrap();
    let (lease, _) = store.lease(&key, LeaseRequest::new(owner, HOUR)).await.unwrap();
    assert!(matches!(lease, Lease::Failed { note: left, .. } if left == note));
    store.remove(&key, Durability::Local).await.unwrap();
    let answer = store.lease(&key, LeaseRequest::new(owner, HOUR)).await.unwrap();
    assert_eq!(answer, (Lease::Mine, Loaded::Absent));
}

#[tokio::test]
async fn a_lost_answer_to_any_write_changes_nothing() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let (proxy, store) = through_proxy(&server).await;
    let mut lost = 0;
    for fault in [Fault::CutAfter(0), Fault::CutAfter(1), Fault::CutAfter(3)] {
        for nth in 1.. {
            let before = proxy.counts().faults;
            proxy.on_write(nth, fault);
            all_writes(&store).await;
            proxy.disarm();
            if proxy.counts().faults == before {
                break;
            }
            lost += 1;
        }
    }
    assert!(lost >= 3 * 8, "{lost} answers were lost");
}

#[tokio::test]
async fn a_silent_connection_times_out_and_the_next_call_has_another() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let (proxy, store) = through_proxy(&server).await;
    let (key, value) = (key(), value(200));
    proxy.on_write(1, Fault::Silence);
    let error = store.put(&key, Put::new(None, &value, HOUR)).await.unwrap_err();
    assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
    let outcome = store.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
    assert_eq!(outcome, PutOutcome::Stored);
}

#[tokio::test]
async fn a_listener_is_unsure_after_each_reconnect() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let (proxy, store) = through_proxy(&server).await;
    let mut removals = store.removals("shop");
    assert_eq!(removals.next().await, Removal::Unsure);
    for _ in 0..3 {
        proxy.reset_all();
        assert_eq!(removals.next().await, Removal::Unsure);
        let key = key();
        until(|| async { store.remove(&key, Durability::Local).await.is_ok() }).await;
        assert_eq!(removals.next().await, Removal::One(key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_passes_the_contract() {
    if !need(Tool::Redis) {
        return;
    }
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port(), redis_writes);
    let store = patient().connect(&proxy.redis_url()).await.unwrap();
    proxy.set(Mode::Delay(Duration::from_micros(200)));
    contract::suite(&Setup::new(store)).await.expect_all_passed();
}
