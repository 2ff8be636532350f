//! Many workers at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

/// A runtime as web apps have it, with a thread for each processor.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// A runtime whose whole work is done in the thread that blocks on it.
pub(crate) fn runtime_in_this_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// How many calls a second `workers` tasks make together, each one after the other, for `time`.
/// Every call has a random number.
pub(crate) async fn rate<F, W>(workers: u64, time: Duration, call: F) -> f64
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let (call, begun) = (Arc::new(call), Instant::now());
    let tasks = (1..=workers).map(|worker| {
        let call = Arc::clone(&call);
        tokio::spawn(async move {
            let (mut random, mut calls) = (Random(worker), 0_u64);
            while begun.elapsed() < time {
                call(random.next()).await;
                calls += 1;
            }
            calls
        })
    });
    let mut calls = 0;
    for task in tasks.collect::<Vec<_>>() {
        calls += task.await.expect("every call succeeds");
    }
    calls as f64 / begun.elapsed().as_secs_f64()
}

/// Makes `calls` calls by so many workers at once.
pub(crate) async fn calls<F, W>(workers: u64, calls: u64, call: F)
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let call = Arc::new(call);
    let tasks = (1..=workers).map(|worker| {
        let call = Arc::clone(&call);
        tokio::spawn(async move {
            let mut random = Random(worker);
            for _ in 0..calls / workers {
                call(random.next()).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("every call succeeds");
    }
}

/// Numbers that are random enough for places.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        let factor = 6_364_136_223_846_793_005;
        self.0 = self.0.wrapping_mul(factor).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Any of `all`, which are less than 2^31.
    pub(crate) fn any<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.next()).expect("31 bits") % all.len()]
    }
}
