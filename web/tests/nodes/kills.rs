//! The node that renews is killed, and the others wait for it.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{
    engines::{
        provider::Answers,
        proxy::{Fault, Proxy, redis_writes},
    },
    say,
};

use crate::{
    callers::calls,
    node::is_node,
    orders::{Call, Called, Does, EngineAt, Got, Order, Settings},
    process::{Node, begin},
    world::World,
};

#[test]
fn others_renew_when_the_holder_dies_before_the_provider_acts_on_redis() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let test = others_renew_when_the_holder_dies_before_the_provider_acts_on_redis;
    let nodes = world.nodes(NODES, test);
    let called = killed_while_asking(&world, nodes, Answers::Silent);
    one_token("killed before the provider acted, Redis", &called);
    let counts = world.provider.counts();
    assert_eq!((counts.calls("refresh_token"), counts.refreshes(), counts.reuses), (2, 1, 0));
}

#[test]
fn others_renew_when_the_holder_dies_before_the_provider_acts_on_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::postgres(&[]) else { return };
    let test = others_renew_when_the_holder_dies_before_the_provider_acts_on_postgres;
    let nodes = world.nodes(NODES, test);
    let called = killed_while_asking(&world, nodes, Answers::Silent);
    one_token("killed before the provider acted, PostgreSQL", &called);
    let counts = world.provider.counts();
    assert_eq!((counts.calls("refresh_token"), counts.refreshes(), counts.reuses), (2, 1, 0));
}

#[test]
fn others_renew_within_the_leeway_when_the_answer_died_with_the_holder() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    world.provider.leeway(Duration::from_secs(60));
    let test = others_renew_within_the_leeway_when_the_answer_died_with_the_holder;
    let nodes = world.nodes(NODES, test);
    let called = killed_while_asking(&world, nodes, Answers::Held);
    one_token("killed before the answer, with a leeway", &called);
    let counts = world.provider.counts();
    let repeated = (counts.calls("refresh_token"), counts.refreshes(), counts.repeats);
    assert_eq!(repeated, (2, 1, 1));
}

#[test]
fn the_user_signs_in_when_the_answer_died_with_the_holder_and_there_is_no_leeway() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let test = the_user_signs_in_when_the_answer_died_with_the_holder_and_there_is_no_leeway;
    let nodes = world.nodes(NODES, test);
    let called = killed_while_asking(&world, nodes, Answers::Held);
    // The only token is with the dead node.
    assert!(called.iter().all(|one| matches!(one.got, Got::SignInNeeded(_))), "{called:?}");
    let counts = world.provider.counts();
    assert_eq!((counts.calls("refresh_token"), counts.refreshes(), counts.reuses), (2, 1, 1));
    say("killed before the answer, without a leeway: 2 exchanges, 1 user has to sign in");
}

#[test]
fn others_have_the_token_when_the_holder_dies_after_its_put() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let test = others_have_the_token_when_the_holder_dies_after_its_put;
    let EngineAt::Redis(url) = &world.settings.engine else { panic!("it is Redis") };
    let port = url.rsplit_once(':').expect("it has a port").1.parse().expect("a port");
    let proxy = Proxy::start(port, redis_writes);
    let engine = EngineAt::Redis(proxy.redis_url());
    let mut nodes = world.nodes(NODES - 1, test);
    nodes.insert(0, Node::start(test, &Settings { engine, ..world.settings.clone() }));
    nodes[0].is_up();
    let order = order(&world);
    world.provider.once(Answers::Held);
    begin(&mut nodes[..1], |_| order.clone());
    assert!(world.provider.wait_for(LIMIT, |counts| counts.calls("refresh_token") == 1));
    begin(&mut nodes[1..], |_| order.clone());
    proxy.on_write(1, Fault::Silence);
    world.provider.release();
    until(|| proxy.counts().faults == 1);
    nodes[0].kill();
    let called = calls(nodes[1..].iter().map(Node::hear).collect());
    one_token("killed after the put", &called);
    let counts = world.provider.counts();
    assert_eq!((counts.calls("refresh_token"), counts.reuses), (1, 0));
}

/// The first node asks the provider, which acts so; the node is killed, the others renew.
fn killed_while_asking(world: &World, mut nodes: Vec<Node>, answers: Answers) -> Vec<Called> {
    let order = order(world);
    world.provider.once(answers);
    begin(&mut nodes[..1], |_| order.clone());
    assert!(world.provider.wait_for(LIMIT, |counts| counts.calls("refresh_token") == 1));
    begin(&mut nodes[1..], |_| order.clone());
    nodes[0].kill();
    calls(nodes[1..].iter().map(Node::hear).collect())
}

fn order(world: &World) -> Order {
    let user = world.expired(["ada".to_owned()]).remove(0);
    Order::Calls(vec![Call { user, does: Does::Insist, callers: 100, after: 0 }])
}

/// All callers have the same token.
fn one_token(what: &str, called: &[Called]) {
    let mut tokens: Vec<_> = called.iter().map(|one| &one.got).collect();
    let callers = tokens.len();
    tokens.dedup();
    assert!(matches!(tokens[..], [Got::Token { is_stored: true, .. }]), "{what}: {tokens:?}");
    let longest = called.iter().map(|one| one.took).max().map(Duration::from_micros);
    let again: usize = called.iter().map(|one| one.tries - 1).sum();
    say(&format!(
        "{what}: {callers} callers at {} nodes have the token within {longest:?}, {again} calls were \
         made again",
        NODES - 1
    ));
}

fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "not within {LIMIT:?}");
        thread::yield_now();
    }
}

const NODES: usize = 4;
const LIMIT: Duration = Duration::from_secs(30);
