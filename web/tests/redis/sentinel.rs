//! A primary that Sentinels watch.

use std::time::{Duration, Instant};

use tokenkeep_test_support::{
    Tool,
    engines::redis::{Sentinels, Server},
    need, say,
};
use tokenkeep_web::{
    RedisStore,
    contract::{self, Setup},
    store::{Durability, Removal, Store as _},
};

use crate::support::{
    Acknowledged, count, expect_refused, key, patient, replicated, until_heard, until_writable,
};

async fn connect(sentinels: &Sentinels) -> RedisStore {
    RedisStore::sentinel(sentinels.urls(), Sentinels::NAME).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_of_sentinels_keeps_its_promises() {
    if !need(Tool::Redis) {
        return;
    }
    let sentinels = Sentinels::start(&[]);
    let mut grant = vec!["ACL", "SETUSER", "web", "reset", "on", ">word"];
    grant.extend(RedisStore::RIGHTS.split_ascii_whitespace());
    for server in sentinels.servers() {
        assert_eq!(server.cli(&grant), "OK");
    }
    let limited = || async {
        let builder = patient().server("redis://web:word@any");
        builder.sentinel(sentinels.urls(), Sentinels::NAME).await.unwrap()
    };
    let other = patient().sentinel(sentinels.urls(), Sentinels::NAME).await.unwrap();
    let setup = Setup::new(limited().await).other_node(other);
    contract::suite(&setup).await.expect_all_passed();
    limited().await.inspect().await.unwrap();
    expect_refused(RedisStore::sentinel(sentinels.urls(), "nobody").await);

    failovers(&sentinels, Durability::Local).await;
    failovers(&sentinels, replicated()).await;
    frozen_primary(&sentinels).await;
}

/// The Sentinels have another primary, and the former one answers its clients as before, as where
/// the network is parted.
#[tokio::test]
async fn a_listener_leaves_a_primary_that_the_sentinels_have_left() {
    if !need(Tool::Redis) {
        return;
    }
    let (sentinels, other) = (Sentinels::start(&[]), Server::start(&[]));
    let mut removals = connect(&sentinels).await.removals("shop");
    assert_eq!(removals.next().await, Removal::Unsure);
    for sentinel in sentinels.sentinels() {
        assert_eq!(sentinel.cli(&["SENTINEL", "REMOVE", Sentinels::NAME]), "OK");
        let port = other.port().to_string();
        let monitor = ["SENTINEL", "MONITOR", Sentinels::NAME, "127.0.0.1", &port, "2"];
        assert_eq!(sentinel.cli(&monitor), "OK");
    }
    // Longer than a listener waits until it asks.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    until_heard(&connect(&sentinels).await, &mut *removals).await;
}

/// Replaces the primary while its replicas have not what was written last.
async fn failovers(sentinels: &Sentinels, durability: Durability) {
    let store = connect(sentinels).await;
    let mut removals = store.removals("shop");
    removals.next().await;
    let mut lost = 0;
    let rounds = count("TOKENKEEP_FAILOVERS", 3);
    for _ in 0..rounds {
        let mut before = Acknowledged::default();
        before.put_all(&store, 50).await;
        sentinels.freeze_replicas();
        let mut during = Acknowledged::default();
        during.put(&store, if durability == Durability::Local { 50 } else { 2 }, durability).await;
        let took = sentinels.failover();
        let start = Instant::now();
        until_writable(&store, &key()).await;
        say(&format!(
            "Sentinels replaced the primary in {took:?}, back {:?} later",
            start.elapsed()
        ));
        assert_eq!(before.lost(&store).await, 0, "values that a replica had confirmed");
        let now = during.lost(&store).await;
        assert_eq!(now, during.0.len(), "the replica had not followed");
        lost += now;
        // The listener has found the new primary.
        until_heard(&store, &mut *removals).await;
    }
    say(&format!(
        "{rounds} failovers of Sentinels, {durability:?}: {lost} acknowledged, then lost"
    ));
    if durability == Durability::Local {
        assert_eq!(lost, rounds * 50);
    } else {
        assert_eq!(lost, 0);
    }
}

async fn frozen_primary(sentinels: &Sentinels) {
    let store = connect(sentinels).await;
    let mut kept = Acknowledged::default();
    kept.put_all(&store, 20).await;
    let old = sentinels.primary_port();
    sentinels.primary().freeze();
    sentinels.wait_for_failover(old);
    let start = Instant::now();
    until_writable(&store, &key()).await;
    say(&format!("a frozen primary: back {:?} after the Sentinels agreed", start.elapsed()));
    assert_eq!(kept.lost(&store).await, 0);
    sentinels.repair();
    kept.put_all(&store, 20).await;
    assert_eq!(kept.lost(&store).await, 0);
}
