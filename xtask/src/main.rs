//! `cargo xtask`: the tests, the checks and the benchmarks of the workspace, each with what it
//! needs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod adapters;
mod bench;
mod check;
mod dist;
mod everything;
mod evidence;
mod floors;
mod msrv;
mod packages;
mod stage;
mod test;
mod threats;
mod tools;
mod wine;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_deref() {
        Some("test") => test::run(&rest),
        Some("check") => check::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("dist") => dist::run(&rest),
        Some("adapters") if rest.is_empty() => adapters::test(),
        Some("evidence") if rest.is_empty() => evidence::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [CARGO TEST ARGUMENTS]   every test of the workspace. As root, or with CI set, installs what
                                they need; else prints the line that does and skips what cannot run
  check [STAGE…]                fmt, floors, threats (the tests that docs/THREATS.md names exist),
                                packages, msrv, clippy, docs, adapters (the examples of other
                                crates), macos (a type-check), zbus-tokio (tests of a vault beside
                                another crate's choice of runtime), wine (the tests, built for
                                Windows); all without STAGE
  bench [BENCH…]                the benchmarks' rows, each a ratio against its floor; all without
                                BENCH
  dist develop [--release]      the Python package, put together in target/python/debug or release
  dist wheel, dist sdist        the Python package as it is published, in target/wheels
  adapters                      the tests of docs/ADAPTERS.md, with the crates that it is about
  evidence                      writes what the tests with real programs of MSAL find into
                                docs/INTEROP.md, and runs what takes minutes at its full size";
