//! What a test says when it is skipped, and any figure.

use std::env;
use std::io::{self, Write};
use std::panic::Location;
use std::thread;

/// Whether the run is one that nobody watches, where a missing tool is a failure: `CI` is set, and
/// not to `false`.
pub fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !["", "0", "false"].iter().any(|no| value == *no))
}

#[track_caller]
pub(crate) fn skip(what: &str, line: &str) {
    let test = caller();
    assert!(!in_ci(), "{test} needs {what}; install it with: {line}");
    say(&format!("skipped: {test} needs {what}; install it with: {line}"));
}

/// The running test, or the place in its source when it has no thread of its own.
#[track_caller]
pub(crate) fn caller() -> String {
    match thread::current().name() {
        Some(test) if test != "main" => test.to_owned(),
        _ => Location::caller().to_string(),
    }
}

/// Prints a figure, or why something was left out, for the user who runs the tests.
///
/// Straight to the stream: the test runner keeps what a passing test prints with `println!` to
/// itself.
pub fn say(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}
