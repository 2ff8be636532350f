//! Measures a piece of work beside its floor, turn by turn in one run.
#![allow(dead_code, clippy::print_stdout, reason = "each bench uses its part, and prints its rows")]

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

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

/// A row without an aim.
pub(crate) fn figure(what: &str, ours: Duration, floor_name: &str, floor: Duration) {
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{what}: {ours:.2?}; {floor_name}: {floor:.2?}; ratio {ratio:.2}");
}

/// The bare calls of a durable replacement.
pub(crate) fn replace(folder: &Path, bytes: &[u8]) {
    let (new, name) = (folder.join("file.tmp"), folder.join("file"));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new).expect("a file");
    file.write_all(bytes).expect("written");
    file.sync_all().expect("synchronised");
    fs::rename(&new, &name).expect("renamed");
    File::open(folder).and_then(|folder| folder.sync_all()).expect("synchronised");
}
