//! What is asked for, and which token answers.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokenkeep::{
    CredentialType, Error, KeySource, PersistedTokenCache, Secret, TokenRequest,
    persistence::{Passphrase, SealedPersistence},
    silent::{SilentOptions, Spend, TokenReply},
};

use crate::script::*;

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
fn a_claims_challenge_asks_the_provider_and_its_token_is_kept() {
    let (cache, _clock) = signed_in();
    let challenged = request().claims(r#"{"a":1}"#);
    let script = Script::new([ok("a1", None)]);
    let token = cache.acquire_token_silent(&challenged, |spend| script.answer(spend));
    assert_eq!(secret(token), "a1");
    assert!(script.forms.borrow()[0].ends_with(r#"claims={"a":1}"#));
    assert_eq!(secret(script.call(&cache)), "a1");
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
    cache.add_response(&request(), adas_tokens()).unwrap();
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

#[test]
fn a_refresh_token_that_is_used_again_is_as_new_as_its_use() {
    let bodies = [
        r#"{"access_token": "a1", "expires_in": 3600}"#,
        r#"{"access_token": "a1", "expires_in": 3600, "refresh_token": ""}"#,
        r#"{"access_token": "a1", "expires_in": 3600, "refresh_token": null}"#,
    ];
    for body in bodies {
        let (cache, clock) = signed_in();
        clock.store(NOW + 3600, Ordering::SeqCst);
        let token = cache.acquire_token_silent(&request(), |_| Ok(TokenReply::new(200, body)));
        assert_eq!(secret(token), "a1");
        let entries = cache.refresh_tokens(&request()).unwrap();
        assert_eq!(entries[0].secret(), Some("r0"));
        assert_eq!(entries[0].last_modification_time(), Some((NOW + 3600).cast_signed()));
    }
}

#[test]
fn fewer_scopes_than_were_asked_for_are_an_answer_that_says_so() {
    let (cache, clock) = signed_in();
    clock.store(NOW + 3600, Ordering::SeqCst);
    let both = TokenRequest::new("client", ELSEWHERE, ["read", "write"]);
    let narrow = r#"{"access_token": "a1", "expires_in": 3600, "scope": "read"}"#;
    let script = Script::new([Ok(TokenReply::new(200, narrow))]);
    for _ in 0..2 {
        let token = script.call_for(&cache, &both).unwrap().unwrap();
        assert_eq!(token.scopes(), ["read"]);
    }
}

#[test]
fn a_family_token_that_is_not_for_the_client_gives_way_to_its_own() {
    let cloud = "https://login.microsoftonline.com/organizations";
    let request = TokenRequest::new("client", cloud, ["read"]);
    let (cache, clock) = nobody();
    let answer = |refresh: &str, family: &str| {
        format!(
            r#"{{"access_token": "a0", "refresh_token": "{refresh}", "expires_in": 60{family},
                "client_info": "{}"}}"#,
            client_info("ada")
        )
    };
    cache.add_response(&request, answer("own", "")).unwrap();
    clock.store(NOW + 1, Ordering::SeqCst);
    let relative = TokenRequest::new("relative", cloud, ["read"]);
    cache.add_response(&relative, answer("family", r#", "foci": "1""#)).unwrap();
    clock.store(NOW + 3600, Ordering::SeqCst);
    // As with a client of which it is not known whether it is in the family.
    cache
        .transaction(|cache| {
            let metadata: Vec<_> = cache.entries(CredentialType::AppMetadata).cloned().collect();
            metadata
                .iter()
                .try_for_each(|entry| cache.modify(entry, &[("client_id", Some("relative"))]))
        })
        .unwrap();
    let mismatch = r#"{"error": "invalid_grant", "suberror": "client_mismatch"}"#;
    let script = Script::new([Ok(TokenReply::new(400, mismatch)), ok("a1", Some("own 1"))]);
    let token = script.call_for(&cache, &request);
    let spent = script.spent();
    assert_eq!(secret(token), "a1");
    assert_eq!(spent, ["family", "own"]);
}

#[test]
fn of_a_family_that_the_client_is_not_in_one_refresh_token_is_tried() {
    let cloud = "https://login.microsoftonline.com/organizations";
    for mismatch in [
        r#"{"error": "invalid_grant", "suberror": "client_mismatch"}"#,
        r#"{"error": "invalid_grant", "error_additional_info": [1, "client_mismatch"]}"#,
    ] {
        let (cache, clock) = nobody();
        let answer = |secret: &str| {
            let info = client_info("ada");
            format!(
                r#"{{"access_token": "a", "refresh_token": "{secret}", "expires_in": 60,
                    "foci": "1", "client_info": "{info}"}}"#
            )
        };
        let request = |client: &str| TokenRequest::new(client, cloud, ["read"]);
        for client in ["client", "relative 1", "relative 2", "relative 3"] {
            cache.add_response(&request(client), answer(client)).unwrap();
            clock.fetch_add(1, Ordering::SeqCst);
        }
        clock.store(NOW + 3600, Ordering::SeqCst);
        let script = Script::new([Ok(TokenReply::new(400, mismatch)), refused("invalid_grant")]);
        for _ in 0..2 {
            let refused = script.call_for(&cache, &request("client"));
            assert!(matches!(refused, Err(Error::SignInNeeded { .. })), "{refused:?}");
        }
        assert_eq!(script.spent(), ["relative 3", "client"], "the second call shares both");
    }
}
