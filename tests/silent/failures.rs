//! Each failure is the right error, and is shared with whom it concerns.

use std::{
    cell::RefCell,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokenkeep::{
    Error, TokenRequest,
    silent::{ExchangeError, SilentOptions, Spend, TokenReply},
};

use crate::script::*;

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
    for odd in [
        r#"{"access_token": "a1", "refresh_token": "r1", "client_info": 5, "scope": {}}"#,
        r#"{"access_token": null, "refresh_token": "r1"}"#,
    ] {
        let (cache, clock) = signed_in();
        clock.store(NOW + 3600, Ordering::SeqCst);
        let error = Script::new([Ok(TokenReply::new(200, odd))]).call(&cache).unwrap_err();
        assert!(matches!(error, Error::ProviderAnswer { .. }), "{error:?}");
        assert_eq!(refresh_token(&cache), "r1");
    }
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

#[test]
fn a_request_without_an_answer_is_sent_once_more_at_once() {
    let unknown = || Err(ExchangeError::unknown("cut"));
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let script = Script::new([unknown(), ok("a1", Some("r1"))]);
    assert_eq!(secret(script.call(&cache)), "a1");
    assert_eq!(script.spent(), ["r0", "r0"]);
    // The provider had replaced it, and has no leeway.
    clock.store(NOW + 7200, Ordering::SeqCst);
    let script = Script::new([unknown(), refused("invalid_grant")]);
    assert!(matches!(script.call(&cache), Err(Error::SignInNeeded { .. })));
    assert_eq!(script.spent(), ["r1", "r1"]);
}

#[test]
fn one_call_sends_three_requests_at_most() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let mut requests = 0;
    let error = cache.acquire_token_silent(&request(), |_| {
        requests += 1;
        // A program without a lease renews each time.
        let entry = cache.refresh_tokens(&request()).unwrap().remove(0);
        cache.update_refresh_token(&entry, &format!("r{requests}")).unwrap();
        refused("invalid_grant")
    });
    assert!(matches!(error, Err(Error::SignInNeeded { .. })), "{error:?}");
    assert_eq!(requests, 3);
}

#[test]
fn without_a_time_from_the_provider_it_is_left_alone_for_a_while() {
    for (status, seconds) in [(429, 60), (503, 5)] {
        let (cache, clock) = signed_in();
        clock.store(NOW + 3600, Ordering::SeqCst);
        let script = Script::new([Ok(TokenReply::new(status, "")), ok("a1", None)]);
        script.call(&cache).unwrap_err();
        clock.store(NOW + 3600 + seconds - 1, Ordering::SeqCst);
        script.call(&cache).unwrap_err();
        clock.store(NOW + 3600 + seconds, Ordering::SeqCst);
        assert_eq!(secret(script.call(&cache)), "a1");
    }
}

#[test]
fn a_provider_that_asks_for_the_user_says_what_for() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let challenge = r#"{"error": "interaction_required", "suberror": "basic_action",
        "claims": "{\"access_token\":{}}", "correlation_id": "7", "error_description": "do it"}"#;
    let script = Script::new([Ok(TokenReply::new(400, challenge))]);
    let error = script.call(&cache).unwrap_err();
    assert!(error.is_sign_in_needed() && !error.is_retryable());
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.code(), "interaction_required");
    assert_eq!(refusal.suberror(), Some("basic_action"));
    assert_eq!(refusal.claims(), Some(r#"{"access_token":{}}"#));
    assert_eq!(refusal.correlation_id(), Some("7"));
    assert_eq!(script.spent().len(), 1, "another token would be refused for the same reason");
    assert_eq!(refresh_token(&cache), "r0");
}

#[test]
fn where_no_time_is_left_nothing_is_sent() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let options = SilentOptions::new().exchange(Duration::ZERO);
    let error = cache.acquire_token_silent_with(&request(), &options, &Script::new([]));
    assert!(matches!(error, Err(Error::ProviderUnreachable { .. })), "{error:?}");
    clock.store(NOW + 3601, Ordering::SeqCst);
    assert_eq!(secret(Script::new([ok("a1", None)]).call(&cache)), "a1");
}
