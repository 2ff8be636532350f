//! Where the cache differs from the reference on purpose: both results side by side.
//!
//! Each of these has a line in docs/COMPATIBILITY.md.

use crate::oracle::Oracle;
use serde_json::{Value, json};
use tokenkeep::{
    CredentialType, Error, Query, SerializableTokenCache, SignInEvent, TokenCache, TokenRequest,
};

const AUTHORITY: &str = "https://login.microsoftonline.com/contoso";

/// The reference with a cache read from `text`.
fn loaded(text: &str) -> Option<(Oracle, TokenCache)> {
    let mut oracle = Oracle::start()?;
    oracle.ask(&json!({"op": "load", "text": text})).unwrap();
    let ours = TokenCache::from_json(text.as_bytes()).unwrap();
    Some((oracle, ours))
}

fn print(cache: &TokenCache) -> String {
    cache.to_json().expose_str().unwrap().to_owned()
}

fn search(oracle: &mut Oracle, kind: &str, target: &[&str], now: u64) -> Result<usize, String> {
    let question = json!({"op": "search", "type": kind, "target": target, "query": {}, "now": now});
    oracle.ask(&question).map(|found| found.as_array().unwrap().len())
}

/// A cache with one access token, made of `fields`, under its own key.
fn one_token(fields: &str) -> String {
    format!(
        r#"{{"AccessToken": {{"me-login.microsoftonline.com-accesstoken-client-contoso-s": {{
        "credential_type": "AccessToken", "secret": "AT", "home_account_id": "me",
        "environment": "login.microsoftonline.com", "client_id": "client",
        "realm": "contoso", {fields}}}}}}}"#
    )
}

fn sign_in(host: &str, client: &str, more: &str) -> String {
    format!(
        r#"{{"client_id": "{client}", "scope": ["s"], "token_endpoint": "https://{host}/contoso/x",
        "response": {{"access_token": "AT", "refresh_token": "RT", "expires_in": 9999999999,
        "id_token_claims": {{"sub": "me"}}}}{more}}}"#
    )
}

fn both_add(oracle: &mut Oracle, ours: &mut TokenCache, event: &str) {
    oracle.ask(&json!({"op": "add", "event": event, "now": 1_000})).unwrap();
    ours.add(&SignInEvent::from_json(event.as_bytes()).unwrap(), 1_000).unwrap();
    assert_eq!(print(ours), oracle.text());
}

#[test]
fn expired_tokens_are_kept_and_the_reference_removes_them_while_searching() {
    let text = one_token(r#""target": "s", "expires_on": "2000""#);
    let Some((mut oracle, ours)) = loaded(&text) else { return };
    let before = print(&ours);
    let query = Query::new();
    assert_eq!(ours.search(CredentialType::AccessToken, &query, 2_001).count(), 0);
    assert_eq!(print(&ours), before);
    assert_eq!(search(&mut oracle, "AccessToken", &[], 2_001), Ok(0));
    assert_eq!(oracle.text(), "{\n    \"AccessToken\": {}\n}");
}

#[test]
fn an_expired_token_with_exact_scopes_is_not_returned_and_the_reference_returns_it() {
    let text = one_token(r#""target": "s", "expires_on": "2000""#);
    let Some((mut oracle, ours)) = loaded(&text) else { return };
    let fields = [
        ("home_account_id", "me"),
        ("environment", "login.microsoftonline.com"),
        ("client_id", "client"),
        ("realm", "contoso"),
    ];
    let query = fields.iter().fold(Query::new(), |query, (name, value)| query.field(name, value));
    let query = query.scopes(["s"]);
    assert_eq!(ours.search(CredentialType::AccessToken, &query, 2_001).count(), 0);
    let query: Value =
        fields.iter().map(|&(name, value)| (name.to_owned(), json!(value))).collect();
    let question = json!({"op": "search", "type": "AccessToken", "query": query, "target": ["s"], "now": 2_001});
    assert_eq!(oracle.ask(&question).unwrap().as_array().unwrap().len(), 1);
}

#[test]
fn odd_entries_do_not_match_and_make_the_reference_fail() {
    let request = TokenRequest::new("client", AUTHORITY, ["s"]).account("me");
    for (fields, error) in [
        (r#""target": "s""#, "KeyError"),
        (r#""target": "s", "expires_on": "9999999999.5""#, "ValueError"),
        (r#""target": "s", "expires_on": null"#, "TypeError"),
        (r#""target": null, "expires_on": "9999999999""#, "AttributeError"),
    ] {
        let Some((mut oracle, ours)) = loaded(&one_token(fields)) else { return };
        let query = Query::new().scopes(["s"]);
        assert_eq!(ours.search(CredentialType::AccessToken, &query, 1).count(), 0, "{fields}");
        assert!(ours.find_access_token(&request, 1).unwrap().is_none(), "{fields}");
        assert_eq!(ours.entries(CredentialType::AccessToken).count(), 1, "{fields}");
        assert_eq!(
            search(&mut oracle, "AccessToken", &["s"], 1),
            Err(error.to_owned()),
            "{fields}"
        );
    }
}

#[test]
fn times_that_are_numbers_are_read_as_in_the_reference() {
    for fields in [
        r#""target": "s", "expires_on": 9999999999"#,
        r#""target": "s", "expires_on": 9999999999.5"#,
        r#""target": "s", "expires_on": " 9_999_999_999 ""#,
    ] {
        let Some((mut oracle, ours)) = loaded(&one_token(fields)) else { return };
        let query = Query::new().scopes(["s"]);
        assert_eq!(ours.search(CredentialType::AccessToken, &query, 1).count(), 1, "{fields}");
        assert_eq!(search(&mut oracle, "AccessToken", &["s"], 1), Ok(1), "{fields}");
    }
}

#[test]
fn one_odd_entry_harms_only_itself_and_every_search_of_the_reference() {
    let text = r#"{"AccessToken": {"an-entry": {"foo": "bar"}}}"#;
    let Some((mut oracle, mut ours)) = loaded(text) else { return };
    both_add(&mut oracle, &mut ours, &sign_in("login.microsoftonline.com", "client", ""));
    let query = Query::new();
    assert_eq!(ours.search(CredentialType::AccessToken, &query, 1).count(), 1);
    assert_eq!(search(&mut oracle, "AccessToken", &[], 1), Err("KeyError".to_owned()));
}

#[test]
fn a_wrong_root_is_refused_and_breaks_the_reference_later() {
    let Some(mut oracle) = Oracle::start() else { return };
    for (text, error) in [("null", "AttributeError"), ("[]", "AttributeError")] {
        let mut ours = SerializableTokenCache::new();
        ours.add(&SignInEvent::from_json(b"{}").unwrap(), 1).unwrap();
        let before = print(&ours);
        assert!(matches!(ours.deserialize(text.as_bytes()), Err(Error::Corrupt { .. })));
        assert_eq!(print(&ours), before);
        oracle.ask(&json!({"op": "load", "text": text})).unwrap();
        assert_eq!(search(&mut oracle, "Account", &[], 1), Err(error.to_owned()));
    }
}

#[test]
fn numbers_stay_as_they_are_and_the_reference_prints_others() {
    let text = r#"{"Mine": [1e400, 1E5, -0, NaN]}"#;
    assert!(matches!(TokenCache::from_json(text.as_bytes()), Err(Error::Corrupt { .. })));
    let text = text.replace(", NaN", "");
    let Some((mut oracle, ours)) = loaded(&text) else { return };
    assert!(print(&ours).contains("1e400,\n        1E5,\n        -0"));
    assert!(oracle.text().contains("Infinity,\n        100000.0,\n        0"));
}

#[test]
fn an_update_replaces_equivalents_under_other_keys_and_the_reference_adds_one() {
    let entry = r#"{"credential_type": "RefreshToken", "secret": "old", "home_account_id": "me",
        "environment": "login.microsoftonline.com", "client_id": "client", "target": "s",
        "last_modification_time": "1"}"#;
    let text = format!(r#"{{"RefreshToken": {{"wrong-key": {entry}}}}}"#);
    let Some((mut oracle, mut ours)) = loaded(&text) else { return };
    let held = ours.find(CredentialType::RefreshToken, &Query::new(), 0).remove(0);
    assert!(ours.update_refresh_token(&held, "new", 2).unwrap());
    let question = json!({"op": "update", "type": "RefreshToken", "query": {}, "nth": 0,
        "secret": "new", "now": 2});
    oracle.ask(&question).unwrap();
    let (ours, theirs) = (print(&ours), oracle.text());
    assert_eq!(
        (ours.matches("\"new\"").count(), ours.matches("\"old\"").count()),
        (1, 0),
        "{ours}"
    );
    assert!(ours.contains("\"me-login.microsoftonline.com-refreshtoken-client--s\": {"));
    assert_eq!((theirs.matches("\"new\"").count(), theirs.matches("\"old\"").count()), (1, 1));
}

#[test]
fn a_removal_reaches_foreign_keys_and_the_reference_misses_them() {
    let text = one_token(r#""target": "s", "expires_on": "9999999999""#)
        .replace("me-login.microsoftonline.com-accesstoken", "other-spelling");
    let Some((mut oracle, mut ours)) = loaded(&text) else { return };
    let held = ours.find(CredentialType::AccessToken, &Query::new(), 0).remove(0);
    assert!(ours.remove_access_token(&held).unwrap());
    assert_eq!(print(&ours), "{\n    \"AccessToken\": {}\n}");
    let question = json!({"op": "remove", "type": "AccessToken", "as": "AccessToken", "query": {},
        "nth": 0, "now": 0});
    oracle.ask(&question).unwrap();
    assert!(oracle.text().contains("other-spelling"));
}

#[test]
fn a_changed_key_field_moves_the_entry_and_in_the_reference_it_stays_under_the_old_key() {
    let Some((mut oracle, mut ours)) = loaded("{}") else { return };
    both_add(&mut oracle, &mut ours, &sign_in("login.microsoftonline.com", "client", ""));
    let held = ours.find(CredentialType::Account, &Query::new(), 0).remove(0);
    ours.modify(&held, &[("realm", Some("fabrikam"))]).unwrap();
    let question = json!({"op": "modify", "type": "Account", "nth": 0, "changes": {"realm": "fabrikam"}, "now": 0});
    oracle.ask(&question).unwrap();
    assert!(print(&ours).contains("\"me-login.microsoftonline.com-fabrikam\": {"));
    assert!(oracle.text().contains("\"me-login.microsoftonline.com-contoso\": {"));
}

#[test]
fn a_token_that_is_gone_is_not_updated_and_the_reference_brings_it_back() {
    let Some((mut oracle, mut ours)) = loaded("{}") else { return };
    both_add(&mut oracle, &mut ours, &sign_in("login.microsoftonline.com", "client", ""));
    let held = ours.find(CredentialType::RefreshToken, &Query::new(), 0).remove(0);
    assert!(ours.remove_refresh_token(&held).unwrap());
    assert!(!ours.update_refresh_token(&held, "back", 2).unwrap());
    assert!(print(&ours).contains("\"RefreshToken\": {}"));
    let question = json!({"op": "resurrect", "secret": "back"});
    oracle.ask(&question).unwrap();
    assert!(oracle.text().contains("\"back\""));
}

#[test]
fn a_sign_out_takes_what_the_reference_leaves() {
    let Some((mut oracle, mut ours)) = loaded("{}") else { return };
    let (own, alias) = ("login.microsoftonline.com", "login.windows.net");
    both_add(&mut oracle, &mut ours, &sign_in(own, "client", ""));
    both_add(&mut oracle, &mut ours, &sign_in(alias, "client", ""));
    both_add(&mut oracle, &mut ours, &sign_in(own, "client", r#", "data": {"fmi_path": "p"}"#));
    both_add(&mut oracle, &mut ours, &sign_in(own, "stranger", ""));
    let question = json!({"op": "sign_out", "client_id": "client", "authority": AUTHORITY,
        "home_account_id": "me"});
    oracle.ask(&question).unwrap();
    let count = |cache: &TokenCache, kind| cache.entries(kind).count();
    let theirs = TokenCache::from_json(oracle.text().as_bytes()).unwrap();
    assert_eq!(count(&theirs, CredentialType::AccessToken), 2, "the alias's and the extended one");
    assert_eq!(count(&theirs, CredentialType::RefreshToken), 2, "the alias's and the stranger's");
    assert_eq!(count(&theirs, CredentialType::Account), 1, "the alias's, so it appears again");

    let account = ours.accounts().remove(0);
    let mut everywhere = ours.clone();
    ours.sign_out(&account, "client").unwrap();
    assert_eq!(count(&ours, CredentialType::AccessToken), 0);
    assert_eq!(count(&ours, CredentialType::RefreshToken), 1, "the stranger's");
    assert_eq!(count(&ours, CredentialType::Account), 0);
    assert_eq!(count(&ours, CredentialType::AppMetadata), 3);
    everywhere.sign_out_everywhere(&account).unwrap();
    assert_eq!(count(&everywhere, CredentialType::RefreshToken), 0);
}

#[test]
fn accounts_and_silent_hits_are_those_of_the_reference() {
    let Some((mut oracle, mut ours)) = loaded("{}") else { return };
    let host = "login.microsoftonline.com";
    both_add(&mut oracle, &mut ours, &sign_in(host, "client", r#", "grant_type": "password""#));
    let other_tenant = sign_in(host, "client", "").replace("/contoso/", "/fabrikam/");
    both_add(&mut oracle, &mut ours, &other_tenant);
    let you = sign_in(host, "client", "").replace("\"me\"", "\"you\"");
    both_add(&mut oracle, &mut ours, &you);
    let question = json!({"op": "accounts", "client_id": "client", "authority": AUTHORITY});
    let theirs = oracle.ask(&question).unwrap();
    let found: Vec<Value> = ours
        .accounts_of(AUTHORITY)
        .unwrap()
        .iter()
        .map(|account| {
            json!({"home_account_id": account.home_account_id(), "realm": account.realm(),
                "environment": account.environment(), "username": account.username(),
                "authority_type": account.authority_type().as_str(),
                "account_source": account.account_source(),
                "local_account_id": account.local_account_id()})
        })
        .collect();
    assert_eq!(json!(found), theirs);
    let question = json!({"op": "silent", "client_id": "client", "authority": AUTHORITY,
        "home_account_id": "you", "scopes": ["s"]});
    let theirs = oracle.ask(&question).unwrap();
    let request = TokenRequest::new("client", AUTHORITY, ["s"]).account("you");
    assert_eq!(theirs, json!(ours.find_access_token(&request, 1).unwrap().unwrap().secret()));
}

#[test]
fn extended_cache_keys_are_those_of_the_reference() {
    let Some(mut oracle) = Oracle::start() else { return };
    for data in [
        vec![("fmi_path", "Some/Path"), ("a", "b")],
        vec![("é", "ü"), ("Z", "\u{1F511}"), ("scope", "s")],
        vec![("client_id", "c"), ("x", "")],
    ] {
        let object: Value = data.iter().map(|&(k, v)| (k.to_owned(), json!(v))).collect();
        let theirs = oracle.ask(&json!({"op": "ext_key", "data": object})).unwrap();
        let ours = tokenkeep::ext_cache_key(data).unwrap_or_default();
        assert_eq!(json!(ours), theirs);
    }
}
