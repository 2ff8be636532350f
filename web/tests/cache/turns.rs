//! Calls that wait for their turn: at the store, and of one user.

use std::time::Duration;

use tokenkeep_web::UserId;
use tokio::time::Instant;

use crate::{
    faulty::{Fault, FaultyStore, Op},
    world::{World, expire, pass, request},
};

#[tokio::test(start_paused = true)]
async fn a_valid_token_does_not_wait_long_for_a_turn_at_the_store() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    // Old enough for the store to be asked.
    pass(31_000).await;
    world.store.fail([Op::Load], Fault::Slow);
    let others: Vec<_> = (0..1_000)
        .map(|nth| {
            let tokens = node.user(&UserId::new("issuer", format!("user{nth}")));
            tokio::spawn(async move { tokens.find(&request(["read"])).await })
        })
        .collect();
    pass(1).await;
    let started = Instant::now();
    node.user(&user).token(["read"]).await.unwrap();
    let got = started.elapsed();
    let found = node.user(&user).find(&request(["read"])).await.unwrap();
    assert!(found.is_some());
    println!("a token took {got:?} behind 1000 reads, with find {:?}", started.elapsed());
    assert!(got <= Duration::from_millis(600), "{got:?}");
    for other in others {
        drop(other.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_saved_leaves_the_lease_to_a_renewal_under_way() {
    let world = World::at(FaultyStore::new());
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.store.fail([Op::Put], Fault::Full);
    assert!(!nodes[0].user(&user).token(["read"]).await.unwrap().is_stored());
    world.provider.set_delay(Duration::from_secs(2));
    let tokens = nodes[0].user(&user);
    let under_way = tokio::spawn(async move { tokens.token(["mail"]).await });
    pass(50).await;
    world.store.heal();
    pass(1_000).await;
    // It must not get the token that is being spent.
    nodes[1].user(&user).token(["files"]).await.unwrap();
    under_way.await.unwrap().unwrap();
    assert!(!world.provider.has_ended("ada"));
    nodes[0].close(Duration::from_secs(1)).await.unwrap();
}
