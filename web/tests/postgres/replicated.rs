//! Values and leases that standby servers have to have.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{
    engines::{
        postgres::Server,
        proxy::{Proxy, no_writes},
    },
    say,
};
use tokenkeep_web::{
    PostgresStore,
    store::{
        Durability, Lease, LeaseRequest, Loaded, Note, Owner, Put, PutOutcome, Store, StoreError,
        StoreKey,
    },
};
use tokio::time::timeout;

use crate::scene::{
    self, LONG, filled, hasty_on, key, lease, mark, owner, run, run_on_one_thread, server,
    store_on, until, value,
};

async fn put(
    store: &PostgresStore,
    key: &StoreKey,
    expected: Option<&[u8]>,
    value: &[u8],
    replicas: u8,
) -> Result<PutOutcome, StoreError> {
    let durability = Durability::Replicated { replicas, timeout: PATIENCE };
    let expected = expected.map(mark);
    store.put(key, Put::new(expected.as_ref(), value, LONG).durability(durability)).await
}

async fn take(
    store: &PostgresStore,
    key: &StoreKey,
    owner: Owner,
    replicas: u8,
) -> Result<Lease, StoreError> {
    let durability = Durability::Replicated { replicas, timeout: PATIENCE };
    let request = LeaseRequest::new(owner, LONG).durability(durability);
    store.lease(key, request).await.map(|(lease, _)| lease)
}

const PATIENCE: Duration = Duration::from_millis(300);

fn wait_for(server: &Server, standbys: &str) {
    server.psql(&format!(
        "ALTER SYSTEM SET synchronous_standby_names = '{standbys}'; SELECT pg_reload_conf()"
    ));
}

fn not_replicated<T: Debug>(result: Result<T, StoreError>) -> (u8, u8) {
    match result {
        Err(StoreError::NotReplicated { reached, wanted, written: true }) => (reached, wanted),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_waits_for_nobody_replicates_nothing() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store_on(&server.url(), 1, &server.url());
        let (key, value) = (key(), value(300));
        assert_eq!(not_replicated(put(&store, &key, None, &value, 1).await), (0, 1));
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(value.clone()));
        let other = crate::scene::value(300);
        let conflict = put(&store, &key, None, &other, 1).await.unwrap();
        assert_eq!(conflict, PutOutcome::Conflict(Loaded::Value(value)));
    });
}

#[test]
fn a_value_is_stored_when_the_standby_has_it() {
    let Some(server) = server(&[]) else { return };
    let standby = server.standby(&[]);
    wait_for(&server, "standby");
    run(async {
        // One connection has to do.
        let store = store_on(&server.url(), 1, &server.url());
        let (key, first) = (key(), value(300));
        // The server reads the setting in its own time.
        until("the server waits for the standby", async || {
            put(&store, &key, None, &first, 1).await.is_ok()
        })
        .await;
        assert_eq!(not_replicated(put(&store, &key, None, &first, 2).await), (1, 2));

        standby.freeze();
        let second = value(300);
        for _ in 0..2 {
            // The second is the same put again, which writes nothing new and still has to wait.
            let start = Instant::now();
            let result = put(&store, &key, Some(&first), &second, 1).await;
            let took = start.elapsed();
            assert_eq!(not_replicated(result), (0, 1));
            assert!(took >= PATIENCE, "{took:?}");
            // The server does not wait on for a call that has ended.
            until("no process waits", async || waiting(&server) == 0).await;
        }
        until_stored(&store, &key, &second).await;
        // Without being asked for, it is not waited for.
        filled(&store).await;
        standby.thaw();
        until("the standby confirms", async || {
            put(&store, &key, Some(&first), &second, 1)
                .await
                .is_ok_and(|put| put == PutOutcome::Stored)
        })
        .await;
        let on_standby = "SELECT count(*) FROM tokenkeep_web WHERE length(value) = 300";
        until("the standby shows it", async || standby.psql(on_standby) == "2").await;
    });
}

#[test]
fn a_removal_is_done_when_the_standby_has_it() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let (standby, store) = with_a_frozen_standby(&server).await;
        let (key, _) = filled(&store).await;
        let durability = Durability::Replicated { replicas: 1, timeout: PATIENCE };
        // The second time nothing is there, and no standby knows that either.
        for _ in 0..2 {
            assert_eq!(not_replicated(store.remove(&key, durability).await), (0, 1));
            // Others see it when the server waits no more.
            until("no process waits", async || waiting(&server) == 0).await;
            assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Absent);
        }
        let mut dropped = store.remove(&key, durability);
        until("the server waits", async || {
            let is_pending = timeout(Duration::from_millis(5), &mut dropped).await.is_err();
            assert!(is_pending, "nobody confirms");
            waiting(&server) == 1
        })
        .await;
        drop(dropped);
        until("no process waits", async || waiting(&server) == 0).await;
        standby.thaw();
        until("the standby confirms", async || store.remove(&key, durability).await.is_ok()).await;
    });
}

/// The server's processes that wait for a standby server.
fn waiting(server: &Server) -> usize {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    server.psql(count).parse().expect("a count")
}

/// Waits until others see a value: that is a moment after the wait of its commit has ended.
async fn until_stored(store: &PostgresStore, key: &StoreKey, value: &[u8]) {
    until("the value is stored", async || {
        matches!(store.load(key, None).await, Ok(Loaded::Value(loaded)) if loaded == value)
    })
    .await;
}

/// A server whose commits wait for a standby server that does not answer, and a store on it.
async fn with_a_frozen_standby(server: &Server) -> (Server, PostgresStore) {
    let standby = server.standby(&[]);
    wait_for(server, "standby");
    let store = store_on(&server.url(), 1, &server.url());
    let (key, value) = (key(), value(300));
    until("the server waits for the standby", async || {
        put(&store, &key, None, &value, 1).await.is_ok()
    })
    .await;
    store.remove(&key, Durability::Local).await.expect("the server answers");
    standby.freeze();
    (standby, store)
}

#[test]
fn what_needs_no_standby_does_not_wait_for_one() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let (_standby, store) = with_a_frozen_standby(&server).await;
        let (key, first) = filled(&store).await;
        let (owner, second) = (owner(), value(300));
        let note = Note::from_bytes([7; 40]).unwrap();
        assert_eq!(lease(&store, &key, owner).await.unwrap().0, Lease::Mine);
        let stored = scene::put(&store, &key, Some(&first), &second).await.unwrap();
        assert_eq!(stored, PutOutcome::Stored);
        store.release(&key, owner, Some((&note, LONG))).await.unwrap();
        store.remove(&key, Durability::Local).await.unwrap();
        filled(&store).await;
        server.psql(
            "SET synchronous_commit = local;
             UPDATE tokenkeep_web SET keep_until = '2000-01-01'",
        );
        assert_eq!(store.sweep().await.unwrap().removed, 1);
        assert_eq!(waiting(&server), 0);
    });
}

#[test]
fn a_dropped_call_leaves_no_process_that_waits_for_a_standby() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let (_standby, store) = with_a_frozen_standby(&server).await;
        for _ in 0..3 {
            let (key, value) = (key(), value(300));
            tokio::select! {
                put = put(&store, &key, None, &value, 1) => panic!("{put:?}"),
                () = until("the commit waits", async || waiting(&server) == 1) => {}
            }
            until("no process waits", async || waiting(&server) == 0).await;
            until_stored(&store, &key, &value).await;
        }
    });
}

#[test]
fn a_lease_is_taken_when_the_standby_has_it() {
    let Some(server) = server(&[]) else { return };
    let standby = server.standby(&[]);
    run(async {
        let store = store_on(&server.url(), 2, &server.url());
        let (taken, untaken) = (key(), key());
        let [here, there] = [owner(), owner()];
        let lost = take(&store, &taken, here, 1).await;
        assert_eq!(not_replicated(lost), (0, 1), "a server that waits for nobody");
        wait_for(&server, "standby");
        until("the server waits for the standby", async || {
            take(&store, &taken, here, 1).await.is_ok_and(|lease| lease == Lease::Mine)
        })
        .await;
        assert_eq!(not_replicated(take(&store, &taken, here, 2).await), (1, 2));
        let leases = "SELECT count(*) FROM tokenkeep_web_lease";
        until("the standby shows it", async || standby.psql(leases) == "1").await;

        standby.freeze();
        for key in [&untaken, &taken] {
            let start = Instant::now();
            assert_eq!(not_replicated(take(&store, key, here, 1).await), (0, 1));
            let took = start.elapsed();
            assert!(took >= PATIENCE, "{took:?}");
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            until("no process waits", async || server.psql(waiting) == "0").await;
        }
        // Nor for a caller that has gone.
        let dropped = take(&store, &untaken, here, 1);
        tokio::time::timeout(PATIENCE / 6, dropped).await.expect_err("nobody confirms it");
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        until("a process waits", async || server.psql(waiting) == "1").await;
        until("no process waits", async || server.psql(waiting) == "0").await;
        // Of another's nothing was written, and one that is to be had anywhere waits for nobody.
        let lease = take(&store, &taken, there, 1).await.unwrap();
        assert!(matches!(lease, Lease::Other { .. }), "{lease:?}");
        assert_eq!(crate::scene::lease(&store, &key(), here).await.unwrap().0, Lease::Mine);
        store.release(&untaken, here, None).await.unwrap();
        standby.thaw();
        until("the standby confirms", async || {
            take(&store, &untaken, there, 1).await.is_ok_and(|lease| lease == Lease::Mine)
        })
        .await;
        server.psql("ALTER TABLE tokenkeep_web_lease SET UNLOGGED");
        let refused = take(&store, &key(), here, 1).await;
        let fits = matches!(&refused, Err(StoreError::Refused { what, .. }) if what.contains("SET LOGGED"));
        assert!(fits, "{refused:?}");
    });
}

#[test]
fn a_step_that_waits_for_a_standby_is_one_round_trip() {
    let Some(server) = server(&[]) else { return };
    let _standby = server.standby(&[]);
    wait_for(&server, "standby");
    let proxy = Proxy::start(server.port(), no_writes);
    run_on_one_thread(async {
        let store = store_on(&proxy.postgres_url(), 1, &server.url());
        let (key, value, owner) = (key(), value(300), owner());
        store.load(&key, None).await.unwrap();
        proxy.forget();
        until("the standby confirms", async || {
            proxy.forget();
            take(&store, &key, owner, 1).await.is_ok_and(|lease| lease == Lease::Mine)
        })
        .await;
        let lease = proxy.counts().round_trips;
        proxy.forget();
        let durability = Durability::Replicated { replicas: 1, timeout: LONG };
        let put = Put::new(None, &value, LONG).release(Some(owner)).durability(durability);
        assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
        let put = proxy.counts().round_trips;
        say(&format!("round trips with one standby: lease {lease}, put {put}"));
        assert_eq!((lease, put), (1, 1));
    });
}

#[test]
fn a_frozen_server_is_a_timeout() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = hasty_on(&server.url(), 1, &server.url());
        let (key, old) = filled(&store).await;
        server.freeze();
        let result = put(&store, &key, Some(&old), &value(300), 1).await;
        assert!(matches!(result, Err(StoreError::Timeout { .. })), "{result:?}");
    });
}
