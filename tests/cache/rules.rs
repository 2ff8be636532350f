//! What the cache writes, keeps and finds.

use tokenkeep::{
    CredentialType, Entry, Error, Query, SerializableTokenCache, SignInEvent, TokenCache,
    TokenRequest,
};

const AUTHORITY: &str = "https://login.microsoftonline.com/contoso";

fn event(json: &str) -> SignInEvent {
    SignInEvent::from_json(json.as_bytes()).unwrap()
}

/// A sign-in of `who` at `host` for `scope`, with more members of the response.
fn sign_in(who: &str, host: &str, scope: &str, more: &str) -> SignInEvent {
    event(&format!(
        r#"{{"client_id": "client", "scope": ["{scope}"], "grant_type": "authorization_code",
            "token_endpoint": "https://{host}/contoso/oauth2/v2.0/token",
            "response": {{"access_token": "AT {who} {scope}", "refresh_token": "RT {who}",
            "expires_in": 3600, "id_token_claims": {{"sub": "{who}", "upn": "{who}@example.com"}}
            {more}}}}}"#
    ))
}

fn text(cache: &TokenCache) -> String {
    cache.to_json().expose_str().unwrap().to_owned()
}

fn request(scope: &str) -> TokenRequest {
    TokenRequest::new("client", AUTHORITY, [scope])
}

fn secret(cache: &TokenCache, request: &TokenRequest, now: u64) -> Option<String> {
    cache.find_access_token(request, now).unwrap().map(|token| token.secret().to_owned())
}

#[test]
fn foreign_data_is_printed_again_token_by_token() {
    let text_of_a_peer = r#"{"Mine": [1e400, -0, 123456789012345678901234567890, "\ud800", "\/A\u0041é"],
        "AccessToken": {"k\ud800": {"lone": "\udfff", "n": 1.50, "deep": {"a": [], "b": {}}}, "odd": 7},
        "Account": "not an object"}"#;
    let cache = TokenCache::from_json(text_of_a_peer.as_bytes()).unwrap();
    let expected = "{\n    \"Mine\": [\n        1e400,\n        -0,\n        \
        123456789012345678901234567890,\n        \"\\ud800\",\n        \"/AA\\u00e9\"\n    ],\n    \
        \"AccessToken\": {\n        \"k\\ud800\": {\n            \"lone\": \"\\udfff\",\n            \
        \"n\": 1.50,\n            \"deep\": {\n                \"a\": [],\n                \
        \"b\": {}\n            }\n        },\n        \"odd\": 7\n    },\n    \
        \"Account\": \"not an object\"\n}";
    assert_eq!(text(&cache), expected);
    let again = TokenCache::from_json(expected.as_bytes()).unwrap();
    assert_eq!(text(&again), expected);
}

#[test]
fn a_change_beside_foreign_data_leaves_it_as_it_was() {
    let peer = r#"{"customized": "whatever", "AccessToken": {"an-entry": {"foo": 1e400}}}"#;
    let mut cache = TokenCache::from_json(peer.as_bytes()).unwrap();
    cache.add(&sign_in("me", "login.microsoftonline.com", "s", ""), 1_000).unwrap();
    assert!(text(&cache).contains("\"an-entry\": {\n            \"foo\": 1e400\n        }"));
    assert!(
        text(&cache).starts_with("{\n    \"customized\": \"whatever\",\n    \"AccessToken\": {")
    );
    assert_eq!(secret(&cache, &request("s").account("me"), 1_000).unwrap(), "AT me s");
}

#[test]
fn of_repeated_names_the_last_counts_in_the_place_of_the_first() {
    let json = r#"{"AccessToken": {"a": {"x": 1, "y": 2, "x": {"z": 3}}, "b": {}, "a": {"n": {"p": 1, "p": 2}}}, "X": 1, "X": 2}"#;
    let cache = TokenCache::from_json(json.as_bytes()).unwrap();
    let expected = "{\n    \"AccessToken\": {\n        \"a\": {\n            \"n\": {\n                \
        \"p\": 2\n            }\n        },\n        \"b\": {}\n    },\n    \"X\": 2\n}";
    assert_eq!(text(&cache), expected);
    let entry =
        Entry::from_json(CredentialType::AccessToken, br#"{"x": 1, "y": 2, "x": {"z": 3}}"#);
    let expected = "{\n            \"x\": {\n                \"z\": 3\n            },\n            \"y\": 2\n        }";
    assert_eq!(entry.unwrap().as_json(), expected);
}

#[test]
fn what_is_not_json_is_corrupt_and_changes_nothing() {
    let cases = [
        ("{\"a\": NaN}", "NaN"),
        ("{\"a\": [1,\n -Infinity]}", "line 2"),
        ("\u{feff}{}", "byte order mark"),
        ("null", "root"),
        ("[]", "root"),
        ("{\"a\": 1", "ends"),
        ("{\"a\": 01}", "byte 7"),
        ("{\"a\": 1} x", "byte 9"),
        ("{\"a\": \"\u{1}\"}", "byte 7"),
        ("{'a': 1}", "byte 1"),
        ("  ", "ends"),
    ];
    let mut cache = SerializableTokenCache::new();
    cache.add(&event("{}"), 1).unwrap();
    for (json, place) in cases {
        let error = cache.deserialize(json.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{json}");
        assert!(error.to_string().contains(place), "{json}: {error}");
        assert_eq!(cache.len(), 1, "{json}");
    }
    assert!(cache.has_state_changed());
    assert!(cache.deserialize(b"{\"a\": \"\xff\"}").is_err());
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    assert!(cache.deserialize(deep.as_bytes()).is_err());
}

#[test]
fn a_section_that_is_not_an_object_is_kept_and_not_written_to() {
    let mut cache = TokenCache::from_json(br#"{"RefreshToken": [1]}"#).unwrap();
    let before = text(&cache);
    let error = cache.add(&sign_in("me", "h.example", "s", ""), 1).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }));
    assert_eq!(text(&cache), before, "not even the access token was added");
}

#[test]
fn bad_events_say_what_is_wrong() {
    for (json, part) in [
        ("", "JSON"),
        ("[]", "object"),
        (r#"{"client_id": 7}"#, "`client_id`"),
        (r#"{"scope": [7]}"#, "`scope`"),
        (r#"{"token_endpoint": "http://h/t"}"#, "https"),
        (r#"{"response": {"access_token": "a", "expires_in": "1h"}}"#, "`response.expires_in`"),
        (r#"{"response": {"access_token": "a", "expires_on": "1h"}}"#, "`response.expires_on`"),
        (r#"{"response": {"client_info": "x"}}"#, "client_info"),
        (r#"{"response": {"id_token_claims": {"oid": "o"}}}"#, "sub"),
    ] {
        let error = SignInEvent::from_json(json.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{json}");
        assert!(error.to_string().contains(part), "{json}: {error}");
    }
}

#[test]
fn a_token_is_found_until_300_seconds_before_its_end() {
    let mut cache = TokenCache::new();
    cache.add(&sign_in("me", "login.microsoftonline.com", "s", ""), 1_000).unwrap();
    let request = request("s").account("me");
    assert!(secret(&cache, &request, 4_300).is_some());
    assert!(secret(&cache, &request, 4_301).is_none());
}

#[test]
fn a_token_past_its_renewal_time_is_found_and_aging() {
    let mut cache = TokenCache::new();
    let more = r#", "refresh_in": 1800"#;
    cache.add(&sign_in("me", "login.microsoftonline.com", "s", more), 1_000).unwrap();
    let request = request("s").account("me");
    let is_aging = |now| cache.find_access_token(&request, now).unwrap().unwrap().is_aging();
    assert!(!is_aging(2_800));
    assert!(is_aging(2_801));
}

#[test]
fn a_token_is_found_under_every_name_of_its_cloud_and_no_other() {
    let mut cache = TokenCache::new();
    cache.add(&sign_in("me", "sts.windows.net", "s", ""), 1_000).unwrap();
    assert!(secret(&cache, &request("s").account("me"), 1_000).is_some());
    assert!(secret(&cache, &request("s"), 1_000).is_some());
    let other = TokenRequest::new("client", "https://login.microsoftonline.us/contoso", ["s"]);
    assert!(secret(&cache, &other.account("me"), 1_000).is_none());
}

#[test]
fn exact_scopes_are_preferred_and_more_scopes_will_do() {
    let mut cache = TokenCache::new();
    let host = "login.microsoftonline.com";
    cache.add(&sign_in("me", host, "a b c", ""), 1_000).unwrap();
    cache.add(&sign_in("me", host, "b a", ""), 1_000).unwrap();
    let find = |scopes: &[&str]| {
        let request = TokenRequest::new("client", AUTHORITY, scopes.to_vec()).account("me");
        secret(&cache, &request, 1_000)
    };
    assert_eq!(find(&["a", "b"]).unwrap(), "AT me b a");
    assert_eq!(find(&["c", "a"]).unwrap(), "AT me a b c");
    assert_eq!(find(&["A", "B"]).unwrap(), "AT me b a", "Microsoft's clouds ignore the case");
    assert_eq!(find(&["a", "d"]), None);
}

#[test]
fn a_request_without_an_account_is_answered_only_if_one_account_matches() {
    let mut cache = TokenCache::new();
    cache.add(&sign_in("me", "login.microsoftonline.com", "s", ""), 1_000).unwrap();
    assert_eq!(secret(&cache, &request("s"), 1_000).unwrap(), "AT me s");
    cache.add(&sign_in("you", "login.windows.net", "s", ""), 1_000).unwrap();
    match cache.find_access_token(&request("s"), 1_000) {
        Err(Error::AccountAmbiguous { usernames }) => {
            assert_eq!(usernames, ["me@example.com", "you@example.com"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(secret(&cache, &request("s").account("you"), 1_000).unwrap(), "AT you s");
    assert!(matches!(cache.refresh_tokens(&request("s")), Err(Error::AccountAmbiguous { .. })));
}

#[test]
fn a_bound_or_extended_token_is_found_only_by_name() {
    let mut cache = TokenCache::new();
    for (data, token) in [(r#""key_id": "k1""#, "bound"), (r#""fmi_path": "p""#, "extended")] {
        let json = format!(
            r#"{{"client_id": "client", "scope": ["s"], "token_endpoint": "{AUTHORITY}/x",
            "data": {{{data}}}, "response": {{"access_token": "{token}"}}}}"#
        );
        cache.add(&event(&json), 1_000).unwrap();
    }
    let kid = br#"{"home_account_id": "net", "environment": "login.windows.net", "client_id": "client",
        "realm": "contoso", "target": "s", "secret": "kid-bound", "expires_on": "9999", "kid": "k"}"#;
    cache.put(&Entry::from_json(CredentialType::AccessToken, kid).unwrap()).unwrap();
    assert_eq!(secret(&cache, &request("s"), 1_000), None);
    assert_eq!(secret(&cache, &request("s").account("net"), 1_000), None);
    assert_eq!(secret(&cache, &request("s").key_id("k1"), 1_000).unwrap(), "bound");
    assert_eq!(secret(&cache, &request("s").key_id("k2"), 1_000), None);
    assert_eq!(secret(&cache, &request("s").data([("fmi_path", "p")]), 1_000).unwrap(), "extended");
    assert_eq!(
        secret(&cache, &request("s").key_id("k").account("net"), 1_000).unwrap(),
        "kid-bound"
    );
}

#[test]
fn a_response_is_kept_for_the_account_that_it_or_the_request_names() {
    let mut cache = TokenCache::new();
    let request = request("s").account("me");
    let json = br#"{"access_token": "one", "expires_in": 3600, "scope": "s t"}"#;
    let token = cache.add_response(&request, json, 1_000).unwrap();
    assert_eq!((token.secret(), token.expires_on()), ("one", 4_600));
    assert_eq!(secret(&cache, &request, 1_000).unwrap(), "one");
    assert!(cache.accounts().is_empty(), "a renewal does not sign anybody in");
    let before = text(&cache);
    let refused = cache.add_response(&request, br#"{"error": "invalid_grant"}"#, 1_000);
    assert!(
        matches!(refused, Err(Error::SignInNeeded { refusal, .. }) if refusal.code() == "invalid_grant")
    );
    let refused = cache.add_response(&request, br#"{"error": "invalid_client"}"#, 1_000);
    assert!(
        matches!(refused, Err(Error::Refused { refusal }) if refusal.code() == "invalid_client")
    );
    for bad in ["{}", "<html>"] {
        let refused = cache.add_response(&request, bad, 1_000);
        assert!(matches!(refused, Err(Error::ProviderAnswer { .. })), "{bad}");
    }
    assert_eq!(text(&cache), before);
    let bad = TokenRequest::new("client", "login.microsoftonline.com", ["s"]);
    assert!(matches!(cache.find_access_token(&bad, 1), Err(Error::Invalid { .. })));
}

#[test]
fn refresh_tokens_come_newest_first_with_those_of_the_family() {
    let mut cache = TokenCache::new();
    let host = "login.microsoftonline.com";
    cache.add(&sign_in("me", host, "s", ""), 1_000).unwrap();
    cache.add(&sign_in("me", "login.windows.net", "t", ""), 3_000).unwrap();
    let family = r#"{"client_id": "sibling", "token_endpoint": "https://login.microsoftonline.com/contoso/x",
        "response": {"refresh_token": "RT family", "foci": "1", "id_token_claims": {"sub": "me"}}}"#;
    cache.add(&event(family), 2_000).unwrap();
    let times = |client: &str| -> Vec<i64> {
        let request = TokenRequest::new(client, AUTHORITY, ["s"]).account("me");
        let found = cache.refresh_tokens(&request).unwrap();
        found.iter().map(|entry| entry.last_modification_time().unwrap()).collect()
    };
    assert_eq!(times("client"), [3_000, 1_000], "a program of no family");
    assert_eq!(times("sibling"), [2_000]);
    assert_eq!(times("unknown"), [2_000], "a program whose family is not known tries");
}

#[test]
fn a_spent_refresh_token_is_renewed_wherever_it_is_and_not_after_a_sign_out() {
    let mut cache = TokenCache::new();
    cache.add(&sign_in("me", "login.microsoftonline.com", "s", ""), 1_000).unwrap();
    cache.add(&sign_in("me", "login.microsoftonline.com", "t", ""), 1_000).unwrap();
    assert_eq!(cache.renew_refresh_token("me", "RT me", "new", 5_000).unwrap(), 2);
    let held = cache.find(CredentialType::RefreshToken, &Query::new(), 0);
    assert!(held.iter().all(|entry| entry.secret() == Some("new")));
    assert!(cache.update_refresh_token(&held[0], "newer", 6_000).unwrap());
    cache.sign_out(&cache.accounts()[0].clone(), "client").unwrap();
    let before = text(&cache);
    assert_eq!(cache.renew_refresh_token("me", "new", "x", 7_000).unwrap(), 0);
    assert!(!cache.update_refresh_token(&held[0], "x", 7_000).unwrap());
    assert_eq!(text(&cache), before);
}

#[test]
fn expired_tokens_stay_until_they_are_removed() {
    let mut cache = TokenCache::new();
    cache.add(&sign_in("me", "h.example", "s", ""), 1_000).unwrap();
    let search = |cache: &TokenCache, now| {
        cache.search(CredentialType::AccessToken, &Query::new(), now).count()
    };
    assert_eq!((search(&cache, 4_600), search(&cache, 4_601)), (1, 0));
    assert_eq!(cache.entries(CredentialType::AccessToken).count(), 1);
    assert_eq!(cache.remove_expired(4_600).unwrap(), 0);
    assert_eq!(cache.remove_expired(4_601).unwrap(), 1);
    assert_eq!(cache.len(), 3, "account, refresh token and metadata");
}

#[test]
fn a_clone_shares_memory_and_knows_whether_it_has_changed() {
    let mut cache = TokenCache::new();
    for nth in 0..100 {
        cache.add(&sign_in(&format!("u{nth}"), "h.example", "s", ""), 1_000).unwrap();
    }
    let mut copy = cache.clone();
    assert!(copy.has_same_content(&cache));
    copy.add(&sign_in("u7", "h.example", "s", ""), 1_000).unwrap();
    assert!(copy.has_same_content(&cache), "the same entries were written again");
    copy.add(&sign_in("u7", "h.example", "s", ""), 1_001).unwrap();
    assert!(!copy.has_same_content(&cache));
    assert_eq!(cache.len(), copy.len());
}

#[test]
fn removing_many_entries_keeps_the_others_findable_and_in_order() {
    let mut cache = TokenCache::new();
    for nth in 0..500 {
        cache.add(&sign_in(&format!("u{nth}"), "h.example", "s", ""), 1_000).unwrap();
    }
    for nth in (0..500).filter(|nth| nth % 10 != 3) {
        let query = Query::new().home_account_id(&format!("u{nth}"));
        let found = cache.find(CredentialType::AccessToken, &query, 0);
        assert!(cache.remove_access_token(&found[0]).unwrap());
        assert!(!cache.remove_access_token(&found[0]).unwrap());
    }
    let left: Vec<String> = cache
        .entries(CredentialType::AccessToken)
        .map(|entry| entry.secret().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..50).map(|nth| format!("AT u{} s", nth * 10 + 3)).collect();
    assert_eq!(left, expected);
    let request = TokenRequest::new("client", "https://h.example/contoso", ["s"]);
    assert_eq!(secret(&cache, &request.clone().account("u13"), 1_000).unwrap(), "AT u13 s");
    assert_eq!(secret(&cache, &request.account("u14"), 1_000), None);
}

#[test]
fn no_secret_is_in_any_debug_text() {
    let mut cache = SerializableTokenCache::new();
    let event = sign_in("CANARY", "h.example", "s", "");
    let request = TokenRequest::new("client", "https://h.example/contoso", ["s"]);
    cache.add(&event, 1_000).unwrap();
    let entry = cache.find(CredentialType::RefreshToken, &Query::new(), 0).remove(0);
    let query = Query::new().field("secret", "RT CANARY");
    let found = cache.find_access_token(&request, 1_000).unwrap().unwrap();
    let shown = format!("{event:?}{entry:?}{cache:?}{found:?}{:?}{query:?}", found.to_owned());
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(shown.contains("4600"));
}
