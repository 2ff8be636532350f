//! When a lease allows a node to spend a refresh token.

use std::time::Duration;

use tokenkeep_web::{Error, store::Durability};

use crate::{
    faulty::{Fault, FaultyStore, Op},
    world::{World, expire, pass, request},
};

const REPLICATED: Durability =
    Durability::Replicated { replicas: 1, timeout: Duration::from_millis(100) };

#[tokio::test(start_paused = true)]
async fn a_lease_waits_for_replicas_where_a_token_is_spent_that_may_be_spent_once() {
    let world = World::at(FaultyStore::new());
    let node = world.builder().durability(REPLICATED).build().unwrap();
    let careless = world.builder().durability(REPLICATED).spend_without_store(true);
    let careless = careless.build().unwrap();
    let user = world.sign_in(&world.node(), "ada").await;
    for (tokens, expected) in [
        // It outlives a failover.
        (node.user(&user), (REPLICATED, 30)),
        (world.node().user(&user), (Durability::Local, 7)),
        (careless.user(&user), (Durability::Local, 7)),
        (node.app(), (Durability::Local, 7)),
        (node.on_behalf_of("assertion"), (Durability::Local, 7)),
    ] {
        expire().await;
        tokens.token(["read"]).await.unwrap();
        let (durability, time) = *world.store.leases().last().unwrap();
        assert_eq!((durability, time.as_secs()), expected);
        // What the store in memory did not replicate is saved by now, or kept by its node.
        pass(30_000).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_count_is_given_back_and_nothing_is_spent() {
    for fault in [Fault::NotReplicated, Fault::Overdue] {
        let world = World::at(FaultyStore::new());
        let nodes = world.nodes(2);
        let user = world.sign_in(&nodes[0], "ada").await;
        expire().await;
        world.store.fail_next(Op::Lease, [fault]);
        let error = nodes[0].user(&user).token(["read"]).await.unwrap_err();
        assert!(matches!(error, Error::StoreUnavailable { .. }), "{fault:?}: {error:?}");
        assert_eq!(world.provider.count(), 0, "{fault:?}");
        pass(1).await;
        let start = tokio::time::Instant::now();
        nodes[1].user(&user).token(["read"]).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1), "{fault:?}: nobody has the lease");
        assert!(!world.provider.has_ended("ada"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_what_is_not_saved_survives_an_answer_that_is_lost() {
    for fault in [Fault::NotReplicated, Fault::Lost] {
        let world = World::at(FaultyStore::new());
        let nodes = world.nodes(2);
        let user = world.sign_in(&nodes[0], "ada").await;
        expire().await;
        world.store.fail([Op::Put], Fault::Full);
        assert!(!nodes[0].user(&user).token(["read"]).await.unwrap().is_stored());
        // Its own next renewal has the same lease.
        world.store.fail_next(Op::Lease, [fault]);
        nodes[0].user(&user).token(["mail"]).await.unwrap_err();
        pass(1).await;
        let (tokens, request) = (nodes[1].user(&user), request(["read"]));
        let error = tokens.get_within(&request, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, Error::RefreshInProgress { .. }), "{fault:?}: {error:?}");
        assert!(!world.provider.has_ended("ada"), "{fault:?}");
    }
}
