//! A token that took the place of another is not lost to it.

use serde_json::json;
use tokenkeep::{CredentialType, Error, TokenCache};

use super::answers::{ELSEWHERE, add, id_token, of, refresh_tokens, request, text};

#[test]
fn a_token_that_was_replaced_is_gone_already() {
    let mut cache = TokenCache::new();
    let more = json!({"refresh_token": "RT1", "id_token": of("ada")});
    add(&mut cache, "AT1", &more, 1_000);
    let kinds =
        [CredentialType::AccessToken, CredentialType::RefreshToken, CredentialType::IdToken];
    let old = kinds.map(|kind| cache.entries(kind).next().unwrap().clone());
    let later = id_token(&json!({"sub": "ada", "preferred_username": "ada@idp.example", "n": 2}));
    add(&mut cache, "AT2", &json!({"refresh_token": "RT2", "id_token": later}), 1_000);
    let before = text(&cache);
    let [access, refresh, id] = &old;
    assert!(!cache.remove_access_token(access).unwrap());
    assert!(!cache.remove_refresh_token(refresh).unwrap());
    assert!(!cache.remove_id_token(id).unwrap());
    assert!(!cache.update_refresh_token(refresh, "RT3", 2_000).unwrap());
    assert_eq!(cache.renew_refresh_token("ada", "RT1", "RT3", 2_000).unwrap(), 0);
    for entry in &old {
        let refused = cache.modify(entry, &[("note", Some("mine"))]);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    assert_eq!(text(&cache), before);
    let held = cache.entries(CredentialType::RefreshToken).next().unwrap().clone();
    cache.modify(&held, &[("note", Some("mine"))]).unwrap();
    assert!(cache.update_refresh_token(&held, "RT3", 2_000).unwrap());
    let held = cache.entries(CredentialType::RefreshToken).next().unwrap().clone();
    assert_eq!((held.secret(), held.text("note").unwrap().as_ref()), (Some("RT3"), "mine"));
    assert!(cache.remove_refresh_token(&held).unwrap());
}

#[test]
fn a_newer_token_under_another_key_is_not_lost_to_an_older_one() {
    let entry = |key: &str, secret: &str, time: u32| {
        format!(
            r#""{key}": {{"credential_type": "RefreshToken", "secret": "{secret}",
            "home_account_id": "ada", "environment": "idp.example", "client_id": "client",
            "target": "s", "last_modification_time": "{time}"}}"#
        )
    };
    let both = [entry("a", "RT1", 1), entry("b", "RT2", 2)].join(", ");
    let text = format!(r#"{{"RefreshToken": {{{both}}}}}"#);
    let mut cache = TokenCache::from_json(text.as_bytes()).unwrap();
    let old = cache.entries(CredentialType::RefreshToken).next().unwrap().clone();
    assert!(!cache.update_refresh_token(&old, "RT3", 3).unwrap());
    assert_eq!(cache.renew_refresh_token("ada", "RT1", "RT3", 3).unwrap(), 0);
    assert!(cache.modify(&old, &[("note", Some("mine"))]).is_err());
    assert!(cache.remove_refresh_token(&old).unwrap());
    assert_eq!(refresh_tokens(&cache, &request(ELSEWHERE)), ["RT2"]);
}
