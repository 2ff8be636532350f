//! How long values are kept, in the store and in memory.

use std::time::Duration;

use crate::{
    faulty::FaultyStore,
    world::{World, expire, pass, request},
};

#[tokio::test(start_paused = true)]
async fn lifetimes_are_those_of_the_provider() {
    let day = 86_400;
    let world = World::at(FaultyStore::new());
    let node = world.builder().keep_for(Duration::from_secs(90 * day)).build().unwrap();
    let last = || world.store.kept_for().last().copied().unwrap().as_secs();
    let user = world.sign_in(&node, "ada").await;
    assert!((90 * day..=99 * day + 1).contains(&last()), "{}", last());
    world.provider.add("refresh_token_expires_in", (365 * day).into());
    world.sign_in(&node, "ada").await;
    assert!((365 * day..=402 * day).contains(&last()), "{}", last());
    // Later responses do not say it again, and every write knows it.
    world.provider.forget_more();
    expire().await;
    node.user(&user).token(["read"]).await.unwrap();
    assert!((365 * day..=402 * day).contains(&last()), "{}", last());
    node.user(&user)
        .transaction(|cache| {
            let account = cache.accounts().remove(0);
            cache.remove_expired(u64::MAX)?;
            Ok(account)
        })
        .await
        .unwrap();
    assert!((364 * day..=402 * day).contains(&last()), "{}", last());
    let ring = world.ring.rotated().unwrap().with_last_first();
    let rotated = world.builder().keys(ring).build().unwrap();
    let done = rotated.rewrap_all(tokenkeep_web::Pace::per_second(100)).await.unwrap();
    assert_eq!((done.seen, done.rewrapped, done.failed), (1, 1, 0));
    assert!((364 * day..=402 * day).contains(&last()), "{}", last());
    let done = rotated.rewrap_all(tokenkeep_web::Pace::per_second(100)).await.unwrap();
    assert_eq!((done.current, done.rewrapped), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_on_behalf_of_a_user_ends_with_the_assertion() {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let last = || world.store.kept_for().last().copied().unwrap().as_secs();
    let claims = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{}}}"#, 1_800_000_000 + 600));
    let assertion = format!("e30.{claims}.c2ln");
    node.on_behalf_of(&assertion).token(["api"]).await.unwrap();
    assert!((590..=600).contains(&last()), "{}", last());
    // Every later write knows it too.
    let ring = world.ring.rotated().unwrap().with_last_first();
    let rotated = world.builder().keys(ring).build().unwrap();
    rotated.rewrap_all(tokenkeep_web::Pace::per_second(100)).await.unwrap();
    assert!(last() <= 600, "{}", last());
    // An opaque one bounds nothing, so the token's own time counts.
    node.on_behalf_of("opaque").token(["api"]).await.unwrap();
    assert!((3_600..=3_900).contains(&last()), "{}", last());
    pass(601_000).await;
    let calls = world.provider.count();
    node.on_behalf_of(&assertion).token(["api"]).await.unwrap();
    assert_eq!(world.provider.count(), calls + 1, "the provider decides on an old assertion");
}

/// What a provider says for one that does not end.
#[tokio::test(start_paused = true)]
async fn no_number_of_seconds_is_too_large() {
    use serde_json::{Value, json};
    let numbers: [Value; 9] = [
        json!(u64::MAX),
        json!(u64::MAX - 1_800_000_000),
        json!(i64::MAX),
        json!(i64::MAX - 1_800_000_000),
        json!(u32::MAX),
        json!("18446744073709551615"),
        json!("9223372036854775807"),
        json!("99999999999999999999999999"),
        json!(1e300),
    ];
    let year = 365 * 86_400;
    for number in numbers {
        for name in ["expires_in", "refresh_token_expires_in", "refresh_expires_in", "refresh_in"] {
            let world = World::at(FaultyStore::new());
            let node = world.builder().keep_for(Duration::MAX).build().unwrap();
            let user = world.sign_in(&node, "ada").await;
            world.provider.add(name, number.clone());
            expire().await;
            let token = node.user(&user).token(["read"]).await;
            // A lifetime that cannot be read is an error.
            assert!(token.is_ok() || name == "expires_in", "{name} {number}: {token:?}");
            if let Ok(token) = token {
                assert!(token.is_stored(), "{name} {number}");
                world.node().user(&user).token(["read"]).await.unwrap();
                node.app().token(["api"]).await.unwrap();
            }
            for kept_for in world.store.kept_for() {
                let fits = (1..=11 * year).contains(&kept_for.as_secs());
                assert!(fits, "{name} {number}: {kept_for:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_of_an_assertion_ends_all_clients_of_it() {
    let world = World::new();
    let node = world.node();
    let other = tokenkeep::TokenRequest::new("another", crate::world::AUTHORITY, ["api"]);
    let tokens = node.on_behalf_of("assertion");
    tokens.get(&other).await.unwrap();
    tokens.token(["api"]).await.unwrap();
    tokens.sign_out().await.unwrap();
    assert!(tokens.find(&other).await.unwrap().is_none());
    assert!(tokens.find(&request(["api"])).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn memory_is_counted_as_it_is() {
    let world = World::new();
    let node = world.builder().max_memory(40_000).build().unwrap();
    for nth in 0..50 {
        world.sign_in(&node, &format!("user{nth}")).await;
    }
    let stats = node.stats();
    assert!(stats.memory_bytes <= 42_000 && stats.memory_bytes > 20_000, "{stats:?}");
    assert!(stats.memory_evictions > 0 && stats.memory_values < 50, "{stats:?}");
    world.sign_in(&node, "user49").await;
    assert!(node.stats().memory_bytes <= 42_000);
}

#[tokio::test(start_paused = true)]
async fn sealed_memory_answers_the_same() {
    let world = World::at(FaultyStore::new());
    let node = world.builder().memory(tokenkeep_web::MemoryPolicy::Sealed).build().unwrap();
    let user = world.sign_in(&node, "ada").await;
    let before = world.store.all_calls();
    let token = node.user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.store.all_calls(), before);
    pass(31_000).await;
    assert_eq!(node.user(&user).token(["read"]).await.unwrap().secret(), token.secret());
    expire().await;
    node.user(&user).token(["read"]).await.unwrap();
    expire().await;
    node.user(&user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"));
}
