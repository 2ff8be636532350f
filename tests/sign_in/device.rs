use std::{cell::Cell, time::Duration};

use serde_json::json;
use tokenkeep::{Error, PersistedTokenCache, SignInFailure, sign_in::SignedIn};

use crate::provider::Provider;

fn sign_in(provider: &Provider) -> Result<SignedIn, Error> {
    let app = provider.app();
    let flow = app.initiate_device_flow()?;
    app.acquire_token_by_device_flow(&flow, || false)
}

#[test]
fn the_provider_is_asked_until_the_user_has_signed_in() {
    let provider = Provider::start();
    provider.then_refuses("authorization_pending");
    provider.then_refuses("authorization_pending");
    provider.then_issues("one");
    let app = provider.app();
    let flow = app.initiate_device_flow().unwrap();
    assert_eq!(flow.user_code(), "WDJB-MJHT");
    assert_eq!(flow.verification_uri(), format!("{}/activate", provider.issuer()));
    assert_eq!(flow.lifetime(), Duration::from_secs(600));
    assert!(!format!("{flow:?}").contains("the-device-code"));

    let signed_in = app.acquire_token_by_device_flow(&flow, || false).unwrap();
    assert!(signed_in.has_refresh_token() && !format!("{signed_in:?}").contains("-one"));
    assert_eq!(
        provider.forms("device"),
        ["client_id=app&scope=openid+profile+offline_access+api.read"]
    );
    let polls = provider.forms("token");
    assert_eq!(polls.len(), 3);
    assert_eq!(
        polls[0],
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&client_id=app\
         &device_code=the-device-code"
    );

    let cache = PersistedTokenCache::in_memory();
    let kept = cache.keep_sign_in(&signed_in).unwrap();
    assert!(kept.access_token.is_stored() && kept.access_token.secret() == "access-one");
    assert_eq!(cache.accounts().unwrap()[0].username(), "ada");
    let found = cache.find_access_token(&app.request()).unwrap().unwrap();
    assert_eq!(found.secret(), "access-one");
    let record = cache.record(&app.request()).unwrap().unwrap();
    assert_eq!(record.token_endpoint().unwrap(), format!("{}/token", provider.issuer()));
    assert_eq!(record.revocation_endpoint().unwrap(), format!("{}/revoke", provider.issuer()));
}

#[test]
fn an_end_without_tokens_says_why() {
    for (code, expected) in [
        ("access_denied", "was refused"),
        ("authorization_declined", "was refused"),
        ("expired_token", "expired"),
    ] {
        let provider = Provider::start();
        provider.then_refuses(code);
        let error = sign_in(&provider).unwrap_err();
        assert!(matches!(error, Error::SignInFailed(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    for code in ["invalid_client", "unauthorized_client", "unsupported_grant_type"] {
        let provider = Provider::start();
        provider.then_refuses(code);
        let error = sign_in(&provider).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(code));
    }
}

#[test]
fn a_code_that_has_ended_is_not_asked_for_again() {
    let provider = Provider::start();
    provider.then_refuses("authorization_pending");
    provider.device_says(json!({ "expires_in": 0 }));
    let app = provider.app();
    let flow = app.initiate_device_flow().unwrap();
    // 30 s more, in case the clocks differ.
    assert!(flow.lifetime().is_zero());
    let polls = Cell::new(0);
    let stop = || polls.replace(polls.get() + 1) > 3;
    let error = app.acquire_token_by_device_flow(&flow, stop).unwrap_err();
    assert!(matches!(error, Error::SignInFailed(SignInFailure::Canceled)), "{error:?}");
}

#[test]
fn whoever_stops_is_gone_before_the_next_question() {
    let provider = Provider::start();
    provider.device_says(json!({ "interval": 3600 }));
    let app = provider.app();
    let flow = app.initiate_device_flow().unwrap();
    let looks = Cell::new(0);
    let stop = || looks.replace(looks.get() + 1) > 1;
    let error = app.acquire_token_by_device_flow(&flow, stop).unwrap_err();
    assert!(matches!(error, Error::SignInFailed(SignInFailure::Canceled)), "{error:?}");
    assert_eq!(provider.forms("token").len(), 0);
}

#[test]
fn a_provider_that_is_asked_too_often_or_is_down_is_asked_less_often() {
    for (status, body) in [
        ("400 Bad Request", json!({ "error": "slow_down" }).to_string()),
        ("503 Service Unavailable", "<html>".to_owned()),
        ("200 OK", "<html>".to_owned()),
    ] {
        let provider = Provider::start();
        provider.then(status, body);
        provider.then_issues("one");
        let app = provider.app();
        let flow = app.initiate_device_flow().unwrap();
        assert!(flow.interval().is_zero());
        let looks = Cell::new(0);
        // Without a pause the second question would come first.
        let stop = || looks.replace(looks.get() + 1) > 5;
        let error = app.acquire_token_by_device_flow(&flow, stop).unwrap_err();
        assert!(matches!(error, Error::SignInFailed(SignInFailure::Canceled)), "{error:?}");
        assert_eq!(provider.forms("token").len(), 1);
    }
}

#[test]
fn a_code_is_read_however_a_provider_writes_it() {
    let provider = Provider::start();
    let address = format!("{}/elsewhere", provider.issuer());
    provider.device_says(json!({
        "verification_uri": null, "verification_url": address, "interval": "7",
        "expires_in": "60", "verification_uri_complete": format!("{address}?c=WDJB-MJHT"),
    }));
    let flow = provider.app().initiate_device_flow().unwrap();
    assert_eq!(flow.verification_uri(), address);
    assert_eq!((flow.interval().as_secs(), flow.lifetime().as_secs()), (7, 60));
    assert!(flow.verification_uri_complete().unwrap().ends_with("?c=WDJB-MJHT"));
    provider.device_says(json!({ "interval": null }));
    assert_eq!(provider.app().initiate_device_flow().unwrap().interval().as_secs(), 5);
    for other in ["file:///etc/passwd", "javascript:alert(1)", "ms-settings:x", ""] {
        let provider = Provider::start();
        provider.device_says(json!({ "verification_uri_complete": other }));
        let flow = provider.app().initiate_device_flow().unwrap();
        assert_eq!(flow.verification_uri_complete(), None);
        provider.device_says(json!({ "verification_uri": other }));
        let error = provider.app().initiate_device_flow().unwrap_err();
        assert!(matches!(error, Error::ProviderAnswer { .. }), "{error:?}");
    }
    provider.device_says(json!({ "user_code": null }));
    let error = provider.app().initiate_device_flow().unwrap_err();
    assert!(matches!(error, Error::ProviderAnswer { .. }), "{error:?}");
    provider.device_says(json!({ "error": "invalid_scope" }));
    let error = provider.app().initiate_device_flow().unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
}

#[test]
fn a_provider_without_device_sign_in_is_said_so() {
    let provider = Provider::start();
    provider.announces(json!({ "device_authorization_endpoint": null }));
    let error = provider.app().initiate_device_flow().unwrap_err();
    assert_eq!(error.to_string(), "the provider has no device sign-in");
}

#[test]
fn whoever_stops_is_gone_while_a_question_hangs_and_late_tokens_are_revoked() {
    let provider = Provider::start();
    provider.then_issues("one");
    provider.hold();
    let app = provider.app();
    let flow = app.initiate_device_flow().unwrap();
    let error = app.acquire_token_by_device_flow(&flow, || provider.was_asked("token"));
    let error = error.unwrap_err();
    assert!(matches!(error, Error::SignInFailed(SignInFailure::Canceled)), "{error:?}");
    assert!(!provider.was_asked("revoke"));
    provider.release();
    provider.wait_for("revoke");
    assert_eq!(
        provider.forms("revoke"),
        ["token=refresh-one&token_type_hint=refresh_token&client_id=app"]
    );
}

#[test]
fn a_question_names_the_api_for_which_the_tokens_are() {
    let provider = Provider::start();
    provider.then_issues("one");
    let app = provider.builder().audience("the-api").resources(["https://api.example/x"]);
    let app = app.discover().unwrap();
    let flow = app.initiate_device_flow().unwrap();
    app.acquire_token_by_device_flow(&flow, || false).unwrap();
    for form in [&provider.forms("device")[0], &provider.forms("token")[0]] {
        assert!(
            form.ends_with("&audience=the-api&resource=https%3A%2F%2Fapi.example%2Fx"),
            "{form}"
        );
    }
}

#[test]
fn a_text_that_a_terminal_obeys_is_no_code() {
    let provider = Provider::start();
    provider.device_says(json!({ "user_code": "AB\u{1b}]0;pwn\u{7}\nCD" }));
    let error = provider.app().initiate_device_flow().unwrap_err();
    assert!(matches!(error, Error::ProviderAnswer { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("pwn"));
}
