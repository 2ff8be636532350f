//! News of removals, and what becomes of the connection that listens.

use std::time::Duration;

use tokenkeep_test_support::{
    Tool,
    engines::{
        postgres::PgBouncer,
        proxy::{Mode, Proxy, no_writes},
    },
    need,
};
use tokenkeep_web::{
    PostgresStore,
    store::{Durability, Removal, Removals, Store},
};

use crate::scene::{filled, pass, pool_on, run, run_on_one_thread, server, store, store_on};

/// The next news, which has to come.
async fn next(removals: &mut Box<dyn Removals>) -> Removal {
    let news = tokio::time::timeout(Duration::from_secs(20), removals.next());
    news.await.expect("there is news within 20 s")
}

/// Removes a value, and hears of it.
async fn hears(store: &PostgresStore, removals: &mut Box<dyn Removals>) {
    let (key, _) = filled(store).await;
    store.remove(&key, Durability::Local).await.expect("the server answers");
    assert_eq!(next(removals).await, Removal::One(key));
}

#[test]
fn a_listener_that_is_cut_is_unsure_and_hears_again() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let mut removals = store.removals("shop");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        for _ in 0..3 {
            hears(&store, &mut removals).await;
            server.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
            );
            assert_eq!(next(&mut removals).await, Removal::Unsure);
        }
        server.restart();
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        hears(&store, &mut removals).await;
        drop(removals);
        let listening =
            "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN tokenkeep_web_out'";
        crate::scene::until("the listener's connection ends", async || {
            server.psql(listening) == "0"
        })
        .await;
    });
}

/// A network that loses a connection says nothing to either end.
#[test]
fn a_listener_notices_silence() {
    let Some(server) = server(&[]) else { return };
    let proxy = Proxy::start(server.port(), no_writes);
    run_on_one_thread(async {
        let store = store_on(&server.url(), 4, &proxy.postgres_url());
        let mut removals = store.removals("shop");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        hears(&store, &mut removals).await;
        // A ping that is answered is no news.
        pass(Duration::from_secs(31)).await;
        hears(&store, &mut removals).await;
        proxy.set(Mode::HalfOpen);
        let (key, _) = filled(&store).await;
        store.remove(&key, Durability::Local).await.unwrap();
        pass(Duration::from_secs(31)).await;
        let silent = tokio::time::timeout(Duration::from_millis(2_500), removals.next()).await;
        assert!(silent.is_err(), "{silent:?}");
        proxy.set(Mode::Pass);
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        hears(&store, &mut removals).await;
    });
}

#[test]
fn a_listener_that_nobody_reads_becomes_unsure() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let mut removals = store.removals("shop");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        server.psql(
            "SELECT count(pg_notify('tokenkeep_web_out', md5(n::text) || 'shop'))
             FROM generate_series(1, 5000) AS n",
        );
        let mut heard = 0;
        while next(&mut removals).await != Removal::Unsure {
            heard += 1;
        }
        assert!(heard < 5_000, "{heard}");
        hears(&store, &mut removals).await;
    });
}

#[test]
fn another_applications_news_is_not_told() {
    let Some(server) = server(&[]) else { return };
    run(async {
        let store = store(&server);
        let mut removals = store.removals("shop");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        for payload in ["00000000000000000000000000000000shop2", "?0123456789abcdef"] {
            server.psql(&format!("NOTIFY tokenkeep_web_out, '{payload}'"));
        }
        hears(&store, &mut removals).await;
        // What another version may say is not understood.
        server.psql("NOTIFY tokenkeep_web_out, 'shop: 7'");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
    });
}

/// PgBouncer accepts LISTEN in transaction mode, and no announcement comes.
#[test]
fn a_listener_behind_a_pooler_stays_unsure() {
    if !need(Tool::PgBouncer) {
        return;
    }
    let Some(server) = server(&[]) else { return };
    let bouncer = PgBouncer::start(&server, &[]);
    run_on_one_thread(async {
        let store = store_on(&bouncer.url(), 4, &bouncer.url());
        let mut removals = store.removals("shop");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        pass(Duration::from_secs(31)).await;
        assert_eq!(next(&mut removals).await, Removal::Unsure);
    });
}

#[test]
fn a_store_without_a_listener_stays_unsure() {
    let Some(server) = server(&[]) else { return };
    run_on_one_thread(async {
        let store = PostgresStore::new(pool_on(&server.url(), 2));
        let mut removals = store.removals("shop");
        assert_eq!(next(&mut removals).await, Removal::Unsure);
        pass(Duration::from_secs(31)).await;
        assert_eq!(next(&mut removals).await, Removal::Unsure);
    });
}
