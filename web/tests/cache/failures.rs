//! What callers see when the store or a value fails.

use std::time::Duration;

use tokenkeep::TokenCache;
use tokenkeep_web::{
    Error, SignInReason,
    store::{Durability, Store, StoreError},
};
use tokio::time::Instant;

use crate::{
    faulty::{ALL, Fault, FaultyStore, Op},
    provider::Act,
    world::{World, expire, pass, request},
};

#[tokio::test(start_paused = true)]
async fn a_valid_token_outlives_the_store() {
    for fault in [Fault::Unreachable, Fault::Frozen, Fault::Refused, Fault::Full] {
        let world = World::at(FaultyStore::new());
        let node = world.node();
        let user = world.sign_in(&node, "ada").await;
        world.store.fail(ALL, fault);
        pass(31_000).await;
        let started = Instant::now();
        node.user(&user).token(["read"]).await.unwrap();
        assert!(started.elapsed() <= Duration::from_millis(600), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_is_never_signed_out_by_the_store() {
    for (fault, status) in
        [(Fault::Unreachable, 503), (Fault::Frozen, 503), (Fault::Full, 503), (Fault::Refused, 500)]
    {
        let world = World::at(FaultyStore::new());
        let node = world.node();
        let user = world.sign_in(&node, "ada").await;
        expire().await;
        world.store.fail(ALL, fault);
        let started = Instant::now();
        let error = node.user(&user).token(["read"]).await.unwrap_err();
        assert!(!error.is_sign_in_needed(), "{fault:?}: {error:?}");
        assert_eq!(error.status(), status, "{error:?}");
        assert!(started.elapsed() <= Duration::from_millis(600), "{fault:?}");
        assert_eq!(world.provider.count(), 0, "{fault:?}: nothing was spent");
        world.store.heal();
        node.user(&user).token(["read"]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn many_scopes_of_one_user_share_the_failure_of_a_frozen_store() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    world.store.fail(ALL, Fault::Frozen);
    let started = Instant::now();
    let calls = (0..20).map(|nth| {
        let tokens = node.user(&user);
        tokio::spawn(async move { tokens.token([format!("scope{nth}")]).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(matches!(call.await.unwrap(), Err(Error::StoreUnavailable { .. })));
    }
    println!("20 scopes at a frozen store took {:?}", started.elapsed());
    assert!(started.elapsed() <= Duration::from_millis(1_100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn applications_and_apis_get_tokens_without_the_store() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    world.store.fail(ALL, Fault::Unreachable);
    for tokens in [node.app(), node.on_behalf_of("assertion")] {
        let token = tokens.token(["api"]).await.unwrap();
        assert!(!token.is_stored());
        // This node remembers it.
        assert_eq!(tokens.token(["api"]).await.unwrap().secret(), token.secret());
    }
    assert_eq!(world.provider.count(), 2);
    assert_eq!(node.stats().unsaved, 0, "no user's place is taken");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_a_put_is_no_loss() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    world.store.fail_next(Op::Put, [Fault::Lost]);
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    world.store.fail_next(Op::Put, [Fault::Lost]);
    let token = node.user(&user).token(["read"]).await.unwrap();
    assert!(token.is_stored());
    expire().await;
    world.node().user(&user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"));
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_that_is_not_stored_is_saved_later() {
    for fault in [Fault::Unreachable, Fault::Full, Fault::NotReplicated, Fault::Frozen] {
        let world = World::at(FaultyStore::new());
        let node = world.node();
        let user = world.sign_in(&node, "ada").await;
        expire().await;
        world.store.fail([Op::Put], fault);
        let token = node.user(&user).token(["read"]).await.unwrap();
        assert!(!token.is_stored(), "{fault:?}");
        assert_eq!(node.stats().unsaved, 1);
        // This node goes on with it, and spends what it was given last.
        assert_eq!(node.user(&user).token(["read"]).await.unwrap().secret(), token.secret());
        node.user(&user).token(["mail"]).await.unwrap();
        assert!(!world.provider.has_ended("ada"), "{fault:?}");
        pass(30_000).await;
        world.store.heal();
        // It tries at once, whatever pause it is in.
        node.close(Duration::from_secs(1)).await.unwrap();
        assert_eq!(node.stats().unsaved, 0);
        expire().await;
        world.node().user(&user).token(["read"]).await.unwrap();
        assert!(!world.provider.has_ended("ada"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_leaves_the_lease_of_what_is_not_saved() {
    let world = World::at(FaultyStore::new());
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.store.fail([Op::Put], Fault::Full);
    assert!(!nodes[0].user(&user).token(["read"]).await.unwrap().is_stored());
    world.provider.then([Act::Reply(429, "{}", Some("1"))]);
    nodes[0].user(&user).token(["mail"]).await.unwrap_err();
    // The store still has the refresh token that was spent.
    nodes[1].user(&user).token(["files"]).await.unwrap_err();
    assert!(!world.provider.has_ended("ada"));
    world.store.heal();
    pass(20_000).await;
    nodes[1].user(&user).token(["files"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"));
}

/// A write of the application saves what waits too.
#[tokio::test(start_paused = true)]
async fn the_lease_of_what_was_not_saved_ends_with_its_save() {
    for is_sign_in in [true, false] {
        let world = World::at(FaultyStore::new());
        let nodes = world.nodes(2);
        let user = world.sign_in(&nodes[0], "ada").await;
        expire().await;
        world.store.fail([Op::Put], Fault::Full);
        assert!(!nodes[0].user(&user).token(["read"]).await.unwrap().is_stored());
        // The lease was renewed since.
        pass(1_000).await;
        world.store.heal();
        if is_sign_in {
            world.sign_in(&nodes[0], "ada").await;
        } else {
            nodes[0].user(&user).transaction(|_| Ok(())).await.unwrap();
        }
        assert_eq!(nodes[0].stats().unsaved, 0);
        let started = Instant::now();
        nodes[1].user(&user).token(["mail"]).await.unwrap();
        let took = started.elapsed();
        assert!(took < Duration::from_millis(500), "sign-in {is_sign_in}: {took:?}");
        assert!(!world.provider.has_ended("ada"));
    }
}

/// That lease may be the one of a renewal under way.
#[tokio::test(start_paused = true)]
async fn a_renewal_under_way_keeps_the_lease_of_what_is_saved_meanwhile() {
    let world = World::at(FaultyStore::new());
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.store.fail([Op::Put], Fault::Full);
    assert!(!nodes[0].user(&user).token(["read"]).await.unwrap().is_stored());
    world.provider.set_delay(Duration::from_secs(2));
    let tokens = nodes[0].user(&user);
    let under_way = tokio::spawn(async move { tokens.token(["mail"]).await });
    pass(10).await;
    world.store.heal();
    nodes[0].user(&user).transaction(|_| Ok(())).await.unwrap();
    nodes[1].user(&user).token(["files"]).await.unwrap();
    under_way.await.unwrap().unwrap();
    assert!(!world.provider.has_ended("ada"));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_at_a_dead_store_is_kept_and_saved_later() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    world.store.fail(ALL, Fault::Unreachable);
    let response = world.provider.sign_in("ada");
    let (user, token) = node.keep_sign_in(&request(["read"]), response).await.unwrap();
    assert!(!token.is_stored());
    assert!(node.user(&user).token(["read"]).await.is_ok());
    assert!(node.close(Duration::from_millis(100)).await.is_err());
    world.store.heal();
    node.close(Duration::from_secs(1)).await.unwrap();
    assert!(world.node().user(&user).token(["read"]).await.unwrap().is_stored());
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_ends_what_is_not_saved() {
    let world = World::at(FaultyStore::new());
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.store.fail([Op::Put], Fault::Full);
    assert!(!nodes[0].user(&user).token(["read"]).await.unwrap().is_stored());
    nodes[1].user(&user).sign_out().await.unwrap();
    pass(10).await;
    world.store.heal();
    pass(20_000).await;
    let error = nodes[0].user(&user).token(["read"]).await.unwrap_err();
    assert!(error.is_sign_in_needed());
    assert_eq!(world.provider.valid("ada"), Vec::<String>::new(), "it was revoked");
}

#[tokio::test(start_paused = true)]
async fn late_news_of_a_removal_leaves_a_newer_sign_in() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    node.user(&user).token(["read"]).await.unwrap();
    // The news of it is under way while the user signs in again.
    let key = world.store.keys()[0].clone();
    world.store.inner().remove(&key, Durability::Local).await.unwrap();
    world.store.fail([Op::Put], Fault::Full);
    let response = world.provider.sign_in("ada");
    let (_, token) = node.keep_sign_in(&request(["read"]), response).await.unwrap();
    assert!(!token.is_stored());
    world.store.inner().remove(&key, Durability::Local).await.unwrap();
    pass(10).await;
    assert_eq!(node.user(&user).token(["read"]).await.unwrap().secret(), token.secret());
    // News of the next minute is about this sign-in.
    pass(5_000).await;
    world.store.inner().remove(&key, Durability::Local).await.unwrap();
    pass(10).await;
    assert!(node.user(&user).token(["read"]).await.unwrap_err().is_sign_in_needed());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_saved_for_five_minutes_is_given_up_and_counted() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    world.store.fail([Op::Put], Fault::Full);
    node.user(&user).token(["read"]).await.unwrap();
    pass(320_000).await;
    let stats = node.stats();
    assert_eq!((stats.unsaved, stats.unsaved_dropped), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_does_not_fit_keeps_its_refresh_token() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    // Many tokens of 30 KB, then one that is larger than all.
    world.provider.add("id_token", serde_json::Value::Null);
    world.provider.add("large", serde_json::Value::Null);
    for nth in 0..12 {
        world.provider.add("access_token", format!("{nth}-{}", "x".repeat(30_000)).into());
        let token = node.user(&user).token([format!("scope{nth}")]).await.unwrap();
        assert!(token.is_stored(), "{nth}");
    }
    world.provider.add("access_token", "y".repeat(300_000).into());
    let token = node.user(&user).token(["huge"]).await.unwrap();
    assert!(!token.is_stored(), "it says so");
    world.provider.forget_more();
    world.node().user(&user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"), "the refresh token was stored");

    let big = world.provider.sign_in("bob").replace("at-", &"z".repeat(300_000));
    let (bob, token) = node.keep_sign_in(&request(["read"]), big).await.unwrap();
    assert!(!token.is_stored());
    node.user(&bob).token(["mail"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_does_not_fit_writes_nothing() {
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    let error = node
        .user(&user)
        .transaction(|cache| {
            let huge = format!(r#"{{"access_token":"{}","expires_in":3600}}"#, "x".repeat(300_000));
            cache.add_response(&request(["huge"]).account("ada"), huge, 1_800_000_000)
        })
        .await
        .unwrap_err();
    let Error::TooLarge { entries, .. } = error else { panic!("{error:?}") };
    assert!(entries >= 4);
    assert!(node.user(&user).find(&request(["read"])).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_happens_once_although_the_reply_was_lost() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    world.store.fail_next(Op::Put, [Fault::Lost]);
    let mut calls = 0;
    node.user(&user)
        .transaction(|cache| {
            calls += 1;
            let account = cache.accounts().remove(0);
            cache.sign_out(&account, crate::world::CLIENT)
        })
        .await
        .unwrap();
    assert_eq!(calls, 1);
    let error = node.user(&user).token(["read"]).await.unwrap_err();
    assert!(error.is_sign_in_needed());
}

/// The first try of its write is done, and its reply lost. What the second one meets says nothing
/// of that.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_may_have_happened_does_not_say_that_it_did_not() {
    for second in [Fault::Full, Fault::Unreachable, Fault::Frozen] {
        let world = World::at(FaultyStore::new());
        let node = world.node();
        let user = world.sign_in(&node, "ada").await;
        world.store.fail_next(Op::Put, [Fault::Lost, second]);
        let sign_out = |cache: &mut TokenCache| {
            let account = cache.accounts().remove(0);
            cache.sign_out(&account, crate::world::CLIENT)
        };
        let error = node.user(&user).transaction(sign_out).await.unwrap_err();
        let Error::StoreUnavailable { source: Some(source), .. } = &error else {
            panic!("{second:?}: {error:?}")
        };
        let is_unknown = matches!(source.downcast_ref(), Some(StoreError::Timeout { .. }));
        assert!(is_unknown, "{second:?}: {error:?}");
        let error = world.node().user(&user).token(["read"]).await.unwrap_err();
        assert!(error.is_sign_in_needed(), "{second:?}: it happened");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_leaves_nothing_removes_the_value() {
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    node.user(&user)
        .transaction(|cache| {
            *cache = tokenkeep::TokenCache::new();
            Ok(())
        })
        .await
        .unwrap();
    pass(10).await;
    let page = world.store.page("shop", None).await.unwrap();
    assert!(page.keys.is_empty(), "{page:?}");
    match node.user(&user).token(["read"]).await.unwrap_err() {
        Error::SignInNeeded { reason, .. } => assert_eq!(reason, SignInReason::Absent),
        error => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_is_verified() {
    let world = World::at(FaultyStore::new());
    let report = world.node().verify().await.unwrap();
    assert!(report.engine.contains("memory"), "{report:?}");
    assert_eq!(report.advice.len(), 1, "that it is in memory: {report:?}");
    assert!(world.store.page("shop", None).await.unwrap().keys.is_empty());
    world.store.fail([Op::Put], Fault::Refused);
    let error = world.node().verify().await.unwrap_err();
    assert!(matches!(error, Error::StoreRefused { .. }));
}
