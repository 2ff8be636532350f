//! The refresh protocol, rule by rule (R1 to R12).

use std::time::Duration;

use tokenkeep::silent::Grant;
use tokenkeep_web::{Error, SignInReason, Staleness};

use crate::{
    faulty::{FaultyStore, Op},
    provider::Act,
    world::{World, expire, pass, request},
};

fn reason(error: &Error) -> SignInReason {
    match error {
        Error::SignInNeeded { reason, .. } => *reason,
        error => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_asks_nobody_and_a_stale_one_asks_once() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    let before = world.store.all_calls();
    for _ in 0..10 {
        node.user(&user).token(["read"]).await.unwrap();
    }
    assert_eq!(world.store.all_calls(), before, "R1: no round trip");
    pass(31_000).await;
    node.user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.store.all_calls(), before + 1, "one probe");
    node.user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.store.all_calls(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_miss_is_one_round_trip_and_a_renewal_is_two() {
    let world = World::at(FaultyStore::new());
    let (one, other) = (world.node(), world.node());
    let user = world.sign_in(&one, "ada").await;
    let before = world.store.all_calls();
    other.user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.store.all_calls(), before + 1, "a miss is a load");
    // The token ends while the value is known to be fresh.
    let node = world.builder().staleness(Staleness::Within(Duration::from_secs(9_999)));
    let node = node.build().unwrap();
    node.user(&user).token(["read"]).await.unwrap();
    expire().await;
    let before = world.store.all_calls();
    node.user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.store.all_calls(), before + 2, "a lease and a put");
    assert_eq!(world.store.calls(Op::Release), 0, "the put releases the lease");
    let before = world.store.all_calls();
    node.user(&user).sign_out().await.unwrap();
    assert_eq!(world.store.all_calls(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn other_scopes_of_one_user_are_renewed_one_after_the_other() {
    let world = World::new();
    let nodes = world.nodes(3);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    let calls = (0..9).map(|nth| {
        let tokens = nodes[nth % 3].user(&user);
        tokio::spawn(async move { tokens.token([["read", "write", "mail"][nth / 3]]).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert!(!world.provider.has_ended("ada"), "no refresh token was used twice");
    // R2: results are shared by request alone.
    assert_eq!(world.provider.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_ends_nothing() {
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    for millis in [0, 1, 20, 30, 60] {
        let tokens = node.user(&user);
        let request = request(["read"]).claims(r#"{"userinfo":{}}"#);
        let call = tokens.get(&request);
        drop(tokio::time::timeout(Duration::from_millis(millis), call).await);
        node.close(Duration::from_secs(60)).await.unwrap();
    }
    expire().await;
    node.user(&user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"), "R3: each rotated token was stored");
}

#[tokio::test(start_paused = true)]
async fn others_wait_for_the_holder_and_the_next_asks_after_a_crash() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    nodes[1].user(&user).token(["read"]).await.unwrap();
    expire().await;
    // The holder's exchange never ends, and its process ends with it.
    world.provider.then([Act::Panic]);
    let first = nodes[0].user(&user).token(["read"]).await.unwrap_err();
    assert!(first.is_retryable(), "{first:?}");
    let started = tokio::time::Instant::now();
    let token = nodes[1].user(&user).token(["read"]).await.unwrap();
    assert!(token.is_stored());
    let waited = started.elapsed();
    println!("waited {waited:?} for the lease of a node that ended");
    assert!(waited <= Duration::from_millis(7_200), "the rest of the lease: {waited:?}");
    assert_eq!(world.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_silent_provider_is_left_after_five_seconds() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.provider.then([Act::Hang]);
    let started = tokio::time::Instant::now();
    let calls = nodes.iter().map(|node| {
        let tokens = node.user(&user);
        tokio::spawn(async move { tokens.token(["read"]).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Provider { .. }), "{error:?}");
        assert!(error.retry_after().is_some());
    }
    assert!(started.elapsed() < Duration::from_millis(5_200), "{:?}", started.elapsed());
    assert_eq!(world.provider.count(), 1, "R9: the other node read the note");
    pass(1_500).await;
    nodes[1].user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_is_asked_for_again() {
    // This provider is lenient with the token that it just replaced.
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    world.provider.then([Act::NotSent, Act::Answer]);
    let error = node.user(&user).token(["read"]).await.unwrap_err();
    assert!(!error.is_sign_in_needed(), "{error:?}");
    pass(1_100).await;
    node.user(&user).token(["read"]).await.unwrap();
    expire().await;
    world.provider.then([Act::Lose, Act::Answer]);
    let error = node.user(&user).token(["read"]).await.unwrap_err();
    // It was strict, so only a sign-in helps; and it was asked exactly once more.
    assert_eq!(reason(&error), SignInReason::Refused);
    assert_eq!(world.provider.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_for_all_nodes_until_the_next_sign_in() {
    let world = World::new();
    let nodes = world.nodes(3);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.provider.then([Act::Reply(400, r#"{"error": "invalid_grant"}"#, None)]);
    for node in &nodes {
        let error = node.user(&user).token(["read"]).await.unwrap_err();
        assert_eq!(reason(&error), SignInReason::Refused);
        assert_eq!(error.status(), 401);
    }
    assert_eq!(world.provider.count(), 1, "R9: nobody asks again");
    // The note is about the old refresh token.
    world.sign_in(&nodes[0], "ada").await;
    let other = request(["mail"]);
    nodes[1].user(&user).get(&other).await.unwrap();
    assert_eq!(world.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_request_is_not_one_of_others() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    let claims = r#"{"error":"interaction_required","claims":"{\"id_token\":{}}"}"#;
    world.provider.then([Act::Reply(400, claims, None)]);
    for node in &nodes {
        let error = node.user(&user).token(["admin"]).await.unwrap_err();
        let Error::SignInNeeded { code, claims, .. } = error else { panic!("{error:?}") };
        assert_eq!(code.as_deref(), Some("interaction_required"));
        assert_eq!(claims.as_deref(), Some(r#"{"id_token":{}}"#));
    }
    assert_eq!(world.provider.count(), 1);
    nodes[1].user(&user).token(["mail"]).await.unwrap();
    assert_eq!(world.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_spent_again_if_the_store_has_another_one() {
    let world = World::new();
    let (node, other) = (world.node(), world.node());
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    world.provider.then([Act::Reply(400, r#"{"error": "invalid_grant"}"#, None)]);
    let call = world.asked(&node, &user, "mail").await;
    world.sign_in(&other, "ada").await;
    call.await.unwrap().unwrap();
    assert_eq!(world.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_provider_is_asked_when_it_says() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    world.provider.then([Act::Reply(429, "", Some("7"))]);
    for node in &nodes {
        let error = node.user(&user).token(["read"]).await.unwrap_err();
        assert_eq!(error.status(), 503);
        let after = error.retry_after().unwrap();
        assert!((6_000..=7_000).contains(&after.as_millis()), "{after:?}");
    }
    assert_eq!(world.provider.count(), 1);
    pass(7_100).await;
    nodes[1].user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_aging_token_is_returned_at_once_and_refreshed_behind_the_call() {
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    let old = node.user(&user).token(["read"]).await.unwrap();
    pass(3_100_000).await;
    // Stale by now, so that the value is read again.
    let aging = node.user(&user).token(["read"]).await.unwrap();
    let again = node.user(&user).token(["read"]).await.unwrap();
    assert_eq!([aging.secret(), again.secret()], [old.secret(); 2]);
    node.close(Duration::from_secs(10)).await.unwrap();
    assert_eq!(world.provider.count(), 1);
    let new = node.user(&user).token(["read"]).await.unwrap();
    assert_ne!(new.secret(), old.secret());
}

#[tokio::test(start_paused = true)]
async fn an_early_refresh_that_fails_disturbs_nobody_and_is_not_repeated_at_once() {
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    pass(3_100_000).await;
    world.provider.then([Act::Reply(503, "", None), Act::Reply(503, "", None)]);
    for _ in 0..100 {
        node.user(&user).token(["read"]).await.unwrap();
        node.close(Duration::from_secs(10)).await.unwrap();
    }
    assert_eq!(world.provider.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_during_the_exchange_wins() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    let call = world.asked(&nodes[0], &user, "read").await;
    // The provider has replaced the refresh token.
    pass(600).await;
    world.sign_in(&nodes[1], "ada").await;
    let token = call.await.unwrap().unwrap();
    let stored = nodes[1].user(&user).find(&request(["read"])).await.unwrap().unwrap();
    assert_eq!(token.secret(), stored.secret(), "R7: what is stored now");
    node_can_go_on(&world, &nodes[0], &user).await;
}

async fn node_can_go_on(
    world: &World,
    node: &tokenkeep_web::WebTokenCache,
    user: &tokenkeep_web::UserId,
) {
    expire().await;
    node.user(user).token(["read"]).await.unwrap();
    assert!(!world.provider.has_ended("ada"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_an_api_refused_is_replaced_once_for_all() {
    let world = World::new();
    let nodes = world.nodes(3);
    let user = world.sign_in(&nodes[0], "ada").await;
    let refused = nodes[0].user(&user).token(["read"]).await.unwrap();
    let request = request(["read"]).instead_of(&refused);
    pass(2_000).await;
    let mut secrets = std::collections::HashSet::new();
    for node in &nodes {
        let token = node.user(&user).get(&request).await.unwrap();
        assert_ne!(token.secret(), refused.secret());
        secrets.insert(token.secret().to_owned());
    }
    assert_eq!((secrets.len(), world.provider.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_application_has_its_own_tokens_without_refresh_tokens() {
    let world = World::new();
    let nodes = world.nodes(4);
    let calls = (0..40).map(|nth| {
        let tokens = nodes[nth % 4].app();
        tokio::spawn(async move { tokens.token(["api/.default"]).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let calls = world.provider.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].grant, Grant::ClientCredentials);
    let error = nodes[0].app().sign_out().await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }));
    nodes[0].app().remove(&request(["api/.default"])).await.unwrap();
    pass(1).await;
    nodes[1].app().token(["api/.default"]).await.unwrap();
    assert_eq!(world.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_little_time_gets_an_error_and_the_renewal_goes_on() {
    let world = World::new();
    let node = world.node();
    let user = world.sign_in(&node, "ada").await;
    expire().await;
    world.provider.set_delay(Duration::from_secs(2));
    let limit = Duration::from_millis(300);
    let error = node.user(&user).get_within(&request(["read"]), limit).await.unwrap_err();
    assert!(matches!(error, Error::RefreshInProgress { .. }), "{error:?}");
    node.user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.provider.count(), 1);
}
