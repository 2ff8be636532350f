//! Until when a token is found: how much of its life is left over as a margin, and what a clock
//! that was set back does to it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::oracle::Oracle;
use serde_json::json;
use tokenkeep::{CredentialType, Entry, Query, SignInEvent, TokenCache, TokenRequest};

const AUTHORITY: &str = "https://idp.example/t";

fn request() -> TokenRequest {
    TokenRequest::new("client", AUTHORITY, ["s"]).account("me")
}

/// A cache with an answer that was kept at 1,000 and lives so many seconds.
fn kept(lifetime: u64) -> TokenCache {
    let mut cache = TokenCache::new();
    let answer = format!(r#"{{"access_token": "AT", "expires_in": {lifetime}}}"#);
    cache.add_response(&request(), answer.as_bytes(), 1_000).unwrap();
    cache
}

/// Whether it is found by a request for its account and by one for anybody.
fn found(cache: &TokenCache, request: TokenRequest, now: u64) -> bool {
    let anybody = TokenRequest::new("client", AUTHORITY, ["s"]);
    let named = cache.find_access_token(&request, now).unwrap().is_some();
    if request == self::request() {
        assert_eq!(cache.find_access_token(&anybody, now).unwrap().is_some(), named, "{now}");
    }
    named
}

#[test]
fn the_margin_is_a_quarter_of_a_short_life_and_300_seconds_of_a_long_one() {
    for (lifetime, margin) in
        [(60, 15), (299, 74), (300, 75), (301, 75), (1_199, 299), (1_200, 300), (86_400, 300)]
    {
        let (cache, last) = (kept(lifetime), 1_000 + lifetime - margin);
        assert!(found(&cache, request(), 1_000), "{lifetime}: at once");
        assert!(found(&cache, request(), last), "{lifetime}: {margin} s before its end");
        assert!(!found(&cache, request(), last + 1), "{lifetime}: less before its end");
    }
    assert!(!found(&kept(0), request(), 1_000));
}

#[test]
fn a_request_can_say_for_how_long_the_token_must_stay_valid() {
    let cache = kept(3_600);
    let with = |margin| request().margin(margin);
    for (margin, last) in [(0, 4_599), (1, 4_599), (10, 4_590), (3_000, 1_600)] {
        let margin = Duration::from_secs(margin);
        assert!(found(&cache, with(margin), last), "{margin:?}");
        assert!(!found(&cache, with(margin), last + 1), "{margin:?}");
    }
    assert!(!found(&cache, with(Duration::from_millis(10_001)), 4_590), "a part is one more");
    assert!(!found(&cache, with(Duration::MAX), 1_000));
}

/// A cache with one token as some peer left it.
fn of_a_peer(fields: &str) -> TokenCache {
    let mut cache = TokenCache::new();
    put(&mut cache, "s", fields);
    cache
}

fn put(cache: &mut TokenCache, target: &str, fields: &str) {
    let json = format!(
        r#"{{"credential_type": "AccessToken", "secret": "{target}", "home_account_id": "me",
        "environment": "idp.example", "client_id": "client", "realm": "t", "target": "{target}",
        {fields}}}"#
    );
    let entry = Entry::from_json(tokenkeep::CredentialType::AccessToken, json.as_bytes()).unwrap();
    cache.put(&entry).unwrap();
}

#[test]
fn a_token_that_does_not_say_when_it_was_kept_has_the_long_margin_and_is_aging() {
    for cached_at in ["", r#""cached_at": null, "#, r#""cached_at": "soon", "#] {
        let cache = of_a_peer(&format!(r#"{cached_at}"expires_on": "1400""#));
        let find = |now| cache.find_access_token(&request(), now).unwrap();
        assert!(find(1_100).unwrap().is_aging(), "{cached_at}");
        assert!(find(1_101).is_none(), "{cached_at}");
    }
}

#[test]
fn a_clock_that_was_set_back_makes_a_token_aging_and_another_one_better() {
    let mut cache = of_a_peer(r#""cached_at": "5000", "expires_on": "5400""#);
    let is_aging = |cache: &TokenCache, now| {
        let found = cache.find_access_token(&request(), now).unwrap().unwrap();
        let anybody = TokenRequest::new("client", AUTHORITY, ["s"]);
        let same = cache.find_access_token(&anybody, now).unwrap().unwrap();
        assert_eq!((same.secret(), same.is_aging()), (found.secret(), found.is_aging()));
        found.is_aging()
    };
    assert!(!is_aging(&cache, 5_000));
    assert!(!is_aging(&cache, 4_700), "clocks differ a little");
    assert!(is_aging(&cache, 4_699));
    put(&mut cache, "s t", r#""cached_at": "1000", "expires_on": "9000""#);
    let find = |now| cache.find_access_token(&request(), now).unwrap().unwrap().secret().to_owned();
    assert_eq!(find(5_000), "s", "the exact scopes");
    assert_eq!(find(4_699), "s t", "the one that the clock does not contradict");
}

#[test]
fn other_tokens_do_not_suffer_from_one_of_the_future() {
    let mut cache = kept(3_600);
    put(&mut cache, "other", r#""cached_at": "9000000000", "expires_on": "9000003600""#);
    let found = cache.find_access_token(&request(), 2_000).unwrap().unwrap();
    assert_eq!((found.secret(), found.is_aging()), ("AT", false));
}

#[test]
fn the_reference_never_uses_a_token_of_five_minutes_and_no_clock_puts_it_off() {
    let Some(mut oracle) = Oracle::start() else { return };
    let authority = "https://login.microsoftonline.com/contoso";
    // The reference looks at the clock itself.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (cached_at, lifetime, theirs, is_aging) in
        [(now, 299, false, false), (now, 3_600, true, false), (now + 2_000, 3_600, true, true)]
    {
        let event = json!({"client_id": "client", "scope": ["s"],
            "token_endpoint": format!("{authority}/token"), "response": {"access_token": "AT",
            "expires_in": lifetime, "id_token_claims": {"sub": "me"}}});
        let event = event.to_string();
        oracle.ask(&json!({"op": "add", "event": event, "now": cached_at})).unwrap();
        let question = json!({"op": "silent", "client_id": "client", "authority": authority,
            "home_account_id": "me", "scopes": ["s"]});
        assert_eq!(oracle.ask(&question) == Ok(json!("AT")), theirs, "{cached_at} {lifetime}");
        let mut ours = TokenCache::new();
        ours.add(&SignInEvent::from_json(event.as_bytes()).unwrap(), cached_at).unwrap();
        let request = TokenRequest::new("client", authority, ["s"]).account("me");
        let found = ours.find_access_token(&request, now).unwrap().unwrap();
        assert_eq!(found.is_aging(), is_aging, "{cached_at} {lifetime}");
    }
}

#[test]
fn a_token_without_a_lifetime_and_a_refresh_token_is_valid_until_it_is_refused() {
    const FAR: u64 = 4_000_000_000;
    for (authority, more, is_lasting) in [
        ("https://github.example/login", "", true),
        ("https://github.example/login", r#", "refresh_token": "RT""#, false),
        ("https://github.example/login", r#", "expires_in": 600"#, false),
        ("https://login.microsoftonline.com/contoso", "", false),
    ] {
        let request = TokenRequest::new("client", authority, ["s"]).account("ada");
        let answer = format!(r#"{{"access_token": "AT"{more}}}"#);
        let mut cache = TokenCache::new();
        let token = cache.add_response(&request, answer, 1_000).unwrap();
        assert_eq!(token.has_no_expiry(), is_lasting, "{authority} {more}");
        assert_eq!(token.expires_on(), if is_lasting { 253_402_214_400 } else { 1_600 });
        let entry = cache.entries(CredentialType::AccessToken).next().unwrap();
        assert_eq!(entry.expires_on(), Some(1_600), "as other programs see it");
        assert_eq!(entry.text("x_no_expiry").as_deref(), is_lasting.then_some("true"));
        let mut cache = TokenCache::from_json(cache.to_json().expose()).unwrap();
        for anybody in [&request, &TokenRequest::new("client", authority, ["s"])] {
            let found = cache.find_access_token(anybody, FAR).unwrap();
            assert_eq!(found.is_some(), is_lasting, "{authority} {more}");
            assert!(found.is_none_or(|token| !token.is_aging() && token.has_no_expiry()));
        }
        let query = Query::new();
        let count = cache.search(CredentialType::AccessToken, &query, FAR).count();
        assert_eq!(count, usize::from(is_lasting));
        assert_eq!(cache.remove_expired(FAR).unwrap(), usize::from(!is_lasting));
    }
    // A renewal without a lifetime has a refresh token: the spent one.
    let request = TokenRequest::new("client", "https://github.example/login", ["s"]);
    let mut cache = TokenCache::new();
    let answer = r#"{"access_token": "AT", "refresh_token": "RT"}"#;
    cache.add_response(&request, answer, 1_000).unwrap();
    let spent = cache.refresh_tokens(&request).unwrap().remove(0);
    let token = cache.add_renewal(&request, &spent, r#"{"access_token": "AT2"}"#, 2_000).unwrap();
    assert!(!token.has_no_expiry());
}
