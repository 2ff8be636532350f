//! What calls see while the server, or the way to it, fails.

use tokenkeep_test_support::engines::{
    postgres::Server,
    proxy::{Proxy, no_writes},
};
use tokenkeep_web::{
    PostgresStore,
    store::{Lease, Loaded, PutOutcome, Store, StoreError},
};
use tokio_postgres::NoTls;

use crate::scene::{
    filled, hasty_on, key, lease, owner, put, run, server, store, store_on, until, value,
};

/// A lease may be gone: its commit waits for no disk.
#[test]
fn a_crash_loses_no_value() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let (known, value) = filled(&store).await;
        lease(&store, &known, owner()).await.unwrap();
        server.stop_immediate();
        let error = store.load(&known, None).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        server.restart();
        until("the store serves again", async || store.load(&known, None).await.is_ok()).await;
        let (next, loaded) = lease(&store, &known, owner()).await.unwrap();
        assert!(matches!(next, Lease::Mine | Lease::Other { .. }), "{next:?}");
        assert_eq!(loaded, Loaded::Value(value));
    });
}

/// An idle connection that was closed is no fault of the next call.
#[test]
fn connections_that_were_closed_are_replaced_within_a_call() {
    let Some(server) = server(&[]) else { return };
    let proxy = Proxy::start(server.port(), no_writes);
    run(async {
        let store = store_on(&proxy.postgres_url(), 1, &server.url());
        let (key, value) = filled(&store).await;
        for nth in 0..20 {
            match nth % 2 {
                0 => proxy.reset_all(),
                _ => terminate_all(&server),
            }
            assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(value.clone()));
        }
    });
}

fn terminate_all(server: &Server) {
    server.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
}

/// One process of the server hangs, and the others work.
#[test]
fn a_frozen_backend_costs_one_call() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = hasty_on(&server.url(), 1, &server.url());
        let (key, value) = filled(&store).await;
        let pid = server.psql(
            "SELECT pid FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
        server.freeze_backend(pid.parse().expect("there is one connection"));
        let error = store.load(&key, None).await.unwrap_err();
        assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(value.clone()));
        let newer = crate::scene::value(200);
        let stored = put(&store, &key, Some(&value), &newer).await.unwrap();
        assert_eq!(stored, PutOutcome::Stored);
    });
}

/// The update is done and not committed when its process ends.
#[test]
fn a_write_whose_process_is_terminated_is_done_once() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let (key, old) = filled(&store).await;
        server.psql(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_sleep(0.2);
                 RETURN NULL;
             END $$;
             CREATE TRIGGER wait AFTER UPDATE ON tokenkeep_web
             FOR EACH ROW EXECUTE FUNCTION wait()",
        );
        let newer = value(200);
        let write = put(&store, &key, Some(&old), &newer);
        let terminate = async {
            let waits = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE wait_event = 'PgSleep'";
            until("the process waits", async || server.psql(waits) == "1").await;
        };
        let (written, ()) = tokio::join!(write, terminate);
        assert_eq!(written.unwrap(), PutOutcome::Stored);
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(newer));
    });
}

/// Two calls in the way of each other: one holds the row for longer than the other may take.
#[test]
fn a_statement_of_a_call_that_ended_is_cancelled() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = hasty_on(&server.url(), 1, &server.url());
        let (key, old) = filled(&store).await;
        let (holder, connection) =
            tokio_postgres::connect(&server.url(), NoTls).await.expect("the server is there");
        let reader = tokio::spawn(connection);
        holder.batch_execute("BEGIN; SELECT FROM tokenkeep_web FOR UPDATE").await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

        let error = put(&store, &key, Some(&old), &value(200)).await.unwrap_err();
        assert!(matches!(error, StoreError::Timeout { .. }), "{error:?}");
        until("the statement is cancelled", async || server.psql(waiting) == "0").await;

        // The same for a call that is dropped.
        let newer = value(200);
        tokio::select! {
            put = put(&store, &key, Some(&old), &newer) => panic!("{put:?}"),
            () = until("the statement waits", async || server.psql(waiting) == "1") => {}
        }
        until("the statement is cancelled", async || server.psql(waiting) == "0").await;
        // The one connection of the pool is not lost.
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(old));
        drop(holder);
        reader.await.unwrap().ok();
    });
}

#[test]
fn a_standby_that_is_promoted_goes_on() {
    let Some(server) = server(&[]) else { return };
    let standby = server.standby(&[]);
    let proxy = Proxy::start(server.port(), no_writes);
    run(async {
        let store = store_on(&proxy.postgres_url(), 4, &proxy.postgres_url());
        let (known, old) = filled(&store).await;
        lease(&store, &known, owner()).await.unwrap();
        let on_standby = "SELECT count(*) FROM tokenkeep_web";
        until("the standby has the value", async || standby.psql(on_standby) == "1").await;
        server.stop_immediate();
        proxy.lead_to(standby.port());
        proxy.reset_all();
        let error = put(&store, &known, Some(&old), &value(200)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        assert_eq!(store.load(&known, None).await.unwrap(), Loaded::Value(old.clone()));
        standby.promote();
        let newer = value(200);
        until("the new primary writes", async || {
            put(&store, &known, Some(&old), &newer).await.is_ok()
        })
        .await;
        let (next, loaded) = lease(&store, &known, owner()).await.unwrap();
        // The standby has the first lease, or has not.
        assert!(matches!(next, Lease::Mine | Lease::Other { .. }), "{next:?}");
        assert_eq!(loaded, Loaded::Value(newer));
    });
}

/// With all connections in use nothing was sent, and the error says so.
#[test]
fn a_pool_without_a_free_connection_did_nothing() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let pool = crate::scene::pool_on(&server.url(), 1);
        let store = PostgresStore::new(pool.clone());
        let held = pool.get().await.expect("the server is there");
        let (key, value) = (key(), value(200));
        let error = put(&store, &key, None, &value).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        drop(held);
        assert_eq!(put(&store, &key, None, &value).await.unwrap(), PutOutcome::Stored);
    });
}
