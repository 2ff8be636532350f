//! Sign-in, tokens, renewal and sign-out.

use tokenkeep_web::{SignInReason, UserId};

use crate::world::{World, expire, request};

#[tokio::test(start_paused = true)]
async fn a_sign_in_is_found_at_every_node() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    assert_eq!(user, UserId::new("https://id.example/realm", "ada"));
    let token = nodes[1].user(&user).token(["read"]).await.unwrap();
    assert_eq!(token.secret(), nodes[0].user(&user).token(["read"]).await.unwrap().secret());
    assert_eq!(world.provider.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_renewed_once_and_stored() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    let renewed = nodes[1].user(&user).token(["read"]).await.unwrap();
    assert!(renewed.is_stored());
    let other = nodes[0].user(&user).token(["read"]).await.unwrap();
    assert_eq!(other.secret(), renewed.secret());
    assert_eq!(world.provider.count(), 1);
    expire().await;
    nodes[0].user(&user).token(["read"]).await.unwrap();
    assert_eq!(world.provider.count(), 2);
    assert!(!world.provider.has_ended("ada"));
}

#[tokio::test(start_paused = true)]
async fn a_signed_out_user_has_to_sign_in() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    for node in &nodes {
        node.user(&user).token(["read"]).await.unwrap();
    }
    nodes[0].user(&user).sign_out().await.unwrap();
    // The news has to arrive.
    tokio::task::yield_now().await;
    for node in &nodes {
        let error = node.user(&user).token(["read"]).await.unwrap_err();
        match error {
            tokenkeep_web::Error::SignInNeeded { reason, .. } => {
                assert_eq!(reason, SignInReason::Absent);
            }
            error => panic!("{error:?}"),
        }
        assert!(node.user(&user).find(&request(["read"])).await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_of_eight_nodes_cause_one_call() {
    let world = World::new();
    let nodes = world.nodes(8);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    let callers = crate::world::count("TOKENKEEP_WEB_CALLERS", 10_000);
    let calls = (0..callers).map(|nth| {
        let tokens = nodes[nth % 8].user(&user);
        tokio::spawn(async move { tokens.token(["read"]).await })
    });
    let mut secrets = std::collections::HashSet::new();
    for call in calls.collect::<Vec<_>>() {
        secrets.insert(call.await.unwrap().unwrap().secret().to_owned());
    }
    assert_eq!(secrets.len(), 1);
    assert_eq!(world.provider.count(), 1);
}
