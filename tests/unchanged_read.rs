//! A read of a cache that did not change is one look at the file, counted by strace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{env, fs, process::Command};

use support::{Place, event, token};
use tokenkeep::{KeySource, PersistedTokenCache};
use tokenkeep_lab::{Tool, need, say, strace};

const PLACE: &str = "TOKENKEEP_TEST_PLACE";
const READS: usize = 100;

#[test]
fn an_unchanged_read_is_one_system_call() {
    if !need(Tool::Strace) {
        return;
    }
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["read", "--exact", "--test-threads=1"]).env(PLACE, place.path());
    let traced = strace::record(&command, b"").unwrap();
    assert!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stdout));

    let marker = place.path().join("marker");
    let is_marker = |call: &strace::Call| call.paths().contains(&marker);
    let calls = traced.calls.iter().skip_while(|call| !is_marker(call)).skip(1);
    let calls: Vec<&strace::Call> = calls.take_while(|call| !is_marker(call)).collect();
    let looks = calls.iter().filter(|call| call.paths().contains(&place.file())).count();
    say(&format!("{READS} unchanged reads: {} system calls, {looks} of the file", calls.len()));
    assert_eq!((calls.len(), looks), (READS, READS));
}

/// The reader, in a process of its own; in a plain run it does nothing.
#[test]
fn read() {
    let Ok(place) = env::var(PLACE) else { return };
    let cache = PersistedTokenCache::builder(support::STORE)
        .folder(format!("{place}/cache"))
        .key_source(KeySource::KeyFile(format!("{place}/key/tests.key").into()))
        .open()
        .unwrap();
    let look = || fs::symlink_metadata(format!("{place}/marker")).is_ok();
    assert!(token(&cache, "client").is_some());
    look();
    let found = (0..READS).filter(|_| token(&cache, "client").is_some()).count();
    look();
    assert_eq!(found, READS);
}
