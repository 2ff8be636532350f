//! The Secret Service: what the package keeps there, and what it says when it is locked.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{env, fs};

use support::{script, succeeds, system_python};
use tokenkeep_test_support::keyring::{State, inside};

fn run(state: &str) {
    let place = tempfile::tempdir().unwrap();
    let mut command = script(&system_python(), "vault.py", place.path());
    // The key ring's own folders, but a home for the caches of this program.
    command.env("HOME", env::var_os("HOME").unwrap());
    assert_eq!(succeeds(command.arg(state)).trim(), "done");
    if state == "locked" {
        // The signal file may be there, and it is empty.
        for entry in fs::read_dir(place.path().join("sub")).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(fs::read(&path).unwrap(), b"", "{}", path.display());
        }
    }
}

#[test]
fn stores_and_keys_are_kept_in_the_vault() {
    inside("stores_and_keys_are_kept_in_the_vault", State::Unlocked, |_| run("unlocked"));
}

#[test]
fn a_locked_vault_is_an_error_and_nothing_is_kept_elsewhere() {
    inside("a_locked_vault_is_an_error_and_nothing_is_kept_elsewhere", State::Locked, |_| {
        run("locked")
    });
}
