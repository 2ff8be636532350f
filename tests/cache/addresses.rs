//! Which addresses name an authority, and which authorities are told apart.

use serde_json::Value;
use tokenkeep::{Error, SignInEvent, TokenCache, TokenRequest};

const NOW: u64 = 1_700_000_000;

fn answer(secret: &str) -> String {
    format!(r#"{{"access_token": "{secret}", "expires_in": 3600}}"#)
}

#[test]
fn providers_on_this_machine_are_told_apart_by_their_ports() {
    let mut cache = TokenCache::new();
    let addresses = [
        "http://127.0.0.1:43121/t",
        "http://127.0.0.1:43122/t",
        "http://[::1]:43121",
        "http://localhost:43121/t",
        "https://localhost/t",
        "https://[::1]/t",
    ];
    for address in addresses {
        let request = TokenRequest::new("client", address, ["s"]);
        cache.add_response(&request, answer(address).as_bytes(), NOW).unwrap();
    }
    for address in addresses {
        let request = TokenRequest::new("client", address, ["s"]);
        let found = cache.find_access_token(&request, NOW).unwrap().unwrap();
        assert_eq!(found.secret(), address);
        assert_eq!(found.entry().authority().as_deref(), Some(address));
    }
}

#[test]
fn an_address_that_others_read_as_another_host_is_refused_before_anything_is_kept() {
    for address in [
        r"https://evil.example\@idp.example/t",
        "https://user:word@idp.example/t",
        "https://idp.exam\tple/t",
        "https:///idp.example/t",
        "http://idp.example/t",
        "https://idp\u{ff0e}example/t",
    ] {
        let request = TokenRequest::new("client", address, ["s"]);
        let mut cache = TokenCache::new();
        let answer = answer("AT");
        for error in [
            cache.add_response(&request, answer.as_bytes(), NOW).unwrap_err(),
            cache.find_access_token(&request, NOW).unwrap_err(),
            cache.accounts_of(address).unwrap_err(),
            SignInEvent::from_json(
                format!(r#"{{"token_endpoint": {}}}"#, Value::from(address)).as_bytes(),
            )
            .unwrap_err(),
        ] {
            assert!(matches!(error, Error::Invalid { .. }), "{address}");
            assert!(!error.to_string().contains("word"), "{error}");
        }
        assert!(cache.is_empty());
    }
}
