//! A sign-out while nodes renew, in random order.

use std::{collections::BTreeSet, time::Duration};

use tokenkeep_test_support::say;

use crate::{
    callers::calls,
    node::{self, is_node},
    orders::{Call, Does, Got, Order},
    process::{Node, all},
    world::{World, count},
};

#[test]
fn who_signed_out_stays_so_whatever_the_order_on_redis() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let nodes = world.nodes(NODES, who_signed_out_stays_so_whatever_the_order_on_redis);
    sign_outs("Redis", &world, nodes);
}

#[test]
fn who_signed_out_stays_so_whatever_the_order_on_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::postgres(&[]) else { return };
    let nodes = world.nodes(NODES, who_signed_out_stays_so_whatever_the_order_on_postgres);
    sign_outs("PostgreSQL", &world, nodes);
}

fn sign_outs(engine: &str, world: &World, mut nodes: Vec<Node>) {
    let count = count("TOKENKEEP_SIGN_OUTS", 100);
    world.provider.delay(Duration::from_millis(10));
    let users = world.expired((0..count).map(|nth| format!("user-{nth}")));
    assert_eq!(world.values(), count);
    let (mut before, mut meanwhile, mut after) = (0, BTreeSet::new(), 0);
    // Some users at a time, so that what they do overlaps.
    for users in users.chunks(AT_ONCE) {
        let answers = all(&mut nodes, |nth| {
            let does = if nth == 0 { Does::SignOut } else { Does::Token };
            let call = |user: &String| Call {
                user: user.clone(),
                does,
                callers: 1,
                after: random() % WINDOW,
            };
            Order::Calls(users.iter().map(call).collect())
        });
        for called in calls(answers) {
            match called.got {
                Got::SignedOut => {}
                Got::Token { .. } => before += 1,
                Got::SignInNeeded(why) if why.contains("signed out meanwhile") => {
                    meanwhile.insert(world.subject(&called.user));
                }
                Got::SignInNeeded(why) if why.contains("has nothing") => after += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    say(&format!(
        "{count} sign-outs against renewals on {engine}: {before} calls had a token before, \
         {} renewals were overtaken, {after} calls came after",
        meanwhile.len()
    ));
    assert!(!meanwhile.is_empty() && before > 0 && after > 0, "each order was tried");
    let request = node::request(&world.settings.provider, "read");
    assert_eq!(world.values(), 0, "nobody is back");
    world.with_cache(async |cache| {
        for user in &users {
            let found = cache.user(&user.parse().expect("a user")).find(&request).await;
            assert!(found.expect("the store answers").is_none(), "somebody is back");
        }
    });
    let all_revoked = |counts: &tokenkeep_test_support::engines::provider::Counts| {
        counts.revocations >= meanwhile.len()
    };
    assert!(world.provider.wait_for(Duration::from_secs(30), all_revoked));
    let live = world.provider.live_families();
    let left: Vec<_> = live.iter().filter(|one| meanwhile.contains(&one.user)).collect();
    assert!(left.is_empty(), "a token that nobody keeps is valid: {left:?}");
    assert_eq!(world.provider.counts().reuses, 0);
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    u64::from_le_bytes(bytes)
}

/// One signs out, the others renew.
const NODES: usize = 4;
const AT_ONCE: usize = 25;
/// Within so many microseconds all of them begin.
const WINDOW: u64 = 60_000;
