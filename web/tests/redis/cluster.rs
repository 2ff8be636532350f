//! A Cluster of six nodes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tokenkeep_test_support::{
    Tool,
    engines::{
        proxy::{Fault, Proxy, redis_writes},
        redis::{Cluster, Server},
    },
    need, say,
};
use tokenkeep_web::{
    RedisStore,
    contract::{self, Setup},
    store::{
        Durability, Lease, LeaseRequest, Owner, Page, Put, PutOutcome, Removal, Store as _,
        StoreError, StoreKey,
    },
};

use crate::repeats::{NOBODY, put_twice};
use crate::runtimes::on_a_runtime;
use crate::support::{
    Acknowledged, HOUR, count, key, mark, patient, random, replicated, until, until_heard,
    until_writable, value,
};

fn name(key: &StoreKey) -> String {
    let id = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
    format!("tk1:{}:{{{id}}}:v", key.app())
}

fn key_on(cluster: &Cluster, port: u16) -> StoreKey {
    loop {
        let key = key();
        if cluster.primary(cluster.slot(name(&key))).port() == port {
            return key;
        }
    }
}

async fn connect(cluster: &Cluster) -> RedisStore {
    RedisStore::cluster(cluster.urls()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_its_promises() {
    if !need(Tool::Redis) {
        return;
    }
    let cluster = Cluster::start(&[]);
    let mut grant = vec!["ACL", "SETUSER", "web", "reset", "on", ">word"];
    grant.extend(RedisStore::RIGHTS.split_ascii_whitespace());
    for node in cluster.nodes() {
        assert_eq!(node.cli(&grant), "OK");
    }
    let limited = || async {
        let urls = cluster.urls();
        let urls = urls.iter().map(|url| url.replace("redis://", "redis://web:word@"));
        patient().cluster(urls).await.unwrap()
    };
    let setup =
        Setup::new(limited().await).other_node(patient().cluster(cluster.urls()).await.unwrap());
    contract::suite(&setup).await.expect_all_passed();
    limited().await.inspect().await.unwrap();

    scripts_flushed(&cluster).await;
    second_try_elsewhere(&cluster).await;
    migration(&cluster, limited().await).await;
    listed_during_a_migration(&cluster, &limited().await).await;
    one_shard_dead(&cluster).await;
    failovers(&cluster, Durability::Local).await;
    failovers(&cluster, replicated()).await;
    frozen_primary(&cluster).await;
    ended_runtime(&cluster).await;
    left_by_a_node(&cluster).await;
}

async fn scripts_flushed(cluster: &Cluster) {
    let store = patient().cluster(cluster.urls()).await.unwrap();
    for durability in [Durability::Local, replicated()] {
        for node in cluster.nodes() {
            node.cli(&["SCRIPT", "FLUSH"]);
        }
        let mut all = Acknowledged::default();
        match durability {
            Durability::Local => all.put(&store, 20, durability).await,
            _ => all.put_all(&store, 20).await,
        }
        assert_eq!((all.0.len(), all.lost(&store).await), (20, 0));
    }
}

/// The first try of a put is done. The second one comes to a node that does not have the slot.
async fn second_try_elsewhere(cluster: &Cluster) {
    let first = Server::start(&[]);
    for durability in [Durability::Local, NOBODY] {
        let key = key();
        let port = cluster.primary(cluster.slot(name(&key))).port();
        let second = cluster.nodes().iter().find(|node| node.port() != port).unwrap();
        let error = put_twice(&first, second, &key, &value(200), durability).await;
        assert!(matches!(error, StoreError::Timeout { .. }), "{durability:?}: {error:?}");
        // A lease is its owner's, whichever try took it. Where it is sent on, nothing is unknown.
        let proxy = Proxy::start(first.port(), redis_writes);
        let store = patient().connect(&proxy.redis_url()).await.unwrap();
        proxy.on_write(1, Fault::CutAfter(0));
        proxy.lead_to(second.port());
        let request = LeaseRequest::new(Owner::from_bytes(random()), HOUR);
        let error = store.lease(&key, request).await.unwrap_err();
        assert_eq!(proxy.counts().faults, 1);
        let is_sent_on =
            matches!(&error, StoreError::Refused { what, .. } if what.contains("a node"));
        assert!(is_sent_on, "{error:?}");
    }
}

/// Moves the slot of a key that is written all the time.
async fn migration(cluster: &Cluster, store: RedisStore) {
    let store = Arc::new(store);
    let key = key();
    let slot = cluster.slot(name(&key));
    let mut last = value(300);
    store.put(&key, Put::new(None, &last, HOUR)).await.unwrap();
    let to = (0..16_384).find(|to| cluster.primary(*to).port() != cluster.primary(slot).port());
    let (ends, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writer = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        let (ends, writes) = (ends.clone(), writes.clone());
        async move {
            let mut longest = std::time::Duration::ZERO;
            while !ends.load(Ordering::SeqCst) {
                let start = Instant::now();
                let owner = Owner::from_bytes(random());
                let (lease, _) = store.lease(&key, LeaseRequest::new(owner, HOUR)).await.unwrap();
                assert_eq!(lease, Lease::Mine);
                let next = value(300);
                let expected = mark(&last);
                let put = Put::new(Some(&expected), &next, HOUR).release(Some(owner));
                assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
                last = next;
                if writes.load(Ordering::SeqCst) % 3 == 2 {
                    store.remove(&key, Durability::Local).await.unwrap();
                    last = value(300);
                    let put = Put::new(None, &last, HOUR);
                    assert_eq!(store.put(&key, put).await.unwrap(), PutOutcome::Stored);
                }
                writes.fetch_add(1, Ordering::SeqCst);
                longest = longest.max(start.elapsed());
            }
            (last, longest)
        }
    });
    let written = |count| {
        let (writes, enough) = (&writes, writes.load(Ordering::SeqCst) + count);
        let writer = &writer;
        // A writer that failed has ended.
        until(
            move || async move { writes.load(Ordering::SeqCst) >= enough || writer.is_finished() },
        )
    };
    written(5).await;
    let migration = cluster.migrate(slot, to.unwrap());
    written(5).await;
    migration.move_keys();
    written(5).await;
    migration.finish();
    written(5).await;
    ends.store(true, Ordering::SeqCst);
    let (last, longest) = writer.await.unwrap();
    say(&format!(
        "a slot moved under {} writes, the longest took {longest:?}",
        writes.load(Ordering::SeqCst)
    ));
    assert!(longest <= std::time::Duration::from_millis(500), "a write took {longest:?}");
    let loaded = store.load(&key, None).await.unwrap();
    assert_eq!(loaded, tokenkeep_web::store::Loaded::Value(last));
}

/// A key that is there all the time is on a page, whenever its slot moves.
async fn listed_during_a_migration(cluster: &Cluster, store: &RedisStore) {
    // A slot of each node.
    let slots = [0, 8_000, 16_000].map(|slot| (cluster.primary(slot).port(), slot));
    let (Some((_, to)), Some((from, _))) = (slots.iter().min(), slots.iter().max()) else {
        panic!("no node")
    };
    for moves_at in [0, 1, 2, 20, 100] {
        for finishes in [false, true] {
            let key = key_on(cluster, *from);
            store.put(&key, Put::new(None, &value(300), HOUR)).await.unwrap();
            let slot = cluster.slot(name(&key));
            let mut migration = Some(cluster.migrate(slot, *to));
            let (mut cursor, mut found) = (None, false);
            for page in 0.. {
                if page == moves_at
                    && let Some(under_way) = &migration
                {
                    under_way.move_keys();
                    if finishes {
                        migration.take().unwrap().finish();
                    }
                }
                let page = store.page("shop", cursor).await.unwrap();
                found |= page.keys.contains(&key);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert!(found, "slot {slot} moved before page {moves_at}, {finishes}");
            if let Some(under_way) = migration {
                under_way.finish();
            }
        }
    }
}

async fn is_listed(store: &RedisStore) -> bool {
    let mut from = None;
    loop {
        match store.page("shop", from).await {
            Ok(Page { next: None, .. }) => return true,
            Ok(page) => from = page.next,
            Err(_) => return false,
        }
    }
}

/// Its runtime ends while it is asked who has the slots. Another one asks again.
async fn ended_runtime(cluster: &Cluster) {
    let frozen = cluster.primary(0);
    let here = key_on(cluster, frozen.port());
    let urls = cluster.urls();
    let (store, here) = std::thread::scope(|scope| {
        let part = scope.spawn(|| {
            on_a_runtime(async {
                let store = RedisStore::cluster(urls).await.unwrap();
                frozen.freeze();
                store.load(&here, None).await.unwrap_err();
                (store, here)
            })
        });
        part.join().unwrap()
    });
    cluster.wait_for_failover(0, frozen.port());
    until_writable(&store, &here).await;
    cluster.repair();
}

async fn one_shard_dead(cluster: &Cluster) {
    let store = connect(cluster).await;
    let dead = cluster.primary(0).port();
    let other = (0..16_384).map(|slot| cluster.primary(slot).port()).find(|port| *port != dead);
    let (here, there) = (key_on(cluster, dead), key_on(cluster, other.unwrap()));
    cluster.replica(0).freeze();
    cluster.primary(0).freeze();
    let mut longest = std::time::Duration::ZERO;
    for _ in 0..20 {
        store.load(&here, None).await.unwrap_err();
        let start = Instant::now();
        store.load(&there, None).await.unwrap();
        longest = longest.max(start.elapsed());
    }
    say(&format!("one of three shards is frozen: calls to another took up to {longest:?}"));
    cluster.repair();
    until(|| async { store.load(&here, None).await.is_ok() }).await;
}

async fn failovers(cluster: &Cluster, durability: Durability) {
    let store = connect(cluster).await;
    let (mut lost, mut acknowledged) = (0, 0);
    let rounds = count("TOKENKEEP_FAILOVERS", 3);
    for round in 0..rounds {
        let slot = u16::try_from(round % 3 * 5_461).unwrap();
        let port = cluster.primary(slot).port();
        let mut before = Acknowledged::default();
        before.put_all(&store, 60).await;
        cluster.freeze_replica(slot);
        let mut during = Acknowledged::default();
        for _ in 0..if durability == Durability::Local { 30 } else { 2 } {
            let (key, value) = (key_on(cluster, port), value(300));
            let put = Put::new(None, &value, HOUR).durability(durability);
            if matches!(store.put(&key, put).await, Ok(PutOutcome::Stored)) {
                during.0.push((key, value));
            }
        }
        let took = cluster.failover(slot);
        let probe = key_on(cluster, cluster.primary(slot).port());
        let start = Instant::now();
        until_writable(&store, &probe).await;
        say(&format!("a node was replaced in {took:?}, back {:?} later", start.elapsed()));
        assert_eq!(before.lost(&store).await, 0, "values that a replica had confirmed");
        lost += during.lost(&store).await;
        acknowledged += during.0.len();
    }
    say(&format!(
        "{rounds} failovers of a Cluster, {durability:?}: {lost} acknowledged, then lost"
    ));
    assert_eq!(lost, acknowledged, "the replica had not followed");
    if durability != Durability::Local {
        assert_eq!(acknowledged, 0);
    }
}

async fn frozen_primary(cluster: &Cluster) {
    let store = connect(cluster).await;
    let frozen = cluster.primary(0);
    let here = key_on(cluster, frozen.port());
    let mut kept = Acknowledged::default();
    kept.put_all(&store, 30).await;
    let lists = connect(cluster).await;
    frozen.freeze();
    cluster.wait_for_failover(0, frozen.port());
    let start = Instant::now();
    until_writable(&store, &here).await;
    say(&format!("a frozen node was replaced: back {:?} later", start.elapsed()));
    // A store that does nothing else finds the other node too.
    until(|| async { is_listed(&lists).await }).await;
    assert_eq!(kept.lost(&store).await, 0);
    cluster.repair();
}

/// A listener goes to another node when its own one leaves the Cluster.
async fn left_by_a_node(cluster: &Cluster) {
    let store = connect(cluster).await;
    // One of these listens at the node that leaves, in all likelihood.
    let mut listeners: Vec<_> = (0..8).map(|_| store.removals("shop")).collect();
    for listener in &mut listeners {
        assert_eq!(listener.next().await, Removal::Unsure);
    }
    let leaving = cluster.primary(0);
    cluster.switch(0);
    let id = leaving.cli(&["CLUSTER", "MYID"]);
    let rest = || cluster.nodes().iter().filter(|node| node.port() != leaving.port());
    until(|| async { leaving.cli(&["ROLE"]).starts_with("slave") }).await;
    assert_eq!(leaving.cli(&["CLUSTER", "RESET", "SOFT"]), "OK");
    for node in rest() {
        node.cli(&["CLUSTER", "FORGET", &id]);
    }
    for listener in &mut listeners {
        until_heard(&store, &mut **listener).await;
    }
}
