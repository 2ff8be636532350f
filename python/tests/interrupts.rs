//! Ctrl-C in a wait for a lock, for a vault, and for the answer to a vault's prompt.
// Not on Windows: a process cannot send itself a SIGINT there. The vault is the Secret Service.
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    io::Write as _,
    process::Stdio,
    sync::mpsc::{self, Sender},
    time::Duration,
};

use support::{count, script, succeeds, system_python};
use tokenkeep_test_support::{
    keyring::{State, inside},
    mock::{Act, Mock},
    say,
};

/// The longest that Ctrl-C may take, which is what the package promises.
const PROMISED: f64 = 0.2;

fn check(what: &str, seconds: &str) {
    let seconds: f64 = seconds.trim().parse().unwrap();
    say(&format!("Ctrl-C ended {what} after {:.0} ms", seconds * 1000.0));
    assert!(seconds <= PROMISED, "{seconds} s");
}

#[test]
fn ctrl_c_ends_a_wait_for_a_lock() {
    let place = tempfile::tempdir().unwrap();
    let rounds = count("TOKENKEEP_PYTHON_INTERRUPTS", 5).to_string();
    let mut command = script(&system_python(), "lock_wait.py", place.path());
    check("a wait for a lock", &succeeds(command.arg(rounds)));
}

/// Runs the program beside a vault that says when `step` was called and does not answer it.
fn interrupted(what: &str, which: &str, act: impl Fn(&str, &Sender<()>) -> Act + Send + 'static) {
    let (called, was_called) = mpsc::channel();
    let _mock = Mock::start(None, move |member| act(member, &called));
    let place = tempfile::tempdir().unwrap();
    let mut command = script(&system_python(), "vault_wait.py", place.path());
    command.arg(which).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    was_called.recv_timeout(Duration::from_secs(60)).unwrap();
    child.stdin.take().unwrap().write_all(b"now\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    check(what, &String::from_utf8_lossy(&output.stdout));
}

#[test]
fn ctrl_c_ends_a_call_to_a_vault() {
    inside("ctrl_c_ends_a_call_to_a_vault", State::Absent, |_| {
        interrupted("a call to a vault", "call", |member, called| match member {
            "SearchItems" => {
                called.send(()).ok();
                Act::Silence
            }
            _ => Act::Answer,
        });
    });
}

#[test]
fn ctrl_c_ends_the_wait_for_a_prompt() {
    inside("ctrl_c_ends_the_wait_for_a_prompt", State::Absent, |_| {
        interrupted("the wait for a prompt", "prompt", |member, called| match member {
            "Locked" => Act::Locked,
            "Unlock" => Act::Prompt,
            "Prompt" => {
                called.send(()).ok();
                Act::Silence
            }
            _ => Act::Answer,
        });
    });
}
