//! What callers see while the server stands still.

use std::time::{Duration, Instant};

use tokenkeep_web::{KeyRing, Staleness};

use crate::{
    caches,
    drive::runtime,
    engine::Engine,
    measure::median,
    row::{self, Aim, Shown},
    user,
};

pub(crate) fn run() {
    for engine in Engine::all() {
        row::title(&format!("{}, stopped with SIGSTOP", engine.name()));
        runtime().block_on(of(&engine));
    }
}

async fn of(engine: &Engine) {
    let store = engine.store().await;
    let keys = KeyRing::generate().expect("random bytes");
    let signed_in = caches::builder(store.clone(), &keys).build().expect("a cache");
    let ids = caches::sign_in(&signed_in, 2).await;
    let cache = caches::builder(store, &keys).staleness(Staleness::Always).build();
    let cache = cache.expect("a cache");
    let (known, unknown) = (cache.user(&ids[0]), cache.user(&ids[1]));
    let request = user::request();
    known.get(&request).await.expect("the store answers");
    engine.freeze();
    let (mut slow, mut fast) = (Vec::new(), Vec::new());
    while fast.len() < FAST {
        let begun = Instant::now();
        known.get(&request).await.expect("the token that this node knows");
        let took = begun.elapsed();
        if took < Duration::from_millis(100) { fast.push(took) } else { slow.push(took) }
    }
    let begun = Instant::now();
    unknown.get(&request).await.expect_err("this node has nothing of this user");
    let refused = begun.elapsed();
    engine.thaw();
    let begun = Instant::now();
    while unknown.find(&request).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let back = begun.elapsed();
    let calls = slow.len();
    let slowest = slow.into_iter().max().expect("the first call waits");
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    row::note(format_args!("{calls} calls waited before the breaker opened"));
    row::figure("the slowest of them", milliseconds(slowest), " ms", Aim::AtMost(600.0));
    row::figure("a call after them", milliseconds(median(fast)), " ms", Aim::AtMost(1.0));
    row::note(format_args!("a user whom this node does not know: {}", Shown(refused)));
    row::figure("back after", milliseconds(back), " ms", Aim::AtMost(1000.0));
}

const FAST: usize = 100;
