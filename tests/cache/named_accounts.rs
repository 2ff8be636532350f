//! Whose sign-in it is where the provider's answer does not say, and the program does.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenkeep::{SignInEvent, TokenCache, TokenRequest};

const NOW: u64 = 1_700_000_000;

fn request() -> TokenRequest {
    TokenRequest::new("client", "https://idp.example/t", ["s"])
}

/// An answer whose ID token has these claims.
fn with_claims(claims: &str) -> String {
    let claims = URL_SAFE_NO_PAD.encode(claims);
    format!(r#"{{"access_token": "AT", "expires_in": 3600, "id_token": "e30.{claims}.x"}}"#)
}

#[test]
fn a_provider_that_does_not_say_who_signed_in_can_have_accounts() {
    let token = r#"{"access_token": "AT", "expires_in": 3600, "refresh_token": "RT"}"#;
    let event = |request: &TokenRequest| SignInEvent::from_response(request, token.as_bytes());
    let named = request().account("77");
    for (event, home, username) in [
        (event(&request()).unwrap().account("42", "ada"), "42", "ada"),
        (event(&request()).unwrap().account("42", ""), "42", ""),
        (event(&request()).unwrap().username("ada"), "ada", "ada"),
        (event(&request()).unwrap().username("ada").account("42", "eve"), "42", "eve"),
        (event(&request()).unwrap().account("42", "ada").username("eve"), "42", "eve"),
        (event(&request()).unwrap().account("", "ada"), "ada", "ada"),
        (event(&named).unwrap().username("ada"), "77", "ada"),
        (event(&named).unwrap().account("42", "ada"), "42", "ada"),
    ] {
        let mut cache = TokenCache::new();
        cache.add(&event, NOW).unwrap();
        let account = cache.accounts().pop().expect("an account");
        let found = (account.home_account_id(), account.username(), account.local_account_id());
        assert_eq!(found, (home, username, Some(home)));
        let own = request().for_account(&account);
        assert!(cache.find_access_token(&own, NOW).unwrap().is_some());
        assert_eq!(cache.refresh_tokens(&own).unwrap().len(), 1);
        cache.sign_out(&account, "client").unwrap();
        assert_eq!(cache.len(), 1, "the program's metadata");
    }
    for event in [
        event(&request()).unwrap(),
        event(&request()).unwrap().username(""),
        event(&request()).unwrap().account("", ""),
        event(&request()).unwrap().account("42", "ada").without_account(),
    ] {
        let mut cache = TokenCache::new();
        cache.add(&event, NOW).unwrap();
        assert!(cache.accounts().is_empty());
    }
}

#[test]
fn who_the_provider_says_it_is_counts_more_than_what_the_program_says() {
    let token = with_claims(r#"{"sub": "me", "preferred_username": "ada"}"#);
    let event = || SignInEvent::from_response(&request(), token.as_bytes()).unwrap();
    for event in [event().account("42", "eve"), event().username("eve")] {
        let mut cache = TokenCache::new();
        cache.add(&event, NOW).unwrap();
        let account = cache.accounts().remove(0);
        assert_eq!((account.home_account_id(), account.username()), ("me", "ada"));
    }
    let nameless = with_claims(r#"{"sub": "me"}"#);
    let event = SignInEvent::from_response(&request(), nameless.as_bytes()).unwrap();
    let mut cache = TokenCache::new();
    cache.add(&event.account("42", "eve"), NOW).unwrap();
    let account = cache.accounts().remove(0);
    assert_eq!((account.home_account_id(), account.username()), ("me", "eve"));
}
