//! A new key for all nodes, one node after the other, while all of them work.

use std::collections::BTreeMap;

use tokenkeep_test_support::say;
use tokenkeep_web::{KeyRing, Pace, Rewrapped};

use crate::{
    acks::wait_for_more,
    load::{Ack, Load},
    node::{self, is_node},
    orders::{Got, Order, Settings},
    process::{Node, begin},
    world::{World, count},
};

#[test]
fn nobody_notices_a_rotation_of_the_keys_on_redis() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    rotate("Redis", world, nobody_notices_a_rotation_of_the_keys_on_redis);
}

#[test]
fn nobody_notices_a_rotation_of_the_keys_on_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::postgres(&[]) else { return };
    rotate("PostgreSQL", world, nobody_notices_a_rotation_of_the_keys_on_postgres);
}

fn rotate(engine: &str, mut world: World, test: impl Fn()) {
    world.provider.lifetime(0);
    let names = |kind: &str, count: usize| -> Vec<String> {
        (0..count).map(|nth| format!("{kind}-{nth}")).collect()
    };
    let kept = names("kept", 4);
    // Nobody writes the values of those who are idle.
    let idle = world.expired(names("idle", count("TOKENKEEP_IDLE_USERS", 50)));
    let load = Load {
        provider: world.settings.provider.clone(),
        renewed: world.expired(names("renewed", 6)),
        kept: world.expired(kept.clone()).into_iter().zip(kept).collect(),
        most: 5,
        ..Load::default()
    };
    let old: KeyRing = world.settings.ring.parse().expect("this is a ring");
    let with_new = old.rotated().expect("there are random bytes");
    let new_first = with_new.with_last_first();
    let old_key = old.key_ids().next().expect("a ring has a key");
    let new_alone = new_first.without(old_key).expect("it does not seal");

    let mut rolling = Rolling { load, test, nodes: Vec::new(), started: 0, acks: Vec::new() };
    for _ in 0..NODES {
        rolling.start(&world.settings);
    }
    let mut rewrapped = Rewrapped::default();
    for ring in [with_new, new_first.clone(), new_alone.clone()] {
        if ring.key_ids().count() == 1 {
            // All nodes seal with the new key by now.
            rewrapped = world.with_cache(async |cache| {
                cache.rewrap_all(Pace::per_second(1_000)).await.expect("the store answers")
            });
        }
        world.settings.ring = ring.to_text().to_string();
        for _ in 0..NODES {
            wait_for_more(&rolling.nodes, CALLS);
            rolling.end_one();
            rolling.start(&world.settings);
        }
    }
    wait_for_more(&rolling.nodes, CALLS);
    while !rolling.nodes.is_empty() {
        rolling.end_one();
    }
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for ack in &rolling.acks {
        if !matches!(ack.got(), Got::Token { is_stored: true, .. }) {
            *others.entry(format!("{:?}", ack.got())).or_default() += 1;
        }
    }
    say(&format!(
        "a key is rotated over {NODES} nodes on {engine}: {} calls, without a stored token \
         {others:?}; {rewrapped:?}",
        rolling.acks.len()
    ));
    assert!(others.is_empty(), "somebody noticed: {others:?}");
    assert_eq!(rewrapped.failed, 0);
    assert!(rewrapped.rewrapped >= idle.len() as u64, "{rewrapped:?}");
    assert_eq!(world.provider.counts().reuses, 0);
    // By the new key alone.
    world.provider.lifetime(3600);
    world.with_cache(async |cache| {
        let users = idle.iter().chain(&rolling.load.renewed);
        for user in users.chain(rolling.load.kept.iter().map(|(user, _)| user)) {
            let tokens = cache.user(&user.parse().expect("a user"));
            if let Err(error) = tokens.token(["read"]).await {
                panic!("{:?}", node::failed(&error));
            }
        }
    });
}

/// Nodes that are replaced one after the other.
struct Rolling<T> {
    load: Load,
    test: T,
    nodes: Vec<Node>,
    started: usize,
    acks: Vec<Ack>,
}

impl<T: Fn()> Rolling<T> {
    fn start(&mut self, settings: &Settings) {
        let mut node = [Node::start(&self.test, settings)];
        node[0].is_up();
        let load = Load { node: self.started, ..self.load.clone() };
        self.started += 1;
        begin(&mut node, |_| Order::Load(load.clone()));
        self.nodes.extend(node);
    }

    /// The node that has worked for the longest time.
    fn end_one(&mut self) {
        self.acks.extend(self.nodes.remove(0).ended());
    }
}

const NODES: usize = 4;
/// Calls that end between two replacements.
const CALLS: usize = 30;
