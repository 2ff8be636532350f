//! A replica takes the primary's place while nodes renew. It had not followed for a while.
//!
//! Values and leases count when a replica has them, so no refresh token is spent twice.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::{
    acks::{ACKS, NODES, People, check, rounds, wait_for_more},
    node::is_node,
    process::{Node, begin},
    world::{Engine, World},
};

#[test]
fn no_token_is_spent_twice_and_nothing_is_missing_after_failovers_of_sentinels() {
    if is_node() {
        return;
    }
    let Some(world) = World::sentinels() else { return };
    let test = no_token_is_spent_twice_and_nothing_is_missing_after_failovers_of_sentinels;
    let Engine::Sentinels(all) = &*world.engine else { panic!("these are Sentinels") };
    let fail_over = || _ = all.failover();
    failovers("Sentinel", &world, test, || all.freeze_replicas(), fail_over);
}

#[test]
fn no_token_is_spent_twice_and_nothing_is_missing_after_failovers_of_a_cluster() {
    if is_node() {
        return;
    }
    let Some(world) = World::cluster() else { return };
    let test = no_token_is_spent_twice_and_nothing_is_missing_after_failovers_of_a_cluster;
    let Engine::Cluster(cluster) = &*world.engine else { panic!("it is a Cluster") };
    let slot = Cell::new(0);
    let freeze = || {
        slot.set((slot.get() + 5_461) % 16_383);
        cluster.freeze_replica(slot.get());
    };
    let fail_over = || _ = cluster.failover(slot.get());
    failovers("Cluster", &world, test, freeze, fail_over);
}

#[test]
fn no_token_is_spent_twice_and_nothing_is_missing_after_failovers_of_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::pair() else { return };
    let test = no_token_is_spent_twice_and_nothing_is_missing_after_failovers_of_postgres;
    let Engine::Pair(pair) = &*world.engine else { panic!("it is a pair") };
    let primary = Cell::new(0);
    let both = || (&pair[primary.get()], &pair[1 - primary.get()]);
    let freeze = || {
        let (primary, standby) = both();
        primary.freeze_standby(standby);
    };
    let fail_over = || {
        let (old, new) = both();
        old.fail_over_to(new);
        primary.set(1 - primary.get());
        old.follow(new);
    };
    failovers("PostgreSQL", &world, test, freeze, fail_over);
}

fn failovers(what: &str, world: &World, test: impl Fn(), freeze: impl Fn(), fail_over: impl Fn()) {
    let people = People::new(world);
    let mut nodes = world.nodes(NODES, test);
    let mut longest = Duration::ZERO;
    begin(&mut nodes, |nth| people.load(world, nth));
    for _ in 0..rounds() {
        wait_for_more(&nodes, ACKS);
        // What is written now is lost.
        freeze();
        wait_for_more(&nodes, NODES);
        let start = Instant::now();
        fail_over();
        longest = longest.max(start.elapsed());
    }
    wait_for_more(&nodes, ACKS);
    let acks: Vec<_> = nodes.into_iter().flat_map(Node::ended).collect();
    let what = format!("{} failovers, {what}, the longest took {longest:?}", rounds());
    check(&what, world, &acks, 0);
    assert_eq!(world.provider.counts().reuses, 0, "no refresh token is spent twice");
}
