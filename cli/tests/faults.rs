//! The program is killed at every system call of a save, and every file call of it is made to fail.
//!
//! Each operation (a first add that also makes the key, an update, a sign-out, a clear) is recorded
//! under strace once. Then, for the first, second, … call of each name, it runs again from a copy
//! of the same start and is killed before that call, until no such call is left. File calls also
//! fail there: with each of six errors once, and with two from that call on.
//!
//! Calls count from the first that names the store's or the key's folder; the program's start is
//! left out. After each run a new process must find the state before or the state after, whole; an
//! operation that said it was done is there; the next write succeeds and leaves no temporary file.
//!
//! What this does not show: a kill within a system call (the kernel finishes it or never begins),
//! a call that fails after it took effect, and what a power cut takes back (see `power_cut.rs`).

// Not on Windows: strace
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and prints its figures"
)]

#[path = "faults/campaign.rs"]
mod campaign;
mod keep;
#[path = "faults/operation.rs"]
mod operation;
#[path = "faults/verdict.rs"]
mod verdict;

use tokenkeep_test_support::{Tool, need};

use self::{campaign::Tally, operation::Operation};

#[test]
fn a_kill_or_an_error_at_any_system_call_leaves_the_old_state_or_the_new() {
    if !need(Tool::Strace) {
        return;
    }
    let operations: Vec<Operation> = operation::all();
    let tally = campaign::run(&operations);
    println!("{tally}");
    for (operation, kills) in operations.iter().zip(tally.kills()) {
        let name = operation.request.name;
        assert_eq!(kills, operation.count, "{name}: as many kills as calls");
    }
    let Tally { problems, .. } = tally;
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
