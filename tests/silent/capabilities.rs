//! What a program can do, which it tells the provider with each request.

use std::{
    cell::RefCell,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokenkeep::{Error, PersistedTokenCache, TokenRequest, silent::Spend};

use crate::script::*;

fn spend(request: &TokenRequest) -> Result<Spend, Error> {
    Spend::of_client(request, Instant::now() + Duration::from_secs(30))
}

/// The claims that a form asks for.
fn claims(request: &TokenRequest) -> Option<String> {
    let spend = spend(request).unwrap();
    let sent = spend.form().find(|(name, _)| *name == "claims");
    sent.map(|(_, value)| value.to_owned())
}

#[test]
fn capabilities_join_the_claims_of_a_challenge() {
    let able = request().client_capabilities(["CP1", "CP\"2"]);
    let xms_cc = r#""xms_cc":{"values":["CP1","CP\"2"]}"#;
    assert_eq!(claims(&able), Some(format!(r#"{{"access_token":{{{xms_cc}}}}}"#)));
    for (challenge, sent) in [
        ("{}", format!(r#"{{"access_token":{{{xms_cc}}}}}"#)),
        (
            r#" {"id_token": {"a":null}, "access_token": {"nbf":{"value":1e400}} } "#,
            format!(
                r#"{{"access_token":{{"nbf":{{"value":1e400}},{xms_cc}}},"id_token":{{"a":null}}}}"#
            ),
        ),
        (r#"{"access_token":{"xms_cc":1}}"#, format!(r#"{{"access_token":{{{xms_cc}}}}}"#)),
    ] {
        assert_eq!(claims(&able.clone().claims(challenge)), Some(sent), "{challenge}");
    }
    // Without capabilities claims are sent as they were given.
    assert_eq!(claims(&request().claims(" {\"a\": 1}")).as_deref(), Some(" {\"a\": 1}"));
    assert_eq!(claims(&request().client_capabilities([""; 0])), None);
}

#[test]
fn capabilities_are_sent_with_a_renewal_and_do_not_decide_which_token_answers() {
    let (cache, clock) = signed_in();
    let able = request().client_capabilities(["CP1"]);
    let script = Script::new([ok("a1", Some("r1"))]);
    assert_eq!(secret(script.call_for(&cache, &able)), "a0", "the cached token answers");
    clock.store(NOW + 3600, Ordering::SeqCst);
    assert_eq!(secret(script.call_for(&cache, &able)), "a1");
    assert!(
        script.forms.take()[0]
            .ends_with(r#"claims={"access_token":{"xms_cc":{"values":["CP1"]}}}"#)
    );
    assert_eq!(secret(script.call(&cache)), "a1", "also the request without them");
    let forms = RefCell::new(Vec::new());
    let app = cache.acquire_token_for_client(&able, |spend| {
        forms.borrow_mut().extend(spend.form().map(|(name, _)| name.to_owned()));
        ok("app", None)
    });
    assert_eq!((secret(app), forms.take().pop().as_deref()), ("app".into(), Some("claims")));
}

#[test]
fn claims_that_are_no_json_object_are_an_error_before_anything_is_spent() {
    for (claims, detail) in [
        ("eyJhIjoxfQ", "the claims are not a JSON object"),
        ("[]", "the claims are not a JSON object"),
        (r#"{"a":1} x"#, "the claims are not a JSON object, at line 1 column 9"),
        (r#"{"access_token":null}"#, "the member `access_token` of the claims is not"),
    ] {
        let (cache, _clock) = signed_in();
        let nobody = PersistedTokenCache::in_memory();
        for request in [request().claims(claims), request().claims(claims).app_only()] {
            let script = Script::new([]);
            let called = [
                script.call_for(&cache, &request).map(drop),
                script.call_for(&nobody, &request).map(drop),
                cache.acquire_token_for_client(&request, |_| unreachable!()).map(drop),
                spend(&request).map(drop),
                spend(&request.clone().client_capabilities(["CP1"])).map(drop),
            ];
            for error in called {
                let Err(Error::Invalid { detail: found }) = error else { panic!("{error:?}") };
                assert!(found.starts_with(detail), "{found}");
                assert!(!found.contains("eyJ"), "{found}");
            }
        }
    }
}
