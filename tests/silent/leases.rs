//! Which renewals wait for each other.

use std::{
    cell::RefCell,
    sync::{Barrier, Mutex, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use tokenkeep::{
    Error, KeySource, PersistedTokenCache, TokenRequest,
    persistence::SealedPersistence,
    silent::{ExchangeError, SilentOptions, Spend, TokenEndpoint, TokenReply},
};

use crate::script::*;

const CLOUD: &str = "https://login.microsoftonline.com/organizations";

/// A sign-in of `user` with one of the clients, of a family or not.
fn add(cache: &PersistedTokenCache, request: &TokenRequest, user: &str, more: &str) {
    let info = client_info(user);
    let answer = format!(
        r#"{{"access_token": "expired", "refresh_token": "{user}0", "expires_in": 60{more},
            "client_info": "{info}"}}"#
    );
    cache.add_response(request, answer).unwrap();
}

#[test]
fn two_accounts_are_renewed_at_the_same_time() {
    let (cache, clock) = nobody();
    let request = TokenRequest::new("client", CLOUD, ["read"]);
    // Their leases are two files. Of sixteen accounts two share one, and wait.
    for user in ["ada", "bob"] {
        add(&cache, &request, user, "");
    }
    clock.store(NOW + 3600, Ordering::SeqCst);
    thread::scope(|scope| {
        let (cache, request) = (&cache, &request);
        let ends = [mpsc::channel(), mpsc::channel()];
        let [(ada, from_ada), (bob, from_bob)] = ends;
        let accounts = cache.accounts().unwrap();
        let others = [(ada, from_bob), (bob, from_ada)];
        let callers: Vec<_> = accounts
            .iter()
            .zip(others)
            .map(|(account, (is_asked, other))| {
                let request = request.clone().for_account(account);
                scope.spawn(move || {
                    cache.acquire_token_silent(&request, |spend| {
                        is_asked.send(()).unwrap();
                        // The other one's request begins before this one has its answer.
                        other.recv_timeout(PATIENCE).expect("it waits for this one");
                        ok(&format!("{} 1", spend.refresh_token().unwrap()), None)
                    })
                })
            })
            .collect();
        let mut tokens: Vec<_> =
            callers.into_iter().map(|caller| secret(caller.join().unwrap())).collect();
        tokens.sort();
        assert_eq!(tokens, ["ada0 1", "bob0 1"]);
    });
}

/// An endpoint that answers for a refresh token.
struct Answers<F>(F);

impl<F: FnMut(&str) -> Result<TokenReply, ExchangeError>> TokenEndpoint for Answers<F> {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.0(spend.refresh_token().unwrap())
    }
}

/// The refresh tokens that are spent where two callers ask at once, each of which gets a token for
/// itself alone. The first has its answer when the second waits.
fn spent_by(cache: &PersistedTokenCache, requests: &[TokenRequest; 2], more: &str) -> Vec<String> {
    let spent = Mutex::new(Vec::new());
    let (asked, is_asked) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    thread::scope(|scope| {
        let spent = &spent;
        let answer = move |token: &str| {
            let mut spent = spent.lock().unwrap();
            spent.push(token.to_owned());
            let number = spent.len();
            let info = client_info("ada");
            Ok(TokenReply::new(
                200,
                format!(
                    r#"{{"access_token": "a{number}", "refresh_token": "ada{number}",
                        "expires_in": 3600, "client_info": "{info}"{more}}}"#
                ),
            ))
        };
        let first = scope.spawn(move || {
            cache.acquire_token_silent(&requests[0], |spend| {
                asked.send(()).unwrap();
                may_go_on.recv().unwrap();
                answer(spend.refresh_token().unwrap())
            })
        });
        is_asked.recv().unwrap();
        let go_on = Mutex::new(Some(go_on));
        let options = SilentOptions::new().stop_when(move || {
            // It waits.
            if let Some(go_on) = go_on.lock().unwrap().take() {
                go_on.send(()).unwrap();
            }
            false
        });
        let second = cache.acquire_token_silent_with(&requests[1], &options, Answers(answer));
        assert_eq!((secret(first.join().unwrap()), secret(second)), ("a1".into(), "a2".into()));
    });
    spent.into_inner().unwrap()
}

#[test]
fn two_clients_of_a_family_spend_its_token_one_after_the_other() {
    let (cache, clock) = nobody();
    let requests = ["one", "two"].map(|client| TokenRequest::new(client, CLOUD, ["read"]));
    let family = r#", "foci": "1""#;
    for request in &requests {
        add(&cache, request, "ada", family);
    }
    clock.store(NOW + 3600, Ordering::SeqCst);
    assert_eq!(spent_by(&cache, &requests, family), ["ada0", "ada1"]);
    let account = cache.accounts().unwrap().remove(0);
    for request in requests {
        let tokens = cache.refresh_tokens(&request.for_account(&account)).unwrap();
        assert_eq!(tokens[0].secret(), Some("ada2"), "the family has one");
    }
}

#[test]
fn two_requests_for_other_scopes_spend_a_token_one_after_the_other() {
    let (cache, clock) = nobody();
    let requests = ["read", "write"].map(|scope| TokenRequest::new("client", ELSEWHERE, [scope]));
    add(&cache, &requests[0], "ada", "");
    clock.store(NOW + 3600, Ordering::SeqCst);
    assert_eq!(spent_by(&cache, &requests, ""), ["ada0", "ada1"]);
}

/// Two values of a sealed cache in one folder, as two libraries of one program have them.
fn two_values(place: &tempfile::TempDir) -> [PersistedTokenCache; 2] {
    [(); 2].map(|()| {
        let sealed = SealedPersistence::builder("com.example.tests")
            .folder(place.path().join("cache"))
            .key_source(KeySource::KeyFile(place.path().join("key").join("tests.key")))
            .open();
        PersistedTokenCache::new(sealed.unwrap())
    })
}

#[test]
fn two_values_over_one_folder_share_one_request() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 5;
    let place = tempfile::tempdir().unwrap();
    let values = two_values(&place);
    // Scopes of a round's own: no token of an earlier one answers it.
    let request = |round| TokenRequest::new("client", ELSEWHERE, [format!("s{round}")]);
    values[0].add_response(&request(0), tokens("a0", Some("r0"), 60)).unwrap();
    let (spent, start) = (Mutex::new(Vec::new()), Barrier::new(2 * THREADS));
    for round in 1..=ROUNDS {
        let (access, refresh) = (format!("a{round}"), format!("r{round}"));
        let call = |cache: &PersistedTokenCache| {
            start.wait();
            secret(cache.acquire_token_silent(&request(round), |spend| {
                spent.lock().unwrap().push(spend.refresh_token().unwrap().to_owned());
                ok(&access, Some(&refresh))
            }))
        };
        thread::scope(|scope| {
            let callers: Vec<_> = values
                .iter()
                .flat_map(|cache| {
                    (0..THREADS).map(|_| scope.spawn(|| call(cache))).collect::<Vec<_>>()
                })
                .collect();
            for caller in callers {
                assert_eq!(caller.join().unwrap(), access);
            }
        });
    }
    let expected: Vec<String> = (0..ROUNDS).map(|round| format!("r{round}")).collect();
    assert_eq!(spent.into_inner().unwrap(), expected);
}

#[test]
fn another_value_over_the_same_folder_is_nested_in_an_exchange_too() {
    let place = tempfile::tempdir().unwrap();
    let [cache, other] = two_values(&place);
    cache.clone().clock(|| NOW).add_response(&request(), tokens("a0", Some("r0"), 60)).unwrap();
    let nested = RefCell::new(None);
    let token = cache.acquire_token_silent(&request(), |_| {
        nested.replace(Some(Script::new([]).call(&other)));
        other.accounts().expect("a read is no renewal");
        ok("a1", None)
    });
    assert_eq!(secret(token), "a1");
    let nested = nested.take();
    assert!(matches!(nested, Some(Err(Error::Nested))), "{nested:?}");
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
