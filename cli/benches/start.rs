//! From the start of the program to the token on its output, with a key file: beside a bare
//! program that reads a file of the same size and prints as much.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "../../benches/support/mod.rs"]
mod measure;
#[path = "support/mod.rs"]
mod support;

use std::{env, time::Duration};

use support::{BARE_FILE, Kept};

fn main() {
    if env::var_os(BARE_FILE).is_some() {
        return support::print_token(&support::read_file());
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let kept = Kept::new(place.path(), |command| {
        let key = place.path().join("key").join("bench.key");
        command.arg("--key").arg(format!("file:{}", key.display()));
    });
    let (ours, floor) =
        measure::alternate(300, |_| kept.run(&mut kept.token()), |_| kept.run(&mut kept.bare()));
    measure::row(
        "start to token printed, key file",
        ours,
        "a process that reads a file",
        floor,
        1.5,
        1.5,
    );
    let limit = Duration::from_millis(5);
    let verdict = if ours < limit { "aim met" } else { "MISSED" };
    println!("start to token printed, key file: {ours:.2?} (aim under {limit:?}): {verdict}");
}
