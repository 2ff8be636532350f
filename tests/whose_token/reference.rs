//! The same beside the reference.

use serde_json::json;
use tokenkeep::{CredentialType, TokenCache};

use crate::{answers::MICROSOFT, oracle::Oracle};

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
