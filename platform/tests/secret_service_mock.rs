//! The Secret Service vault against a service that is silent, wants prompts, or dies.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![expect(clippy::print_stdout, reason = "figures are for the user who runs the tests")]

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokenkeep_platform::vault::{Call, Item, Vault, VaultError};
use tokenkeep_test_support::keyring::{Keyring, State, inside};
use tokenkeep_test_support::mock::{Act, Mock};
use tokenkeep_test_support::{again, task};

/// The one item that the mock has.
fn item() -> Item {
    Item::new("tests", "key")
}

fn soon() -> Call {
    Call::quiet().within(Duration::from_millis(400))
}

/// Long enough that a tenth of it is more than a busy machine's delays.
fn patient() -> Call {
    Call::quiet().within(Duration::from_secs(2))
}

fn at(method: &'static str, act: Act) -> impl Fn(&str) -> Act + Send + 'static {
    move |member| if member == method { act } else { Act::Answer }
}

/// Does `act` at the first `times` calls of `method`.
fn first(times: u32, method: &'static str, act: Act) -> impl Fn(&str) -> Act + Send + 'static {
    let left = AtomicU32::new(times);
    move |member| {
        let spend = |left: u32| left.checked_sub(1);
        let hit = member == method
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).is_ok();
        if hit { act } else { Act::Answer }
    }
}

#[test]
fn a_silent_service_times_out_once_and_then_at_once_on_one_thread() {
    let name = "a_silent_service_times_out_once_and_then_at_once_on_one_thread";
    inside(name, State::Absent, |_| {
        let _mock = Mock::start(None, |_| Act::Silence);
        let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
        let before = threads();
        let started = Instant::now();
        let first = Vault::os().read(&item(), &patient());
        let took = started.elapsed();
        assert!(matches!(first, Err(VaultError::TimedOut { .. })), "{first:?}");
        assert!(took >= patient().deadline && took <= patient().deadline.mul_f64(1.1), "{took:?}");
        let mut later = [(); 99].map(|()| {
            let started = Instant::now();
            let result = Vault::os().read(&item(), &patient());
            assert!(matches!(result, Err(VaultError::TimedOut { waited: Duration::ZERO })));
            started.elapsed()
        });
        later.sort();
        let (fast, slowest) = (later[49], later[98]);
        assert!(fast < Duration::from_millis(10), "{fast:?}");
        let deadline = patient().deadline;
        println!("measured: silence {took:?} of {deadline:?}, then {fast:?}, at most {slowest:?}");
        assert!(threads() <= before + 1, "{} threads after {before}", threads());
    });
}

#[test]
fn a_service_that_speaks_again_is_asked_again() {
    inside("a_service_that_speaks_again_is_asked_again", State::Absent, |_| {
        let mock = Mock::start(Some(b"secret"), at("GetSecret", Act::Hold));
        let call = Call::quiet().within(Duration::from_millis(50));
        assert!(matches!(Vault::os().read(&item(), &call), Err(VaultError::TimedOut { .. })));
        mock.release();
        mock.release();
        let end = Instant::now() + Duration::from_secs(10);
        while Vault::os().read(&item(), &Call::quiet()).is_err() {
            assert!(Instant::now() < end, "calls still fail");
        }
    });
}

#[test]
fn a_write_that_outlives_its_caller_keeps_the_guard_until_it_returns() {
    let name = "a_write_that_outlives_its_caller_keeps_the_guard_until_it_returns";
    inside(name, State::Absent, |_| {
        let mock = Mock::start(Some(b"secret"), at("Delete", Act::Hold));
        let (dropped, returned) = std::sync::mpsc::channel::<()>();
        let started = Instant::now();
        let result = Vault::os().delete(&item(), &patient(), Some(Box::new(dropped)));
        let took = started.elapsed();
        let unknown = matches!(result, Err(VaultError::OutcomeUnknown { source: None, .. }));
        assert!(unknown, "{result:?}");
        assert!(took <= patient().deadline.mul_f64(1.1), "{took:?}");
        assert!(matches!(returned.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)));
        let stuck = Vault::os().read(&item(), &patient());
        assert!(matches!(stuck, Err(VaultError::TimedOut { waited: Duration::ZERO })));
        mock.release();
        assert!(returned.recv_timeout(Duration::from_secs(5)).is_err());
        assert!(matches!(returned.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)));
    });
}

/// What KWallet does with one session in a hundred, whose key it and the client do not agree on.
#[test]
fn a_creation_over_a_session_that_carries_no_secret_is_begun_anew() {
    let name = "a_creation_over_a_session_that_carries_no_secret_is_begun_anew";
    inside(name, State::Absent, |_| {
        let mock = Mock::start(None, first(2, "SetSecret", Act::Gone));
        Vault::os().create(&item(), b"secret", &patient()).unwrap();
        assert_eq!(*Vault::os().read(&item(), &patient()).unwrap().unwrap(), b"secret");
        assert_eq!((mock.count("CreateItem"), mock.count("Delete")), (3, 2), "none is left over");
    });
}

#[test]
fn a_session_that_is_refused_is_opened_anew_but_not_for_ever() {
    inside("a_session_that_is_refused_is_opened_anew_but_not_for_ever", State::Absent, |_| {
        let mock = Mock::start(Some(b"secret"), first(5, "OpenSession", Act::Invalid));
        let refused = Vault::os().read(&item(), &patient());
        assert!(matches!(refused, Err(VaultError::Failed { .. })), "{refused:?}");
        assert_eq!(mock.count("OpenSession"), 3);
        assert_eq!(*Vault::os().read(&item(), &patient()).unwrap().unwrap(), b"secret");
        assert_eq!(mock.count("OpenSession"), 6);
    });
}

#[test]
fn an_empty_secret_of_a_locked_collection_is_locked_and_not_unfinished() {
    let name = "an_empty_secret_of_a_locked_collection_is_locked_and_not_unfinished";
    inside(name, State::Absent, |_| {
        let locked = Arc::new(AtomicBool::new(true));
        let theirs = Arc::clone(&locked);
        let _mock = Mock::start(Some(b""), move |member| match member {
            "Locked" if theirs.load(Ordering::SeqCst) => Act::Locked,
            _ => Act::Answer,
        });
        let read = || Vault::os().read(&item(), &patient());
        assert!(matches!(read(), Err(VaultError::Locked { .. })));
        locked.store(false, Ordering::SeqCst);
        assert!(matches!(read(), Err(VaultError::Unfinished)));
    });
}

#[test]
fn a_prompt_that_is_not_allowed_is_locked_and_never_shown() {
    inside("a_prompt_that_is_not_allowed_is_locked_and_never_shown", State::Absent, |_| {
        let mock = Mock::start(None, at("CreateItem", Act::Prompt));
        let result = Vault::os().create(&item(), b"secret", &Call::prompting());
        assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        let calls = mock.calls();
        assert!(calls.iter().any(|call| call == "Dismiss"), "{calls:?}");
        assert!(!calls.iter().any(|call| call == "Prompt" || call == "SetSecret"), "{calls:?}");
    });
}

#[test]
fn a_deletion_that_wants_a_prompt_is_locked_and_deletes_nothing() {
    inside("a_deletion_that_wants_a_prompt_is_locked_and_deletes_nothing", State::Absent, |_| {
        let mock = Mock::start(Some(b"secret"), at("Delete", Act::Prompt));
        let result = Vault::os().delete(&item(), &soon(), None);
        assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        assert!(!mock.calls().iter().any(|call| call == "Prompt"));
        assert!(Vault::os().read(&item(), &soon()).unwrap().is_some());
    });
}

#[test]
fn unlocking_prompts_only_when_the_call_allows_it() {
    inside("unlocking_prompts_only_when_the_call_allows_it", State::Absent, |_| {
        let mock = Mock::start(None, |member| match member {
            "Locked" => Act::Locked,
            "Unlock" => Act::Prompt,
            _ => Act::Answer,
        });
        let result = Vault::os().unlock(&soon());
        assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        assert!(!mock.calls().iter().any(|call| call == "Unlock" || call == "Prompt"));
        let result = Vault::os().unlock(&Call::prompting());
        assert!(matches!(result, Err(VaultError::PromptDismissed { .. })), "{result:?}");
        assert!(mock.calls().iter().any(|call| call == "Prompt"));
    });
}

#[test]
fn a_creation_whose_second_half_fails_leaves_nothing() {
    inside("a_creation_whose_second_half_fails_leaves_nothing", State::Absent, |_| {
        let mock = Mock::start(None, at("SetSecret", Act::Locked));
        let result = Vault::os().create(&item(), b"secret", &soon());
        assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        assert_eq!(mock.calls().last().map(String::as_str), Some("Delete"));
        assert!(Vault::os().read(&item(), &soon()).unwrap().is_none());
    });
}

#[test]
fn a_service_that_dies_during_a_read_is_missing() {
    inside("a_service_that_dies_during_a_read_is_missing", State::Absent, |_| {
        let _mock = Mock::start(Some(b"secret"), at("GetSecret", Act::Die));
        let result = Vault::os().read(&item(), &soon());
        assert!(matches!(result, Err(VaultError::ServiceMissing { .. })), "{result:?}");
    });
}

#[test]
fn a_service_that_dies_during_a_write_leaves_the_outcome_unknown() {
    inside("a_service_that_dies_during_a_write_leaves_the_outcome_unknown", State::Absent, |_| {
        let _mock = Mock::start(Some(b"secret"), at("Delete", Act::Die));
        let result = Vault::os().delete(&item(), &soon(), None);
        let unknown = matches!(result, Err(VaultError::OutcomeUnknown { source: Some(_), .. }));
        assert!(unknown, "{result:?}");
    });
}

#[test]
fn an_answer_of_the_wrong_type_is_a_failure() {
    inside("an_answer_of_the_wrong_type_is_a_failure", State::Absent, |_| {
        let method = Arc::new(std::sync::Mutex::new(""));
        let theirs = Arc::clone(&method);
        let _mock = Mock::start(Some(b"secret"), move |member| {
            if member == *theirs.lock().unwrap() { Act::Nonsense } else { Act::Answer }
        });
        for wrong in ["OpenSession", "SearchItems", "GetSecret"] {
            *method.lock().unwrap() = wrong;
            let result = Vault::os().read(&item(), &soon());
            assert!(matches!(result, Err(VaultError::Failed { .. })), "{wrong}: {result:?}");
        }
    });
}

#[test]
fn a_probe_that_cannot_read_its_item_back_removes_it_over_another_connection() {
    let name = "a_probe_that_cannot_read_its_item_back_removes_it_over_another_connection";
    inside(name, State::Absent, |keyring| probe_silenced_at("GetSecret", keyring));
}

#[test]
fn a_probe_whose_write_is_never_answered_removes_its_item_over_another_connection() {
    let name = "a_probe_whose_write_is_never_answered_removes_its_item_over_another_connection";
    inside(name, State::Absent, |keyring| probe_silenced_at("SetSecret", keyring));
}

fn probe_silenced_at(method: &'static str, keyring: &Keyring) {
    let mock = Mock::start(None, first(1, method, Act::Silence));
    let probed = Vault::os().probe(&soon());
    assert!(matches!(probed, Err(VaultError::TimedOut { .. })), "{probed:?}");
    assert!(mock.count("CreateItem") == 1 && mock.count("Delete") > 0, "{:?}", mock.calls());
    assert!(!has_item(keyring), "{:?}", mock.calls());
}

#[test]
fn a_probe_that_may_have_left_its_item_says_so_in_time() {
    inside("a_probe_that_may_have_left_its_item_says_so_in_time", State::Absent, |keyring| {
        let _mock = Mock::start(None, at("Delete", Act::Silence));
        let started = Instant::now();
        let probed = Vault::os().probe(&soon());
        let took = started.elapsed();
        println!("measured: a probe that cannot remove its item {took:?}");
        let unknown = matches!(probed, Err(VaultError::OutcomeUnknown { source: Some(_), .. }));
        assert!(unknown, "{probed:?}");
        assert!(took < Duration::from_millis(1600), "{took:?}");
        assert!(has_item(keyring));
    });
}

/// Whether the service has any item.
fn has_item(keyring: &Keyring) -> bool {
    let (service, method) =
        ("org.freedesktop.secrets", "org.freedesktop.Secret.Collection.SearchItems");
    let found = keyring.send(service, "/collection", method, &["dict:string:string:a,b"]);
    found.expect("the mock answers").contains("/item")
}

#[test]
fn a_process_exits_while_its_vault_is_stuck() {
    let name = "a_process_exits_while_its_vault_is_stuck";
    if task().is_some() {
        let result = Vault::os().delete(&item(), &soon(), None);
        assert!(matches!(result, Err(VaultError::OutcomeUnknown { .. })), "{result:?}");
        println!("leaving");
        return;
    }
    inside(name, State::Absent, |_| {
        use std::io::{BufRead, BufReader, Read};
        let _mock = Mock::start(Some(b"secret"), at("Delete", Act::Silence));
        let mut child = again(a_process_exits_while_its_vault_is_stuck, "leave")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("leaving") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "it never said that it leaves");
        }
        let started = Instant::now();
        out.read_to_string(&mut line).unwrap();
        assert!(child.wait().unwrap().success());
        let took = started.elapsed();
        println!("measured: exit with a stuck vault {took:?}");
        assert!(took < Duration::from_secs(1));
    });
}

#[test]
fn a_collection_that_is_replaced_before_the_item_is_made_is_asked_for_again() {
    let name = "a_collection_that_is_replaced_before_the_item_is_made_is_asked_for_again";
    inside(name, State::Absent, |_| {
        let mock = Mock::start(None, first(2, "CreateItem", Act::Gone));
        Vault::os().create(&item(), b"secret", &patient()).unwrap();
        assert_eq!(mock.secret().as_deref(), Some(&b"secret"[..]));
    });
}

#[test]
fn a_collection_that_is_unlocked_while_it_is_searched_hides_nothing() {
    let name = "a_collection_that_is_unlocked_while_it_is_searched_hides_nothing";
    inside(name, State::Absent, |_| {
        let _mock = Mock::start(Some(b"secret"), first(1, "SearchItems", Act::Nothing));
        let found = Vault::os().read(&item(), &patient()).unwrap();
        assert_eq!(found.as_deref().map(Vec::as_slice), Some(&b"secret"[..]));
    });
}

#[test]
fn many_threads_share_one_vault() {
    inside("many_threads_share_one_vault", State::Absent, |_| {
        let mock = Mock::start(Some(b"secret"), |_| Act::Answer);
        let start = Arc::new(std::sync::Barrier::new(16));
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let start = Arc::clone(&start);
                std::thread::spawn(move || {
                    start.wait();
                    Vault::os().read(&item(), &Call::quiet()).unwrap().unwrap().to_vec()
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), b"secret"));
        assert_eq!(mock.calls().iter().filter(|call| *call == "OpenSession").count(), 1);
    });
}

#[test]
fn a_secret_of_more_than_32_mib_is_refused_before_any_call() {
    inside("a_secret_of_more_than_32_mib_is_refused_before_any_call", State::Absent, |_| {
        let mock = Mock::start(Some(b"secret"), |_| Act::Answer);
        let large = vec![7; (32 << 20) + 1];
        // A build without optimisation takes long to wipe its copy.
        let wiping = Call::quiet().within(Duration::from_secs(20));
        for result in [
            Vault::os().write(&item(), &large, &wiping, None),
            Vault::os().create(&item(), &large, &wiping),
        ] {
            let refused = matches!(result, Err(VaultError::TooLarge { limit: 33_554_432, .. }));
            assert!(refused, "{result:?}");
        }
        assert_eq!(mock.calls(), [""; 0]);
    });
}
