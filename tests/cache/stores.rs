//! What a store of one's own needs: what an event and a request say, how a token is marked, how
//! large a cache is, and what can be removed.

use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep::{CredentialType, SignInEvent, TokenCache, TokenSource};

use crate::whose_token::answers::{ELSEWHERE, MICROSOFT, answer, id_token, request, segment};

const NOW: u64 = 1_700_000_000;

fn event(authority: &str, more: &Value) -> SignInEvent {
    SignInEvent::from_response(&request(authority), &answer("AT", more)).unwrap()
}

fn of_section(cache: &TokenCache, kind: CredentialType) -> Vec<String> {
    cache.entries(kind).map(|entry| entry.secret().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_life_of_a_refresh_token_is_what_the_provider_says() {
    for (more, seconds) in [
        (json!({}), None),
        (json!({"refresh_token_expires_in": 5184000}), Some(5_184_000)),
        (json!({"refresh_token_expires_in": "86399"}), Some(86_399)),
        (json!({"refresh_expires_in": 1800}), Some(1_800)),
        (json!({"refresh_expires_in": "1800"}), Some(1_800)),
        (json!({"refresh_token_expires_in": 7, "refresh_expires_in": 1800}), Some(7)),
        (json!({"refresh_token_expires_in": null, "refresh_expires_in": 1800}), Some(1_800)),
        // Keycloak says so of an offline token.
        (json!({"refresh_expires_in": 0}), None),
        (json!({"refresh_token_expires_in": 0, "refresh_expires_in": 1800}), None),
        (json!({"refresh_token_expires_in": -1}), None),
        (json!({"refresh_token_expires_in": "soon"}), None),
    ] {
        let said = event(ELSEWHERE, &more).refresh_token_lifetime();
        assert_eq!(said, seconds.map(Duration::from_secs), "{more}");
    }
}

#[test]
fn the_refresh_token_of_a_response_is_read_whatever_else_it_says() {
    for (json, token, seconds) in [
        (r#"{"refresh_token": "RT", "refresh_expires_in": 60}"#, Some("RT"), Some(60)),
        (r#"{"refresh_token": "RT", "access_token": 7, "expires_in": "soon"}"#, Some("RT"), None),
        (r#"{"refresh_token": "RT", "error": "server_error", "scope": {}}"#, Some("RT"), None),
        (r#"{"refresh_token": "", "refresh_token_expires_in": 60}"#, None, Some(60)),
        (r#"{"refresh_token": ["RT"], "refresh_token_expires_in": 60}"#, None, Some(60)),
        (r#"{"refresh_token": null}"#, None, None),
        ("\u{feff}{\"refresh_token\": \"RT\"}", Some("RT"), None),
        ("[]", None, None),
        ("<html>", None, None),
    ] {
        let said = SignInEvent::of_refresh_token(json.as_bytes());
        assert_eq!(said.refresh_token(), token, "{json}");
        assert_eq!(said.has_refresh_token(), token.is_some(), "{json}");
        assert_eq!(said.refresh_token_lifetime(), seconds.map(Duration::from_secs), "{json}");
    }
}

#[test]
fn an_event_says_who_signed_in_where_and_what_came() {
    let token = id_token(&json!({"iss": "https://idp.example/t/", "sub": "42", "oid": "o"}));
    let said = event(ELSEWHERE, &json!({"id_token": token, "refresh_token": "RT"}));
    assert_eq!(said.home_account_id(), Some("42"));
    assert_eq!(said.environment(), Some("idp.example"));
    assert_eq!(said.id_token_issuer(), Some("https://idp.example/t/"));
    assert_eq!(said.id_token_subject(), Some("42"));
    assert!(said.has_refresh_token());

    // The account is that of `client_info`; the ID token still says what it says.
    let info = segment(&json!({"uid": "u", "utid": "t"}));
    let token = id_token(&json!({"iss": "https://sts.windows.net/t/", "sub": "pairwise"}));
    let said = event(MICROSOFT, &json!({"client_info": info, "id_token": token}));
    assert_eq!(said.home_account_id(), Some("u.t"));
    assert_eq!(said.id_token_subject(), Some("pairwise"));
    assert!(!said.has_refresh_token());

    let silent = event(ELSEWHERE, &json!({}));
    assert_eq!(silent.home_account_id(), None);
    assert_eq!((silent.id_token_issuer(), silent.id_token_subject()), (None, None));
    let named = request(ELSEWHERE).account("me");
    let named = SignInEvent::from_response(&named, &answer("AT", &json!({}))).unwrap();
    assert_eq!(named.home_account_id(), Some("me"));
    assert_eq!(silent.account("7", "ada").home_account_id(), Some("7"));
}

#[test]
fn a_request_names_its_cloud_its_tenant_and_its_issuer() {
    for (authority, cloud, realm, issuer) in [
        (MICROSOFT, Some("login.microsoft.com"), Some("contoso"), None),
        ("https://STS.windows.net/t", Some("login.microsoft.com"), Some("t"), None),
        ("https://x.b2clogin.com/x/p", Some("x.b2clogin.com"), Some("x"), None),
        (
            "https://IDP.example/realms/a/",
            Some("idp.example"),
            Some("realms"),
            Some("https://idp.example/realms/a"),
        ),
        ("https://idp.example", Some("idp.example"), None, Some("https://idp.example")),
        (
            "http://localhost:8080/t",
            Some("localhost:8080"),
            Some("t"),
            Some("http://localhost:8080/t"),
        ),
        ("ftp://idp.example/t", None, None, None),
    ] {
        let request = request(authority);
        assert_eq!(request.cloud(), cloud, "{authority}");
        assert_eq!(request.realm(), realm, "{authority}");
        assert_eq!(request.issuer(), issuer, "{authority}");
    }
    let mut cache = TokenCache::new();
    let sign_in = json!({"client_info": segment(&json!({"uid": "u", "utid": "t"}))});
    cache.add(&event("https://login.windows.net/t", &sign_in), NOW).unwrap();
    assert_eq!(cache.accounts()[0].cloud(), "login.microsoft.com");
}

#[test]
fn a_token_says_what_its_store_says_of_it() {
    let mut cache = TokenCache::new();
    let token = cache.add_response(&request(ELSEWHERE), answer("AT", &json!({})), NOW).unwrap();
    assert!(token.is_stored());
    let unstored = token.stored(false);
    assert!(!unstored.is_stored() && unstored.unstored_because().is_none());
    assert!(unstored.stored(true).is_stored());

    let found = cache.find_access_token(&request(ELSEWHERE), NOW).unwrap().unwrap().to_owned();
    assert_eq!(found.source(), TokenSource::Cache);
    assert_eq!(found.issued_now().source(), TokenSource::Provider);
}

#[test]
fn whether_a_token_is_aging_can_be_asked_for_any_time() {
    let mut cache = TokenCache::new();
    let request = request(ELSEWHERE);
    let kept = cache.add_response(&request, answer("AT", &json!({"refresh_in": 600})), NOW);
    let kept = kept.unwrap();
    assert_eq!((kept.cached_at(), kept.refresh_on()), (Some(NOW), Some(NOW + 600)));
    for (after, expected) in [(0, false), (600, false), (601, true), (3_599, true)] {
        assert_eq!(kept.is_aging_at(NOW + after), expected, "{after}");
        if after < 3_300 {
            let found = cache.find_access_token(&request, NOW + after).unwrap().unwrap();
            assert_eq!(found.is_aging(), expected, "{after}");
            assert!(!found.is_aging_at(NOW), "{after}");
            assert_eq!((found.cached_at(), found.refresh_on()), (Some(NOW), Some(NOW + 600)));
        }
    }
    // The clock was set back.
    assert!(kept.is_aging_at(NOW - 301) && !kept.is_aging_at(NOW - 300));

    let lasting = cache.add_response(&request, answer("AT", &json!({})), NOW).unwrap();
    assert_eq!(lasting.refresh_on(), None);
}

#[test]
fn the_length_is_that_of_what_is_printed() {
    let mut cache = TokenCache::new();
    let text = |cache: &TokenCache| cache.to_json().expose().len();
    assert_eq!(cache.json_len(), text(&cache));
    let more = json!({"id_token": id_token(&json!({"sub": "42", "name": "Ünïcode \"x\""})),
        "refresh_token": "RT\u{7f}\n"});
    cache.add_response(&request(ELSEWHERE), answer("AT", &more), NOW).unwrap();
    assert!(cache.json_len() > 1_000);
    assert_eq!(cache.json_len(), text(&cache));
    // Nested values that are indented, and those that stay on one line.
    for (depth, zeros) in [(3, 10), (3, 50_000), (100, 50_000)] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let zeros = vec!["0"; zeros].join(",");
        let json = format!(r#"{{"Mine": {open}{zeros}{close}, "Account": 7}}"#);
        let cache = TokenCache::from_json(json.as_bytes()).unwrap();
        assert_eq!(cache.json_len(), text(&cache), "{depth}");
    }
}

#[test]
fn only_tokens_make_a_cache_more_than_a_memory_of_its_clients() {
    let mut cache = TokenCache::new();
    assert!(!cache.has_tokens() && cache.is_empty());
    let request = request(ELSEWHERE);
    for more in
        [json!({"refresh_token": "RT"}), json!({"id_token": id_token(&json!({"sub": "1"}))})]
    {
        let mut cache = TokenCache::new();
        let token = cache.add_response(&request, answer("AT", &more), NOW).unwrap();
        cache.remove_expired(u64::MAX).unwrap();
        assert!(cache.has_tokens(), "{more}");
        drop(token);
    }
    cache.add_response(&request, answer("AT", &json!({})), NOW).unwrap();
    assert!(cache.has_tokens());
    cache.sign_out_without_account(None).unwrap();
    assert!(!cache.has_tokens() && !cache.is_empty());
}

#[test]
fn all_refresh_tokens_can_go_and_the_rest_stays() {
    let mut cache = TokenCache::new();
    for (user, authority) in [("1", ELSEWHERE), ("2", ELSEWHERE), ("3", MICROSOFT)] {
        let more = json!({"refresh_token": format!("RT {user}"),
            "id_token": id_token(&json!({"sub": user}))});
        cache.add_response(&request(authority), answer(user, &more), NOW).unwrap();
    }
    let before = cache.len();
    assert_eq!(cache.remove_refresh_tokens().unwrap(), 3);
    assert_eq!(cache.len(), before - 3);
    assert_eq!(of_section(&cache, CredentialType::AccessToken), ["1", "2", "3"]);
    assert_eq!(cache.remove_refresh_tokens().unwrap(), 0);
    let mut foreign = TokenCache::from_json(br#"{"RefreshToken": []}"#).unwrap();
    assert!(foreign.remove_refresh_tokens().is_err());
}

#[test]
fn one_access_token_can_be_left_alone() {
    let mut cache = TokenCache::new();
    let request = request(ELSEWHERE).app_only();
    // Granted other scopes than before, so that it does not replace the one before.
    for (secret, scope) in [("one", "s a"), ("two", "s b"), ("three", "s c")] {
        cache.add_response(&request, answer(secret, &json!({"scope": scope})), NOW).unwrap();
    }
    let other = TokenCache::new().add_response(&request, answer("four", &json!({})), NOW).unwrap();
    assert_eq!(cache.remove_other_access_tokens(&other).unwrap(), 0, "it is not held");
    assert_eq!(of_section(&cache, CredentialType::AccessToken).len(), 3);
    let kept = cache.add_response(&request, answer("two", &json!({"scope": "s b"})), NOW).unwrap();
    assert_eq!(cache.remove_other_access_tokens(&kept).unwrap(), 2);
    assert_eq!(of_section(&cache, CredentialType::AccessToken), ["two"]);
    let found = cache.find_access_token(&request, NOW).unwrap();
    assert_eq!(found.unwrap().secret(), "two");
}
