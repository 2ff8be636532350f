//! Silent sign-in: what one call does with each answer of a provider.
#![allow(clippy::unwrap_used, missing_docs, reason = "it is a test")]

use std::{
    cell::RefCell,
    future::Future,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Arc, Barrier, Mutex, mpsc},
    task::{Context, Poll, Wake},
    thread,
    time::Duration,
};

use tokenkeep::{
    AccessToken, CredentialType, Error, KeySource, PersistedTokenCache, Query, Secret,
    TokenRequest,
    lock::LockGuard,
    persistence::{
        Loaded, MemoryPersistence, Passphrase, Persistence, Saved, SealedPersistence, Stamp,
    },
    silent::{ExchangeError, Revoked, SilentOptions, Spend, TokenEndpoint, TokenReply},
};
use tokio::runtime::Builder;

const ELSEWHERE: &str = "https://id.example/tenant";
const NOW: u64 = 1_700_000_000;

fn request() -> TokenRequest {
    TokenRequest::new("client", ELSEWHERE, ["read"])
}

/// A cache whose clock a test moves.
fn nobody() -> (PersistedTokenCache, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    (PersistedTokenCache::in_memory().clock(move || now.load(Ordering::SeqCst)), clock)
}

/// A cache whose clock a test moves, with the refresh token `r0` and an access token `a0` of an
/// hour.
fn signed_in() -> (PersistedTokenCache, Arc<AtomicU64>) {
    let (cache, clock) = nobody();
    cache.add_response(&request(), tokens("a0", Some("r0"), 3600)).unwrap();
    (cache, clock)
}

fn tokens(access: &str, refresh: Option<&str>, lifetime: u64) -> String {
    let refresh = refresh.map(|token| format!(r#""refresh_token": "{token}", "#));
    format!(
        r#"{{"access_token": "{access}", {}"expires_in": {lifetime}}}"#,
        refresh.unwrap_or_default()
    )
}

fn ok(access: &str, refresh: Option<&str>) -> Result<TokenReply, ExchangeError> {
    Ok(TokenReply::new(200, tokens(access, refresh, 3600)))
}

fn refused(code: &str) -> Result<TokenReply, ExchangeError> {
    Ok(TokenReply::new(400, format!(r#"{{"error": "{code}"}}"#)))
}

/// An exchange that answers with each of `answers` in turn, and the refresh tokens it was given.
struct Script {
    answers: RefCell<Vec<Result<TokenReply, ExchangeError>>>,
    spent: RefCell<Vec<String>>,
    forms: RefCell<Vec<String>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<TokenReply, ExchangeError>>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let (spent, forms) = Default::default();
        Self { answers: RefCell::new(answers), spent, forms }
    }

    fn answer(&self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.spent.borrow_mut().push(spend.refresh_token().unwrap().to_owned());
        let form: Vec<String> =
            spend.form().map(|(name, value)| format!("{name}={value}")).collect();
        self.forms.borrow_mut().push(form.join("&"));
        self.answers.borrow_mut().pop().expect("no more requests than answers")
    }

    fn call(&self, cache: &PersistedTokenCache) -> Result<Option<AccessToken>, Error> {
        cache.acquire_token_silent(&request(), |spend| self.answer(spend))
    }

    fn call_for(
        &self,
        cache: &PersistedTokenCache,
        request: &TokenRequest,
    ) -> Result<Option<AccessToken>, Error> {
        cache.acquire_token_silent_with(request, &SilentOptions::new(), self)
    }

    fn spent(&self) -> Vec<String> {
        self.spent.take()
    }
}

impl TokenEndpoint for &Script {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.answer(spend)
    }
}

fn secret(token: Result<Option<AccessToken>, Error>) -> String {
    token.unwrap().expect("somebody is signed in").secret().to_owned()
}

fn refresh_token(cache: &PersistedTokenCache) -> String {
    let entries = cache.search(CredentialType::RefreshToken, &Query::new()).unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    entry.secret().unwrap().to_owned()
}

#[test]
fn a_valid_token_is_not_renewed_and_an_expired_one_once() {
    let (cache, clock) = signed_in();
    let script = Script::new([ok("a1", Some("r1"))]);
    assert_eq!(secret(script.call(&cache)), "a0");
    assert!(script.spent().is_empty());
    clock.store(NOW + 3600, Ordering::SeqCst);
    let token = script.call(&cache).unwrap().unwrap();
    assert_eq!((token.secret(), token.is_stored()), ("a1", true));
    assert_eq!(script.spent(), ["r0"]);
    assert_eq!(refresh_token(&cache), "r1");
    assert_eq!(secret(script.call(&cache)), "a1");
}

#[test]
fn nobody_signed_in_is_none() {
    let script = Script::new([]);
    assert!(script.call(&PersistedTokenCache::in_memory()).unwrap().is_none());
}

#[test]
fn without_a_new_refresh_token_the_old_one_stays() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    assert_eq!(secret(Script::new([ok("a1", None)]).call(&cache)), "a1");
    assert_eq!(refresh_token(&cache), "r0");
}

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

#[test]
fn an_aging_token_is_renewed_and_is_good_enough_where_that_fails() {
    let aging = || {
        let (cache, clock) = signed_in();
        let answer = r#"{"access_token": "a0", "expires_in": 3600, "refresh_in": 100,
            "refresh_token": "r0"}"#;
        cache.add_response(&request(), answer).unwrap();
        // Later than every process's share of the spread.
        clock.store(NOW + 100 + 300, Ordering::SeqCst);
        cache
    };
    assert_eq!(secret(Script::new([ok("a1", None)]).call(&aging())), "a1");
    for failure in [
        Err(ExchangeError::not_sent("no route")),
        refused("invalid_grant"),
        Ok(TokenReply::new(503, "")),
        Ok(TokenReply::new(200, "<html>")),
    ] {
        let cache = aging();
        let (script, sign_in) = (Script::new([failure]), "a0");
        assert_eq!(secret(script.call(&cache)), sign_in);
    }
}

#[test]
fn each_failure_is_the_right_error_and_spends_nothing_twice() {
    let expired = || {
        let (cache, clock) = signed_in();
        clock.store(NOW + 3600, Ordering::SeqCst);
        cache
    };
    let call = |answers: Vec<Result<TokenReply, ExchangeError>>| {
        let (cache, script) = (expired(), Script::new(answers));
        let error = script.call(&cache).unwrap_err();
        assert_eq!(refresh_token(&cache), "r0", "nothing is removed");
        (error, script.spent().len())
    };
    let (error, requests) = call(vec![Err(ExchangeError::not_sent("no route"))]);
    assert!(matches!(error, Error::ProviderUnreachable { .. }) && requests == 1, "{error:?}");
    assert!(error.is_retryable() && !error.is_sign_in_needed());
    let unknown = || Err(ExchangeError::unknown("cut"));
    let (error, requests) = call(vec![unknown(), unknown()]);
    assert!(matches!(error, Error::ProviderUnavailable { status: None, .. }), "{error:?}");
    assert_eq!(requests, 2, "the same token once more, and not again");
    let busy = TokenReply::new(429, "").retry_after(Some("17"));
    let (error, requests) = call(vec![Ok(busy)]);
    let expected = Some(Duration::from_secs(17));
    assert!(
        matches!(error, Error::ProviderUnavailable { status: Some(429), retry_in, .. }
            if retry_in == expected),
        "{error:?}"
    );
    assert_eq!(requests, 1);
    let (error, requests) = call(vec![refused("invalid_grant")]);
    assert!(matches!(error, Error::SignInNeeded { .. }) && requests == 1, "{error:?}");
    assert!(error.is_sign_in_needed());
    let (error, requests) = call(vec![refused("invalid_client")]);
    assert!(matches!(error, Error::Refused { .. }) && requests == 1, "{error:?}");
    let (error, requests) = call(vec![Ok(TokenReply::new(200, "<html>"))]);
    assert!(matches!(error, Error::ProviderAnswer { .. }) && requests == 1, "{error:?}");
}

#[test]
fn a_failure_is_shared_until_the_provider_may_be_asked_again() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let busy = || Ok(TokenReply::new(503, "").retry_after(Some("30")));
    let script = Script::new([busy(), ok("a1", None)]);
    assert!(matches!(script.call(&cache), Err(Error::ProviderUnavailable { .. })));
    clock.store(NOW + 3629, Ordering::SeqCst);
    let shared = script.call(&cache).unwrap_err();
    assert!(matches!(shared, Error::ProviderUnavailable { status: Some(503), .. }), "{shared:?}");
    assert_eq!(script.spent().len(), 1);
    clock.store(NOW + 3630, Ordering::SeqCst);
    assert_eq!(secret(script.call(&cache)), "a1");
    // A clock that was set back ends it too.
    let (cache, clock) = signed_in();
    clock.store(NOW + 7200, Ordering::SeqCst);
    let script = Script::new([busy(), ok("a1", None)]);
    script.call(&cache).unwrap_err();
    clock.store(NOW + 3600, Ordering::SeqCst);
    assert_eq!(secret(script.call(&cache)), "a1");
}

#[test]
fn a_refused_scope_does_not_hold_up_the_others_and_is_tried_without() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let script = Script::new([refused("invalid_scope"), refused("invalid_scope")]);
    assert!(matches!(script.call(&cache), Err(Error::Refused { .. })));
    let forms = script.forms.take();
    assert!(forms[0].contains("&scope=read") && !forms[1].contains("scope"), "{forms:?}");
    let other = TokenRequest::new("client", ELSEWHERE, ["write"]);
    let answer = |_: &Spend| Ok(TokenReply::new(200, tokens("w", None, 3600)));
    assert_eq!(secret(cache.acquire_token_silent(&other, answer)), "w");
}

#[test]
fn a_refused_token_is_not_the_last_one_where_another_is_there() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    // A program without a lease renews while this one asks.
    let mut requests = Vec::new();
    let token = cache.acquire_token_silent(&request(), |spend| {
        let spent = spend.refresh_token().unwrap().to_owned();
        requests.push(spent.clone());
        if spent == "r0" {
            let entry = cache.refresh_tokens(&request()).unwrap().remove(0);
            cache.update_refresh_token(&entry, "r1").unwrap();
            return refused("invalid_grant");
        }
        ok("a2", Some("r2"))
    });
    assert_eq!(secret(token), "a2");
    assert_eq!(requests, ["r0", "r1"]);
    assert_eq!(refresh_token(&cache), "r2");
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

#[test]
fn a_claims_challenge_asks_the_provider_and_its_token_is_kept() {
    let (cache, _clock) = signed_in();
    let challenged = request().claims(r#"{"a":1}"#);
    let script = Script::new([ok("a1", None)]);
    let token = cache.acquire_token_silent(&challenged, |spend| script.answer(spend));
    assert_eq!(secret(token), "a1");
    assert!(script.forms.borrow()[0].ends_with(r#"claims={"a":1}"#));
    assert_eq!(secret(script.call(&cache)), "a1");
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
fn a_token_from_before_the_clock_was_set_back_is_renewed_once() {
    let (cache, clock) = signed_in();
    clock.store(NOW - 86_400, Ordering::SeqCst);
    let script = Script::new([ok("a1", Some("r1"))]);
    assert_eq!(secret(script.call(&cache)), "a1");
    assert_eq!(secret(script.call(&cache)), "a1");
    assert_eq!(script.spent(), ["r0"]);
}

#[test]
fn an_answer_that_may_be_lost_is_not_the_same_as_a_request_that_was_not_sent() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let script =
        Script::new([Err(ExchangeError::unknown("cut")), Err(ExchangeError::not_sent("down"))]);
    let error = script.call(&cache).unwrap_err();
    assert!(matches!(error, Error::ProviderUnavailable { status: None, .. }), "{error:?}");
}

#[test]
fn what_a_provider_or_a_client_repeats_of_a_token_is_in_no_error() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let echo = r#"{"error": "invalid_grant r0", "error_description": "spent r0", "suberror": "r0",
        "claims": "r0", "correlation_id": "r0"}"#;
    let error = Script::new([Ok(TokenReply::new(400, echo))]).call(&cache).unwrap_err();
    let refusal = error.refusal().unwrap();
    let texts = [refusal.suberror(), refusal.description(), refusal.claims()];
    assert_eq!((refusal.code(), texts), ("", [None; 3]));
    assert!(!format!("{error:?} {error} {refusal:?}").contains("r0"), "{error:?}");
}

#[test]
fn another_programs_failure_does_not_hold_up_another_client_or_scope() {
    let (cache, clock) = signed_in();
    let other = TokenRequest::new("other", ELSEWHERE, ["read"]);
    cache.add_response(&other, tokens("o0", Some("r0"), 3600)).unwrap();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let busy = TokenReply::new(503, "").retry_after(Some("600"));
    Script::new([Ok(busy)]).call(&cache).unwrap_err();
    // The same text is another client's token.
    let script = Script::new([ok("o1", Some("o1"))]);
    assert_eq!(
        secret(cache.acquire_token_silent_with(&other, &SilentOptions::new(), &script)),
        "o1"
    );

    let consent = r#"{"error": "invalid_grant", "suberror": "consent_required"}"#;
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let script = Script::new([Ok(TokenReply::new(400, consent)), ok("w", None)]);
    script.call(&cache).unwrap_err();
    let write = TokenRequest::new("client", ELSEWHERE, ["write"]);
    assert_eq!(
        secret(cache.acquire_token_silent_with(&write, &SilentOptions::new(), &script)),
        "w"
    );
}

#[test]
fn a_failure_counts_from_when_it_came_and_not_from_the_request() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let now = Arc::clone(&clock);
    let slow = |_: &Spend| {
        now.store(NOW + 3620, Ordering::SeqCst);
        Ok(TokenReply::new(503, "").retry_after(Some("10")))
    };
    cache.acquire_token_silent(&request(), slow).unwrap_err();
    clock.store(NOW + 3629, Ordering::SeqCst);
    let script = Script::new([]);
    match script.call(&cache).unwrap_err() {
        Error::ProviderUnavailable { retry_in, .. } => {
            assert_eq!(retry_in, Some(Duration::from_secs(1)), "what is left of it");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_refresh_token_is_kept_even_if_the_rest_of_the_answer_is_of_no_use() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let odd = r#"{"access_token": "a1", "refresh_token": "r1", "client_info": 5, "scope": {}}"#;
    let error = Script::new([Ok(TokenReply::new(200, odd))]).call(&cache).unwrap_err();
    assert!(matches!(error, Error::ProviderAnswer { .. }), "{error:?}");
    assert_eq!(refresh_token(&cache), "r1");
}

#[test]
fn a_token_for_another_user_is_stored_nowhere_and_revoked() {
    let cloud = "https://login.microsoftonline.com/common";
    let request = TokenRequest::new("client", cloud, ["read"]);
    let answer = |user: &str, number: u32| {
        format!(
            r#"{{"access_token": "a{number}", "refresh_token": "r{number}", "expires_in": 60,
                "client_info": "{}"}}"#,
            client_info(user)
        )
    };
    let (cache, clock) = nobody();
    cache.add_response(&request, answer("ada", 0)).unwrap();
    clock.store(NOW + 60, Ordering::SeqCst);
    let revoked = RefCell::default();
    let endpoint = Bobs { answer: answer("bob", 1), revoked: &revoked };
    let error = cache.acquire_token_silent_with(&request, &SilentOptions::new(), endpoint);
    assert!(matches!(error, Err(Error::ProviderAnswer { .. })), "{error:?}");
    assert_eq!(revoked.take(), ["r1"]);
    assert_eq!(refresh_token(&cache), "r0");
}

/// An endpoint that answers for somebody else.
struct Bobs<'c> {
    answer: String,
    revoked: &'c RefCell<Vec<String>>,
}

impl TokenEndpoint for Bobs<'_> {
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        Ok(TokenReply::new(200, self.answer.clone()))
    }

    fn revoke(&mut self, token: &Secret) -> Revoked {
        self.revoked.borrow_mut().push(token.expose_str().unwrap().to_owned());
        Revoked::Done
    }
}

fn client_info(user: &str) -> String {
    base64(&format!(r#"{{"uid":"{user}","utid":"tenant"}}"#))
}

fn base64(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for at in 0..=part.len() {
            encoded.push(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize].into());
        }
    }
    encoded
}

#[test]
fn a_token_that_an_api_refused_is_replaced_once_for_all_who_hold_it() {
    let (cache, _clock) = signed_in();
    let script = Script::new([ok("a1", Some("r1"))]);
    let refused = script.call(&cache).unwrap().unwrap();
    assert_eq!(refused.secret(), "a0");
    let instead = request().instead_of(&refused);
    let other = || cache.acquire_token_silent_with(&instead, &SilentOptions::new(), &script);
    assert_eq!(secret(other()), "a1");
    assert_eq!(secret(other()), "a1", "who holds the refused one as well shares its successor");
    assert_eq!(script.spent(), ["r0"]);
    let cached = cache.snapshot().unwrap();
    let secrets: Vec<_> =
        cached.entries(CredentialType::AccessToken).map(|entry| entry.secret().unwrap()).collect();
    assert_eq!(secrets, ["a1"]);
}

#[test]
fn without_a_scope_in_form_and_answer_the_refresh_tokens_scopes_were_granted() {
    let (cache, clock) = nobody();
    let wide = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600,
        "scope": "read write"}"#;
    cache.add_response(&request(), wide).unwrap();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let script = Script::new([refused("invalid_scope"), ok("a1", None)]);
    assert_eq!(script.call(&cache).unwrap().unwrap().scopes(), ["read", "write"]);
    let write = TokenRequest::new("client", ELSEWHERE, ["write"]);
    assert_eq!(secret(Script::new([]).call_for(&cache, &write)), "a1");
    // In Microsoft's clouds a request without scopes is another request.
    let cloud = TokenRequest::new("client", "https://login.microsoftonline.com/common", ["read"]);
    cache.add_response(&cloud, tokens("m0", Some("m0"), 60)).unwrap();
    clock.store(NOW + 7200, Ordering::SeqCst);
    let script = Script::new([refused("invalid_scope")]);
    assert!(matches!(script.call_for(&cache, &cloud), Err(Error::Refused { .. })));
}

#[test]
fn an_application_gets_a_token_of_its_own_and_asks_once() {
    let (cache, clock) = nobody();
    let adas = format!(
        r#"{{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600,
            "client_info": "{}"}}"#,
        client_info("ada")
    );
    cache.add_response(&request(), adas).unwrap();
    let forms = RefCell::new(Vec::new());
    let exchange = |spend: &Spend| {
        assert_eq!(spend.refresh_token(), None);
        forms.borrow_mut().push(spend.form().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
        ok("app", None)
    };
    for _ in 0..2 {
        assert_eq!(secret(cache.acquire_token_for_client(&request(), exchange)), "app");
    }
    assert_eq!(forms.take(), [["grant_type", "client_id", "scope"]]);
    assert_eq!(secret(Script::new([]).call(&cache)), "a0", "the user's token is another one");
    clock.store(NOW + 3600, Ordering::SeqCst);
    let refused = cache.acquire_token_for_client(&request(), |_| refused("invalid_client"));
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    // What is wrong with a program may be corrected by the next call.
    clock.store(NOW + 3601, Ordering::SeqCst);
    assert_eq!(secret(cache.acquire_token_for_client(&request(), exchange)), "app");
}

/// A persistence over one in memory. Its saves fail while `is_full`. While `is_unsure`, it saves and
/// cannot say that it did.
#[derive(Clone, Debug, Default)]
struct Full {
    inner: Arc<MemoryPersistence>,
    is_full: Arc<AtomicBool>,
    is_unsure: Arc<AtomicBool>,
}

impl Full {
    /// A cache of it with a sign-in, whose clock a test moves.
    fn signed_in(&self) -> (PersistedTokenCache, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(NOW));
        let now = Arc::clone(&clock);
        let cache =
            PersistedTokenCache::new(self.clone()).clock(move || now.load(Ordering::SeqCst));
        cache.add_response(&request(), tokens("a0", Some("r0"), 3600)).unwrap();
        (cache, clock)
    }
}

impl Persistence for Full {
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.inner.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(Error::NoSpace { path: "full".into(), source: "no space".into() });
        }
        let saved = self.inner.save(content, base, guard)?;
        match self.is_unsure.swap(false, Ordering::SeqCst) {
            true => Err(Error::DurabilityUnknown { path: "f".into(), source: "cut".into() }),
            false => Ok(saved),
        }
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.inner.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.inner.stamp()
    }
}

#[test]
fn an_answer_that_could_not_be_saved_is_used_and_saved_later() {
    let full = Full::default();
    let is_full = &full.is_full;
    let (cache, clock) = full.signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    is_full.store(true, Ordering::SeqCst);
    let token = Script::new([ok("a1", Some("r1"))]).call(&cache).unwrap().unwrap();
    assert_eq!(token.secret(), "a1");
    assert!(matches!(token.unstored_because(), Some(Error::NoSpace { .. })), "{token:?}");
    assert!(matches!(cache.settle(Duration::ZERO), Err(Error::NoSpace { .. })));
    // It is not asked for again, and the spent token is not spent again.
    assert_eq!(secret(Script::new([]).call(&cache)), "a1");
    clock.store(NOW + 7200, Ordering::SeqCst);
    let script = Script::new([ok("a2", Some("r2"))]);
    assert_eq!(secret(script.call(&cache)), "a2");
    assert_eq!(script.spent(), ["r1"]);
    is_full.store(false, Ordering::SeqCst);
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(refresh_token(&cache), "r2");
    assert_eq!(cache.find_access_token(&request()).unwrap().unwrap().secret(), "a2");
}

#[test]
fn a_sign_out_ends_an_answer_that_was_not_saved_yet() {
    let full = Full::default();
    let (cache, clock) = full.signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    full.is_full.store(true, Ordering::SeqCst);
    assert_eq!(secret(Script::new([ok("a1", Some("r1"))]).call(&cache)), "a1");
    full.is_full.store(false, Ordering::SeqCst);
    cache.sign_out_without_account(None).unwrap();
    assert!(Script::new([]).call(&cache).unwrap().is_none());
    assert!(cache.search(CredentialType::AccessToken, &Query::new()).unwrap().is_empty());
}

#[test]
fn a_renewal_whose_future_is_dropped_is_stored_and_settled() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    runtime.block_on(async {
        let mut may_go_on = Some(may_go_on);
        let exchange = move |spend: Spend| {
            let (asked, may_go_on) = (asked.clone(), may_go_on.take().expect("one request"));
            async move {
                asked.send(spend.refresh_token().unwrap().to_owned()).unwrap();
                may_go_on.await.unwrap();
                ok("a1", Some("r1"))
            }
        };
        let request = request();
        tokio::select! {
            token = cache.acquire_token_silent_async(&request, exchange) => panic!("{token:?}"),
            asked = is_asked.recv() => assert_eq!(asked.as_deref(), Some("r0")),
        }
    });
    let busy = cache.settle(Duration::ZERO).unwrap_err();
    assert!(matches!(busy, Error::RefreshInProgress { .. }), "{busy:?}");
    go_on.send(()).unwrap();
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(refresh_token(&cache), "r1");
    assert_eq!(secret(Script::new([]).call(&cache)), "a1");
}

#[test]
fn a_future_is_driven_without_a_runtime_and_one_that_was_shut_down_is_no_answer() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let wanted = request();
    let mut silent =
        Box::pin(cache.acquire_token_silent_async(&wanted, |_| async { ok("a1", Some("r1")) }));
    let waker = Arc::new(Unparks(thread::current())).into();
    let token = loop {
        match silent.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(token) => break token,
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(secret(token), "a1");

    clock.store(NOW + 7200, Ordering::SeqCst);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let (asked, is_asked) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let theirs = cache.clone();
    runtime.spawn(async move {
        let wanted = request();
        let token = theirs.acquire_token_silent_async(&wanted, move |_| {
            asked.send(()).unwrap();
            std::future::pending()
        });
        token.await.ok();
    });
    is_asked.recv().unwrap();
    // Its tasks end, and with them the request.
    runtime.shutdown_background();
    let waiting = cache.clone();
    thread::spawn(move || ended.send(waiting.settle(Duration::from_secs(60))).unwrap());
    has_ended.recv().unwrap().unwrap();
    assert_eq!(refresh_token(&cache), "r1", "nothing came, so the old one stays");
}

/// Wakes a thread.
struct Unparks(thread::Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
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
    let adas = format!(
        r#"{{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600,
            "client_info": "{}"}}"#,
        client_info("ada")
    );
    cache.add_response(&request(), adas).unwrap();
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
fn many_answers_that_could_not_be_saved_are_one_and_the_last_one_is_saved() {
    let full = Full::default();
    let (cache, clock) = full.signed_in();
    full.is_full.store(true, Ordering::SeqCst);
    for number in 1..300 {
        clock.store(NOW + 3600 * number, Ordering::SeqCst);
        let script = Script::new([ok(&format!("a{number}"), Some(&format!("r{number}")))]);
        assert_eq!(secret(script.call(&cache)), format!("a{number}"));
        assert_eq!(script.spent(), [format!("r{}", number - 1)]);
    }
    assert_eq!(cache.refresh_tokens(&request()).unwrap()[0].secret(), Some("r299"));
    full.is_full.store(false, Ordering::SeqCst);
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(refresh_token(&cache), "r299");
    // What was removed does not come back.
    full.is_full.store(true, Ordering::SeqCst);
    clock.store(NOW + 3600 * 300, Ordering::SeqCst);
    Script::new([ok("a300", Some("r300"))]).call(&cache).unwrap();
    full.is_full.store(false, Ordering::SeqCst);
    cache.clear().unwrap();
    cache.settle(Duration::from_secs(60)).unwrap();
    assert!(cache.snapshot().unwrap().is_empty());
}

#[test]
fn an_old_answer_that_is_saved_late_replaces_no_newer_token() {
    let full = Full::default();
    let (cache, clock) = full.signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    full.is_full.store(true, Ordering::SeqCst);
    assert_eq!(secret(Script::new([ok("a1", None)]).call(&cache)), "a1");
    full.is_full.store(false, Ordering::SeqCst);
    // Another process.
    let other = PersistedTokenCache::new(full.clone()).clock(|| NOW + 3700);
    other.add_response(&request(), tokens("a2", None, 3600)).unwrap();
    cache.settle(Duration::from_secs(60)).unwrap();
    assert_eq!(cache.find_access_token(&request()).unwrap().unwrap().secret(), "a2");
}

#[test]
fn a_renewal_that_was_stored_without_a_proof_is_no_sign_out() {
    for refresh_token in [Some("r1"), None] {
        let full = Full::default();
        let (cache, clock) = full.signed_in();
        clock.store(NOW + 3600, Ordering::SeqCst);
        full.is_unsure.store(true, Ordering::SeqCst);
        let refresh = refresh_token.map(|token| format!(r#""refresh_token": "{token}", "#));
        let named = format!(
            r#"{{"access_token": "a1", {}"expires_in": 3600, "client_info": "{}"}}"#,
            refresh.unwrap_or_default(),
            client_info("ada")
        );
        let revoked = RefCell::default();
        let endpoint = Bobs { answer: named, revoked: &revoked };
        let token = cache.acquire_token_silent_with(&request(), &SilentOptions::new(), endpoint);
        assert_eq!(secret(token), "a1");
        assert!(revoked.take().is_empty());
        let account = cache.accounts().unwrap().remove(0);
        let adas = cache.refresh_tokens(&request().for_account(&account)).unwrap();
        assert_eq!(adas[0].secret(), Some(refresh_token.unwrap_or("r0")));
    }
}

#[test]
fn an_aging_token_does_not_cut_short_the_renewal_of_a_slow_provider() {
    let (cache, clock) = nobody();
    let aging = r#"{"access_token": "a0", "expires_in": 3600, "refresh_in": 100,
        "refresh_token": "r0"}"#;
    cache.add_response(&request(), aging).unwrap();
    clock.store(NOW + 500, Ordering::SeqCst);
    let mut left = Vec::new();
    let token = cache.acquire_token_silent(&request(), |spend| {
        left.push(spend.left());
        match left.len() {
            1 => Err(ExchangeError::unknown("cut")),
            _ => ok("a1", Some("r1")),
        }
    });
    assert_eq!(secret(token), "a1");
    assert!(left[0] > Duration::from_secs(20), "{left:?}");
    // A failure is not repeated by every call that has a token which is good for a while.
    let aging = r#"{"access_token": "a2", "expires_in": 3600, "refresh_in": 100}"#;
    cache.add_response(&request(), aging).unwrap();
    clock.store(NOW + 1000, Ordering::SeqCst);
    let script = Script::new([Err(ExchangeError::not_sent("offline"))]);
    for _ in 0..3 {
        assert_eq!(secret(script.call(&cache)), "a2");
        clock.fetch_add(15, Ordering::SeqCst);
    }
    assert_eq!(script.spent().len(), 1);
}

#[test]
fn where_nobody_is_signed_in_nothing_is_made_or_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&asked);
    let passphrase = Passphrase::asked(move |_| {
        theirs.store(true, Ordering::SeqCst);
        Ok(Secret::new("secret"))
    });
    let sealed = SealedPersistence::builder("com.example.tests")
        .folder(place.path().join("cache"))
        .key_source(KeySource::Passphrase(passphrase))
        .open();
    let cache = PersistedTokenCache::new(sealed.unwrap());
    assert!(Script::new([]).call(&cache).unwrap().is_none());
    assert!(!asked.load(Ordering::SeqCst));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_refused_token_has_one_successor_also_where_the_clock_was_set_back() {
    let (cache, clock) = signed_in();
    let refused = cache.find_access_token(&request()).unwrap().unwrap();
    clock.store(NOW - 200, Ordering::SeqCst);
    let instead = request().instead_of(&refused);
    let script = Script::new([ok("a1", Some("r1"))]);
    for _ in 0..4 {
        assert_eq!(secret(script.call_for(&cache, &instead)), "a1");
    }
}

#[test]
fn a_token_for_further_parameters_is_asked_for_with_them() {
    let (cache, _clock) = signed_in();
    let bound = request().data([("token_type", "pop"), ("req_cnf", "key")]).key_id("key");
    let script = Script::new([ok("p1", None)]);
    assert_eq!(secret(script.call_for(&cache, &bound)), "p1");
    assert!(script.forms.take()[0].ends_with("&token_type=pop&req_cnf=key"));
    assert_eq!(secret(script.call_for(&cache, &bound)), "p1");
    let only_the_key = request().ext_cache_key("digest");
    let unknown = script.call_for(&cache, &only_the_key);
    assert!(matches!(unknown, Err(Error::Invalid { .. })), "{unknown:?}");
}
