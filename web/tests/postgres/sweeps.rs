//! What becomes of values and leases whose time has ended.

use std::time::Duration;

use tokenkeep_web::store::{Lease, LeaseRequest, Loaded, PutOutcome, Store};

use crate::scene::{
    filled, key, lease, mark, owner, pass, put, run, run_on_one_thread, server, store, until, value,
};

#[test]
fn a_value_ends_with_its_day_and_a_sweep_removes_it() {
    let Some(server) = server(&["timezone = 'Pacific/Kiritimati'"]) else { return };
    run(async {
        let store = store(&server);
        let (kept, other) = filled(&store).await;
        let (ended, old) = filled(&store).await;
        // The day ends at midnight UTC.
        let days = server.psql(
            "SELECT keep_until - (timezone('UTC', now()) + interval '1 hour')::date
             FROM tokenkeep_web",
        );
        assert_eq!(days, "0\n0");
        let id = ended.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        server.psql(&format!(
            "UPDATE tokenkeep_web SET keep_until = (timezone('UTC', now()))::date - 1
             WHERE id = '\\x{id}'"
        ));
        assert_eq!(store.load(&ended, None).await.unwrap(), Loaded::Absent);
        assert_eq!(lease(&store, &ended, owner()).await.unwrap().1, Loaded::Absent);
        assert_eq!(store.page("shop", None).await.unwrap().keys, std::slice::from_ref(&kept));
        let newer = value(200);
        let conflict = put(&store, &ended, Some(&old), &newer).await.unwrap();
        assert_eq!(conflict, PutOutcome::Conflict(Loaded::Absent));
        // A new value may take its place before it is removed.
        assert_eq!(put(&store, &ended, None, &newer).await.unwrap(), PutOutcome::Stored);
        assert_eq!(store.load(&ended, None).await.unwrap(), Loaded::Value(newer));
        server.psql("UPDATE tokenkeep_web SET keep_until = '2000-01-01' WHERE length(value) = 200");
        let swept = store.sweep().await.unwrap();
        assert_eq!((swept.removed, swept.is_done), (1, true));
        assert_eq!(server.psql("SELECT count(*) FROM tokenkeep_web"), "1");
        assert_eq!(store.load(&kept, Some(&mark(&other))).await.unwrap(), Loaded::Unchanged);
    });
}

#[test]
fn a_sweep_removes_leases_that_have_ended() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let (kept, ended) = (key(), key());
        lease(&store, &kept, owner()).await.unwrap();
        let short = LeaseRequest::new(owner(), Duration::from_millis(1));
        assert_eq!(store.lease(&ended, short).await.unwrap().0, Lease::Mine);
        until("the lease has ended", async || store.sweep().await.unwrap().removed == 1).await;
        let (lease, _) = lease(&store, &kept, owner()).await.unwrap();
        assert!(matches!(lease, Lease::Other { .. }), "{lease:?}");
    });
}

/// Two nodes sweep at once, and a turn of each ends.
#[test]
fn sweeps_of_two_nodes_remove_all() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let (one, two) = (store(&server), store(&server));
        server.psql(
            "INSERT INTO tokenkeep_web SELECT decode(md5(n::text), 'hex'), 'shop', '', '',
                 '2000-01-01', decode(repeat('00', 4000), 'hex')
             FROM generate_series(1, 3000) AS n",
        );
        let (mut removed, mut longest) = (0, Duration::ZERO);
        until("both nodes are done", async || {
            let start = std::time::Instant::now();
            let (one, two) = tokio::join!(one.sweep(), two.sweep());
            longest = longest.max(start.elapsed());
            let (one, two) = (one.unwrap(), two.unwrap());
            removed += one.removed + two.removed;
            one.is_done && two.is_done
        })
        .await;
        tokenkeep_test_support::say(&format!("the longest turn of a sweep took {longest:?}"));
        assert_eq!(removed, 3_000);
    });
}

#[test]
fn a_store_sweeps_by_itself_while_it_lives() {
    let Some(server) = server(&[]) else { return };
    run_on_one_thread(async {
        let store = store(&server);
        filled(&store).await;
        server.psql("UPDATE tokenkeep_web SET keep_until = '2000-01-01'");
        pass(Duration::from_secs(91)).await;
        let count = "SELECT count(*) FROM tokenkeep_web";
        until("the value is removed", async || server.psql(count) == "0").await;
        drop(store);
        // The task that sweeps keeps no pool.
        let connections = "SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        until("the connections end", async || server.psql(connections) == "0").await;
    });
}

#[test]
fn a_store_sweeps_also_on_a_runtime_after_its_first() {
    let Some(server) = server(&[]) else { return };
    let store = store(&server);
    let (key, value) = run_on_one_thread(filled(&store));
    run_on_one_thread(async {
        assert_eq!(store.load(&key, None).await.unwrap(), Loaded::Value(value));
        server.psql("UPDATE tokenkeep_web SET keep_until = '2000-01-01'");
        pass(Duration::from_secs(91)).await;
        let count = "SELECT count(*) FROM tokenkeep_web";
        until("the value is removed", async || server.psql(count) == "0").await;
    });
}
