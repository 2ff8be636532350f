//! Within one process a cache never goes back: not to an older save, and not to a store that has
//! ended.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]

mod support;

use std::{
    cell::RefCell,
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use support::{OpenCache, Place, STORE, event, request, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{Error, KeySource, PersistedTokenCache, silent::TokenReply};
use tokenkeep_test_support::{again, task};

/// Puts `bytes` in the place of the cache by a rename, as a restore does.
fn restore(place: &Place, bytes: &[u8]) {
    let aside = place.path().join("restored");
    std::io::Write::write_all(&mut tokenkeep_test_support::create_private(&aside), bytes).unwrap();
    fs::rename(aside, place.file()).unwrap();
}

fn sealed(place: &Place) -> Vec<u8> {
    fs::read(place.file()).unwrap()
}

fn is_rolled_back<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    match result {
        Err(Error::RolledBack { .. }) => true,
        other => {
            println!("{other:?}");
            false
        }
    }
}

/// What other programs do with the cache in the folder that they are given.
fn other(work: &str, folder: &str) {
    let place = Path::new(folder);
    let cache = SealedPersistence::builder(STORE)
        .folder(place.join("cache"))
        .key_source(KeySource::KeyFile(place.join("key/tests.key")))
        .cache()
        .unwrap();
    match work {
        "add" => cache.add(&event("client", "theirs")).unwrap(),
        "clear" => cache.clear().unwrap(),
        "quarantine" => drop(cache.quarantine().unwrap()),
        "reset" => cache.reset().unwrap(),
        _ => panic!("{work}"),
    }
}

fn have_another_program(work: &str, place: &Place) {
    let task = format!("{work} {}", place.path().display());
    let mut program: Command =
        again(another_programs_clear_reset_and_sign_in_are_no_rollback, task);
    assert!(program.status().unwrap().success());
}

#[test]
fn another_programs_clear_reset_and_sign_in_are_no_rollback() {
    if let Some(task) = task() {
        let (work, folder) = task.to_str().unwrap().split_once(' ').unwrap();
        return other(work, folder);
    }
    let place = Place::new();
    let cache = place.open();
    for work in ["clear", "reset", "quarantine"] {
        cache.add(&event("client", "ours")).unwrap();
        assert_eq!(token(&cache, "client").as_deref(), Some("ours"));
        have_another_program(work, &place);
        have_another_program("add", &place);
        assert_eq!(token(&cache, "client").as_deref(), Some("theirs"), "after {work}");
        cache.add(&event("another", "too")).unwrap();
        have_another_program(work, &place);
        assert_eq!(token(&cache, "client"), None, "after {work}");
    }
}

#[test]
fn a_store_that_was_replaced_does_not_come_back() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "first store")).unwrap();
    let first = sealed(&place);
    fs::remove_file(place.file()).unwrap();
    cache.add(&event("client", "second store")).unwrap();
    let signed_in = sealed(&place);
    let account = cache.accounts().unwrap().remove(0);
    cache.sign_out_everywhere(&account).unwrap();
    let newest = sealed(&place);

    restore(&place, &first);
    assert!(is_rolled_back(cache.find_access_token(&request("client"))), "the first store");
    assert!(is_rolled_back(cache.add(&event("client", "no"))));
    restore(&place, &signed_in);
    assert!(is_rolled_back(cache.find_access_token(&request("client"))), "before the sign-out");
    assert_eq!(sealed(&place), signed_in, "it was left as it is");
    restore(&place, &newest);
    assert_eq!(token(&cache, "client"), None, "the newest is still the newest");
    cache.add(&event("client", "again")).unwrap();

    restore(&place, &first);
    cache.reset().unwrap();
    cache.add(&event("client", "third store")).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("third store"), "`reset` starts over");
}

#[test]
fn a_store_that_was_seen_to_be_gone_does_not_come_back() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "old")).unwrap();
    let (old, key) = (sealed(&place), fs::read(place.key_file()).unwrap());
    fs::remove_file(place.file()).unwrap();
    assert_eq!(token(&cache, "client"), None);
    restore(&place, &old);
    assert!(is_rolled_back(cache.find_access_token(&request("client"))), "after it was absent");

    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "old")).unwrap();
    let old = sealed(&place);
    let its_key = fs::read(place.key_file()).unwrap();
    cache.clear().unwrap();
    restore(&place, &old);
    std::io::Write::write_all(
        &mut tokenkeep_test_support::create_private(&place.key_file()),
        &its_key,
    )
    .unwrap();
    assert!(is_rolled_back(cache.find_access_token(&request("client"))), "after `clear`");
    drop(key);
}

#[test]
fn what_one_value_has_seen_another_over_the_same_folder_knows() {
    let place = Place::new();
    place.open().add(&event("client", "old")).unwrap();
    let old = sealed(&place);
    place.open().add(&event("client", "new")).unwrap();
    restore(&place, &old);
    assert!(is_rolled_back(place.open().find_access_token(&request("client"))), "a new value");
    #[cfg(unix)]
    {
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        let linked = place.builder().folder(link.join("cache")).cache().unwrap();
        assert!(is_rolled_back(linked.find_access_token(&request("client"))), "by another path");
    }
    let elsewhere = Place::new();
    elsewhere.open().add(&event("client", "elsewhere")).unwrap();
    assert_eq!(token(&elsewhere.open(), "client").as_deref(), Some("elsewhere"));
}

#[test]
fn what_was_set_aside_here_may_be_put_back_until_something_else_is_kept() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "old")).unwrap();
    let older = sealed(&place);
    cache.add(&event("client", "kept")).unwrap();
    let aside = cache.quarantine().unwrap().unwrap();
    assert_eq!(token(&cache, "client"), None);
    fs::rename(&aside, place.file()).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"), "it was put back");

    let aside = cache.quarantine().unwrap().unwrap();
    restore(&place, &older);
    assert!(is_rolled_back(cache.find_access_token(&request("client"))), "an older one");
    fs::rename(&aside, place.file()).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));

    let aside = cache.quarantine().unwrap().unwrap();
    cache.add(&event("client", "another store")).unwrap();
    fs::rename(&aside, place.file()).unwrap();
    assert!(is_rolled_back(cache.find_access_token(&request("client"))), "something else was kept");
}

/// A refresh token of an old copy was spent since. Another use of it ends the sign-in at a provider
/// that replaces refresh tokens.
#[test]
fn no_refresh_token_of_a_cache_that_was_rolled_back_is_spent() {
    let answer = |number: u32| {
        format!(
            r#"{{"access_token": "a{number}", "refresh_token": "r{number}", "expires_in": 60}}"#
        )
    };
    let place = Place::new();
    // Each request finds an expired token.
    let opened = || place.open().clock(|| NOW.fetch_add(3600, Ordering::SeqCst));
    opened().add_response(&request("client"), answer(0)).unwrap();
    let old = sealed(&place);
    let spent = RefCell::new(Vec::new());
    let renew = |cache: &PersistedTokenCache| {
        cache.acquire_token_silent(&request("client"), |spend| {
            spent.borrow_mut().push(spend.refresh_token().unwrap().to_owned());
            Ok(TokenReply::new(200, answer(1)))
        })
    };
    let cache = opened();
    assert_eq!(renew(&cache).unwrap().unwrap().secret(), "a1");
    restore(&place, &old);
    for cache in [&cache, &opened()] {
        assert!(is_rolled_back(renew(cache)));
    }
    assert_eq!(spent.take(), ["r0"]);
}

static NOW: AtomicU64 = AtomicU64::new(1_000_000_000);
