//! Calls to a Secret Service whose caller stops waiting.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::arc_with_non_send_sync, reason = "a callback need not be `Send`")]

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use tokenkeep_platform::{
    interrupt::Interruptible,
    vault::{Call, Item, Vault, VaultError},
};
use tokenkeep_test_support::{
    keyring::{State, inside},
    mock::{Act, Mock},
    say,
};

fn item() -> Item {
    Item::new("tests", "key")
}

/// Longer than a test may take.
fn patient(call: Call) -> Call {
    call.within(Duration::from_secs(3600))
}

/// Runs `call`, and stops its wait once `is_over` says so.
fn stopped<T>(is_over: impl Fn() -> bool + 'static, call: impl FnOnce() -> T) -> T {
    let _stop = Interruptible::new(Arc::new(is_over));
    call()
}

/// A service that does `act` at `step`, until it is told otherwise.
fn mock(secret: Option<&[u8]>, step: &'static str, act: Act) -> (Mock, Arc<Mutex<&'static str>>) {
    let at = Arc::new(Mutex::new(step));
    let theirs = Arc::clone(&at);
    let mock = Mock::start(secret, move |member| match member {
        "Locked" if *theirs.lock().unwrap() == "Prompt" => Act::Locked,
        "Unlock" if *theirs.lock().unwrap() == "Prompt" => Act::Prompt,
        member if member == *theirs.lock().unwrap() => act,
        _ => Act::Answer,
    });
    (mock, at)
}

#[test]
fn a_stopped_read_ends_and_leaves_the_vault_to_the_next_call() {
    let name = "a_stopped_read_ends_and_leaves_the_vault_to_the_next_call";
    inside(name, State::Absent, |_| {
        let (_mock, at) = mock(Some(b"secret"), "SearchItems", Act::Silence);
        let times = Rc::new(RefCell::new(vec![Instant::now()]));
        let theirs = Rc::clone(&times);
        let often = move || {
            theirs.borrow_mut().push(Instant::now());
            theirs.borrow().len() > 20
        };
        let read = stopped(often, || Vault::os().read(&item(), &patient(Call::quiet())));
        assert!(matches!(read, Err(VaultError::Stopped)), "{read:?}");
        let mut gaps: Vec<Duration> =
            times.borrow().windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort();
        say(&format!("the callback was asked every {:?}, at most {:?}", gaps[10], gaps[19]));
        assert!(gaps[10] <= Duration::from_millis(50), "{gaps:?}");

        *at.lock().unwrap() = "";
        // Without the callback, and with the usual deadline.
        assert_eq!(*Vault::os().read(&item(), &Call::quiet()).unwrap().unwrap(), b"secret");
    });
}

#[test]
fn a_stopped_prompt_ends_and_the_next_one_is_shown() {
    inside("a_stopped_prompt_ends_and_the_next_one_is_shown", State::Absent, |_| {
        let (mock, at) = mock(None, "Prompt", Act::Silence);
        let mock = Rc::new(mock);
        let theirs = Rc::clone(&mock);
        let is_shown = move || theirs.count("Prompt") > 0;
        let unlocked = stopped(is_shown, || Vault::os().unlock(&patient(Call::prompting())));
        assert!(matches!(unlocked, Err(VaultError::Stopped)), "{unlocked:?}");
        *at.lock().unwrap() = "";
        Vault::os().unlock(&Call::quiet()).unwrap();
        assert_eq!(mock.count("Prompt"), 1);
    });
}

#[test]
fn a_stopped_write_that_has_begun_is_unknown_and_keeps_its_lock() {
    let name = "a_stopped_write_that_has_begun_is_unknown_and_keeps_its_lock";
    inside(name, State::Absent, |_| {
        let (mock, at) = mock(Some(b"old"), "SetSecret", Act::Hold);
        let mock = Rc::new(mock);
        let theirs = Rc::clone(&mock);
        let has_begun = move || theirs.held() > 0;
        let (hold, released) = mpsc::channel::<()>();
        let written = stopped(has_begun, || {
            Vault::os().write(&item(), b"new", &patient(Call::quiet()), Some(Box::new(hold)))
        });
        let is_unknown = matches!(written, Err(VaultError::OutcomeUnknown { source: None, .. }));
        assert!(is_unknown, "{written:?}");
        assert!(matches!(released.try_recv(), Err(mpsc::TryRecvError::Empty)));
        *at.lock().unwrap() = "";
        mock.release();
        assert!(released.recv_timeout(Duration::from_secs(60)).is_err());
        assert!(matches!(released.try_recv(), Err(mpsc::TryRecvError::Disconnected)));
        assert_eq!(mock.secret().as_deref(), Some(&b"new"[..]));
    });
}
