//! One hot user whom all nodes change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokenkeep::TokenCache;
use tokenkeep_test_support::say;
use tokenkeep_web::{Error, UserId, WebTokenCache};
use tokio::{sync::watch, time::Instant};

use crate::{
    node::{self, is_node},
    orders::{Answer, Order},
    process::{Node, all},
    world::{World, count},
};

#[test]
fn no_update_of_a_hot_user_is_lost_on_redis() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let nodes = world.nodes(NODES, no_update_of_a_hot_user_is_lost_on_redis);
    updates("Redis", &world, nodes);
}

#[test]
fn no_update_of_a_hot_user_is_lost_on_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::postgres(&[]) else { return };
    let nodes = world.nodes(NODES, no_update_of_a_hot_user_is_lost_on_postgres);
    updates("PostgreSQL", &world, nodes);
}

fn updates(engine: &str, world: &World, mut nodes: Vec<Node>) {
    let each = count("TOKENKEEP_UPDATES", 20);
    let user = world.expired(["ada".to_owned()]).remove(0);
    let started = Instant::now();
    let answers =
        all(&mut nodes, |_| Order::Updates { user: user.clone(), workers: WORKERS / NODES, each });
    let took = started.elapsed();
    let (mut all_done, mut all_attempts, mut all_conflicts, mut all_gave_up) = (0, 0, 0, 0);
    for answer in answers {
        let Answer::Updates { done, attempts, conflicts, gave_up } = answer else {
            panic!("an answer to another order: {answer:?}");
        };
        all_done += done;
        all_attempts += attempts;
        all_conflicts += conflicts;
        all_gave_up += gave_up;
    }
    assert_eq!(all_done, WORKERS * each);
    let counted = world.with_cache(async |cache| {
        let user = cache.user(&user.parse().expect("a user"));
        user.transaction(|cache| Ok(number(cache))).await.expect("the store answers")
    });
    #[expect(clippy::cast_precision_loss, reason = "it is printed")]
    let per_update = all_attempts as f64 / all_done as f64;
    say(&format!(
        "{WORKERS} workers at {NODES} nodes change one user on {engine} {all_done} times in \
         {took:?}: {} lost, {per_update:.2} attempts each, {all_conflicts} conflicts, \
         {all_gave_up} calls were contended and made again",
        all_done.abs_diff(counted)
    ));
    assert_eq!(counted, all_done, "every update is there once");
    assert!(per_update <= 2.0, "{per_update} attempts an update");
}

/// Adds one, so many times. Returns how often it was tried, and how often a call gave up.
pub(crate) async fn update(
    cache: WebTokenCache,
    user: UserId,
    each: usize,
    mut started: watch::Receiver<Option<Instant>>,
) -> (usize, usize) {
    let tokens = cache.user(&user);
    started.wait_for(Option::is_some).await.expect("the word comes");
    let (mut attempts, mut gave_up) = (0, 0);
    for _ in 0..each {
        loop {
            let add_one = |cache: &mut TokenCache| {
                attempts += 1;
                let next = number(cache) + 1;
                let response = json!({
                    "access_token": next.to_string(), "token_type": "Bearer", "expires_in": 3600,
                });
                cache.add_response(&request(), response.to_string(), now()).map(drop)
            };
            match tokens.transaction(add_one).await {
                Ok(()) => break,
                // Nothing was written.
                Err(Error::Contended { .. }) => gave_up += 1,
                Err(error) => panic!("{:?}", node::failed(&error)),
            }
        }
    }
    (attempts, gave_up)
}

/// The number that the tokens carry.
fn number(cache: &TokenCache) -> usize {
    let found = cache.find_access_token(&request(), now()).expect("the request can be used");
    found.map_or(0, |token| token.secret().parse().expect("it is a number"))
}

fn request() -> tokenkeep::TokenRequest {
    node::request("https://id.example", "number").account("somebody")
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(Duration::ZERO, |now| now).as_secs()
}

const NODES: usize = 4;
const WORKERS: usize = 16;
