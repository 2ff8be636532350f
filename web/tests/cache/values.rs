//! Values that do not open, that are damaged, and that went back in time.

use std::time::Duration;

use tokenkeep_web::{
    Error, KeyRing, SessionId,
    store::{Durability, Loaded, Put, Store},
};

use crate::{
    faulty::{FaultyStore, Op},
    world::{World, expire, request},
};

#[tokio::test(start_paused = true)]
async fn no_value_opens_at_another_place() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    for user in ["ada", "bob", "cyd"] {
        world.sign_in(&node, user).await;
    }
    let session = SessionId::new([7; 16]).unwrap();
    node.session(&session).keep(&request(["read"]), world.provider.sign_in("ada")).await.unwrap();
    node.long_running(&session)
        .keep(&request(["read"]), world.provider.sign_in("ada"))
        .await
        .unwrap();
    node.app().token(["api"]).await.unwrap();
    node.on_behalf_of("assertion").token(["api"]).await.unwrap();
    let store = world.store.inner();
    let keys = world.store.keys();
    assert_eq!(keys.len(), 7);
    let mut values = Vec::new();
    for key in &keys {
        let Loaded::Value(value) = store.load(key, None).await.unwrap() else { panic!("{key:?}") };
        values.push(value);
    }
    let (mut opened, mut swaps) = (0, 0);
    for (at, key) in keys.iter().enumerate() {
        for (from, value) in values.iter().enumerate() {
            let others = world.nodes(1).remove(0);
            store.remove(key, Durability::Local).await.unwrap();
            let put = Put::new(None, value, Duration::from_secs(60));
            store.put(key, put).await.unwrap();
            let users = ["ada", "bob", "cyd"]
                .map(|name| tokenkeep_web::UserId::new("https://id.example/realm", name));
            let tokens = match at {
                0..=2 => others.user(&users[at]),
                3 => others.session(&session),
                4 => others.long_running(&session),
                5 => others.app(),
                _ => others.on_behalf_of("assertion"),
            };
            let scope = if at < 5 { "read" } else { "api" };
            let found = tokens.find(&request([scope])).await;
            if at == from {
                assert!(found.unwrap().is_some(), "{at}");
            } else {
                swaps += 1;
                opened += usize::from(!matches!(found, Err(Error::OtherPartition)));
            }
        }
    }
    println!("{swaps} swaps of values, {opened} opened");
    assert_eq!((swaps, opened), (42, 0));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_value_is_an_error_until_it_is_removed() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    node.app().token(["api"]).await.unwrap();
    node.on_behalf_of("assertion").token(["api"]).await.unwrap();
    let session = SessionId::new([7; 16]).unwrap();
    node.session(&session).keep(&request(["read"]), world.provider.sign_in("ada")).await.unwrap();
    let store = world.store.inner();
    for key in world.store.keys() {
        let Loaded::Value(mut value) = store.load(&key, None).await.unwrap() else { panic!() };
        *value.last_mut().unwrap() ^= 1;
        store.remove(&key, Durability::Local).await.unwrap();
        store.put(&key, Put::new(None, &value, Duration::from_secs(99))).await.unwrap();
    }
    let other = world.node();
    let error = other.user(&user).token(["read"]).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert_eq!(error.status(), 500);
    let response = world.provider.sign_in("ada");
    let error = other.keep_sign_in(&request(["read"]), &response).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "nothing is overwritten: {error:?}");
    // These ask the provider, and write nothing over it.
    let puts = world.store.calls(Op::Put);
    assert!(!other.app().token(["api"]).await.unwrap().is_stored());
    assert!(!other.on_behalf_of("assertion").token(["api"]).await.unwrap().is_stored());
    assert_eq!(world.store.calls(Op::Put), puts);
    other.user(&user).sign_out().await.unwrap();
    other.app().remove(&request(["api"])).await.unwrap();
    other.on_behalf_of("assertion").remove(&request(["api"])).await.unwrap();
    other.session(&session).sign_out().await.unwrap();
    assert!(store.page("shop", None).await.unwrap().keys.is_empty());
    other.keep_sign_in(&request(["read"]), &response).await.unwrap();
    assert!(world.node().app().token(["api"]).await.unwrap().is_stored());
}

#[tokio::test(start_paused = true)]
async fn a_value_of_an_unknown_key_is_left_as_it_is() {
    let world = World::at(FaultyStore::new());
    let user = world.sign_in(&world.node(), "ada").await;
    // The same naming key, and another one that seals.
    let rotated = world.ring.rotated().unwrap().with_last_first();
    let new = rotated.without(world.ring.key_ids().next().unwrap()).unwrap();
    let node = world.builder().keys(new).build().unwrap();
    let error = node.user(&user).token(["read"]).await.unwrap_err();
    assert!(matches!(error, Error::KeyUnknown { .. }), "{error:?}");
    assert_eq!((error.status(), node.stats().key_unknown), (503, 1));
    let response = world.provider.sign_in("ada");
    node.keep_sign_in(&request(["read"]), response).await.unwrap_err();
    world.node().user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_application_and_another_naming_key_have_other_names() {
    let world = World::at(FaultyStore::new());
    let user = world.sign_in(&world.node(), "ada").await;
    let others = [
        world.builder().keys(KeyRing::generate().unwrap()).build().unwrap(),
        tokenkeep_web::WebTokenCache::builder("office")
            .store(world.store.clone())
            .keys(world.ring.clone())
            .provider("client", "https://id.example/realm", world.provider.clone())
            .build()
            .unwrap(),
    ];
    for node in &others {
        assert!(node.user(&user).token(["read"]).await.unwrap_err().is_sign_in_needed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_saves_gets_its_refresh_tokens_back() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    let key = world.store.keys()[0].clone();
    let Loaded::Value(old) = world.store.inner().load(&key, None).await.unwrap() else { panic!() };
    expire().await;
    node.user(&user).token(["read"]).await.unwrap();
    // A failover to a replica that did not have the renewal.
    world.store.roll_back(&key, &old).await;
    node.user(&user).token(["mail"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"), "R12: the newer refresh token was spent");
    assert_eq!(node.stats().rolled_back, 1);
    expire().await;
    world.node().user(&user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"));
}
