//! Measures a piece of work beside its floor, turn by turn in one run.
#![allow(dead_code, clippy::print_stdout, reason = "each bench uses its part, and prints its rows")]

use std::time::{Duration, Instant};

/// The medians of `ours` and `floor`, run alternately so that a noisy machine is noisy for both.
pub(crate) fn alternate(
    rounds: usize,
    mut ours: impl FnMut(usize),
    mut floor: impl FnMut(usize),
) -> (Duration, Duration) {
    let mut times = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        times.1.push(time(|| floor(round)));
        times.0.push(time(|| ours(round)));
    }
    (median(times.0), median(times.1))
}

pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// One row: what, ours, its floor, and the ratio with its aim and the bound that has to hold.
pub(crate) fn row(
    what: &str,
    ours: Duration,
    floor_name: &str,
    floor: Duration,
    aim: f64,
    bound: f64,
) {
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    let verdict = if ratio <= aim {
        "aim met"
    } else if ratio <= bound {
        "bound met"
    } else {
        "MISSED"
    };
    println!(
        "{what}: {ours:.2?}; {floor_name}: {floor:.2?}; ratio {ratio:.2} (aim {aim}, bound {bound}): {verdict}"
    );
}
