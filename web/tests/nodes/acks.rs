//! Nothing that a node has acknowledged is missing after a fault, and nobody who signed out is
//! back.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{engines::redis, say};
use tokenkeep_web::{
    Error, RedisStore,
    store::{Loaded, Store},
};

use crate::{
    load::{Ack, Load},
    node::{self, is_node},
    orders::{EngineAt, Got, Order},
    process::{Node, PATIENCE, begin},
    world::{Engine, World, count},
};

#[test]
fn nothing_acknowledged_is_missing_after_nodes_were_killed_on_redis() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&[]) else { return };
    let test = nothing_acknowledged_is_missing_after_nodes_were_killed_on_redis;
    let (acks, killed) = kill_nodes(&world, test);
    check("nodes killed, Redis", &world, &acks, killed * RENEWALS);
    swap_all(&world);
}

#[test]
fn nothing_acknowledged_is_missing_after_nodes_were_killed_on_postgres() {
    if is_node() {
        return;
    }
    let Some(world) = World::postgres(&[]) else { return };
    let test = nothing_acknowledged_is_missing_after_nodes_were_killed_on_postgres;
    let (acks, killed) = kill_nodes(&world, test);
    check("nodes killed, PostgreSQL", &world, &acks, killed * RENEWALS);
}

#[test]
fn nothing_acknowledged_is_missing_after_redis_was_killed() {
    if is_node() {
        return;
    }
    let Some(world) = World::redis(&["appendonly yes", "appendfsync always"]) else { return };
    let test = nothing_acknowledged_is_missing_after_redis_was_killed;
    let Engine::Redis(server) = &*world.engine else { panic!("it is Redis") };
    let people = People::new(&world);
    let mut nodes = world.nodes(NODES, test);
    begin(&mut nodes, |nth| people.load(&world, nth));
    for _ in 0..rounds() {
        wait_for_more(&nodes, ACKS);
        server.kill();
        server.restart();
    }
    wait_for_more(&nodes, ACKS);
    let acks: Vec<_> = nodes.into_iter().flat_map(Node::ended).collect();
    check("Redis killed and started again", &world, &acks, 0);
}

fn kill_nodes(world: &World, test: impl Fn()) -> (Vec<Ack>, usize) {
    let people = People::new(world);
    let mut nodes = world.nodes(NODES, &test);
    begin(&mut nodes, |nth| people.load(world, nth));
    let mut acks = Vec::new();
    for round in 0..rounds() {
        wait_for_more(&nodes, ACKS);
        acks.extend(nodes.remove(0).killed());
        let mut node = world.nodes(1, &test);
        begin(&mut node, |_| people.load(world, NODES + round));
        nodes.append(&mut node);
    }
    wait_for_more(&nodes, ACKS);
    acks.extend(nodes.into_iter().flat_map(Node::ended));
    (acks, rounds())
}

/// The users of a load.
pub(crate) struct People {
    renewed: Vec<String>,
    kept: Vec<(String, String)>,
    leaving: Vec<String>,
}

impl People {
    pub(crate) fn new(world: &World) -> Self {
        world.provider.lifetime(0);
        let names = |kind: &str, count: usize| -> Vec<String> {
            (0..count).map(|nth| format!("{kind}-{nth}")).collect()
        };
        let kept = names("kept", KEPT);
        Self {
            renewed: world.expired(names("renewed", RENEWED)),
            kept: world.expired(kept.clone()).into_iter().zip(kept).collect(),
            leaving: world.expired(names("leaving", LEAVING)),
        }
    }

    pub(crate) fn load(&self, world: &World, nth: usize) -> Order {
        let mine = self.leaving.iter().skip(nth % NODES).step_by(NODES);
        Order::Load(Load {
            provider: world.settings.provider.clone(),
            node: nth,
            renewed: self.renewed.clone(),
            kept: self.kept.clone(),
            most: MOST,
            leaving: mine.cloned().collect(),
            all_leaving: self.leaving.clone(),
        })
    }
}

/// Waits until so many more calls have ended.
pub(crate) fn wait_for_more(nodes: &[Node], more: usize) {
    let ended = || -> usize { nodes.iter().map(Node::acks).sum() };
    let (enough, end) = (ended() + more, Instant::now() + PATIENCE);
    while ended() < enough {
        assert!(Instant::now() < end, "{more} calls do not end within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Compares what was acknowledged with what is there. For `allowed` users a node that was killed
/// may have had the only refresh token.
pub(crate) fn check(what: &str, world: &World, acks: &[Ack], allowed: usize) {
    world.provider.lifetime(3600);
    let reuses = world.provider.counts().reuses;
    let (mut kept, mut left, mut renewed) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for ack in acks {
        match ack {
            Ack::Kept { user, scope, got: Got::Token { secret, is_stored: true } } => {
                kept.push((user, scope, secret));
            }
            Ack::Left { user, got: Got::SignedOut } => left.push(user),
            Ack::Renewed { user, got: Got::Token { is_stored: true, .. } } => {
                *renewed.entry(user).or_insert(0) += 1;
            }
            other => {
                let text = match other.got() {
                    Got::Token { .. } => "a token that is not stored",
                    Got::SignedOut => "signed out",
                    Got::SignInNeeded(text) | Got::Error(text) => text,
                };
                *others.entry(text).or_default() += 1;
            }
        }
    }
    let renewals: usize = renewed.values().sum();
    let mut lost = 0;
    world.with_cache(async |cache| {
        let provider = &world.settings.provider;
        for (user, scope, secret) in &kept {
            let tokens = cache.user(&user.parse().expect("a user"));
            let request = node::request(provider, scope);
            let found = at_last(async || tokens.find(&request).await).await;
            let found = found.expect("the store answers");
            assert_eq!(
                found.as_ref().map(|token| token.secret()),
                Some(secret.as_str()),
                "{scope}"
            );
        }
        for user in &left {
            let tokens = cache.user(&user.parse().expect("a user"));
            let got = at_last(async || tokens.token(["read"]).await).await;
            assert!(matches!(got, Err(Error::SignInNeeded { .. })), "somebody is back: {got:?}");
        }
        for user in renewed.keys() {
            let tokens = cache.user(&user.parse().expect("a user"));
            match at_last(async || tokens.token(["read"]).await).await {
                Ok(token) => assert!(token.is_stored()),
                Err(Error::SignInNeeded { .. }) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
    });
    say(&format!(
        "{what}: {} tokens, {renewals} renewals of {} users and {} sign-outs were acknowledged, \
         none is missing; {lost} users have to sign in again, {reuses} refresh tokens were spent \
         twice; other answers: {others:?}",
        kept.len(),
        renewed.len(),
        left.len()
    ));
    assert!(!kept.is_empty() && !left.is_empty() && renewals > 0);
    assert!(lost <= allowed, "{lost} refresh tokens are missing");
}

/// The answer after those that say nothing of the user: the lease of a node that was killed lasts
/// for a while.
async fn at_last<T>(ask: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() && Instant::now() < end => {
                tokio::time::sleep(error.retry_after().unwrap_or_default()).await;
            }
            answer => return answer,
        }
    }
}

/// No value opens in the place of another.
fn swap_all(world: &World) {
    let (Engine::Redis(server), EngineAt::Redis(url)) = (&*world.engine, &world.settings.engine)
    else {
        panic!("it is Redis");
    };
    let users = world.expired((0..SWAPPED).map(|nth| format!("swapped-{nth}")));
    let keys = server.cli(&["KEYS", "tk1:*:v"]);
    let keys: Vec<_> = keys.lines().collect();
    let values = world.with_cache(async |_| {
        let store = RedisStore::connect(url).await.expect("it answers");
        let mut values = Vec::new();
        let mut from = None;
        loop {
            let page = store.page("shop", from).await.expect("it answers");
            for key in &page.keys {
                if let Loaded::Value(value) = store.load(key, None).await.expect("it answers") {
                    values.push(value);
                }
            }
            from = match page.next {
                Some(next) => Some(next),
                None => return values,
            };
        }
    });
    assert!(values.len() >= SWAPPED && keys.len() >= SWAPPED);
    let request = node::request(&world.settings.provider, "read");
    let (mut opened, mut refused) = (0, 0);
    for value in &values {
        // At most one of the users has the value that is in all places now.
        for key in &keys {
            put(server, key, value);
        }
        world.with_cache(async |cache| {
            for user in &users {
                match cache.user(&user.parse().expect("a user")).find(&request).await {
                    Err(Error::OtherPartition) => refused += 1,
                    Ok(_) => opened += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    say(&format!(
        "{} values in the places of {} users: {opened} opened, each in its own, {refused} did not",
        values.len(),
        users.len()
    ));
    assert_eq!(opened, users.len());
}

fn put(server: &redis::Server, key: &str, value: &[u8]) {
    assert_eq!(server.cli(&[b"SET", key.as_bytes(), value]), "OK");
}

/// How often the fault comes.
pub(crate) fn rounds() -> usize {
    count("TOKENKEEP_NODE_FAULTS", 2)
}

pub(crate) const NODES: usize = 4;
const RENEWED: usize = 6;
const KEPT: usize = 4;
const MOST: usize = 20;
const LEAVING: usize = 12;
const SWAPPED: usize = 12;
/// Calls that end between two faults.
pub(crate) const ACKS: usize = 60;
/// So many renewals are under way at a node.
const RENEWALS: usize = 4;
