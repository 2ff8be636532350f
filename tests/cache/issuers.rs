//! Outside Microsoft's clouds the whole address of an issuer tells tokens apart.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokenkeep::{
    Account, CredentialType, Entry, Error, Query, SignInEvent, TokenCache, TokenRequest,
};

use crate::oracle::Oracle;

const NOW: u64 = 1_700_000_000;
const A: &str = "https://h.example/realms/a";
const B: &str = "https://h.example/realms/b";

fn request(issuer: &str) -> TokenRequest {
    TokenRequest::new("client", issuer, ["s"])
}

/// An answer of an issuer that numbers its users: the same user id means two users at two issuers.
fn answer(secret: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"7","preferred_username":"ada"}"#);
    json!({"access_token": format!("AT {secret}"), "refresh_token": format!("RT {secret}"),
        "id_token": format!("h.{payload}.s"), "expires_in": 3600})
    .to_string()
}

fn sign_in(cache: &mut TokenCache, issuer: &str, secret: &str, now: u64) {
    cache.add_response(&request(issuer), answer(secret), now).unwrap();
}

/// What msal writes for the same sign-in.
fn msals_sign_in(issuer: &str, secret: &str) -> Value {
    json!({"client_id": "client", "scope": ["s"], "grant_type": "authorization_code",
        "token_endpoint": format!("{issuer}/protocol/openid-connect/token"),
        "response": serde_json::from_str::<Value>(&answer(secret)).unwrap()})
}

fn add_msals(cache: &mut TokenCache, issuer: &str, secret: &str) {
    let event = msals_sign_in(issuer, secret).to_string();
    cache.add(&SignInEvent::from_json(event.as_bytes()).unwrap(), NOW).unwrap();
}

fn access_token(cache: &TokenCache, issuer: &str) -> Option<String> {
    let found = cache.find_access_token(&request(issuer), NOW).unwrap();
    found.map(|token| token.secret().to_owned())
}

fn refresh_tokens(cache: &TokenCache, issuer: &str) -> Vec<String> {
    let found = cache.refresh_tokens(&request(issuer)).unwrap();
    found.iter().map(|entry| entry.secret().unwrap().to_owned()).collect()
}

fn has(cache: &TokenCache, issuer: &str, secret: &str) {
    let token = access_token(cache, issuer);
    assert_eq!(token.as_deref(), Some(&*format!("AT {secret}")), "{issuer}");
    assert_eq!(refresh_tokens(cache, issuer), [format!("RT {secret}")], "{issuer}");
    let named = request(issuer).account("7");
    let found = cache.find_access_token(&named, NOW).unwrap().unwrap();
    assert_eq!(found.secret(), format!("AT {secret}"), "{issuer}");
    assert_eq!(found.account().unwrap().username(), "ada", "{issuer}");
}

fn has_nothing(cache: &TokenCache, issuer: &str) {
    assert_eq!(access_token(cache, issuer), None, "{issuer}");
    assert_eq!(refresh_tokens(cache, issuer), [""; 0], "{issuer}");
    let named = request(issuer).account("7");
    assert!(cache.find_access_token(&named, NOW).unwrap().is_none(), "{issuer}");
}

fn all(cache: &TokenCache) -> impl Iterator<Item = &Entry> {
    CredentialType::ALL.into_iter().flat_map(|kind| cache.entries(kind))
}

fn account_of(cache: &TokenCache, issuer: &str) -> Account {
    let accounts = cache.accounts();
    let here: Vec<&Account> =
        accounts.iter().filter(|account| account.issuer() == Some(issuer)).collect();
    assert_eq!(here.len(), 1, "{issuer}: {accounts:?}");
    here[0].clone()
}

#[test]
fn issuers_of_one_host_have_tokens_of_their_own() {
    for (one, other) in [
        (A, B),
        ("https://h.example/realms/a", "https://h.example/realms/A"),
        ("https://h.example", "https://h.example/t"),
        ("https://h.example:8443/t", "https://h.example/t"),
        ("http://127.0.0.1:43121/t/a", "http://127.0.0.1:43121/t/b"),
        ("http://127.0.0.1:43121/t", "http://127.0.0.1:43122/t"),
        ("http://localhost:443/t", "https://localhost/t"),
    ] {
        let mut cache = TokenCache::new();
        sign_in(&mut cache, one, "one", NOW);
        has(&cache, one, "one");
        has_nothing(&cache, other);
        sign_in(&mut cache, other, "other", NOW);
        let read = TokenCache::from_json(cache.to_json().expose()).unwrap();
        for cache in [&cache, &read] {
            assert_eq!(cache.len(), 10, "{one} {other}");
            has(cache, one, "one");
            has(cache, other, "other");
        }
        // The same again replaces the entries of its own issuer.
        sign_in(&mut cache, one, "newer", NOW);
        sign_in(&mut cache, other, "newest", NOW);
        assert_eq!(cache.len(), 10, "{one} {other}");
        has(&cache, one, "newer");
        has(&cache, other, "newest");
    }
}

#[test]
fn every_entry_says_its_issuer_as_the_sign_in_named_it() {
    let mut cache = TokenCache::new();
    let spelled = "HTTPS://H.example:443/realms/a/";
    sign_in(&mut cache, spelled, "one", NOW);
    assert_eq!(cache.len(), 5);
    assert!(all(&cache).all(|entry| entry.issuer().unwrap() == spelled));
    assert!(all(&cache).all(|entry| entry.authority().unwrap() == spelled));
    let account = account_of(&cache, spelled);
    assert_eq!(account.authority().as_deref(), Some(spelled));
    assert_eq!(cache.authorities("client", Some(&account)), [spelled]);
    assert!(account.is_at(A).unwrap() && !account.is_at(B).unwrap());
    // Another spelling of it is the same issuer.
    has(&cache, A, "one");
    sign_in(&mut cache, A, "two", NOW);
    assert_eq!(cache.len(), 5);
    has(&cache, spelled, "two");
    let query = Query::new().field("issuer", A);
    assert_eq!(cache.find(CredentialType::RefreshToken, &query, NOW).len(), 1);
}

#[test]
fn in_microsofts_clouds_no_entry_has_an_issuer_and_the_field_means_nothing() {
    let mut cache = TokenCache::new();
    let cloud = "https://login.microsoftonline.com/contoso";
    sign_in(&mut cache, cloud, "one", NOW);
    assert!(all(&cache).all(|entry| entry.issuer().is_none()));
    assert!(!cache.to_json().expose_str().unwrap().contains("issuer"));
    assert_eq!(cache.accounts()[0].issuer(), None);
    let text = cache.to_json().expose_str().unwrap().replace(
        "\"client_id\"",
        "\"issuer\": \"https://login.microsoftonline.com/other/v2.0\",\n            \"client_id\"",
    );
    let mut cache = TokenCache::from_json(text.as_bytes()).unwrap();
    has(&cache, cloud, "one");
    has(&cache, "https://sts.windows.net/contoso", "one");
    sign_in(&mut cache, cloud, "two", NOW);
    assert_eq!(cache.len(), 5);
    has(&cache, cloud, "two");
}

#[test]
fn a_sign_out_leaves_what_other_issuers_have() {
    let mut both = TokenCache::new();
    sign_in(&mut both, A, "a", NOW);
    sign_in(&mut both, B, "b", NOW);
    for (gone, stays, secret) in [(A, B, "b"), (B, A, "a")] {
        let mut cache = both.clone();
        assert_eq!(cache.sign_out(&account_of(&cache, gone), "client").unwrap(), 4);
        has_nothing(&cache, gone);
        has(&cache, stays, secret);
        assert_eq!(cache.accounts().len(), 1);
        let mut cache = both.clone();
        assert_eq!(cache.sign_out_everywhere(&account_of(&cache, gone)).unwrap(), 4);
        has(&cache, stays, secret);
        // The place of the other one is used again.
        sign_in(&mut cache, gone, "again", NOW);
        has(&cache, gone, "again");
        has(&cache, stays, secret);
    }
}

#[test]
fn entries_of_other_programs_answer_while_no_other_issuer_of_their_host_is_known() {
    let mut cache = TokenCache::new();
    add_msals(&mut cache, A, "peer");
    // Nothing tells which issuer it is.
    has(&cache, A, "peer");
    has(&cache, B, "peer");
    assert_eq!(cache.accounts()[0].issuer(), None);
    // Another user at B, so that nothing is replaced.
    let bob = json!({"access_token": "AT bob", "refresh_token": "RT bob", "expires_in": 3600});
    let asked = request(B).account("bob");
    cache.add_response(&asked, bob.to_string(), NOW).unwrap();
    has_nothing(&cache, A);
    // B is the only known issuer, so what the peer wrote may be B's.
    let found = cache.find_access_token(&request(B).account("7"), NOW).unwrap();
    assert_eq!(found.unwrap().secret(), "AT peer");
    let chosen = cache.find_access_token(&request(B), NOW).unwrap_err();
    assert!(matches!(chosen, Error::AccountAmbiguous { .. }), "{chosen}");
}

#[test]
fn what_another_program_wrote_for_the_only_issuer_is_replaced_and_joined() {
    for first in ["msal", "us"] {
        let mut cache = TokenCache::new();
        if first == "msal" {
            add_msals(&mut cache, A, "one");
            sign_in(&mut cache, A, "two", NOW);
        } else {
            sign_in(&mut cache, A, "one", NOW);
            add_msals(&mut cache, A, "two");
        }
        assert_eq!(cache.len(), 5, "{first}");
        assert_eq!(cache.accounts().len(), 1);
        has(&cache, A, "two");
    }
    // Where another issuer is known, it is certain of nobody, and stays.
    let mut cache = TokenCache::new();
    sign_in(&mut cache, A, "a", NOW);
    sign_in(&mut cache, B, "b", NOW);
    add_msals(&mut cache, A, "peer");
    assert_eq!(cache.len(), 15);
    has(&cache, A, "a");
    has(&cache, B, "b");
    let accounts = cache.accounts();
    assert_eq!(accounts.len(), 3);
    let uncertain = accounts.iter().find(|account| account.issuer().is_none()).unwrap();
    assert_eq!(cache.sign_out_everywhere(uncertain).unwrap(), 4);
    has(&cache, A, "a");
    has(&cache, B, "b");
}

#[test]
fn a_sign_out_takes_what_a_peer_renewed_for_the_account() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, A, "a", NOW);
    // The same account, but other scopes, so that nothing is replaced.
    let mut event = msals_sign_in(A, "peer");
    event["scope"] = json!(["t"]);
    event["skip_account_creation"] = json!(true);
    cache.add(&SignInEvent::from_json(event.to_string().as_bytes()).unwrap(), NOW).unwrap();
    // Another user makes B known, and nothing of the peer answers any more.
    let bob = json!({"access_token": "AT bob", "refresh_token": "RT bob", "expires_in": 3600});
    cache.add_response(&request(B).account("bob"), bob.to_string(), NOW).unwrap();
    assert_eq!(refresh_tokens(&cache, A), ["RT a"]);
    cache.sign_out_everywhere(&account_of(&cache, A)).unwrap();
    assert_eq!(cache.owners().len(), 1, "bob");
    assert!(!cache.to_json().expose_str().unwrap().contains("peer"));
}

#[test]
fn a_refresh_token_is_spent_at_its_own_issuer_alone() {
    let mut cache = TokenCache::new();
    sign_in(&mut cache, A, "a", NOW);
    sign_in(&mut cache, B, "b", NOW);
    let of_a = cache.refresh_tokens(&request(A)).unwrap().remove(0);
    let refused = cache.add_renewal(&request(B), &of_a, answer("c"), NOW).unwrap_err();
    assert!(matches!(refused, Error::Invalid { .. }), "{refused}");
    has(&cache, B, "b");
    cache.add_renewal(&request(A), &of_a, answer("c"), NOW + 1).unwrap();
    has(&cache, A, "c");
    has(&cache, B, "b");
    assert_eq!(cache.len(), 10);
    assert!(all(&cache).all(|entry| entry.issuer().is_some()));
}

#[test]
fn a_renewal_names_the_issuer_that_accepted_a_peers_refresh_token() {
    let mut cache = TokenCache::new();
    add_msals(&mut cache, A, "peer");
    let spent = cache.refresh_tokens(&request(A)).unwrap().remove(0);
    cache.add_renewal(&request(A), &spent, answer("ours"), NOW + 1).unwrap();
    let token = cache.entries(CredentialType::RefreshToken).next().unwrap();
    assert_eq!(token.issuer().unwrap(), A);
    assert_eq!(cache.len(), 5);
    has(&cache, A, "ours");
    has_nothing(&cache, B);
}

#[test]
fn a_merge_keeps_issuers_apart_and_is_idempotent() {
    let (mut a, mut b, mut peer) = (TokenCache::new(), TokenCache::new(), TokenCache::new());
    sign_in(&mut a, A, "a", NOW);
    sign_in(&mut b, B, "b", NOW);
    add_msals(&mut peer, A, "peer");
    for (one, other) in [(&a, &b), (&b, &a)] {
        let mut cache = one.clone();
        cache.merge(other).unwrap();
        has(&cache, A, "a");
        has(&cache, B, "b");
        assert!(!cache.merge(other).unwrap().is_change());
        assert!(!cache.merge(one).unwrap().is_change());
        // A newer one of one issuer replaces that one alone.
        let mut newer = TokenCache::new();
        sign_in(&mut newer, A, "newer", NOW + 5);
        cache.merge(&newer).unwrap();
        assert_eq!(cache.len(), 10);
        assert_eq!(refresh_tokens(&cache, A), ["RT newer"]);
        has(&cache, B, "b");
    }
    let mut cache = a.clone();
    cache.merge(&peer).unwrap();
    assert_eq!(cache.len(), 5, "it can only be A's");
    assert!(!cache.merge(&peer).unwrap().is_change());
}

#[test]
fn the_reference_reads_both_issuers_and_signs_out_the_one_under_its_own_key() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    sign_in(&mut cache, A, "a", NOW);
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    assert_eq!(oracle.text(), text);
    let mut alone = TokenCache::new();
    add_msals(&mut alone, A, "a");
    let keys = |cache: &TokenCache| {
        let json: Value = serde_json::from_slice(cache.to_json().expose()).unwrap();
        let sections = json.as_object().unwrap().values();
        sections.flat_map(|s| s.as_object().unwrap().keys().cloned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&cache), keys(&alone), "the only issuer has msal's own keys");

    sign_in(&mut cache, B, "b", NOW);
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    let search = |oracle: &mut Oracle, kind: &str| {
        let question = json!({"op": "search", "type": kind, "target": [], "query": {"home_account_id": "7"},
            "now": NOW});
        oracle.ask(&question).unwrap().as_array().unwrap().len()
    };
    for kind in ["AccessToken", "RefreshToken", "IdToken", "Account"] {
        assert_eq!(search(&mut oracle, kind), 2, "{kind}");
    }
    // The reference renews A's refresh token, and keeps what it does not know.
    let question = json!({"op": "update", "type": "RefreshToken", "query": {"issuer": A}, "nth": 0,
        "secret": "RT renewed", "now": NOW + 1});
    oracle.ask(&question).unwrap();
    let renewed = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(refresh_tokens(&renewed, A), ["RT renewed"]);
    assert_eq!(refresh_tokens(&renewed, B), ["RT b"]);
    // B's is not under the key that the reference makes. Its renewal comes beside it, and here
    // both are one.
    let question = json!({"op": "update", "type": "RefreshToken", "query": {"issuer": B}, "nth": 0,
        "secret": "RT b2", "now": NOW + 2});
    oracle.ask(&question).unwrap();
    let renewed = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(refresh_tokens(&renewed, B)[0], "RT b2");
}

#[test]
fn a_sign_out_by_the_reference_takes_the_only_issuers_entries() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    sign_in(&mut cache, A, "a", NOW);
    let text = cache.to_json().expose_str().unwrap().to_owned();
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    for (kind, target) in [
        ("RefreshToken", json!([])),
        ("IdToken", json!([])),
        ("AccessToken", json!([])),
        ("Account", json!([])),
    ] {
        let question = json!({"op": "remove", "type": kind, "as": kind, "query": {}, "nth": 0,
            "target": target, "now": NOW});
        oracle.ask(&question).unwrap();
    }
    let left = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(left.len(), 1, "the metadata");
}
