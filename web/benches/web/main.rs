//! What the web cache costs, beside floors and peers in the same run. Prints ratios.
//!
//! Arguments name the parts to run; without them all are run.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

mod caches;
mod drive;
mod engine;
mod frozen;
mod hot;
mod l1;
mod l2;
mod many;
mod measure;
mod memory;
mod mixed;
mod peers;
mod pgbench;
mod postgres;
mod redis;
mod round_trips;
mod row;
mod sent;
mod tokens;
mod user;
mod values;

use std::{
    env, thread,
    time::{Duration, Instant},
};

fn main() {
    if hot::work_if_child() || memory::work_if_child() {
        return;
    }
    let asked: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(unknown) = asked.iter().find(|word| PARTS.iter().all(|(name, _)| name != word)) {
        let names = PARTS.map(|(name, _)| name).join(", ");
        panic!("no part {unknown}; there are: {names}");
    }
    for (name, run) in PARTS {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            run();
        }
    }
}

const PARTS: [(&str, fn()); 9] = [
    ("tokens", tokens::run),
    ("redis", redis::run),
    ("round_trips", round_trips::run),
    ("hot", hot::run),
    ("mixed", mixed::run),
    ("postgres", postgres::run),
    ("frozen", frozen::run),
    ("memory", memory::run),
    ("many", many::run),
];

/// A number of the environment.
fn count(variable: &str, default: u64) -> u64 {
    let set = env::var(variable).ok();
    set.map_or(default, |set| set.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Asks until the answer is as it has to be.
fn until<T>(ask: impl Fn() -> T, fits: impl Fn(&T) -> bool) -> T {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if fits(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not come");
        thread::yield_now();
    }
}
