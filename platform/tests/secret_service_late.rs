//! What a Secret Service answers after nobody waits any more.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![expect(clippy::print_stdout, reason = "figures are for the user who runs the tests")]

mod late;

use std::sync::mpsc::{RecvError, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use late::Random;
use late::round::{Later, Round};
use tokenkeep_platform::vault::{Call, Item, Vault, VaultError};
use tokenkeep_test_support::keyring::{State, inside};
use tokenkeep_test_support::mock::{Act, Mock};
use tokenkeep_test_support::task;

/// The one item that the mock has.
fn item() -> Item {
    Item::new("tests", "key")
}

#[test]
fn an_answer_that_comes_too_late_harms_no_later_call() {
    inside("an_answer_that_comes_too_late_harms_no_later_call", State::Absent, |_| {
        let held = Arc::new(Mutex::new(""));
        let theirs = Arc::clone(&held);
        let mock = Mock::start(None, move |member| {
            if member == *theirs.lock().unwrap() { Act::Hold } else { Act::Answer }
        });
        let short = Call::quiet().within(Duration::from_millis(100));
        let read = || Vault::os().read(&item(), &short).map(|_| ());
        let write = || Vault::os().write(&item(), b"new", &short, None);
        let create = || Vault::os().create(&item(), b"new", &short);
        let delete = || Vault::os().delete(&item(), &short, None).map(|_| ());
        type Ask<'a> = &'a dyn Fn() -> Result<(), VaultError>;
        /// What is called, what is there before, which step is late, whether it writes, what is
        /// there at the end.
        type Cell<'a> = (Ask<'a>, Option<&'a [u8]>, &'static str, bool, Option<&'a [u8]>);
        let old = Some(&b"old"[..]);
        let cells: [Cell<'_>; 16] = [
            (&read, None, "ReadAlias", false, None),
            (&read, old, "SearchItems", false, old),
            (&read, old, "Attributes", false, old),
            (&read, old, "GetSecret", false, old),
            (&read, None, "Locked", false, None),
            (&write, old, "SearchItems", false, old),
            (&write, old, "SetSecret", true, Some(b"new")),
            (&write, None, "Locked", false, None),
            // Removed again, because there is no time left for its secret.
            (&write, None, "CreateItem", true, None),
            (&create, None, "SearchItems", false, None),
            (&create, None, "CreateItem", true, None),
            (&create, None, "SetSecret", true, Some(b"new")),
            (&create, None, "GetSecret", true, Some(b"new")),
            (&delete, old, "SearchItems", false, old),
            (&delete, old, "Attributes", false, old),
            (&delete, old, "Delete", true, None),
        ];
        for (ask, before, step, writes, after) in cells {
            // No path is remembered from the cell before.
            mock.set_secret(None);
            until_ok(|| Vault::os().read(&item(), &Call::quiet()));
            mock.set_secret(before);
            *held.lock().unwrap() = step;
            match ask() {
                Err(VaultError::OutcomeUnknown { .. }) if writes => {}
                Err(VaultError::TimedOut { .. }) if !writes => {}
                other => panic!("{step}: {other:?}"),
            }
            assert_eq!(mock.wait_for_held(1, Duration::from_secs(10)), 1, "{step}");
            let calls = mock.calls().len();
            let fast = Vault::os().write(&item(), b"never", &short, None);
            let at_once = matches!(fast, Err(VaultError::TimedOut { waited: Duration::ZERO }));
            assert!(at_once, "{step}: {fast:?}");
            assert_eq!(mock.calls().len(), calls, "{step}: the service was asked");
            *held.lock().unwrap() = "";
            mock.release();
            let found = until_ok(|| Vault::os().read(&item(), &Call::quiet()));
            assert_eq!(found.as_ref().map(|found| &found[..]), after, "{step}");
            until_ok(|| Vault::os().write(&item(), b"last", &Call::quiet(), None));
            assert_eq!(mock.secret().as_deref(), Some(&b"last"[..]), "{step}");
        }
    });
}

#[test]
fn a_service_that_answered_late_is_asked_again_at_once() {
    inside("a_service_that_answered_late_is_asked_again_at_once", State::Absent, |_| {
        let mock = Mock::start(None, |member| match member {
            "CreateItem" => Act::Hold,
            _ => Act::Answer,
        });
        let deadline = Duration::from_secs(2);
        let short = Call::quiet().within(deadline);
        let (guard, returned) = std::sync::mpsc::channel::<()>();
        let unknown = Vault::os().write(&item(), b"new", &short, Some(Box::new(guard)));
        assert!(matches!(unknown, Err(VaultError::OutcomeUnknown { .. })), "{unknown:?}");
        let started = Instant::now();
        mock.release();
        assert!(returned.recv().is_err());
        until_ok(|| Vault::os().read(&item(), &Call::quiet()));
        let took = started.elapsed();
        println!("measured: asked again {took:?} after the late answer");
        assert!(took < deadline / 2, "{took:?}");
    });
}

#[test]
fn a_read_that_is_never_answered_holds_up_no_later_call() {
    inside("a_read_that_is_never_answered_holds_up_no_later_call", State::Absent, |_| {
        let silent = Mutex::new(true);
        let mock = Mock::start(Some(b"secret"), move |member| match member {
            "GetSecret" if std::mem::take(&mut *silent.lock().unwrap()) => Act::Silence,
            _ => Act::Answer,
        });
        let short = Call::quiet().within(Duration::from_millis(50));
        let silence = Vault::os().read(&item(), &short);
        assert!(matches!(silence, Err(VaultError::TimedOut { .. })), "{silence:?}");
        assert_eq!(until_ok(|| Vault::os().read(&item(), &Call::quiet())).unwrap()[..], *b"secret");
        let sessions = mock.calls().into_iter().filter(|call| call == "OpenSession");
        assert_eq!(sessions.count(), 2, "the connection was not closed");
    });
}

/// Another program, or the next holder of the lock, may have filled the item meanwhile.
#[test]
fn the_guard_is_kept_until_a_half_made_item_is_removed() {
    inside("the_guard_is_kept_until_a_half_made_item_is_removed", State::Absent, |_| {
        let mock = Mock::start(None, |member| match member {
            "CreateItem" | "Delete" => Act::Hold,
            _ => Act::Answer,
        });
        let short = Call::quiet().within(Duration::from_millis(50));
        let (guard, returned) = std::sync::mpsc::channel::<()>();
        let unknown = Vault::os().write(&item(), b"new", &short, Some(Box::new(guard)));
        assert!(matches!(unknown, Err(VaultError::OutcomeUnknown { .. })), "{unknown:?}");
        mock.release();
        assert_eq!(mock.wait_for_held(1, Duration::from_secs(10)), 1);
        assert_eq!(mock.calls().last().map(String::as_str), Some("Delete"));
        assert_eq!(returned.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Timeout));
        mock.release();
        assert_eq!(returned.recv(), Err(RecvError));
        assert_eq!(mock.secret(), None);
    });
}

#[test]
fn a_save_that_outlives_its_deadline_never_overwrites_a_later_one() {
    if let Some(folder) = task() {
        return Later::serve(folder.as_ref());
    }
    let name = "a_save_that_outlives_its_deadline_never_overwrites_a_later_one";
    inside(name, State::Absent, |_| {
        let random = Random::from_environment();
        println!("measured: with TOKENKEEP_SEED={}", random.0);
        let mut round =
            Round::new(a_save_that_outlives_its_deadline_never_overwrites_a_later_one, random);
        // Now and then everything is answered in time.
        for number in 0.. {
            if round.outlived == ROUNDS {
                break;
            }
            assert!(number < 4 * ROUNDS, "{}", round.figures());
            round.play(number);
        }
        println!("measured: {}", round.figures());
    });
}

fn until_ok<T>(mut call: impl FnMut() -> Result<T, VaultError>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match call() {
            Ok(value) => return value,
            Err(error) => assert!(Instant::now() < end, "{error:?}"),
        }
    }
}

const ROUNDS: usize = 500;
