//! The record of a sign-in: what it holds, which request it is for, and when it goes.
#![allow(clippy::disallowed_methods, reason = "a test may")]

use serde_json::{Value, json};
use tokenkeep::{
    ClientAuthMethod, CredentialType, Error, PersistedTokenCache, SignInRecord, TokenCache,
    TokenRequest, persistence::PlaintextPersistence,
};

use crate::oracle::Oracle;

const NOW: u64 = 1_700_000_000;
const A: &str = "https://h.example/realms/a";
const B: &str = "https://h.example/realms/b";

fn request(issuer: &str) -> TokenRequest {
    TokenRequest::new("client", issuer, ["s"])
}

fn record(issuer: &str) -> SignInRecord {
    SignInRecord::new("client", issuer)
        .with_token_endpoint(format!("{issuer}/token"))
        .with_auth_method(ClientAuthMethod::ClientSecretBasic)
        .with_client_secret("S3CRET")
}

fn sign_in(cache: &mut TokenCache, issuer: &str, home: &str) {
    let answer = json!({"access_token": "AT", "refresh_token": "RT", "expires_in": 3600});
    let request = request(issuer).account(home);
    cache.add_response(&request, answer.to_string(), NOW).unwrap();
}

fn text(cache: &TokenCache) -> String {
    cache.to_json().expose_str().unwrap().to_owned()
}

fn section(cache: &TokenCache) -> Value {
    serde_json::from_str::<Value>(&text(cache)).unwrap()["Tokenkeep"].take()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let full = SignInRecord::new("client é", A)
        .with_authority("https://h.example/realms/a/v2")
        .with_token_endpoint("https://h.example/token")
        .with_device_authorization_endpoint("https://h.example/device")
        .with_revocation_endpoint("https://h.example/revoke")
        .with_userinfo_endpoint("https://h.example/me")
        .with_auth_method(ClientAuthMethod::ClientSecretPost)
        .with_client_secret("S \"3\" CRET")
        .with_redirect_uri("http://127.0.0.1/callback")
        .with_audience("https://api.example")
        .with_resources(["https://api.example/1", "https://api.example/2"])
        .with_scopes(["openid", "s"])
        .with_written_by("tool 1.0")
        .with_updated(NOW);
    let mut cache = TokenCache::new();
    cache.set_record(&full).unwrap();
    let cache = TokenCache::from_json(cache.to_json().expose()).unwrap();
    let found = cache.records().remove(0);
    assert!(found == full);
    assert_eq!((found.client_id(), found.issuer()), ("client é", A));
    assert_eq!(found.authority(), "https://h.example/realms/a/v2");
    assert_eq!(found.token_endpoint().unwrap(), "https://h.example/token");
    assert_eq!(found.device_authorization_endpoint().unwrap(), "https://h.example/device");
    assert_eq!(found.revocation_endpoint().unwrap(), "https://h.example/revoke");
    assert_eq!(found.userinfo_endpoint().unwrap(), "https://h.example/me");
    assert_eq!(found.auth_method(), Some(ClientAuthMethod::ClientSecretPost));
    assert_eq!(found.client_secret().unwrap().expose_str(), Some("S \"3\" CRET"));
    assert_eq!(found.redirect_uri().unwrap(), "http://127.0.0.1/callback");
    assert_eq!(found.audience().unwrap(), "https://api.example");
    assert_eq!(found.resources(), ["https://api.example/1", "https://api.example/2"]);
    assert_eq!(found.scopes(), ["openid", "s"]);
    assert_eq!((found.written_by().unwrap().as_ref(), found.updated()), ("tool 1.0", Some(NOW)));
    assert_eq!(section(&cache)["h.example|client é"]["updated"], json!(NOW.to_string()));
    for shown in [format!("{found:?}"), format!("{cache:?}")] {
        assert!(!shown.contains("CRET"), "{shown}");
    }
}

#[test]
fn each_issuer_of_a_host_has_its_own_record_and_each_request_finds_its_own() {
    let mut cache = TokenCache::new();
    for issuer in [A, B, "http://127.0.0.1:43121/t"] {
        cache.set_record(&record(issuer)).unwrap();
        cache.set_record(&record(issuer)).unwrap();
    }
    cache.set_record(&SignInRecord::new("other", A)).unwrap();
    assert_eq!(cache.records().len(), 4);
    let kept = section(&cache);
    let keys: Vec<&String> = kept.as_object().unwrap().keys().collect();
    let mut expected = [
        "h.example|client",
        "h.example|client|https://h.example/realms/b",
        "127.0.0.1:43121|client",
        "h.example|other",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    for issuer in [A, B, "http://127.0.0.1:43121/t", "HTTPS://H.example:443/realms/a/"] {
        let found = cache.record(&request(issuer)).unwrap();
        assert_eq!(found.client_id(), "client");
        assert!(found.token_endpoint().unwrap().to_lowercase().contains("/t"), "{issuer}");
    }
    for issuer in ["https://h.example/realms/c", "https://h.example", "http://127.0.0.1:43122/t"] {
        assert_eq!(cache.record(&request(issuer)), None, "{issuer}");
    }
    assert!(cache.remove_record(&SignInRecord::new("client", B)).unwrap());
    assert!(!cache.remove_record(&SignInRecord::new("client", B)).unwrap());
    assert_eq!(cache.record(&request(B)), None);
    assert!(cache.record(&request(A)).is_some());
    // In a cloud the authority of the requests is not the issuer.
    let cloud = "https://login.microsoftonline.com/organizations";
    let issuer = "https://login.microsoftonline.com/9188040d-6c67/v2.0";
    cache.set_record(&SignInRecord::new("client", issuer).with_authority(cloud)).unwrap();
    assert_eq!(cache.record(&request(cloud)).unwrap().issuer(), issuer);
}

#[test]
fn what_this_version_does_not_know_stays() {
    let json = format!(
        r#"{{"Before": 1, "Tokenkeep": {{"h.example|client": {{"issuer": "{A}",
        "client_id": "client", "later": [1e400, {{"a": null}}], "token_endpoint": "old",
        "revocation_endpoint": "old"}}, "odd": 7, "x|y": {{"issuer": 1}}}}, "After": "\ud800"}}"#
    );
    let mut cache = TokenCache::from_json(json.as_bytes()).unwrap();
    assert_eq!(cache.records().len(), 1);
    cache.set_record(&record(A)).unwrap();
    let printed = text(&cache);
    for part in ["\"later\"", "1e400", "\"odd\": 7", "\"x|y\"", "\\ud800", "\"Before\": 1"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!printed.contains("old"), "what it knows is replaced: {printed}");
    let order = ["\"Before\"", "\"Tokenkeep\"", "\"After\""].map(|name| printed.find(name));
    assert!(order.is_sorted(), "{printed}");
    let again = TokenCache::from_json(printed.as_bytes()).unwrap();
    assert!(again.has_same_content(&cache));
}

#[test]
fn a_record_that_cannot_be_used_is_refused_and_changes_nothing() {
    let mut cache = TokenCache::new();
    for bad in [
        SignInRecord::new("client", "h.example"),
        SignInRecord::new("client", "http://h.example"),
        SignInRecord::new("", A),
    ] {
        assert!(matches!(cache.set_record(&bad), Err(Error::Invalid { .. })), "{bad:?}");
    }
    assert_eq!(text(&cache), "{}");
    let mut cache = TokenCache::from_json(br#"{"Tokenkeep": []}"#).unwrap();
    assert!(matches!(cache.set_record(&record(A)), Err(Error::Corrupt { .. })));
    assert!(cache.records().is_empty() && !cache.remove_record(&record(A)).unwrap());
    assert_eq!(section(&cache), json!([]));
}

#[test]
fn the_last_sign_out_of_a_client_removes_its_record() {
    let mut both = TokenCache::new();
    for issuer in [A, B] {
        both.set_record(&record(issuer)).unwrap();
        sign_in(&mut both, issuer, "ada");
    }
    sign_in(&mut both, A, "bob");
    let account = |cache: &TokenCache, home: &str, issuer: &str| {
        let owners = cache.owners();
        let is_it =
            |a: &&tokenkeep::Account| a.home_account_id() == home && a.issuer() == Some(issuer);
        owners.iter().find(is_it).unwrap().clone()
    };
    for everywhere in [true, false] {
        let mut cache = both.clone();
        for (home, issuer, left) in [("ada", A, 2), ("bob", A, 1), ("ada", B, 0)] {
            let account = account(&cache, home, issuer);
            match everywhere {
                true => cache.sign_out_everywhere(&account).unwrap(),
                false => cache.sign_out(&account, "client").unwrap(),
            };
            assert_eq!(cache.records().len(), left, "{home} {issuer}");
        }
        assert!(!text(&cache).contains("S3CRET") && !text(&cache).contains("Tokenkeep"));
    }
    // Another client's sign-out leaves it.
    let mut cache = both.clone();
    cache.set_record(&SignInRecord::new("other", A)).unwrap();
    assert_eq!(cache.sign_out(&account(&cache, "ada", A), "other").unwrap(), 0);
    assert_eq!(cache.records().len(), 3);
    // The tokens of an application itself.
    let mut cache = TokenCache::new();
    cache.set_record(&record(A)).unwrap();
    let answer = r#"{"access_token": "AT", "expires_in": 3600}"#;
    cache.add_response(&request(A).app_only(), answer, NOW).unwrap();
    assert_eq!(cache.sign_out_without_account(Some("other")).unwrap(), 0);
    assert_eq!(cache.records().len(), 1);
    assert_eq!(cache.sign_out_without_account(Some("client")).unwrap(), 1);
    assert!(cache.records().is_empty());
}

#[test]
fn a_merge_takes_no_record_along_and_an_export_no_client_secret() {
    let mut theirs = TokenCache::new();
    sign_in(&mut theirs, A, "ada");
    theirs.set_record(&record(A)).unwrap();
    let mut ours = TokenCache::new();
    let report = ours.merge(&theirs).unwrap();
    assert_eq!(report.sections().imported, 0);
    assert!(report.is_change() && ours.records().is_empty());
    ours.set_record(&record(A).with_token_endpoint("https://h.example/ours")).unwrap();
    assert!(!ours.merge(&theirs).unwrap().is_change());
    assert_eq!(ours.records()[0].token_endpoint().unwrap(), "https://h.example/ours");

    let exported = theirs.without_client_secrets().unwrap();
    assert!(!text(&exported).contains("S3CRET"));
    assert_eq!(exported.len(), theirs.len());
    assert!(exported.records()[0].client_secret().is_none());
    assert_eq!(exported.records()[0].auth_method(), Some(ClientAuthMethod::ClientSecretBasic));
    assert!(theirs.records()[0].client_secret().is_some());
    // A cache of records alone is a cache, too.
    let mut alone = TokenCache::new();
    alone.set_record(&record(A)).unwrap();
    assert!(!ours.merge(&alone).unwrap().is_change());
    let plain = TokenCache::new();
    assert!(plain.without_client_secrets().unwrap().has_same_content(&plain));
}

#[test]
fn plain_text_takes_no_client_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.json");
    let cache = PersistedTokenCache::new(PlaintextPersistence::new(&file).unwrap());
    // It is still known as a cache with nothing but a record.
    let secretless = SignInRecord::new("client", A).with_token_endpoint("https://h.example/t");
    cache.set_record(&secretless).unwrap();
    let answer = r#"{"access_token": "AT", "expires_in": 3600}"#;
    cache.add_response(&request(A), answer).unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = cache.set_record(&record(A)).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(!format!("{error:?}").contains("S3CRET"));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert!(cache.record(&request(A)).unwrap() == Some(secretless));
    // One that is there already keeps no other change from being saved.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"token_endpoint\"", "\"client_secret\"")).unwrap();
    cache.add_response(&request(B), answer).unwrap();
    assert!(cache.record(&request(A)).unwrap().unwrap().client_secret().is_some());
    assert!(cache.remove_record(&record(A)).unwrap());

    let memory = PersistedTokenCache::in_memory();
    memory.set_record(&record(A)).unwrap();
    assert!(memory.record(&request(A)).unwrap().unwrap().client_secret().is_some());
}

#[test]
fn the_reference_keeps_the_record_over_its_own_renewal() {
    let Some(mut oracle) = Oracle::start() else { return };
    let mut cache = TokenCache::new();
    sign_in(&mut cache, A, "ada");
    cache.set_record(&record(A)).unwrap();
    oracle.ask(&json!({"op": "load", "text": text(&cache)})).unwrap();
    let question = json!({"op": "update", "type": "RefreshToken", "query": {}, "nth": 0,
        "secret": "RT2", "now": NOW + 1});
    oracle.ask(&question).unwrap();
    let event = json!({"client_id": "client", "scope": ["s"],
        "token_endpoint": format!("{A}/token"),
        "response": {"access_token": "AT2", "expires_in": 3600}});
    oracle.ask(&json!({"op": "add", "event": event.to_string(), "now": NOW + 1})).unwrap();
    let left = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(left.record(&request(A)), cache.record(&request(A)));
    let token = left.entries(CredentialType::RefreshToken).next().unwrap();
    assert_eq!((token.secret(), token.issuer().as_deref()), (Some("RT2"), Some(A)));
}
