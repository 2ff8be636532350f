//! Responses that cannot be used, but for the refresh token that they have.

use std::time::Duration;

use tokenkeep_web::{Error, UserId, WebTokenCache};

use crate::{
    faulty::{ALL, Fault, FaultyStore, Op},
    world::{World, expire},
};

/// The provider replaces the refresh token, and says something else that nobody understands.
async fn gets_a_response_of_no_use(
    world: &World<FaultyStore>,
    node: &WebTokenCache,
    user: &UserId,
) {
    expire().await;
    world.provider.add("expires_in", "soon".into());
    let error = node.user(user).token(["read"]).await.unwrap_err();
    assert!(matches!(error, Error::Cache(_)), "{error:?}");
    assert_eq!(world.provider.valid("ada").len(), 1);
    world.provider.forget_more();
}

/// The user is still signed in, at every node.
async fn goes_on(world: &World<FaultyStore>, node: &WebTokenCache, user: &UserId) {
    node.close(Duration::from_secs(10)).await.unwrap();
    world.node().user(user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"));
}

#[tokio::test(start_paused = true)]
async fn the_store_takes_its_refresh_token() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    gets_a_response_of_no_use(&world, &node, &user).await;
    assert_eq!(node.stats().unsaved, 0);
    goes_on(&world, &node, &user).await;
}

#[tokio::test(start_paused = true)]
async fn its_refresh_token_waits_for_a_store_that_is_full() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    world.store.fail([Op::Put], Fault::Full);
    gets_a_response_of_no_use(&world, &node, &user).await;
    assert_eq!(node.stats().unsaved, 1);
    world.store.heal();
    goes_on(&world, &node, &user).await;
}

#[tokio::test(start_paused = true)]
async fn its_refresh_token_waits_for_a_store_that_is_away() {
    let world = World::at(FaultyStore::new());
    let node = world.builder().spend_without_store(true).build().unwrap();
    let user = world.sign_in(&node, "ada").await;
    world.store.fail(ALL, Fault::Unreachable);
    gets_a_response_of_no_use(&world, &node, &user).await;
    assert_eq!(node.stats().unsaved, 1);
    world.store.heal();
    goes_on(&world, &node, &user).await;
}
