//! Promises about system calls, seen by strace.
// Not on Windows: strace
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::fs;

use support::{OpenCache, Place, event, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{KeySource, PersistedTokenCache};
use tokenkeep_test_support::{Tool, again, need, say, strace, task};

const READS: usize = 100;

#[test]
fn an_unchanged_read_is_one_system_call() {
    if let Some(place) = task() {
        return read(&place.into_string().unwrap());
    }
    if !need(Tool::Strace) {
        return;
    }
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let traced = run(an_unchanged_read_is_one_system_call, &place);
    let marker = place.path().join("marker");
    let is_marker = |call: &strace::Call| call.paths().contains(&marker);
    let calls = traced.calls.iter().skip_while(|call| !is_marker(call)).skip(1);
    let calls: Vec<&strace::Call> = calls.take_while(|call| !is_marker(call)).collect();
    let looks = calls.iter().filter(|call| call.paths().contains(&place.file())).count();
    say(&format!("{READS} unchanged reads: {} system calls, {looks} of the file", calls.len()));
    assert_eq!((calls.len(), looks), (READS, READS));
}

/// Its writer may have been killed between the rename and the sync of the folder.
#[test]
fn a_transaction_that_changes_nothing_makes_durable_what_it_found() {
    if let Some(place) = task() {
        return change_nothing(&place.into_string().unwrap());
    }
    if !need(Tool::Strace) {
        return;
    }
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let traced = run(a_transaction_that_changes_nothing_makes_durable_what_it_found, &place);
    let synced = |call: &&strace::Call| {
        call.name == "fsync" && call.descriptor(0).is_some_and(|(_, path)| path == place.folder())
    };
    assert_eq!(traced.calls.iter().filter(synced).count(), 1, "once, and not again");
}

/// What was authenticated before is known by the header alone, so nothing else of it is read.
#[test]
fn a_transaction_on_an_unchanged_cache_reads_its_header_alone() {
    if let Some(place) = task() {
        return change_nothing(&place.into_string().unwrap());
    }
    if !need(Tool::Strace) {
        return;
    }
    let place = Place::new();
    let long = "x".repeat(10_000);
    place.open().add(&event("client", &long)).unwrap();
    let traced = run(a_transaction_on_an_unchanged_cache_reads_its_header_alone, &place);
    let of_file = |call: &&strace::Call| {
        call.name == "pread64" && call.descriptor(0).is_some_and(|(_, path)| path == place.file())
    };
    let read: Vec<_> = traced.calls.iter().filter(of_file).filter_map(|c| c.result).collect();
    let size = i64::try_from(fs::metadata(place.file()).unwrap().len()).unwrap();
    let (whole, heads): (Vec<_>, Vec<_>) = read.into_iter().partition(|bytes| *bytes >= size);
    assert_eq!(whole.len(), 1, "the whole is read once");
    assert!(heads.iter().all(|bytes| *bytes <= 148), "{heads:?}");
    say(&format!("three transactions: one reading of {size} bytes, {} of the header", heads.len()));
}

fn read(place: &str) {
    let cache = open(place);
    let look = || fs::symlink_metadata(format!("{place}/marker")).is_ok();
    assert!(token(&cache, "client").is_some());
    look();
    let found = (0..READS).filter(|_| token(&cache, "client").is_some()).count();
    look();
    assert_eq!(found, READS);
}

fn change_nothing(place: &str) {
    let cache = open(place);
    for _ in 0..3 {
        cache.transaction(|_| Ok(())).unwrap();
    }
}

fn run(test: impl Fn(), place: &Place) -> strace::Traced {
    let traced = strace::record(&again(test, place.path()), b"").unwrap();
    assert!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stdout));
    traced
}

fn open(place: &str) -> PersistedTokenCache {
    SealedPersistence::builder(support::STORE)
        .folder(format!("{place}/cache"))
        .key_source(KeySource::KeyFile(format!("{place}/key/tests.key").into()))
        .cache()
        .unwrap()
}
