//! Which request finds a token: by the scopes that were granted, and by those that were asked for.

use std::collections::{HashMap, HashSet};

use crate::oracle::Oracle;
use serde_json::json;
use tokenkeep::{CredentialType, Query, SignInEvent, TokenCache, TokenRequest};

const ELSEWHERE: &str = "https://idp.example/t";
const MICROSOFT: &str = "https://login.microsoftonline.com/contoso";

fn request(authority: &str, scopes: &[&str]) -> TokenRequest {
    TokenRequest::new("client", authority, scopes)
}

/// An answer that grants these scopes, or does not say which.
fn answer(secret: &str, granted: Option<&str>) -> String {
    let scope = granted.map(|scopes| format!(r#", "scope": {}"#, json!(scopes)));
    format!(
        r#"{{"access_token": "{secret}", "refresh_token": "RT", "expires_in": 3600{}}}"#,
        scope.unwrap_or_default()
    )
}

/// A cache that kept an answer to a request.
fn kept(authority: &str, asked: &[&str], granted: Option<&str>) -> TokenCache {
    let mut cache = TokenCache::new();
    let answer = answer("AT", granted);
    cache.add_response(&request(authority, asked), answer.as_bytes(), 1_000).unwrap();
    cache
}

/// The token for a request that names an account, or nobody; both must agree.
fn secret(cache: &TokenCache, request: &TokenRequest) -> Option<String> {
    let found = |request: &TokenRequest| {
        let found = cache.find_access_token(request, 1_001).unwrap();
        found.map(|token| token.secret().to_owned())
    };
    assert_eq!(found(&request.clone().account("")), found(request), "{request:?}");
    found(request)
}

fn finds(cache: &TokenCache, authority: &str, scopes: &[&str]) -> bool {
    secret(cache, &request(authority, scopes)).is_some()
}

fn asked(cache: &TokenCache) -> Option<String> {
    let entry = cache.entries(CredentialType::AccessToken).next().unwrap();
    entry.text("requested_target").map(|asked| asked.into_owned())
}

#[test]
fn the_same_request_finds_what_it_was_answered_with_whatever_the_provider_calls_it() {
    for (asked_for, granted) in [
        (&["repo", "gist"][..], Some("repo,gist")),
        (&["repo", "gist"], Some("")),
        (&["email"], Some("https://idp.example/userinfo.email openid")),
        (&["openid", "email"], Some("")),
        (&["api://x/read"], Some("read")),
        (&["read", "write"], Some("read")),
        (&["write", "read", "read"], Some("read")),
        (&["https://api.example/.default"], Some("User.Read")),
        (&["User.Read", "offline_access"], Some("User.Read profile openid email")),
        (&["User.Read", "offline_access", "openid"], Some("User.Read")),
        (&["read write"], Some("read write")),
        (&["read write"], None),
        (&[" s "], None),
        (&["a\tb", "c\n"], Some("c b a")),
        (&[""], Some("mcp:tools")),
        (&[], Some("mcp:tools mcp:read")),
        (&[], None),
        (&["openid"], Some("openid profile")),
        (&["openid", "profile"], None),
        (&["größe"], Some("grösse")),
    ] {
        for authority in [ELSEWHERE, MICROSOFT] {
            let cache = kept(authority, asked_for, granted);
            assert!(finds(&cache, authority, asked_for), "{asked_for:?} {granted:?} {authority}");
            let mut other_order = asked_for.to_vec();
            other_order.reverse();
            other_order.extend(asked_for);
            assert!(finds(&cache, authority, &other_order), "{other_order:?} {granted:?}");
        }
    }
}

#[test]
fn what_was_not_granted_is_found_only_by_the_request_that_asked_for_it() {
    let cache = kept(ELSEWHERE, &["read", "write"], Some("read"));
    assert!(finds(&cache, ELSEWHERE, &["read"]));
    assert!(!finds(&cache, ELSEWHERE, &["write"]));
    assert!(!finds(&cache, ELSEWHERE, &["read", "write", "more"]));
    let cache = kept(ELSEWHERE, &["repo", "gist"], Some("repo,gist"));
    assert!(!finds(&cache, ELSEWHERE, &["repo"]));
    assert!(finds(&cache, ELSEWHERE, &["repo,gist"]));
}

#[test]
fn a_token_that_was_granted_the_scopes_goes_before_one_that_was_only_asked_for_them() {
    let write = request(ELSEWHERE, &["read", "write"]);
    let named = write.clone().account("me");
    for (grants, aging) in
        [("openid read write", ""), ("admin read write", r#", "refresh_in": -1"#)]
    {
        for request in [&write, &named] {
            let mut cache = TokenCache::new();
            for answer in [
                answer("reads", Some("read")),
                answer("writes", Some(grants)).replace("3600", &format!("3600{aging}")),
            ] {
                cache.add_response(request, answer.as_bytes(), 1_000).unwrap();
            }
            let found = cache.find_access_token(request, 1_001).unwrap().unwrap();
            assert_eq!(found.secret(), "writes", "{grants}");
            // Where no other is left, the answer to this request is what there is.
            let writes = Query::new().field("secret", "writes");
            let writes = cache.find(CredentialType::AccessToken, &writes, 0);
            cache.remove_access_token(&writes[0]).unwrap();
            let found = cache.find_access_token(request, 1_001).unwrap().unwrap();
            assert_eq!(found.secret(), "reads", "{grants}");
        }
    }
    // Of scopes that decide nothing the grant counts, too.
    let email = request(ELSEWHERE, &["email"]);
    let mut cache = kept(ELSEWHERE, &["email"], Some("x"));
    cache.add_response(&email, answer("email", Some("email")).as_bytes(), 1_000).unwrap();
    assert_eq!(secret(&cache, &email).unwrap(), "email");
}

#[test]
fn what_was_asked_is_kept_only_where_the_grant_does_not_cover_it_and_not_of_msals_events() {
    for (asked_for, granted, expected) in [
        (&["b", "a"][..], Some("a b c"), None),
        (&["b", "a"], None, None),
        (&["b", "a", "b"], Some("a"), Some("a b")),
        (&["b", "offline_access"], Some("b openid"), None),
        (&["c", "offline_access"], Some("b openid"), Some("c offline_access")),
        (&[], Some("x"), None),
        (&["email"], Some("https://idp.example/email openid"), Some("email")),
    ] {
        let cache = kept(ELSEWHERE, asked_for, granted);
        assert_eq!(asked(&cache).as_deref(), expected, "{asked_for:?} {granted:?}");
    }
    assert_eq!(asked(&kept(MICROSOFT, &["user.read"], Some("User.Read"))), None);
    assert_eq!(asked(&kept(ELSEWHERE, &["user.read"], Some("User.Read"))).unwrap(), "user.read");

    let mut cache = TokenCache::new();
    let event = json!({"client_id": "client", "scope": ["read", "write"],
        "token_endpoint": format!("{ELSEWHERE}/token"),
        "response": {"access_token": "AT", "expires_in": 3600, "scope": "read"}});
    let event = SignInEvent::from_json(event.to_string().as_bytes()).unwrap();
    cache.add(&event, 1_000).unwrap();
    assert_eq!(asked(&cache), None);
}

#[test]
fn an_event_of_an_answer_is_found_by_the_request_that_was_answered() {
    let asking = request(ELSEWHERE, &["repo", "gist"]);
    let answered = answer("AT", Some("repo,gist"));
    let event = || SignInEvent::from_response(&asking, answered.as_bytes()).unwrap();
    let mut cache = TokenCache::new();
    cache.add(&event(), 1_000).unwrap();
    assert_eq!(asked(&cache).unwrap(), "gist repo");
    assert_eq!(secret(&cache, &asking).unwrap(), "AT");
    let mut cache = TokenCache::new();
    cache.add(&event().account("42", "ada"), 1_000).unwrap();
    let found = cache.find_access_token(&asking, 1_001).unwrap();
    assert_eq!(found.unwrap().account().unwrap().username(), "ada");
    // A program's own token, and a user's that looks like one.
    let everything = request(ELSEWHERE, &["https://api.example/.default"]);
    for asking in [asking.clone().app_only(), everything] {
        let event = SignInEvent::from_response(&asking, answered.as_bytes()).unwrap();
        let mut cache = TokenCache::new();
        cache.add(&event, 1_000).unwrap();
        assert!(cache.find_access_token(&asking, 1_001).unwrap().is_some(), "{asking:?}");
    }
}

#[test]
fn two_requests_that_are_granted_the_same_share_the_place_of_one_token() {
    let mut cache = TokenCache::new();
    let requests = ["a", "b"].map(|scope| request(ELSEWHERE, &[scope]));
    for (request, secret) in requests.iter().zip(["first", "second"]) {
        cache.add_response(request, answer(secret, Some("x")).as_bytes(), 1_000).unwrap();
    }
    assert_eq!(secret(&cache, &requests[0]), None, "it has to be asked for once more");
    assert_eq!(secret(&cache, &requests[1]).unwrap(), "second");
    assert_eq!(secret(&cache, &request(ELSEWHERE, &["x"])).unwrap(), "second");
}

#[test]
fn a_request_without_scopes_finds_any_token_of_its_account_program_and_authority() {
    let mut cache = TokenCache::new();
    let mut add = |authority: &str, client: &str, who: &str| {
        let request = TokenRequest::new(client, authority, ["s"]).account(who);
        let answer = format!(r#"{{"access_token": "{client} {who}", "expires_in": 3600}}"#);
        cache.add_response(&request, answer.as_bytes(), 1_000).unwrap();
    };
    add(ELSEWHERE, "one", "ada");
    add(ELSEWHERE, "two", "ada");
    add(ELSEWHERE, "two", "bob");
    add("https://other.example/t", "three", "ada");
    let find = |client, who: Option<&str>| {
        let request = TokenRequest::without_scopes(client, ELSEWHERE);
        let request = who.into_iter().fold(request, |request, who| request.account(who));
        let found = cache.find_access_token(&request, 1_001);
        found.map(|token| token.map(|token| token.secret().to_owned()))
    };
    assert_eq!(find("one", None).unwrap().unwrap(), "one ada");
    assert_eq!(find("one", Some("ada")).unwrap().unwrap(), "one ada");
    assert_eq!(find("one", Some("bob")).unwrap(), None);
    assert_eq!(find("two", Some("bob")).unwrap().unwrap(), "two bob");
    assert!(find("two", None).is_err(), "two accounts");
    assert_eq!(find("three", None).unwrap(), None, "of another authority");
}

#[test]
fn a_request_with_other_scopes_finds_their_token_and_keeps_the_rest() {
    let mut cache = TokenCache::new();
    for (who, scope) in [("ada", "read"), ("ada", "write"), ("bob", "write")] {
        let request = request(ELSEWHERE, &[scope]).account(who);
        let answer = format!(r#"{{"access_token": "{who} {scope}", "expires_in": 3600}}"#);
        cache.add_response(&request, answer.as_bytes(), 1_000).unwrap();
    }
    let read = request(ELSEWHERE, &["read"]).account("ada");
    let write = read.clone().with_scopes(["write write"]);
    assert_eq!(write.scopes(), ["write"]);
    assert_eq!(write, request(ELSEWHERE, &["write"]).account("ada"));
    for (request, expected) in [(&read, "ada read"), (&write, "ada write")] {
        let found = cache.find_access_token(request, 1_001).unwrap();
        assert_eq!(found.map(|token| token.secret()), Some(expected));
    }
}

#[test]
fn reserved_scopes_decide_no_match() {
    let cache = kept(ELSEWHERE, &["s"], Some("s openid profile"));
    for scopes in [
        &["s", "offline_access", "phone", "address"][..],
        &["email"],
        &["openid", "profile", "offline_access"],
    ] {
        assert!(finds(&cache, ELSEWHERE, scopes), "{scopes:?}");
    }
    assert!(!finds(&cache, ELSEWHERE, &["t", "openid"]));
    assert!(!finds(&cache, ELSEWHERE, &["OpenID"]), "another scope but at Microsoft");
    // Of several the one that these very scopes were asked for.
    let mut cache = kept(ELSEWHERE, &["drive"], None);
    let asking = request(ELSEWHERE, &["email"]);
    cache.add_response(&asking, answer("email", Some("https://x/email")).as_bytes(), 900).unwrap();
    assert_eq!(secret(&cache, &asking).unwrap(), "email");
}

#[test]
fn microsofts_clouds_do_not_tell_scopes_apart_by_letter_case_and_others_do() {
    for authority in [
        MICROSOFT,
        "https://sts.windows.net/contoso",
        "https://login.microsoftonline.us/contoso",
        "https://contoso.b2clogin.com/contoso.onmicrosoft.com/policy",
        "https://contoso.ciamlogin.com",
    ] {
        let cache = kept(authority, &["User.Read", "Files.Read"], None);
        assert!(finds(&cache, authority, &["user.read"]), "{authority}");
        assert!(finds(&cache, authority, &["FILES.READ", "User.Read"]), "{authority}");
    }
    for authority in [ELSEWHERE, "https://adfs.contoso.example/adfs"] {
        let cache = kept(authority, &["User.Read", "Files.Read"], None);
        assert!(!finds(&cache, authority, &["user.read"]), "{authority}");
        assert!(finds(&cache, authority, &["Files.Read"]), "{authority}");
    }
}

#[test]
fn a_token_with_the_very_letters_of_the_request_goes_first() {
    let one = |key: &str, target: &str| {
        format!(
            r#""{key}": {{"credential_type": "AccessToken", "secret": "{target}",
            "home_account_id": "", "environment": "login.microsoftonline.com", "client_id": "client",
            "realm": "contoso", "target": "{target}", "cached_at": "1000", "expires_on": "9000"}}"#
        )
    };
    for keys in [["a", "b"], ["b", "a"]] {
        let text = format!(
            r#"{{"AccessToken": {{{}, {}}}}}"#,
            one(keys[0], "user.read"),
            one(keys[1], "User.Read")
        );
        let cache = TokenCache::from_json(text.as_bytes()).unwrap();
        for target in ["user.read", "User.Read"] {
            assert_eq!(secret(&cache, &request(MICROSOFT, &[target])).unwrap(), target);
        }
        assert!(secret(&cache, &request(MICROSOFT, &["USER.READ"])).is_some());
        // A search tells them apart, as in the reference.
        let query = Query::new().environment("login.microsoftonline.com").client_id("client");
        let query = query.realm("contoso").scopes(["User.Read"]);
        assert_eq!(cache.search(CredentialType::AccessToken, &query, 0).count(), 1);
    }
}

#[test]
fn a_search_finds_reserved_scopes_by_name() {
    let cache = kept(MICROSOFT, &["S"], Some("S openid"));
    let query = || {
        let query = Query::new().environment("login.microsoftonline.com").client_id("client");
        query.realm("contoso").null("home_account_id")
    };
    let count = |scopes: &[&str]| {
        let query = query().scopes(scopes.to_vec());
        cache.search(CredentialType::AccessToken, &query, 0).count()
    };
    assert_eq!((count(&["openid"]), count(&["openid", "S"]), count(&["S"])), (1, 1, 1));
    assert_eq!((count(&["email"]), count(&["s"]), count(&["email", "S"])), (0, 0, 0));
}

#[test]
fn scopes_are_taken_in_every_usual_form_and_equal_requests_are_equal() {
    let (list, texts) = (["a", "b"], vec!["b".to_owned(), "a".to_owned()]);
    let all: HashSet<TokenRequest> = [
        TokenRequest::new("c", ELSEWHERE, list),
        TokenRequest::new("c", ELSEWHERE, &list[..]),
        TokenRequest::new("c", ELSEWHERE, list.iter()),
        TokenRequest::new("c", ELSEWHERE, &texts),
        TokenRequest::new("c", ELSEWHERE, texts.iter()),
        TokenRequest::new("c", ELSEWHERE, texts.iter().map(String::as_str)),
        TokenRequest::new("c", ELSEWHERE, texts),
        TokenRequest::new("c", ELSEWHERE, ["b a\tb"]),
        TokenRequest::new("c", ELSEWHERE, "a b".split(' ')),
        TokenRequest::new("c", ELSEWHERE, Some("a b")),
    ]
    .into();
    assert_eq!(all.len(), 1);
    let mut held: HashMap<TokenRequest, u8> = all.into_iter().map(|request| (request, 1)).collect();
    assert!(held.remove(&TokenRequest::new("c", ELSEWHERE, ["a"])).is_none());
    assert!(held.remove(&TokenRequest::new("c", ELSEWHERE, ["a", "b"]).account("me")).is_none());
    let empty = TokenRequest::without_scopes("c", ELSEWHERE);
    assert_eq!(empty, TokenRequest::new("c", ELSEWHERE, [" "]));
    assert!(empty.scopes().is_empty());
}

/// A sign-in whose provider grants other scopes than were asked for.
fn renamed(cache: &mut TokenCache) -> TokenRequest {
    let claims = "eyJzdWIiOiJtZSJ9"; // {"sub":"me"}
    let asking = request(MICROSOFT, &["api://x/read"]);
    let answer = answer("AT", Some("read")).replace(
        r#""expires_in": 3600"#,
        &format!(r#""expires_in": 9000000000, "id_token": "h.{claims}.s""#),
    );
    cache.add_response(&asking, answer.as_bytes(), 1_000).unwrap();
    asking
}

#[test]
fn the_reference_reads_a_token_with_what_was_asked_and_hands_it_on() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    renamed(&mut cache);
    assert_eq!(asked(&cache).unwrap(), "api://x/read");
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    let mut silent = |scope: &str| {
        let question = json!({"op": "silent", "client_id": "client", "authority": MICROSOFT,
            "home_account_id": "me", "scopes": [scope]});
        oracle.ask(&question)
    };
    assert_eq!(silent("read"), Ok(json!("AT")), "as it was granted");
    assert_ne!(silent("api://x/read"), Ok(json!("AT")), "the field means nothing to it");
    assert_eq!(oracle.text(), text, "and stays");
}

#[test]
fn a_renewal_by_the_reference_drops_what_was_asked_which_costs_one_renewal() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    let asking = renamed(&mut cache);
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    let event = json!({"client_id": "client", "scope": ["read"], "grant_type": "refresh_token",
        "token_endpoint": format!("{MICROSOFT}/oauth2/v2.0/token"), "skip_account_creation": true,
        "response": {"access_token": "AT2", "expires_in": 3600, "id_token_claims": {"sub": "me"}}});
    oracle.ask(&json!({"op": "add", "event": event.to_string(), "now": 2_000})).unwrap();

    let mut cache = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    let find = |cache: &TokenCache, request: &TokenRequest| {
        let found = cache.find_access_token(request, 2_001).unwrap();
        found.map(|token| token.secret().to_owned())
    };
    assert_eq!(find(&cache, &request(MICROSOFT, &["read"])).unwrap(), "AT2");
    assert_eq!(find(&cache, &asking), None, "a renewal is due");
    let spent = cache.refresh_tokens(&asking).unwrap().remove(0);
    let answer = br#"{"access_token": "AT3", "expires_in": 3600, "scope": "read"}"#;
    cache.add_renewal(&asking, &spent, answer, 2_002).unwrap();
    assert_eq!(find(&cache, &asking).unwrap(), "AT3");
    assert_eq!(find(&cache, &request(MICROSOFT, &["read"])).unwrap(), "AT3");
}

#[test]
fn the_reference_tells_letter_case_apart_but_for_the_same_scopes_and_refuses_reserved_ones() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    let claims = "eyJzdWIiOiJtZSJ9"; // {"sub":"me"}
    let answer = format!(
        r#"{{"access_token": "AT", "expires_in": 9000000000, "id_token": "h.{claims}.s"}}"#
    );
    let asking = request(MICROSOFT, &["User.Read", "Files.Read"]);
    cache.add_response(&asking, answer.as_bytes(), 1_000).unwrap();
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    for (scopes, theirs) in [
        (&["user.read", "files.read"][..], true),
        (&["user.read"], false),
        (&["User.Read"], true),
        (&["User.Read", "offline_access"], false),
        (&[], true),
    ] {
        let question = json!({"op": "silent", "client_id": "client", "authority": MICROSOFT,
            "home_account_id": "me", "scopes": scopes});
        assert_eq!(oracle.ask(&question) == Ok(json!("AT")), theirs, "{scopes:?}");
        let found = cache.find_access_token(&request(MICROSOFT, scopes), 1_001).unwrap();
        assert!(found.is_some(), "{scopes:?}");
    }
}
