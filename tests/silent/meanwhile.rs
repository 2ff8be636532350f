//! What others do while a provider is asked.

use std::{
    cell::RefCell,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokenkeep::{
    AccessToken, CredentialType, Error, PersistedTokenCache, Secret, TokenRequest,
    silent::{ExchangeError, Revoked, SilentOptions, Spend, TokenEndpoint, TokenReply},
};

use crate::script::*;

#[test]
fn threads_share_one_request() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let (requests, start) = (AtomicU64::new(0), Barrier::new(32));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..32)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let token = cache.acquire_token_silent(&request(), |_| {
                        requests.fetch_add(1, Ordering::SeqCst);
                        ok("a1", Some("r1"))
                    });
                    secret(token)
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), "a1");
        }
    });
    assert_eq!(requests.into_inner(), 1);
}

/// An endpoint that signs the user out, or in again, while it answers.
struct Meanwhile<'c, F: Fn(&PersistedTokenCache)> {
    cache: &'c PersistedTokenCache,
    what: F,
    revoked: &'c RefCell<Vec<String>>,
}

impl<F: Fn(&PersistedTokenCache)> TokenEndpoint for Meanwhile<'_, F> {
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        (self.what)(self.cache);
        ok("a1", Some("r1"))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        self.revoked.borrow_mut().push(token.expose_str().unwrap().to_owned());
        Revoked::Done
    }
}

#[test]
fn a_sign_out_during_a_renewal_wins_and_what_came_is_revoked() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let revoked = RefCell::default();
    let what = |cache: &PersistedTokenCache| {
        cache.sign_out_without_account(None).unwrap();
    };
    let endpoint = Meanwhile { cache: &cache, what, revoked: &revoked };
    let token = cache.acquire_token_silent_with(&request(), &SilentOptions::new(), endpoint);
    assert!(token.unwrap().is_none());
    assert_eq!(revoked.take(), ["r1"]);
    assert!(cache.snapshot().unwrap().entries(CredentialType::RefreshToken).next().is_none());
}

#[test]
fn a_sign_in_during_a_renewal_stays_and_nothing_is_revoked() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let revoked = RefCell::default();
    let what = |cache: &PersistedTokenCache| {
        cache.add_response(&request(), tokens("newer", Some("r9"), 3600)).unwrap();
    };
    let endpoint = Meanwhile { cache: &cache, what, revoked: &revoked };
    let token = cache.acquire_token_silent_with(&request(), &SilentOptions::new(), endpoint);
    assert_eq!(secret(token), "newer");
    assert!(revoked.take().is_empty());
    assert_eq!(refresh_token(&cache), "r9");
}

#[test]
fn a_call_inside_a_transaction_or_an_exchange_is_nested_at_once() {
    let (cache, clock) = signed_in();
    let script = Script::new([]);
    let nested = cache.transaction(|_| script.call(&cache).map(drop));
    assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
    clock.store(NOW + 3600, Ordering::SeqCst);
    let token = cache.acquire_token_silent(&request(), |_| {
        assert!(matches!(script.call(&cache), Err(Error::Nested)));
        cache.accounts().expect("a read is no renewal");
        ok("a1", None)
    });
    assert_eq!(secret(token), "a1");
}

/// Calls `during` while another thread's request to the provider is under way.
fn while_another_asks<T>(
    cache: &PersistedTokenCache,
    first: Result<TokenReply, ExchangeError>,
    during: impl FnOnce() -> T,
) -> (Result<Option<AccessToken>, Error>, T) {
    let (asked, is_asked) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    thread::scope(|scope| {
        let holder = scope.spawn(move || {
            let mut first = Some(first);
            cache.acquire_token_silent(&request(), |_| {
                asked.send(()).unwrap();
                may_go_on.recv().unwrap();
                first.take().expect("one request")
            })
        });
        is_asked.recv().unwrap();
        let other = during();
        go_on.send(()).unwrap();
        (holder.join().unwrap(), other)
    })
}

#[test]
fn who_comes_while_another_asks_shares_its_token_whatever_the_clock_says() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let (asked, is_asked) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let holder = scope.spawn(move || {
            cache.acquire_token_silent(&request(), |_| {
                asked.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok(TokenReply::new(200, tokens("a1", Some("r1"), 60)))
            })
        });
        is_asked.recv().unwrap();
        // The request was sent two seconds ago by now, and its token is short.
        clock.store(NOW + 3602, Ordering::SeqCst);
        let go_on = Mutex::new(Some(go_on));
        let options = SilentOptions::new().stop_when(move || {
            // It waits, so the first one may go on.
            if let Some(go_on) = go_on.lock().unwrap().take() {
                go_on.send(()).unwrap();
            }
            false
        });
        let wide = request().margin(Duration::from_secs(120));
        let script = Script::new([]);
        let token = cache.acquire_token_silent_with(&wide, &options, &script);
        assert_eq!(secret(token), "a1");
        assert_eq!(secret(holder.join().unwrap()), "a1");
    });
}

#[test]
fn who_may_not_wait_is_told_who_asks_and_one_with_an_aging_token_goes_on_with_it() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let at_once = SilentOptions::new().wait(Duration::ZERO);
    let silent = |options: &SilentOptions| {
        cache.acquire_token_silent_with(&request(), options, &Script::new([]))
    };
    let (first, busy) = while_another_asks(&cache, ok("a1", Some("r1")), || silent(&at_once));
    assert_eq!(secret(first), "a1");
    let busy = busy.unwrap_err();
    assert!(matches!(busy, Error::RefreshInProgress { .. }) && busy.is_retryable(), "{busy:?}");

    let stopped = SilentOptions::new().stop_when(|| true);
    clock.store(NOW + 9000, Ordering::SeqCst);
    let (_, stopped) = while_another_asks(&cache, ok("a2", Some("r2")), || silent(&stopped));
    let stopped = stopped.unwrap_err();
    assert!(matches!(stopped, Error::WaitCanceled { .. }), "{stopped:?}");

    let aging = r#"{"access_token": "a3", "expires_in": 3600, "refresh_in": 100}"#;
    let fresh = cache.add_response(&request(), aging).unwrap();
    assert_eq!(fresh.secret(), "a3");
    clock.store(NOW + 9500, Ordering::SeqCst);
    let (first, token) =
        while_another_asks(&cache, ok("a4", None), || silent(&SilentOptions::new()));
    assert_eq!((secret(first), secret(token)), ("a4".into(), "a3".into()));
}

#[test]
fn who_holds_the_lease_keeps_others_from_renewing_and_may_give_it_away() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let at_once = SilentOptions::new().wait(Duration::ZERO);
    let lease = cache.refresh_lease(&request(), &at_once).unwrap();
    assert!(lease.is_intact().unwrap());
    let again = cache.refresh_lease(&request(), &at_once).unwrap_err();
    assert!(matches!(again, Error::RefreshInProgress { .. }), "{again:?}");
    thread::scope(|scope| {
        let busy =
            scope.spawn(|| cache.acquire_token_silent_with(&request(), &at_once, &Script::new([])));
        let busy = busy.join().unwrap().unwrap_err();
        assert!(matches!(busy, Error::RefreshInProgress { .. }), "{busy:?}");
        // It ends on another thread.
        scope.spawn(move || drop(lease)).join().unwrap();
    });
    let script = Script::new([ok("a1", Some("r1"))]);
    assert_eq!(secret(script.call(&cache)), "a1");
}

#[test]
fn a_sign_out_revokes_what_it_removed_and_what_a_renewal_brings_later() {
    let (cache, clock) = nobody();
    cache.add_response(&request(), adas_tokens()).unwrap();
    let account = cache.accounts().unwrap().remove(0);
    let revoked = RefCell::default();
    let nothing = |_: &PersistedTokenCache| {};
    let endpoint = Meanwhile { cache: &cache, what: nothing, revoked: &revoked };
    let out = cache.sign_out_with(&account, None, endpoint).unwrap();
    assert!(out.removed >= 3, "{out:?}");
    assert!(matches!(out.revoked[..], [Revoked::Done]), "{out:?}");
    assert_eq!(revoked.take(), ["r0"]);
    assert!(Script::new([]).call(&cache).unwrap().is_none());
    // An endpoint that cannot revoke says so.
    clock.store(NOW + 1, Ordering::SeqCst);
    cache.add_response(&request(), tokens("a0", Some("r0"), 60)).unwrap();
    let out = cache.sign_out_with(&account, Some("client"), &Script::new([])).unwrap();
    assert!(out.revoked.iter().all(|revoked| matches!(revoked, Revoked::NotSupported)), "{out:?}");
}

#[test]
fn two_callers_with_the_same_challenge_share_one_request() {
    let challenged = request().claims(r#"{"a":1}"#);
    let able = |names: &[&str]| challenged.clone().client_capabilities(names.iter().copied());
    let other = request().claims(r#"{"b":1}"#);
    for (first, second, token) in [
        (&challenged, &challenged, "a1"),
        (&able(&["CP1", "CP2"]), &able(&["CP2", "CP1"]), "a1"),
        // Another challenge is another request, and so are other capabilities.
        (&challenged, &other, "b1"),
        (&challenged, &able(&["CP1"]), "b1"),
        (&able(&["CP1"]), &able(&["CP2"]), "b1"),
    ] {
        assert_eq!(second_of_two(first, second), token, "{first:?}, {second:?}");
    }
}

/// The token of a second caller, who comes while the provider has the request of the first one. The
/// first one gets `a1`, and who asks after that `b1`.
fn second_of_two(first: &TokenRequest, second: &TokenRequest) -> String {
    let (cache, _clock) = signed_in();
    let (asked, is_asked) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    thread::scope(|scope| {
        let cache = &cache;
        let holder = scope.spawn(move || {
            cache.acquire_token_silent(first, |_| {
                asked.send(()).unwrap();
                may_go_on.recv().unwrap();
                ok("a1", Some("r1"))
            })
        });
        is_asked.recv().unwrap();
        let go_on = Mutex::new(Some(go_on));
        let options = SilentOptions::new().stop_when(move || {
            if let Some(go_on) = go_on.lock().unwrap().take() {
                go_on.send(()).unwrap();
            }
            false
        });
        let script = Script::new([ok("b1", None)]);
        let token = cache.acquire_token_silent_with(second, &options, &script);
        assert_eq!(secret(holder.join().unwrap()), "a1");
        secret(token)
    })
}

#[test]
fn a_token_that_got_its_account_meanwhile_is_renewed_under_it() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let named = |access: &str, more: &str| {
        let info = client_info("ada");
        format!(
            r#"{{"access_token": "{access}", {more}"expires_in": 60, "client_info": "{info}"}}"#
        )
    };
    let token = cache.acquire_token_silent(&request(), |_| {
        // Another program's answer for other scopes says whose it is, and has no refresh token.
        let entry = cache.refresh_tokens(&request()).unwrap().remove(0);
        let write = TokenRequest::new("client", ELSEWHERE, ["write"]);
        cache.add_renewal(&write, &entry, named("w", "")).unwrap();
        Ok(TokenReply::new(200, named("a1", r#""refresh_token": "r1", "#)))
    });
    assert_eq!(secret(token), "a1");
    let account = cache.accounts().unwrap().remove(0);
    let adas = cache.refresh_tokens(&request().for_account(&account)).unwrap();
    assert_eq!(adas[0].secret(), Some("r1"));
}
