//! Values that standby servers have to have.

use std::time::{Duration, Instant};

use tokenkeep_test_support::engines::postgres::Server;
use tokenkeep_web::{
    PostgresStore,
    store::{Durability, Loaded, Put, PutOutcome, Store, StoreError, StoreKey},
};

use crate::scene::{LONG, filled, key, mark, run, server, store_on, until, value};

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

const PATIENCE: Duration = Duration::from_millis(300);

fn wait_for(server: &Server, standbys: &str) {
    server.psql(&format!(
        "ALTER SYSTEM SET synchronous_standby_names = '{standbys}'; SELECT pg_reload_conf()"
    ));
}

fn not_replicated(result: Result<PutOutcome, StoreError>) -> (u8, u8) {
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
            assert!(took >= PATIENCE && took < PATIENCE + Duration::from_millis(600), "{took:?}");
            // The server does not wait on for a call that has ended.
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            until("no process waits", async || server.psql(waiting) == "0").await;
        }
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(second.clone()));
        // Without being asked for, it is not waited for.
        server.psql(
            "SET synchronous_commit = local; ALTER ROLE postgres SET synchronous_commit = local",
        );
        let local = store_on(&server.url(), 1, &server.url());
        filled(&local).await;
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
fn a_frozen_server_is_a_timeout() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store_on(&server.url(), 1, &server.url());
        let (key, old) = filled(&store).await;
        server.freeze();
        let start = Instant::now();
        let result = put(&store, &key, Some(&old), &value(300), 1).await;
        assert!(matches!(result, Err(StoreError::Timeout { .. })), "{result:?}");
        assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    });
}
