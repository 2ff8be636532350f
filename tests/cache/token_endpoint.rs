//! What is sent to a token endpoint, and what its replies mean.

use std::time::{Duration, Instant};

use tokenkeep::{
    CredentialType, Entry, Error, TokenCache, TokenRequest,
    silent::{Answer, ExchangeError, Grant, Spend, TokenReply},
};

const NOW: u64 = 1_700_000_000;
const MICROSOFT: &str = "https://login.microsoftonline.com/organizations";
const ELSEWHERE: &str = "https://id.example/realms/a";

/// One word for what a reply means.
fn meaning(status: u16, body: &str) -> String {
    match TokenReply::new(status, body).read(NOW) {
        Answer::Tokens => "tokens".into(),
        Answer::Refused(refusal) if refusal.is_sign_in_needed() => {
            format!("sign in: {}", refusal.code())
        }
        Answer::Refused(refusal) => format!("refused: {}", refusal.code()),
        Answer::Unavailable { .. } => "later".into(),
        Answer::Unusable { .. } => "unusable".into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_reply_of_a_provider_has_its_meaning() {
    let tokens = r#"{"access_token": "AT", "expires_in": 3600}"#;
    for (status, body, expected) in [
        (200, tokens, "tokens"),
        (201, tokens, "tokens"),
        (302, tokens, "unusable"),
        (500, tokens, "later"),
        // RFC 6749, 5.2, and OpenID Connect.
        (400, r#"{"error": "invalid_grant"}"#, "sign in: invalid_grant"),
        (503, r#"{"error": "invalid_grant"}"#, "sign in: invalid_grant"),
        (400, r#"{"error": "interaction_required"}"#, "sign in: interaction_required"),
        (401, r#"{"error": "invalid_client"}"#, "refused: invalid_client"),
        (400, r#"{"error": "invalid_scope"}"#, "refused: invalid_scope"),
        (400, r#"{"error": "temporarily_unavailable"}"#, "later"),
        (503, r#"{"error": "whatever"}"#, "later"),
        (429, r#"{"error": "too_many_requests"}"#, "later"),
        // GitHub and Slack refuse with 200.
        (200, r#"{"error": "bad_refresh_token"}"#, "sign in: bad_refresh_token"),
        (
            200,
            r#"{"ok": false, "error": "invalid_refresh_token"}"#,
            "sign in: invalid_refresh_token",
        ),
        (200, r#"{"ok": false, "error": "ratelimited"}"#, "later"),
        // OpenAI and Google answer with an object.
        (
            401,
            r#"{"error": {"code": "refresh_token_reused", "message": "x"}}"#,
            "sign in: refresh_token_reused",
        ),
        (403, r#"{"error": {"code": 403, "message": "No."}}"#, "refused: No."),
        // What is between here and the provider.
        (200, "<html>sign in to the hotel</html>", "unusable"),
        (502, "<html>bad gateway</html>", "later"),
        (407, "", "unusable"),
        (200, "", "unusable"),
        (200, "{}", "unusable"),
        (200, r#"{"access_token": 7}"#, "unusable"),
        (200, r#"{"access_token": "AT""#, "unusable"),
        (404, r#"{"message": "no such path"}"#, "unusable"),
    ] {
        assert_eq!(meaning(status, body), expected, "{status} {body}");
    }
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(meaning(200, &large), "unusable");
    assert_eq!(meaning(503, &large), "later");
}

#[test]
fn what_the_provider_said_is_kept_and_repeats_no_token() {
    let body = r#"{"error": "invalid_grant", "suberror": "bad_token", "claims": "{\"a\": 1}",
        "error_description": "AADSTS70000: expired.\r\nTrace", "correlation_id": "c0",
        "access_token": "AT", "refresh_token": "RT-1"}"#;
    let Answer::Refused(refusal) = TokenReply::new(400, body).read(NOW) else { panic!() };
    assert_eq!(refusal.suberror(), Some("bad_token"));
    assert_eq!(refusal.claims(), Some(r#"{"a": 1}"#));
    assert_eq!(refusal.correlation_id(), Some("c0"));
    assert_eq!(refusal.description(), Some("AADSTS70000: expired.\r\nTrace"));
    assert!(!format!("{refusal:?}").contains("AADSTS"), "it may name the user");

    let body = r#"{"error": "RT-1 is bad", "error_description": "the token RT-1 is bad",
        "refresh_token": "RT-1"}"#;
    let Answer::Refused(refusal) = TokenReply::new(400, body).read(NOW) else { panic!() };
    assert_eq!((refusal.code(), refusal.description()), ("", None));
    let body = format!(r#"{{"error": "x", "error_description": "{}"}}"#, "y".repeat(10_000));
    let Answer::Refused(refusal) = TokenReply::new(400, body).read(NOW) else { panic!() };
    assert_eq!(refusal.description().unwrap().len(), 200);
}

#[test]
fn a_provider_says_when_to_ask_again() {
    for (header, expected) in [
        (Some("7"), Some(7)),
        (Some(" 120 "), Some(120)),
        (Some("86400"), Some(3600)),
        // 1,700,000,000 is 22:13:20.
        (Some("Tue, 14 Nov 2023 22:14:20 GMT"), Some(60)),
        (Some("Tue, 14 Nov 2023 22:00:00 GMT"), Some(0)),
        (Some("soon"), None),
        (Some("-5"), None),
        (None, None),
    ] {
        let reply = TokenReply::new(503, "busy").retry_after(header);
        let Answer::Unavailable { status, retry_after, .. } = reply.read(NOW) else { panic!() };
        assert_eq!(status, 503);
        assert_eq!(retry_after, expected.map(Duration::from_secs), "{header:?}");
    }
}

/// A refresh token of `authority` for these scopes.
fn refresh_token(authority: &str, scopes: &str) -> Entry {
    let mut cache = TokenCache::new();
    let request = TokenRequest::new("client", authority, [scopes]);
    let answer = r#"{"access_token": "AT", "refresh_token": "RT", "expires_in": 3600}"#;
    cache.add_response(&request, answer, NOW).unwrap();
    cache.refresh_tokens(&request).unwrap().remove(0)
}

fn form(spend: &Spend) -> Vec<(String, String)> {
    spend.form().map(|(name, value)| (name.into(), value.into())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[test]
fn a_form_asks_as_each_provider_expects() {
    let deadline = Instant::now() + Duration::from_secs(30);
    let request = TokenRequest::new("client", MICROSOFT, ["User.Read"]).claims(r#"{"a":1}"#);
    let spend = Spend::of_refresh_token(&request, &refresh_token(MICROSOFT, "User.Read"), deadline)
        .unwrap();
    assert_eq!(
        form(&spend),
        pairs(&[
            ("grant_type", "refresh_token"),
            ("client_id", "client"),
            ("refresh_token", "RT"),
            ("scope", "User.Read openid profile offline_access"),
            ("claims", r#"{"a":1}"#),
            ("client_info", "1"),
        ])
    );
    assert_eq!((spend.grant(), spend.refresh_token()), (Grant::RefreshToken, Some("RT")));
    assert_eq!((spend.deadline(), spend.attempt()), (deadline, 1));
    assert!(!format!("{spend:?}").contains("RT"));

    // Elsewhere a renewal keeps the scopes that the refresh token has, if they are enough.
    let token = refresh_token(ELSEWHERE, "openid read write");
    for (asked, sent) in [("read", "openid read write"), ("admin", "admin")] {
        let request =
            TokenRequest::new("client", ELSEWHERE, [asked]).resource("https://api.example");
        let spend = Spend::of_refresh_token(&request, &token, deadline).unwrap();
        let expected = [
            ("grant_type", "refresh_token"),
            ("client_id", "client"),
            ("refresh_token", "RT"),
            ("scope", sent),
            ("resource", "https://api.example"),
        ];
        assert_eq!(form(&spend), pairs(&expected));
    }

    let request = TokenRequest::new("client", MICROSOFT, ["api/.default"]).app_only();
    let spend = Spend::of_client(&request, deadline).unwrap();
    let expected =
        [("grant_type", "client_credentials"), ("client_id", "client"), ("scope", "api/.default")];
    assert_eq!(form(&spend), pairs(&expected));
    assert_eq!(spend.refresh_token(), None);

    let request = TokenRequest::new("client", MICROSOFT, ["api/read"]);
    let spend = Spend::on_behalf_of(&request, "user's token", deadline).unwrap();
    assert_eq!(spend.assertion(), Some("user's token"));
    assert!(form(&spend).contains(&("requested_token_use".into(), "on_behalf_of".into())));
}

#[test]
fn what_cannot_be_spent_for_a_request_is_refused() {
    let deadline = Instant::now();
    let token = refresh_token(MICROSOFT, "s");
    let mut cache = TokenCache::new();
    let request = TokenRequest::new("client", ELSEWHERE, ["s"]);
    cache.add_response(&request, r#"{"access_token": "AT"}"#, NOW).unwrap();
    let access = cache.entries(CredentialType::AccessToken).next().unwrap().clone();
    for bad in [&token, &access] {
        let refused = Spend::of_refresh_token(&request, bad, deadline);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    let nowhere = TokenRequest::new("client", "id.example", ["s"]);
    assert!(matches!(Spend::of_client(&nowhere, deadline), Err(Error::Invalid { .. })));
}

#[test]
fn no_token_of_the_cache_answers_a_claims_challenge() {
    let mut cache = TokenCache::new();
    let request = TokenRequest::new("client", ELSEWHERE, ["s"]);
    cache.add_response(&request, r#"{"access_token": "AT", "expires_in": 3600}"#, NOW).unwrap();
    assert!(cache.find_access_token(&request, NOW).unwrap().is_some());
    let challenged = request.clone().claims(r#"{"access_token":{"acrs":{"value":"c1"}}}"#);
    assert!(challenged != request);
    assert!(cache.find_access_token(&challenged, NOW).unwrap().is_none());
    assert!(request.clone().claims("") == request);
}

#[test]
fn whether_a_token_may_be_spent_is_told_apart() {
    let error = ExchangeError::not_sent("no route");
    assert_eq!(error.to_string(), "the request was not sent");
    let error = ExchangeError::unknown(std::io::Error::other("cut"));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "cut");
}
