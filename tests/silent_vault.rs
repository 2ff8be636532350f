//! Silent sign-in where the vault locks: before a request, and while the provider is asked.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs, reason = "it is a test")]

mod support;

use std::{cell::Cell, time::Duration};

use support::{OpenCache, Place, settle};
use tokenkeep::{
    AccessToken, Error, KeySource, PersistedTokenCache, TokenRequest, build_encrypted_persistence,
    silent::TokenReply,
};
use tokenkeep_test_support::keyring::{Keyring, State, inside};

fn request() -> TokenRequest {
    TokenRequest::new("client", "https://id.example/tenant", ["read"])
}

/// The cache with its key in the vault.
fn sealed(place: &Place) -> PersistedTokenCache {
    place.builder().key_source(KeySource::OsVault).cache().unwrap()
}

/// The cache that is an item of the vault, as other libraries of MSAL have it.
fn item(place: &Place) -> PersistedTokenCache {
    PersistedTokenCache::new(build_encrypted_persistence(place.path().join("item")).unwrap())
}

/// A sign-in whose access token expired long ago.
fn sign_in(cache: PersistedTokenCache) {
    let first = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 60}"#;
    cache.clock(|| 1_000_000_000).add_response(&request(), first).unwrap();
}

/// Asks with a provider that does `meanwhile`, and counts its requests.
fn ask(
    cache: &PersistedTokenCache,
    meanwhile: impl Fn(),
) -> (Result<Option<AccessToken>, Error>, u32) {
    let requests = Cell::new(0);
    let token = cache.acquire_token_silent(&request(), |_| {
        requests.set(requests.get() + 1);
        meanwhile();
        let answer = r#"{"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}"#;
        Ok(TokenReply::new(200, answer))
    });
    (token, requests.get())
}

#[test]
fn a_locked_vault_keeps_a_refresh_token_from_being_spent() {
    let test = "a_locked_vault_keeps_a_refresh_token_from_being_spent";
    inside(test, State::Unlocked, |keyring: &Keyring| {
        for is_item in [false, true] {
            let open = if is_item { item } else { sealed };
            let place = Place::new();
            sign_in(open(&place));
            let cache = open(&place);
            let known = open(&place);
            if is_item {
                // Its file says when the item was changed. A time of now is not trusted.
                settle(&place.path().join("item"));
            }
            known.accounts().unwrap();
            keyring.lock().unwrap();
            let is_locked = |cache: &PersistedTokenCache| {
                let (locked, requests) = ask(cache, || {});
                assert!(matches!(locked, Err(Error::VaultLocked { .. })), "{locked:?}");
                assert_eq!(requests, 0);
            };
            is_locked(&cache);
            if is_item {
                // What was read is in memory, and a save would need the vault.
                is_locked(&known);
            }
            keyring.unlock().unwrap();
            let (token, requests) = ask(&cache, || {});
            let token = token.unwrap().unwrap();
            assert_eq!((token.secret(), token.is_stored(), requests), ("a1", true, 1));
        }
    });
}

#[test]
fn a_vault_that_locks_during_a_request_loses_no_answer() {
    let test = "a_vault_that_locks_during_a_request_loses_no_answer";
    inside(test, State::Unlocked, |keyring: &Keyring| {
        let lock = || keyring.lock().unwrap();
        let refresh_token = |cache: PersistedTokenCache| {
            cache.refresh_tokens(&request()).unwrap()[0].secret().unwrap().to_owned()
        };
        // The key is in memory by then.
        let place = Place::new();
        sign_in(sealed(&place));
        let (token, _) = ask(&sealed(&place), lock);
        let token = token.unwrap().unwrap();
        assert!(token.is_stored(), "{token:?}");
        keyring.unlock().unwrap();
        assert_eq!(refresh_token(sealed(&place)), "r1");
        // Of an item nothing can be kept now. The answer waits in memory.
        sign_in(item(&place));
        let cache = item(&place);
        let (token, requests) = ask(&cache, lock);
        let token = token.unwrap().unwrap();
        assert_eq!((token.secret(), requests), ("a1", 1));
        let why = token.unstored_because();
        assert!(matches!(why, Some(Error::VaultLocked { .. })), "{why:?}");
        assert!(matches!(cache.settle(Duration::ZERO), Err(Error::VaultLocked { .. })));
        keyring.unlock().unwrap();
        cache.settle(Duration::from_secs(20)).unwrap();
        assert_eq!(refresh_token(item(&place)), "r1");
    });
}
