//! The Secret Service vault when another service takes the name.
//!
//! The mock takes every path and every session for its own, as a careless service would: nothing
//! but the vault itself keeps apart what two services said.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![expect(clippy::print_stdout, reason = "figures are for the user who runs the tests")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokenkeep_platform::vault::{Call, Item, Vault, VaultError};
use tokenkeep_test_support::keyring::{State, inside};
use tokenkeep_test_support::mock::{Act, Mock};

/// The one item that the mock has.
fn item() -> Item {
    Item::new("tests", "key")
}

/// A second service, once it is there.
type Second = Arc<Mutex<Option<Mock>>>;

/// A service that is replaced by another while it answers `step`; that other has `secret` and a
/// locked collection, or not.
fn replaced_at(
    step: &'static str,
    first: Option<&[u8]>,
    second: Option<&'static [u8]>,
    locked: bool,
) -> (Mock, Second) {
    let there = Second::default();
    let theirs = Arc::clone(&there);
    let mock = Mock::start(first, move |member| {
        let mut there = theirs.lock().expect("nobody panics with it");
        if member == step && there.is_none() {
            *there = Some(Mock::start(second, move |member| match member {
                "Locked" if locked => Act::Locked,
                _ => Act::Answer,
            }));
        }
        Act::Answer
    });
    (mock, there)
}

#[test]
fn a_read_is_answered_by_one_service_alone() {
    inside("a_read_is_answered_by_one_service_alone", State::Absent, |_| {
        for step in ["OpenSession", "SearchItems", "Attributes", "GetSecret"] {
            let (_first, _second) = replaced_at(step, Some(b"old"), Some(b"new"), false);
            let found = Vault::os().read(&item(), &Call::quiet()).unwrap();
            assert_eq!(found.as_ref().map(|found| &found[..]), Some(&b"new"[..]), "{step}");
        }
    });
}

#[test]
fn a_locked_service_that_replaces_an_empty_one_is_not_empty() {
    inside("a_locked_service_that_replaces_an_empty_one_is_not_empty", State::Absent, |_| {
        for step in ["ReadAlias", "SearchItems", "Locked"] {
            let (_first, _second) = replaced_at(step, None, None, true);
            let found = Vault::os().read(&item(), &Call::quiet());
            assert!(matches!(found, Err(VaultError::Locked { .. })), "{step}: {found:?}");
        }
    });
}

#[test]
fn an_empty_service_that_replaces_another_between_two_calls_has_no_item() {
    let name = "an_empty_service_that_replaces_another_between_two_calls_has_no_item";
    inside(name, State::Absent, |_| {
        let first = Mock::start(Some(b"old"), |_| Act::Answer);
        assert!(Vault::os().read(&item(), &Call::quiet()).unwrap().is_some());
        let asked = first.calls().len();
        // The news of it may still be on its way. Then a path of the first service is asked for at
        // the second, which does not know the session.
        let _second = Mock::start(None, |_| Act::Answer);
        assert!(Vault::os().read(&item(), &Call::quiet()).unwrap().is_none());
        assert_eq!(first.calls().len(), asked);
    });
}

#[test]
fn a_write_goes_by_no_path_of_the_service_before() {
    inside("a_write_goes_by_no_path_of_the_service_before", State::Absent, |_| {
        let first = Mock::start(Some(b"old"), |_| Act::Answer);
        assert!(Vault::os().read(&item(), &Call::quiet()).unwrap().is_some());
        // Its only item is at the same path, and a search does not find it: it is somebody else's.
        let second = Mock::start(Some(b"another's"), |member| match member {
            "SearchItems" => Act::Nothing,
            "CreateItem" => Act::Refuse(10),
            _ => Act::Answer,
        });
        let written = Vault::os().write(&item(), b"new", &Call::quiet(), None);
        assert!(matches!(written, Err(VaultError::Failed { .. })), "{written:?}");
        assert_eq!(second.secret().as_deref(), Some(&b"another's"[..]));
        assert_eq!(first.secret().as_deref(), Some(&b"old"[..]));
    });
}

#[test]
fn what_wrote_to_a_service_that_was_replaced_meanwhile_is_unknown() {
    inside("what_wrote_to_a_service_that_was_replaced_meanwhile_is_unknown", State::Absent, |_| {
        for step in ["SetSecret", "Delete"] {
            let (first, second) = replaced_at(step, Some(b"old"), Some(b"another's"), false);
            let result = match step {
                "SetSecret" => Vault::os().write(&item(), b"new", &Call::quiet(), None),
                _ => Vault::os().delete(&item(), &Call::quiet(), None).map(|_| ()),
            };
            assert!(matches!(result, Err(VaultError::OutcomeUnknown { .. })), "{step}: {result:?}");
            assert_ne!(first.secret().as_deref(), Some(&b"old"[..]), "{step}");
            let second = second.lock().unwrap();
            let second = second.as_ref().unwrap();
            assert_eq!(second.secret().as_deref(), Some(&b"another's"[..]), "{step}");
            let found = Vault::os().read(&item(), &Call::quiet()).unwrap().unwrap();
            assert_eq!(*found, b"another's", "{step}: the next call was not asked");
        }
    });
}

#[test]
fn a_deletion_in_the_service_that_has_come_is_no_absence() {
    inside("a_deletion_in_the_service_that_has_come_is_no_absence", State::Absent, |_| {
        for step in ["SearchItems", "Attributes"] {
            let (first, second) = replaced_at(step, Some(b"old"), Some(b"new"), false);
            assert!(Vault::os().delete(&item(), &Call::quiet(), None).unwrap(), "{step}");
            assert_eq!(first.secret().as_deref(), Some(&b"old"[..]), "{step}");
            assert_eq!(second.lock().unwrap().as_ref().unwrap().secret(), None, "{step}");
        }
    });
}

#[test]
fn an_item_that_is_found_again_after_it_was_gone_is_deleted() {
    inside("an_item_that_is_found_again_after_it_was_gone_is_deleted", State::Absent, |_| {
        let gone = Mutex::new(true);
        let mock = Mock::start(Some(b"secret"), move |member| match member {
            "Delete" if std::mem::take(&mut *gone.lock().unwrap()) => Act::Gone,
            _ => Act::Answer,
        });
        assert!(Vault::os().delete(&item(), &Call::quiet(), None).unwrap());
        assert_eq!(mock.secret(), None);
    });
}

#[test]
fn a_prompt_whose_service_goes_ends_at_once() {
    inside("a_prompt_whose_service_goes_ends_at_once", State::Absent, |_| {
        let shown = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&shown);
        let _first = Mock::start(None, move |member| match member {
            "Locked" => Act::Locked,
            "Unlock" => Act::Prompt,
            "Prompt" => {
                *theirs.lock().unwrap() = Some(Mock::start(None, |_| Act::Answer));
                Act::Silence
            }
            _ => Act::Answer,
        });
        let started = Instant::now();
        // The second service is not locked.
        Vault::os().unlock(&Call::prompting()).unwrap();
        let took = started.elapsed();
        println!("measured: a prompt whose service was replaced ended after {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(shown.lock().unwrap().is_some());
    });
}

#[test]
fn a_hundred_changes_of_owner_leave_one_thread_and_no_mixed_answer() {
    inside(
        "a_hundred_changes_of_owner_leave_one_thread_and_no_mixed_answer",
        State::Absent,
        |_| {
            let names = || {
                std::fs::read_dir("/proc/self/task").into_iter().flatten().filter(|task| {
                    let path = task.as_ref().unwrap().path().join("comm");
                    std::fs::read_to_string(path).is_ok_and(|name| name == "vault\n")
                })
            };
            let mut slowest = Duration::ZERO;
            let mut before = None;
            for number in 0..100_u32 {
                let secret = number.to_string();
                let mock = Mock::start(Some(secret.as_bytes()), |_| Act::Answer);
                let started = Instant::now();
                let found = Vault::os().read(&item(), &Call::quiet()).unwrap().unwrap();
                slowest = slowest.max(started.elapsed());
                assert_eq!(*found, secret.as_bytes());
                drop(before.replace(mock));
            }
            println!(
                "measured: a hundred owners, slowest read {slowest:?}, {} thread",
                names().count()
            );
            assert_eq!(names().count(), 1);
            assert!(slowest <= Call::quiet().deadline.mul_f64(1.1), "{slowest:?}");
        },
    );
}
