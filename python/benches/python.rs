//! The Python package beside msal-extensions: what a process costs until it has its token, and what
//! a sign-in costs.
#![allow(clippy::print_stdout, reason = "it prints its rows")]
#![allow(clippy::unwrap_used, reason = "a benchmark may")]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use tokenkeep_test_support::{Tool, native_library, need, python, python_package, workspace_root};

/// Processes of each kind.
const PAIRS: usize = 50;
/// Rounds of sign-ins of each kind, in turns; the best counts.
const ROUNDS: usize = 7;
const SIGN_INS: usize = 60;

fn main() {
    let Some(python) = need(Tool::Python).then(python).flatten() else { return };
    let program = env::current_exe().unwrap();
    let library = native_library(program.parent().unwrap());
    let package = python_package("bench", &library).unwrap();
    start(&python, &package);
    sign_ins(&python, &package);
}

fn command(python: &Path, package: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(workspace_root().join("python/benches/programs").join(name));
    command.env("PYTHONPATH", package);
    command
}

fn start(python: &Path, package: &Path) {
    let place = folder();
    let mut start = command(python, package, "start.py");
    let status = start.arg(place.path()).arg(PAIRS.to_string()).status().unwrap();
    assert!(status.success(), "{status}");
}

fn sign_ins(python: &Path, package: &Path) {
    let place = folder();
    let mut best = [(f64::MAX, f64::MAX); 2];
    let mut size = 0.0;
    for _ in 0..ROUNDS {
        for (kind, best) in ["tokenkeep", "msal-extensions"].iter().zip(&mut best) {
            let mut sign_in = command(python, package, "sign_in.py");
            let output = sign_in.arg(kind).arg(place.path()).arg(SIGN_INS.to_string()).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8_lossy(&output.stdout);
            let numbers: Vec<f64> =
                text.split_whitespace().map(|number| number.parse().unwrap()).collect();
            *best = (best.0.min(numbers[0]), best.1.min(numbers[1]));
            size = numbers[2];
        }
    }
    let [ours, theirs] = best;
    println!(
        "a sign-in into a cache of {:.0} kB: {:.0} µs of CPU ({:.0} µs in all, durable), \
         msal-extensions {:.0} µs ({:.0} µs in all), ratio {:.2}, bar 0.6",
        size / 1000.0,
        ours.0,
        ours.1,
        theirs.0,
        theirs.1,
        ours.0 / theirs.0
    );
}

/// On a disk, because a save waits for it.
fn folder() -> tempfile::TempDir {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(place).unwrap()
}
