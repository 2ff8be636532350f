//! What two nodes do at the same moment.

use tokenkeep_web::store::{Durability, Lease, Loaded, Put, PutOutcome, Store};

use crate::scene::{count, filled, key, lease, mark, owner, put, run, server, store, value};

/// Many nodes take the lease in turns, and each replaces the value that came with it. If one lease
/// brings a value that is older than the lease, its write conflicts.
#[test]
fn a_lease_brings_the_value_that_the_last_owner_stored() {
    for isolation in ["read committed", "serializable"] {
        let isolation = format!("default_transaction_isolation = '{isolation}'");
        let Some(server) = server(&[&isolation]) else { return };
        run(async {
            let store = store(&server);
            let (key, _) = filled(&store).await;
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..4 {
                let (store, key) = (store.clone(), key.clone());
                tasks.spawn(async move {
                    for _ in 0..count("TOKENKEEP_TEST_TURNS", 50) {
                        let owner = owner();
                        let found = loop {
                            let (lease, loaded) = lease(&store, &key, owner).await.unwrap();
                            match (lease, loaded) {
                                (Lease::Mine, Loaded::Value(found)) => break found,
                                (Lease::Other { .. }, _) => {}
                                other => panic!("{other:?}"),
                            }
                        };
                        let (newer, found) = (value(200), mark(&found));
                        let put = Put::new(Some(&found), &newer, crate::scene::LONG);
                        let put = store.put(&key, put.release(Some(owner))).await.unwrap();
                        assert_eq!(put, PutOutcome::Stored);
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        });
    }
}

/// A removal and a write lock the same two rows. In opposite order they would wait for each other
/// until the server ends one of them, after a second.
#[test]
fn removals_and_writes_do_not_block_each_other() {
    let Some(server) = server(&["deadlock_timeout = 50ms"]) else { return };
    run(async {
        let store = store(&server);
        let key = key();
        let mut tasks = tokio::task::JoinSet::new();
        for nth in 0..4 {
            let (store, key) = (store.clone(), key.clone());
            tasks.spawn(async move {
                for _ in 0..count("TOKENKEEP_TEST_TURNS", 50) {
                    if nth % 2 == 0 {
                        store.remove(&key, Durability::Local).await.unwrap();
                        continue;
                    }
                    let owner = owner();
                    let (_, found) = lease(&store, &key, owner).await.unwrap();
                    let expected = match &found {
                        Loaded::Value(found) => Some(mark(found)),
                        _ => None,
                    };
                    let newer = value(200);
                    let put = Put::new(expected.as_ref(), &newer, crate::scene::LONG);
                    store.put(&key, put.release(Some(owner))).await.unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        assert!(!server.log().contains("deadlock"), "{}", server.log());
    });
}

#[test]
fn updates_of_many_nodes_lose_nothing() {
    let Some(server) = server(&["default_transaction_isolation = 'serializable'"]) else { return };
    run(async {
        let (store, start) = (store(&server), value(128));
        let key = key();
        put(&store, &key, None, &start).await.unwrap();
        let (nodes, turns) = (4, count("TOKENKEEP_TEST_TURNS", 50));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..nodes {
            let (store, key, mut found) = (store.clone(), key.clone(), start.clone());
            tasks.spawn(async move {
                for _ in 0..turns {
                    loop {
                        // The last eight bytes count the updates.
                        let mut newer = value(128);
                        let before = u64::from_be_bytes(*found.last_chunk().unwrap());
                        newer[120..].copy_from_slice(&(before + 1).to_be_bytes());
                        match put(&store, &key, Some(&found), &newer).await.unwrap() {
                            PutOutcome::Stored => {
                                found = newer;
                                break;
                            }
                            PutOutcome::Conflict(Loaded::Value(other)) => found = other,
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let Loaded::Value(end) = store.load(&key, None).await.unwrap() else { panic!("no value") };
        let counted = |value: &[u8]| u64::from_be_bytes(*value.last_chunk().unwrap());
        assert_eq!(counted(&end).wrapping_sub(counted(&start)), nodes * turns as u64);
    });
}
