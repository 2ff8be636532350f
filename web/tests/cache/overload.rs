//! More calls at once than the store can answer in time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokenkeep_web::{
    Error, MemoryStore, UserId, WebTokenCache,
    store::{Store, StoreError},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    around::{Around, AroundStore},
    faulty::{Fault, FaultyStore, Op},
    world::{World, count, expire, pass, request},
};

/// A store in memory that answers one call after the other. A caller waits for 500 ms at most, and
/// half of the steps that are answered too late are done.
type BusyStore = AroundStore<Busy>;

#[derive(Clone)]
struct Busy {
    free_from: Arc<Mutex<Instant>>,
    late: Arc<AtomicUsize>,
}

/// What each call costs the store.
const COST: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(500);

fn busy_store() -> BusyStore {
    let free_from = Arc::new(Mutex::new(Instant::now()));
    AroundStore { store: MemoryStore::new(), around: Busy { free_from, late: Arc::default() } }
}

impl Around for Busy {
    async fn step<T: Send>(
        &self,
        _op: Op,
        step: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let now = Instant::now();
        let ends = {
            let mut free_from = self.free_from.lock().unwrap_or_else(PoisonError::into_inner);
            *free_from = now.max(*free_from) + COST;
            *free_from
        };
        if ends <= now + PATIENCE {
            sleep_until(ends).await;
            return step.await;
        }
        sleep(PATIENCE).await;
        if self.late.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            step.await?;
        }
        Err(StoreError::Timeout { after: PATIENCE, source: None })
    }
}

/// So many users, signed in at the node.
async fn users<S: Store + Clone>(
    world: &World<S>,
    node: &WebTokenCache,
    all: usize,
) -> Vec<UserId> {
    let mut users = Vec::new();
    for nth in 0..all {
        users.push(world.sign_in(node, &format!("user-{nth}")).await);
    }
    users
}

/// Asks as long as an error says that it may help.
async fn insist(node: WebTokenCache, user: UserId) -> Result<String, Error> {
    loop {
        match node.user(&user).token(["read"]).await {
            Ok(token) => return Ok(token.secret().to_owned()),
            Err(error) if error.is_retryable() => {
                sleep(error.retry_after().unwrap_or_default()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_all_nodes_need_at_once_costs_no_sign_in() {
    let world = World::at(busy_store());
    let all = count("TOKENKEEP_WEB_EXPIRED", 200);
    let users = users(&world, &world.node(), all).await;
    expire().await;
    let nodes = world.nodes(8);
    let mut calls = JoinSet::new();
    let started = Instant::now();
    for node in &nodes {
        for user in &users {
            let (node, user) = (node.clone(), user.clone());
            calls.spawn(async move { (user.to_string(), insist(node, user).await) });
        }
    }
    // One of them is signed out meanwhile.
    pass(100).await;
    let leaving = world.sign_in(&nodes[0], "leaving").await;
    let asked = Instant::now();
    nodes[1].user(&leaving).sign_out().await.expect("it comes through");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut tokens = Vec::new();
    while let Some(called) = calls.join_next().await {
        let (user, token) = called.expect("it does not panic");
        tokens.push((user, token.expect("nobody is signed out")));
    }
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), users.len(), "one token each");
    assert_eq!(world.provider.count(), users.len(), "one request each");
    assert!((0..all).all(|nth| !world.provider.has_ended(&format!("user-{nth}"))));
    for node in &nodes {
        node.close(Duration::from_secs(10)).await.expect("all is saved");
    }
    let fresh = world.node();
    for (user, token) in &tokens {
        let user: UserId = user.parse().expect("a user");
        let found = fresh.user(&user).find(&request(["read"])).await.expect("the store answers");
        assert_eq!(found.expect("it has a token").secret(), token);
    }
    println!("{all} users at 8 nodes: all have their token after {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn leases_of_unsaved_tokens_are_kept_while_writes_hang() {
    let world = World::at(FaultyStore::new());
    let nodes = world.nodes(2);
    let users = users(&world, &nodes[0], 500).await;
    expire().await;
    world.store.fail([Op::Put], Fault::Frozen);
    let mut calls = JoinSet::new();
    for user in users.clone() {
        calls.spawn(insist(nodes[0].clone(), user));
    }
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    assert_eq!(nodes[0].stats().unsaved, users.len());
    let asked = world.provider.count();
    for _ in 0..3 {
        pass(12_000).await;
        let mut calls = JoinSet::new();
        for user in users.clone() {
            let node = nodes[1].clone();
            calls.spawn(async move { node.user(&user).token(["read"]).await.map(drop) });
        }
        assert!(calls.join_all().await.iter().all(Result::is_err), "the lease is not theirs");
    }
    assert_eq!(world.provider.count(), asked, "no other node spends what was spent");
    world.store.heal();
    nodes[0].close(Duration::from_secs(30)).await.expect("all is saved");
    for user in &users {
        nodes[1].user(user).token(["read"]).await.expect("the store has it");
    }
    assert_eq!(world.provider.count(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_leaves_the_lease_of_what_is_not_saved() {
    // Its reply is lost, or it renews the lease for the time of one exchange and fails then.
    for lost in [true, false] {
        let world = World::at(FaultyStore::new());
        let nodes = world.nodes(2);
        let user = world.sign_in(&nodes[0], "ada").await;
        expire().await;
        world.store.fail([Op::Put], Fault::Full);
        assert!(!nodes[0].user(&user).token(["read"]).await.expect("a token").is_stored());
        // The task that saves has renewed the lease, and does not look for some seconds.
        pass(13_500).await;
        if lost {
            world.store.fail_next(Op::Lease, [Fault::Lost]);
        } else {
            let busy = crate::provider::Act::Reply(429, "{}", Some("1"));
            world.provider.then([busy]);
        }
        nodes[0].user(&user).token(["mail"]).await.expect_err("it fails");
        let asked = world.provider.count();
        for _ in 0..40 {
            nodes[1].user(&user).get_within(&request(["files"]), PATIENCE).await.unwrap_err();
        }
        assert_eq!(world.provider.count(), asked, "lost: {lost}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_renewal_begins_while_a_thousand_are_not_saved() {
    let world = World::at(FaultyStore::new());
    let node = world.node();
    let users = users(&world, &node, 1_100).await;
    expire().await;
    world.store.fail([Op::Put], Fault::Full);
    let (mut unsaved, mut refused) = (0, 0);
    for user in &users {
        match node.user(user).token(["read"]).await {
            Ok(token) => unsaved += usize::from(!token.is_stored()),
            Err(error) => refused += usize::from(error.is_retryable()),
        }
    }
    assert_eq!((unsaved, refused, world.provider.count()), (1_000, 100, 1_000));
    // What waits goes on.
    node.user(&users[0]).token(["mail"]).await.expect("it spends what it was given last");
    world.store.heal();
    node.close(Duration::from_secs(10)).await.expect("all is saved");
    for user in &users {
        node.user(user).token(["read"]).await.expect("a token");
    }
}
