//! Who has the lease stands still, is forked, or is in another namespace: nobody else spends the
//! refresh token, and nobody waits for a dead process.
// Not on Windows: signals, forks and namespaces
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "it is a test")]

#[path = "silent_holder/holder.rs"]
mod holder;
mod support;

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{self, Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use holder::{Holder, LATE, Stand, cache, hold, request, sign_in};
use support::{Forked, Place};
use tokenkeep::{
    AccessToken, Error,
    silent::{ExchangeError, SilentOptions, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_test_support::{again, say, task};

/// Counts its requests, and answers with `b1`.
#[derive(Default)]
struct Counts(RefCell<usize>);

impl TokenEndpoint for &Counts {
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        *self.0.borrow_mut() += 1;
        let answer = r#"{"access_token": "b1", "refresh_token": "rb", "expires_in": 3600}"#;
        Ok(TokenReply::new(200, answer))
    }
}

/// What another process gets that waits for so long, and the requests that it makes.
fn ask(place: &Place, wait: Duration) -> (Result<Option<AccessToken>, Error>, usize) {
    ask_with(place, &SilentOptions::new().wait(wait))
}

fn ask_with(place: &Place, options: &SilentOptions) -> (Result<Option<AccessToken>, Error>, usize) {
    let counts = Counts::default();
    let token = cache(place.path()).acquire_token_silent_with(&request(), options, &counts);
    (token, counts.0.take())
}

/// The holder that is named to who waits in vain. Nothing was asked.
#[track_caller]
fn is_busy(place: &Place, wait: Duration) -> Option<String> {
    match ask(place, wait) {
        (Err(Error::RefreshInProgress { waited, holder }), 0) => {
            assert!(waited >= wait, "{waited:?}");
            holder
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_token(found: (Result<Option<AccessToken>, Error>, usize), secret: &str, requests: usize) {
    let token = found.0.as_ref().ok().and_then(Option::as_ref).map(AccessToken::secret);
    assert_eq!((token, found.1), (Some(secret), requests), "{found:?}");
}

/// What another process gets that waits when `meanwhile` begins.
fn while_it_waits(
    place: &Place,
    meanwhile: impl FnOnce(),
) -> (Result<Option<AccessToken>, Error>, usize) {
    let (waits, is_waiting) = mpsc::channel();
    let waits = Mutex::new(Some(waits));
    let options = SilentOptions::new().wait(PATIENCE).stop_when(move || {
        if let Some(waits) = waits.lock().unwrap().take() {
            waits.send(()).unwrap();
        }
        false
    });
    thread::scope(|scope| {
        let waiter = scope.spawn(|| ask_with(place, &options));
        is_waiting.recv_timeout(PATIENCE).expect("it does not wait");
        meanwhile();
        waiter.join().unwrap()
    })
}

#[test]
fn a_stopped_holder_is_named_and_keeps_its_lease_and_is_too_late_to_send() {
    if let Some(place) = task() {
        return hold(place);
    }
    let test = a_stopped_holder_is_named_and_keeps_its_lease_and_is_too_late_to_send;
    for stand in [Stand::BeforeTheRequest, Stand::AfterTheAnswer, Stand::Killed] {
        let place = sign_in();
        let mut holder = Holder::start(again(test, place.path()), stand);
        holder.stop();
        let named = is_busy(&place, 2 * LATE).unwrap();
        assert!(named.starts_with(&format!("process {} (", holder.id())), "{named}");
        assert!(named.ends_with(", which is stopped"), "{named}");
        match stand {
            Stand::BeforeTheRequest => {
                // Its lateness is no failure of the provider, so nobody shares it.
                let waiter = while_it_waits(&place, || holder.go_on());
                assert_eq!(holder.result(), "unreachable after 0 requests");
                is_token(waiter, "b1", 1);
            }
            Stand::AfterTheAnswer => {
                let waiter = while_it_waits(&place, || holder.go_on());
                assert_eq!(holder.result(), "a1 after 1 requests");
                is_token(waiter, "a1", 0);
            }
            _ => is_token(while_it_waits(&place, || drop(holder)), "b1", 1),
        }
    }
}

#[test]
fn a_child_forked_in_an_exchange_neither_spends_nor_releases_the_lease() {
    let place = sign_in();
    let parent = process::id();
    let mut requests = 0;
    let reserved = || place.names().iter().any(|name| name.contains(".reserved-"));
    let options = SilentOptions::new().wait(Duration::from_millis(100));
    let endpoint = Exchange(|_: &Spend| {
        requests += 1;
        let Some(child) = Forked::begin() else {
            // In the child this call goes on as if its request had no answer.
            return Err(ExchangeError::unknown("forked"));
        };
        assert!(child.said_yes(), "the child did something else");
        assert!(reserved(), "the room for the parent's save is gone");
        thread::scope(|scope| scope.spawn(|| is_busy(&place, Duration::ZERO)).join().unwrap());
        Ok(TokenReply::new(200, r#"{"access_token": "a1", "expires_in": 3600}"#))
    });
    let cache = cache(place.path());
    let call = || cache.acquire_token_silent_with(&request(), &options, endpoint);
    let token = catch_unwind(AssertUnwindSafe(call));
    if process::id() != parent {
        let is_busy = matches!(&token, Ok(Err(Error::RefreshInProgress { .. })));
        Forked::end(is_busy && requests == 1);
    }
    let token = token.expect("no panic").unwrap().unwrap();
    assert_eq!((token.secret(), token.is_stored(), requests), ("a1", true, 1));
    is_token(ask(&place, Duration::ZERO), "a1", 0);
}

/// An exchange with options.
struct Exchange<F>(F);

impl<F: FnMut(&Spend) -> Result<TokenReply, ExchangeError>> TokenEndpoint for Exchange<F> {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.0(spend)
    }
}

#[test]
fn a_lease_that_a_fork_copied_is_the_parents_alone() {
    let place = sign_in();
    let cache = cache(place.path());
    let mut lease = Some(cache.refresh_lease(&request(), &SilentOptions::new()).unwrap());
    let child = Forked::asked(|| {
        let copy = lease.take().unwrap();
        let is_intact = copy.is_intact().unwrap();
        drop(copy);
        !is_intact && is_busy(&place, Duration::ZERO).is_some()
    });
    assert!(child.said_yes());
    let lease = lease.unwrap();
    assert!(lease.is_intact().unwrap());
    is_busy(&place, Duration::ZERO);
    drop(lease);
    is_token(ask(&place, Duration::ZERO), "b1", 1);
}

/// The child has the descriptor and so the kernel's lock. It ends with the child.
#[test]
fn the_lease_of_a_killed_parent_is_busy_while_its_child_lives() {
    if let Some(place) = task() {
        return hold(place);
    }
    let test = the_lease_of_a_killed_parent_is_busy_while_its_child_lives;
    let place = sign_in();
    let holder = Holder::start(again(test, place.path()), Stand::Forked);
    let child = holder.child();
    let parent = holder.id();
    drop(holder);
    let named = is_busy(&place, Duration::from_millis(100));
    let dead = format!("process {parent} (");
    assert!(named.as_deref().is_none_or(|named| !named.starts_with(&dead)), "{named:?}");
    is_token(while_it_waits(&place, || drop(child)), "b1", 1);
}

#[test]
fn a_process_of_another_pid_namespace_is_excluded_and_is_not_taken_for_a_dead_one() {
    if let Some(place) = task() {
        return hold(place);
    }
    let namespace = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
    let mut probe = Command::new("unshare");
    let allowed = probe.args(namespace).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return say("skipped: no other pid namespace here: allow user namespaces");
    }
    let test = a_process_of_another_pid_namespace_is_excluded_and_is_not_taken_for_a_dead_one;
    let place = sign_in();
    let elsewhere = |place: &Place, stand| {
        let this = again(test, place.path());
        let mut command = Command::new("unshare");
        command.args(namespace).arg("--").arg(this.get_program()).args(this.get_args());
        command.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Holder::start(command, stand)
    };
    // It has the lease.
    let mut holder = elsewhere(&place, Stand::AfterTheAnswer);
    let named = is_busy(&place, Duration::from_millis(300));
    // Its own id there is that of another process here.
    let its_own = format!("process {} (", holder.id());
    assert!(named.as_deref().is_none_or(|named| !named.starts_with(&its_own)), "{named:?}");
    let waiter = while_it_waits(&place, || holder.go_on());
    assert_eq!(holder.result(), "a1 after 1 requests");
    is_token(waiter, "a1", 0);
    // This process has the lease.
    let place = sign_in();
    let ours = cache(place.path());
    let lease = ours.refresh_lease(&request(), &SilentOptions::new()).unwrap();
    let mut asker = elsewhere(&place, Stand::Refused);
    assert_eq!(asker.result(), "busy after 0 requests");
    drop(lease);
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
