//! The same beside the reference.

use serde_json::{Value, json};
use tokenkeep::{CredentialType, Entry, Query, TokenCache, TokenRequest};

use super::answers::{
    ELSEWHERE, MICROSOFT, add_event, answer, find, of, request, secret, text, tokens,
};
use crate::oracle::Oracle;

#[test]
fn the_reference_finds_what_a_renewal_without_an_id_token_brought() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    let lasting = |secret: &str, more: Value| {
        let mut answer: Value = serde_json::from_slice(&answer(secret, &more)).unwrap();
        answer["expires_in"] = json!(9_000_000_000_u64);
        answer.to_string().into_bytes()
    };
    let more = json!({"refresh_token": "RT1", "id_token": of("ada")});
    cache.add_response(&request(MICROSOFT), lasting("AT1", more), 1_000).unwrap();
    let spent = cache.refresh_tokens(&request(MICROSOFT)).unwrap().remove(0);
    let more = json!({"refresh_token": "RT2"});
    cache.add_renewal(&request(MICROSOFT), &spent, lasting("AT2", more), 2_000).unwrap();
    oracle.ask(&json!({"op": "load", "text": text(&cache)})).unwrap();
    let mut ask = |op: &str| {
        let question = json!({"op": op, "client_id": "client", "authority": MICROSOFT,
            "home_account_id": "ada", "scopes": ["s"]});
        oracle.ask(&question).unwrap()
    };
    assert_eq!(ask("silent"), json!("AT2"));
    assert_eq!(ask("accounts").as_array().unwrap().len(), 1);
    ask("sign_out");
    let left = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(tokens(&left), 0, "nothing was kept beside the account");
}

#[test]
fn a_renewal_in_the_reference_without_an_id_token_is_found_and_signed_out_here() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut both = |grant: &str, answer: Vec<u8>, now: u64| {
        let event = json!({"client_id": "client", "scope": ["s"], "grant_type": grant,
            "token_endpoint": format!("{ELSEWHERE}/token"), "skip_account_creation": now > 1_000,
            "response": serde_json::from_slice::<Value>(&answer).unwrap()});
        let question = json!({"op": "add", "event": event.to_string(), "now": now});
        oracle.ask(&question).unwrap();
    };
    let more = json!({"refresh_token": "RT1", "id_token": of("ada")});
    both("authorization_code", answer("AT1", &more), 1_000);
    both("refresh_token", answer("AT2", &json!({})), 9_000);
    let mut cache = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    let query = Query::new().null("home_account_id");
    assert_eq!(cache.search(CredentialType::AccessToken, &query, 0).count(), 1, "nobody's there");
    let named = request(ELSEWHERE).account("ada");
    assert_eq!(find(&cache, &named, 9_001).unwrap().unwrap(), "AT2");
    assert_eq!(secret(&cache, 9_001), "AT2");
    cache.sign_out_everywhere(&cache.accounts()[0].clone()).unwrap();
    assert_eq!(tokens(&cache), 0);
}

#[test]
fn a_newer_refresh_token_stays_and_in_the_reference_it_is_lost_to_an_older_one() {
    let Some(mut oracle) = Oracle::start() else { return };
    for (op, left) in [("remove", None), ("update", Some("older")), ("modify", Some("RT"))] {
        oracle.ask(&json!({"op": "reset"})).unwrap();
        let event = json!({"client_id": "client", "scope": ["s"],
            "token_endpoint": format!("{MICROSOFT}/token"),
            "response": {"refresh_token": "RT", "id_token_claims": {"sub": "ada"}}});
        oracle.ask(&json!({"op": "add", "event": event.to_string(), "now": 1_000})).unwrap();
        let mut ours = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
        oracle.ask(&json!({"op": "replaced", "do": op, "secret": "newer"})).unwrap();
        let theirs = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
        let kept = |cache: &TokenCache| {
            let found = cache.entries(CredentialType::RefreshToken).next();
            found.map(|entry| entry.secret().unwrap().to_owned())
        };
        assert_eq!(kept(&theirs).as_deref(), left, "{op}");
        let old = ours.entries(CredentialType::RefreshToken).next().unwrap().clone();
        assert!(ours.update_refresh_token(&old, "newer", 2_000).unwrap());
        match op {
            "remove" => assert!(!ours.remove_refresh_token(&old).unwrap()),
            "update" => assert!(!ours.update_refresh_token(&old, "older", 3_000).unwrap()),
            _ => assert!(ours.modify(&old, &[("note", Some("mine"))]).is_err()),
        }
        assert_eq!(kept(&ours).unwrap(), "newer", "{op}");
    }
}

#[test]
fn a_token_without_an_account_and_an_apps_own_are_one_to_the_reference() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    let far = "9000000000";
    let mut put = |scope: &str, secret: &str| {
        let json = json!({"credential_type": "AccessToken", "secret": secret, "client_id": "client",
            "home_account_id": null, "environment": "login.microsoftonline.com",
            "realm": "contoso", "target": scope, "cached_at": "1000", "expires_on": far});
        let json = json.to_string();
        let entry = Entry::from_json(CredentialType::AccessToken, json.as_bytes()).unwrap();
        cache.put(&entry).unwrap();
    };
    put("s", "user's");
    put("https://api.example/.default", "app's");
    let signed_in = json!({"refresh_token": "RT", "id_token": of("ada")});
    add_event(&mut cache, MICROSOFT, "t", "authorization_code", &answer("AT", &signed_in));
    oracle.ask(&json!({"op": "load", "text": text(&cache)})).unwrap();
    let ids = json!({"client_id": "client", "environment": "login.microsoftonline.com",
        "realm": "contoso", "home_account_id": null});
    for (scope, ours) in [("s", "ada"), ("https://api.example/.default", "app")] {
        let question = json!({"op": "search", "type": "AccessToken", "query": ids,
            "target": [scope], "now": 1_001});
        assert_eq!(oracle.ask(&question).unwrap().as_array().unwrap().len(), 1, "for an app");
        let question = json!({"op": "silent", "client_id": "client", "authority": MICROSOFT,
            "home_account_id": "ada", "scopes": [scope]});
        assert!(oracle.ask(&question).map_or(true, |found| found.is_null()), "not for ada");
        let request = TokenRequest::new("client", MICROSOFT, [scope]);
        let (users, apps) = (request.clone().account("ada"), request.app_only());
        assert_eq!(find(&cache, &users, 1_001).unwrap().is_some(), ours == "ada");
        assert_eq!(find(&cache, &apps, 1_001).unwrap().is_some(), ours == "app");
    }
}
