//! Key rings that come from elsewhere.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokenkeep_web::{Error, KeyRing, KeySource, Pace, UserId, store::BoxFuture};
use tokio::time::Instant;

use crate::world::{World, pass, request};

/// A source that does what a test says.
#[derive(Clone)]
struct Source(Arc<Mutex<(VecDeque<Act>, KeyRing, usize)>>);

enum Act {
    Fail,
    Hang,
}

impl Source {
    fn new(ring: &KeyRing) -> Self {
        Self(Arc::new(Mutex::new((VecDeque::new(), ring.clone(), 0))))
    }

    fn then(&self, act: Act) {
        self.0.lock().unwrap().0.push_back(act);
    }

    fn set(&self, ring: &KeyRing) {
        self.0.lock().unwrap().1 = ring.clone();
    }

    fn loads(&self) -> usize {
        self.0.lock().unwrap().2
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl KeySource for Source {
    fn load(&self) -> BoxFuture<'_, Result<KeyRing, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async {
            let (act, ring) = {
                let mut state = self.0.lock().unwrap();
                state.2 += 1;
                (state.0.pop_front(), state.1.clone())
            };
            pass(10).await;
            match act {
                Some(Act::Fail) => Err("the service is down".into()),
                Some(Act::Hang) => std::future::pending().await,
                None => Ok(ring),
            }
        })
    }
}

fn id(user: &str) -> UserId {
    UserId::new("https://id.example/realm", user)
}

#[tokio::test(start_paused = true)]
async fn one_load_serves_all_and_a_hanging_one_ends_in_time() {
    let world = World::new();
    let user = world.sign_in(&world.node(), "ada").await;
    let source = Source::new(&world.ring);
    source.then(Act::Hang);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    let started = Instant::now();
    let calls = (0..50).map(|nth| {
        let tokens = node.user(&user);
        let limit = Duration::from_millis(100 * (nth + 1));
        tokio::spawn(async move { (limit, tokens.get_within(&request(["read"]), limit).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (limit, got) = call.await.unwrap();
        let error = got.unwrap_err();
        assert!(error.is_retryable(), "{limit:?}: {error:?}");
    }
    assert!(started.elapsed() <= Duration::from_millis(5_100), "{:?}", started.elapsed());
    assert_eq!(source.loads(), 1);
    pass(1_100).await;
    node.user(&user).token(["read"]).await.unwrap();
    assert_eq!(source.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_is_an_error_that_passes() {
    let world = World::new();
    let user = world.sign_in(&world.node(), "ada").await;
    let source = Source::new(&world.ring);
    source.then(Act::Fail);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    let error = node.user(&user).token(["read"]).await.unwrap_err();
    assert!(matches!(error, Error::KeysUnavailable { .. }), "{error:?}");
    assert_eq!((error.status(), error.is_sign_in_needed()), (503, false));
    node.user(&user).token(["read"]).await.unwrap_err();
    assert_eq!(source.loads(), 1, "not again at once");
    pass(1_100).await;
    node.user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_loads_the_ring_again_once_in_thirty_seconds() {
    let world = World::new();
    let source = Source::new(&world.ring);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    let user = world.sign_in(&node, "ada").await;
    let rotated = world.ring.rotated().unwrap().with_last_first();
    let other = world.builder().keys(rotated.clone()).build().unwrap();
    for nth in 0..5 {
        world.sign_in(&other, &format!("user{nth}")).await;
    }
    pass(31_000).await;
    let loads = source.loads();
    for nth in 0..5 {
        let user = id(&format!("user{nth}"));
        let error = node.user(&user).token(["read"]).await.unwrap_err();
        assert!(matches!(error, Error::KeyUnknown { .. }), "{error:?}");
    }
    assert_eq!(source.loads(), loads + 1);
    source.set(&rotated);
    pass(31_000).await;
    node.user(&id("user0")).token(["read"]).await.unwrap();
    node.user(&user).token(["read"]).await.unwrap();
}

/// The rings of a rotation, in the order in which nodes get them.
fn steps(one: &KeyRing) -> [KeyRing; 4] {
    let two = one.rotated().unwrap();
    let three = two.with_last_first();
    let four = three.without(one.key_ids().next().unwrap()).unwrap();
    [one.clone(), two, three, four]
}

/// A rotation at the source, while nodes run that are never started again.
#[tokio::test(start_paused = true)]
async fn a_rotation_at_the_source_reaches_nodes_that_run() {
    let world = World::new();
    let [one, two, three, four] = steps(&world.ring);
    let source = Source::new(&one);
    let nodes = [(); 2].map(|()| world.builder().key_source(source.clone()).build().unwrap());
    let users = ["ada", "bob", "cyd"];
    for user in users {
        world.sign_in(&nodes[0], user).await;
        nodes[1].user(&id(user)).token(["read"]).await.unwrap();
    }
    for ring in [&two, &three] {
        // What fails meanwhile is asked again.
        source.then(Act::Fail);
        source.then(Act::Hang);
        source.set(ring);
        pass(600_000).await;
        for _ in 0..4 {
            for user in &users[..2] {
                nodes[1].user(&id(user)).token(["read"]).await.unwrap();
            }
            pass(31_000).await;
        }
    }
    let done = nodes[0].rewrap_all(Pace::per_second(1_000)).await.unwrap();
    assert_eq!((done.seen, done.failed), (3, 0));
    world.sign_in(&nodes[1], "dee").await;
    source.set(&four);
    pass(600_000).await;
    let new = world.builder().keys(four).build().unwrap();
    for user in ["ada", "bob", "cyd", "dee"] {
        for node in [&new, &nodes[0], &nodes[1]] {
            node.user(&id(user)).token(["read"]).await.unwrap();
        }
        assert!(!world.provider.has_ended(user));
    }
}

#[tokio::test(start_paused = true)]
async fn all_values_are_sealed_again_with_the_keys_that_the_source_has_then() {
    let world = World::new();
    let source = Source::new(&world.ring);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    let user = world.sign_in(&node, "ada").await;
    let rotated = world.ring.rotated().unwrap().with_last_first();
    source.set(&rotated);
    let pace = Pace::per_second(1_000);
    source.then(Act::Fail);
    let error = node.rewrap_all(pace).await.unwrap_err();
    assert!(matches!(error, Error::KeysUnavailable { .. }), "{error:?}");
    let done = node.rewrap_all(pace).await.unwrap();
    assert_eq!((done.rewrapped, done.failed), (1, 0));
    let new = rotated.without(world.ring.key_ids().next().unwrap()).unwrap();
    world.builder().keys(new).build().unwrap().user(&user).token(["read"]).await.unwrap();
}

/// A load that began before tells nothing of what the source has now.
#[tokio::test(start_paused = true)]
async fn a_load_under_way_is_not_the_one_before_all_values_are_sealed_again() {
    let world = World::new();
    let source = Source::new(&world.ring);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    let user = world.sign_in(&node, "ada").await;
    pass(300_000).await;
    let loads = source.loads();
    node.user(&user).sign_out().await.unwrap();
    let user = world.sign_in(&node, "bob").await;
    assert_eq!(source.loads(), loads + 1, "it is under way");
    source.set(&world.ring.rotated().unwrap().with_last_first());
    let done = node.rewrap_all(Pace::per_second(1_000)).await.unwrap();
    assert_eq!((done.rewrapped, source.loads()), (1, loads + 2));
    node.user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_source_only_after_ten_minutes_without_an_answer() {
    let world = World::new();
    let source = Source::new(&world.ring);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    world.sign_in(&node, "ada").await;
    let mut slow = Vec::new();
    for (nth, minutes) in [4, 2, 1, 11, 1].into_iter().enumerate() {
        source.then(Act::Hang);
        pass(minutes * 60_000).await;
        let started = Instant::now();
        world.sign_in(&node, &format!("user{nth}")).await;
        slow.push(started.elapsed() > Duration::from_secs(1));
        // What hung is not waited for once more.
        source.0.lock().unwrap().0.clear();
        pass(6_000).await;
        if nth == 2 {
            pass(31_000).await;
            world.sign_in(&node, "eve").await;
            pass(1_000).await;
        }
    }
    assert_eq!(slow, [false, false, false, true, false]);
    // A failure long ago is no reason to seal with an old ring.
    source.then(Act::Fail);
    pass(300_000).await;
    world.sign_in(&node, "fay").await;
    pass(601_000).await;
    let rotated = world.ring.rotated().unwrap().with_last_first();
    source.set(&rotated);
    let user = world.sign_in(&node, "gil").await;
    let new = rotated.without(world.ring.key_ids().next().unwrap()).unwrap();
    world.builder().keys(new).build().unwrap().user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_naming_key_is_not_taken_over() {
    let world = World::new();
    let source = Source::new(&world.ring);
    let node = world.builder().key_source(source.clone()).build().unwrap();
    let user = world.sign_in(&node, "ada").await;
    let rotated = world.ring.rotated().unwrap().with_last_first();
    let bob = world.sign_in(&world.builder().keys(rotated).build().unwrap(), "bob").await;
    source.set(&KeyRing::generate().unwrap());
    pass(31_000).await;
    let error = node.user(&bob).token(["read"]).await.unwrap_err();
    assert!(matches!(error, Error::KeyUnknown { .. }), "{error:?}");
    node.user(&user).token(["read"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rolling_rotation_loses_nobody() {
    let world = World::new();
    let [one, two, three, four] = steps(&world.ring);
    let node = |ring: &KeyRing| world.builder().keys(ring.clone()).build().unwrap();
    let users = ["ada", "bob", "cyd"];
    for user in users {
        world.sign_in(&node(&one), user).await;
    }
    // Of two steps that follow each other, nodes of both are at work.
    for (older, newer) in [(&one, &two), (&two, &three)] {
        for ring in [older, newer, older] {
            crate::world::expire().await;
            for user in users {
                node(ring).user(&id(user)).token(["read"]).await.unwrap();
            }
        }
    }
    let done = node(&three).rewrap_all(Pace::per_second(1_000)).await.unwrap();
    assert_eq!((done.seen, done.failed), (3, 0));
    for user in users {
        node(&four).user(&id(user)).token(["read"]).await.unwrap();
        assert!(!world.provider.has_ended(user));
    }
}
