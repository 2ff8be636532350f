//! Tokens that are still valid and should be renewed, and clocks that are set.

use std::{sync::atomic::Ordering, time::Duration};

use tokenkeep::silent::{ExchangeError, Spend, TokenReply};

use crate::script::*;

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
fn a_token_from_before_the_clock_was_set_back_is_renewed_once() {
    let (cache, clock) = signed_in();
    clock.store(NOW - 86_400, Ordering::SeqCst);
    let script = Script::new([ok("a1", Some("r1"))]);
    assert_eq!(secret(script.call(&cache)), "a1");
    assert_eq!(secret(script.call(&cache)), "a1");
    assert_eq!(script.spent(), ["r0"]);
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
fn a_computer_that_sleeps_during_a_request_has_its_time_and_asks_once_more() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let mut left = Vec::new();
    let token = cache.acquire_token_silent(&request(), |spend| {
        left.push(spend.left());
        match left.len() {
            1 => {
                // It wakes eight hours later, with a dead connection. A deadline counts on the
                // clock that stood still.
                clock.fetch_add(8 * 3600, Ordering::SeqCst);
                Err(ExchangeError::unknown("the connection was reset"))
            }
            _ => ok("a1", Some("r1")),
        }
    });
    let token = token.unwrap().expect("somebody is signed in");
    assert!(left.len() == 2 && left[1] > Duration::from_secs(20), "{left:?}");
    assert_eq!(token.expires_on(), NOW + 3600 + 8 * 3600 + 3600, "from the second request on");
    assert_eq!(secret(Script::new([]).call(&cache)), "a1");
}

#[test]
fn a_token_whose_answer_was_slept_through_is_valid_from_the_request_on() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let asleep = |_: &Spend| {
        clock.fetch_add(2 * 3600, Ordering::SeqCst);
        ok("a1", Some("r1"))
    };
    let token = cache.acquire_token_silent(&request(), asleep).unwrap();
    assert_eq!(token.expect("somebody is signed in").expires_on(), NOW + 2 * 3600);
    let script = Script::new([ok("a2", Some("r2"))]);
    assert_eq!(secret(script.call(&cache)), "a2");
    assert_eq!(script.spent(), ["r1"]);
}
