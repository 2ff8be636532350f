//! Answers that are lost on their way, and how many there are.

use tokenkeep_test_support::{
    Tool,
    engines::{
        postgres::PgBouncer,
        proxy::{Fault, Proxy, no_writes, postgres_writes},
    },
    need,
};
use tokenkeep_web::{
    PostgresStore,
    store::{
        Durability, Lease, LeaseRequest, Loaded, Note, Put, PutOutcome, Removal, Store, StoreError,
    },
};

use crate::scene::{
    FULL, LONG, filled, hasty_on, key, lease, mark, owner, put, run, run_on_one_thread, server,
    store_on, value,
};

/// Runs a call until the store answers it. A call whose answer was lost is a timeout, and is
/// repeated as the cache repeats it.
async fn answered<T, F>(timeouts: &mut usize, mut call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(StoreError::Timeout { .. }) => *timeouts += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The life of a value. Returns how many calls had no answer.
async fn life(store: &PostgresStore) -> usize {
    let (key, owner, other) = (key(), owner(), owner());
    let (first, second) = (value(300), value(400));
    let missed = &mut 0;
    let request = LeaseRequest::new(owner, LONG);
    let taken = answered(missed, || store.lease(&key, request)).await;
    assert_eq!(taken, (Lease::Mine, Loaded::Absent));
    let new = Put::new(None, &first, LONG).release(Some(owner));
    assert_eq!(answered(missed, || store.put(&key, new)).await, PutOutcome::Stored);
    let request = LeaseRequest::new(other, LONG);
    let taken = answered(missed, || store.lease(&key, request)).await;
    assert_eq!(taken, (Lease::Mine, Loaded::Value(first.clone())));
    let expected = mark(&first);
    let newer = Put::new(Some(&expected), &second, LONG);
    assert_eq!(answered(missed, || store.put(&key, newer)).await, PutOutcome::Stored);
    let again = newer.durability(Durability::Replicated { replicas: 0, timeout: LONG });
    assert_eq!(answered(missed, || store.put(&key, again)).await, PutOutcome::Stored);
    let note = Note::from_bytes([7; 40]).expect("it has an allowed length");
    answered(missed, || store.release(&key, other, Some((&note, LONG)))).await;
    let (lease, loaded) = answered(missed, || store.lease(&key, request)).await;
    assert!(matches!(&lease, Lease::Failed { note: left, .. } if *left == note), "{lease:?}");
    assert_eq!(loaded, Loaded::Value(second));
    let request = request.instead_of(Some(&note));
    assert_eq!(answered(missed, || store.lease(&key, request)).await.0, Lease::Mine);
    answered(missed, || store.release(&key, other, None)).await;
    answered(missed, || store.remove(&key, Durability::Local)).await;
    assert_eq!(answered(missed, || store.load(&key, None)).await, Loaded::Absent);
    *missed
}

#[test]
fn a_lost_answer_to_any_write_changes_nothing() {
    let Some(server) = server(&[]) else { return };
    let proxy = Proxy::start(server.port(), postgres_writes);
    run(async {
        for fault in [Fault::CutAfter(0), Fault::CutAfter(7), Fault::Silence] {
            let mut lost = 0;
            for nth in 1.. {
                let is_silent = fault == Fault::Silence;
                let store_on = if is_silent { hasty_on } else { store_on };
                let store = store_on(&proxy.postgres_url(), 1, &server.url());
                proxy.forget();
                proxy.on_write(nth, fault);
                let missed = life(&store).await;
                if proxy.counts().faults == 0 {
                    break;
                }
                // A connection that is closed is noticed at once, and the store repeats the call.
                assert_eq!(missed > 0, is_silent, "{fault:?} {nth}: {missed}");
                lost += 1;
            }
            proxy.disarm();
            assert!(lost >= 9, "{fault:?}: {lost} writes");
            assert_eq!(server.psql("SELECT count(*) FROM tokenkeep_web"), "0");
            assert_eq!(server.psql("SELECT count(*) FROM tokenkeep_web_lease"), "0");
        }
    });
}

/// The first try of a write is lost on its way back. The second one meets another value, which may
/// have replaced that of the first try.
#[test]
fn a_write_that_was_sent_twice_is_no_conflict() {
    let (Some(server), Some(other)) = (server(&[]), server(&[])) else { return };
    let proxy = Proxy::start(server.port(), postgres_writes);
    run(async {
        let store = store_on(&proxy.postgres_url(), 1, &server.url());
        let (key, old) = filled(&store).await;
        let there = value(200);
        put(&store_on(&other.url(), 1, &other.url()), &key, None, &there).await.unwrap();
        let newer = value(300);
        proxy.on_write(1, Fault::CutAfter(0));
        proxy.lead_to(other.port());
        let error = put(&store, &key, Some(&old), &newer).await.unwrap_err();
        assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
        let here = store_on(&server.url(), 1, &server.url());
        assert_eq!(here.load(&key, None).await.unwrap(), Loaded::Value(newer.clone()));
        // Sent once it is one.
        let conflict = put(&store, &key, Some(&old), &newer).await.unwrap();
        assert_eq!(conflict, PutOutcome::Conflict(Loaded::Value(there)));
    });
}

/// The second try meets a server without room.
#[test]
fn a_second_try_that_is_not_done_says_nothing_of_the_first() {
    let (Some(server), Some(full)) = (server(&[]), server(&[])) else { return };
    let proxy = Proxy::start(server.port(), postgres_writes);
    run(async {
        let store = store_on(&proxy.postgres_url(), 1, &server.url());
        let (key, old) = filled(&store).await;
        put(&store_on(&full.url(), 1, &full.url()), &key, None, &old).await.unwrap();
        full.psql(FULL);
        let newer = value(300);
        proxy.on_write(1, Fault::CutAfter(0));
        proxy.lead_to(full.port());
        let error = put(&store, &key, Some(&old), &newer).await.unwrap_err();
        assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
        let here = store_on(&server.url(), 1, &server.url());
        assert_eq!(here.load(&key, None).await.unwrap(), Loaded::Value(newer.clone()));
        let error = put(&store, &key, Some(&old), &newer).await.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    });
}

/// Each transaction may run on another connection of the server.
#[test]
fn a_life_behind_pgbouncer_misses_no_answer() {
    if !need(Tool::PgBouncer) {
        return;
    }
    let Some(server) = server(&[]) else { return };
    let bouncer = PgBouncer::start(&server, &["default_pool_size = 2"]);
    run(async {
        let store = store_on(&bouncer.url(), 4, &server.url());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = store.clone();
            tasks.spawn(async move { life(&store).await });
        }
        while let Some(missed) = tasks.join_next().await {
            assert_eq!(missed.unwrap(), 0);
        }
    });
}

#[test]
fn each_call_is_one_round_trip() {
    let Some(server) = server(&[]) else { return };
    let proxy = Proxy::start(server.port(), no_writes);
    // On one thread, what is asked together is sent together. On more, the server may answer the
    // first part while the second is on its way, which counts as two turns.
    run_on_one_thread(async {
        let store = store_on(&proxy.postgres_url(), 1, &server.url());
        let (known, first) = filled(&store).await;
        let trips = || {
            let trips = proxy.counts().round_trips;
            proxy.forget();
            trips
        };
        trips();
        let expected = mark(&first);
        assert_eq!(store.load(&known, None).await.unwrap(), Loaded::Value(first.clone()));
        assert_eq!(trips(), 1, "a read");
        assert_eq!(store.load(&known, Some(&expected)).await.unwrap(), Loaded::Unchanged);
        assert_eq!(trips(), 1, "a read of a known value");
        assert_eq!(store.load(&key(), None).await.unwrap(), Loaded::Absent);
        assert_eq!(trips(), 1, "a read of no value");

        let owner = owner();
        assert_eq!(lease(&store, &known, owner).await.unwrap().0, Lease::Mine);
        assert_eq!(trips(), 1, "a lease");
        let (taken, _) = lease(&store, &known, crate::scene::owner()).await.unwrap();
        assert!(matches!(taken, Lease::Other { .. }), "{taken:?}");
        assert_eq!(trips(), 1, "a lease that another has");
        // It fits into one part of what is sent; more would be answered from its beginning on.
        let second = value(300);
        let write = Put::new(Some(&expected), &second, LONG).release(Some(owner));
        assert_eq!(store.put(&known, write).await.unwrap(), PutOutcome::Stored);
        assert_eq!(trips(), 1, "a write that releases");
        let durable = Durability::Replicated { replicas: 0, timeout: LONG };
        let expected = mark(&second);
        let write = Put::new(Some(&expected), &first, LONG).durability(durable);
        assert_eq!(store.put(&known, write).await.unwrap(), PutOutcome::Stored);
        assert_eq!(trips(), 1, "a write that waits for standby servers");
        let conflict = put(&store, &known, None, &second).await.unwrap();
        assert_eq!(conflict, PutOutcome::Conflict(Loaded::Value(first)));
        assert_eq!(trips(), 2, "a write that conflicts");

        assert_eq!(store.page("shop", None).await.unwrap().keys.len(), 1);
        assert_eq!(trips(), 1, "a page");
        store.release(&known, owner, None).await.unwrap();
        assert_eq!(trips(), 1, "a release");
        let mut removals = store.removals("shop");
        assert_eq!(removals.next().await, Removal::Unsure);
        trips();
        store.remove(&known, Durability::Local).await.unwrap();
        assert_eq!(trips(), 1, "a removal");
    });
}
