//! The native interface in processes of Python: what it keeps, forks, threads, tasks, descriptors.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use support::{count, other_pythons, script, succeeds, system_python};

fn run(name: &str, rounds: usize) {
    let place = tempfile::tempdir().unwrap();
    let mut command = script(&system_python(), name, place.path());
    assert_eq!(succeeds(command.arg(rounds.to_string())).trim(), "done");
}

#[test]
fn every_call_does_what_it_says_in_each_python() {
    for python in [system_python()].into_iter().chain(other_pythons()) {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(succeeds(&mut script(&python, "native.py", place.path())).trim(), "done");
    }
}

#[test]
fn threads_and_tasks_lose_nothing_and_wait_for_nobody_in_vain() {
    run("threads.py", count("TOKENKEEP_PYTHON_ROUNDS", 5));
}

#[cfg(unix)]
#[test]
fn a_forked_child_holds_nothing_of_its_parent() {
    run("forks.py", 1);
}

#[cfg(target_os = "linux")]
#[test]
fn opening_leaves_no_descriptor_behind() {
    run("descriptors.py", count("TOKENKEEP_PYTHON_OPENS", 500));
}
