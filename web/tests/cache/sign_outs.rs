//! Sign-outs, at any moment.

use tokenkeep_web::{Error, SignInReason, store::Store};

use crate::{
    faulty::{Fault, FaultyStore, Op},
    world::{World, expire, pass, request},
};

#[tokio::test(start_paused = true)]
async fn a_sign_out_during_the_exchange_is_final_and_the_new_token_is_revoked() {
    let world = World::new();
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    expire().await;
    let call = world.asked(&nodes[0], &user, "read").await;
    // The provider has replaced the refresh token.
    pass(600).await;
    nodes[1].user(&user).sign_out().await.unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::SignInNeeded { reason: SignInReason::SignedOut, .. }),
        "{error:?}"
    );
    pass(10).await;
    assert_eq!(world.provider.valid("ada"), Vec::<String>::new());
    assert_eq!(world.provider.revoked().len(), 1);
    for node in &nodes {
        assert!(node.user(&user).find(&request(["read"])).await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_from_before_a_sign_out_is_not_kept_in_memory() {
    let world = World::at(FaultyStore::new());
    let nodes = world.nodes(2);
    let user = world.sign_in(&nodes[0], "ada").await;
    // It listens.
    nodes[1].user(&user).token(["other"]).await.unwrap();
    pass(1_000).await;
    for (signs_out, reads) in [(0, 1), (1, 1)] {
        world.sign_in(&nodes[0], "ada").await;
        nodes[reads].user(&user).sign_out().await.unwrap();
        world.sign_in(&nodes[0], "ada").await;
        world.store.fail_next(Op::Load, [Fault::Slow]);
        let tokens = nodes[reads].user(&user);
        let call = tokio::spawn(async move { tokens.token(["read"]).await });
        pass(100).await;
        nodes[signs_out].user(&user).sign_out().await.unwrap();
        call.await.unwrap().ok();
        let error = nodes[reads].user(&user).token(["read"]).await.unwrap_err();
        assert!(error.is_sign_in_needed(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_is_saved_after_its_sign_out_is_undone() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    world.store.fail([Op::Put], Fault::Full);
    let response = world.provider.sign_in("ada");
    let (user, token) = node.keep_sign_in(&request(["read"]), response).await.unwrap();
    assert!(!token.is_stored());
    world.store.heal();
    world.store.fail_next(Op::Put, [Fault::Late]);
    let puts = world.store.calls(Op::Put);
    while world.store.calls(Op::Put) == puts {
        pass(10).await;
    }
    // The write is under way, and reaches the store after this.
    node.user(&user).sign_out().await.unwrap();
    pass(1_000).await;
    let page = world.store.page("shop", None).await.unwrap();
    assert!(page.keys.is_empty(), "{page:?}");
    for node in [node, world.node()] {
        assert!(node.user(&user).token(["read"]).await.unwrap_err().is_sign_in_needed());
    }
    assert_eq!(world.provider.valid("ada"), Vec::<String>::new(), "it was revoked");
}

#[tokio::test(start_paused = true)]
async fn sign_outs_at_any_moment_are_final() {
    let rounds = crate::world::count("TOKENKEEP_WEB_SIGN_OUTS", 100);
    let mut random = 1_u64;
    let mut next = |below: u64| {
        // Of Knuth's MMIX; it only has to reach many orders.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % below
    };
    let mut resurrected = 0;
    for round in 0..rounds {
        let world = World::new();
        let nodes = world.nodes(3);
        let user = world.sign_in(&nodes[0], "ada").await;
        expire().await;
        let calls = (0..6).map(|nth| {
            let (tokens, wait) = (nodes[nth % 3].user(&user), next(100));
            tokio::spawn(async move {
                pass(wait).await;
                drop(tokens.token([["read", "mail"][nth % 2]]).await);
            })
        });
        let calls: Vec<_> = calls.collect();
        pass(next(200)).await;
        nodes[usize::try_from(next(3)).unwrap()].user(&user).sign_out().await.unwrap();
        for call in calls {
            call.await.unwrap();
        }
        pass(10).await;
        for node in &nodes {
            let found = node.user(&user).find(&request(["read"])).await.unwrap();
            resurrected += usize::from(found.is_some());
            assert!(node.user(&user).token(["read"]).await.is_err(), "round {round}");
        }
    }
    println!("{rounds} sign-outs against renewals: {resurrected} users came back");
    assert_eq!(resurrected, 0);
}
