//! What would keep a sign-in from being kept is found out before the user signs in; a token that
//! could not be kept after all is not lost with the error.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use support::{AUTHORITY, OpenCache, Place, event, held_elsewhere, plaintext};
use tokenkeep::{
    AccessToken, Error, KeySource, PersistedTokenCache, Secret, TokenRequest, TokenSource,
    lock::CrossProcessLock,
    persistence::{KeyCallback, Passphrase},
};
#[cfg(target_os = "linux")]
use tokenkeep_test_support::keyring::{State, inside};

const ANSWER: &[u8] = br#"{"access_token": "issued", "expires_in": 3600}"#;

fn request() -> TokenRequest {
    TokenRequest::new("client", AUTHORITY, ["s1"])
}

/// What an answer gives whose save failed.
fn unstored(cache: &PersistedTokenCache) -> AccessToken {
    let token = cache.add_response(&request(), ANSWER).expect("the token is not lost");
    assert_eq!((token.secret(), token.source()), ("issued", TokenSource::Provider));
    assert!(!token.is_stored(), "{token:?}");
    token
}

#[test]
fn a_new_cache_asks_for_its_passphrase_before_the_sign_in_and_only_then() {
    let place = Place::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let passphrase = Passphrase::asked(move |is_new| {
        assert!(is_new, "the cache is new");
        count.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new("several words"))
    });
    let cache = place.builder().key_source(KeySource::Passphrase(passphrase)).cache().unwrap();
    cache.prepare().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it asks");
    assert!(!place.file().exists(), "nothing is kept yet");
    let token = cache.add_response(&request(), ANSWER).unwrap();
    assert!(token.is_stored() && token.unstored_because().is_none());
    cache.prepare().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the sign-in was prepared");
}

#[test]
fn an_answer_that_gives_no_key_is_found_before_the_sign_in() {
    let place = Place::new();
    let open = |source| place.builder().key_source(source).cache().unwrap();
    let empty = open(KeySource::Passphrase(Passphrase::asked(|_| Ok(Secret::new("")))));
    assert!(matches!(empty.prepare(), Err(Error::Invalid { .. })));
    let refusing = open(KeySource::Callback(KeyCallback::new(|_| Err("no key today".into()))));
    assert!(matches!(refusing.prepare(), Err(Error::Callback { .. })));
    assert!(!place.file().exists());
}

#[test]
fn a_cache_that_is_damaged_or_empty_is_found_before_the_sign_in_and_stays() {
    for content in ["", "{}", "\u{89}TKEEP\r\n and then nothing that fits"] {
        let place = Place::new();
        place.open().add(&event("client", "kept")).unwrap();
        let damaged = [content.as_bytes(), &[0; 200]].concat();
        let damaged = if content.is_empty() { &[][..] } else { &damaged };
        fs::write(place.file(), damaged).unwrap();
        let cache = place.open();
        assert!(cache.prepare().is_err(), "{content:?}");
        let token = unstored(&cache);
        let because = token.unstored_because().unwrap();
        let damage = matches!(because, Error::Corrupt { .. } | Error::OtherBackend { .. });
        assert!(damage, "{because:?}");
        assert_eq!(fs::read(place.file()).unwrap(), damaged);
    }
}

// Not on Windows: modes
#[cfg(unix)]
#[test]
fn a_folder_that_takes_no_key_file_is_found_before_the_sign_in() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let folder = place.key_file().parent().unwrap().to_owned();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let prepared = place.open().prepare();
    // Root writes in any folder.
    let refused = matches!(prepared, Err(Error::PermissionDenied { .. }));
    assert!(refused || may_write(&folder), "{prepared:?}");
    assert!(!place.file().exists() && !place.key_file().exists());
}

#[cfg(unix)]
fn may_write(folder: &std::path::Path) -> bool {
    fs::File::create(folder.join("probe"))
        .and_then(|_| fs::remove_file(folder.join("probe")))
        .is_ok()
}

// Not on Windows: the Secret Service
#[cfg(target_os = "linux")]
#[test]
fn a_locked_vault_is_found_before_the_sign_in() {
    inside("a_locked_vault_is_found_before_the_sign_in", State::Locked, |keyring| {
        let place = Place::new();
        let open = || place.builder().key_source(KeySource::OsVault).cache();
        assert!(matches!(open(), Err(Error::VaultLocked { .. })));
        keyring.unlock().unwrap();
        let cache = open().unwrap();
        keyring.lock().unwrap();
        let prepared = cache.prepare();
        assert!(matches!(prepared, Err(Error::VaultLocked { .. })), "{prepared:?}");
        let token = unstored(&cache);
        assert!(matches!(token.unstored_because(), Some(Error::VaultLocked { .. })), "{token:?}");
        keyring.unlock().unwrap();
        cache.prepare().unwrap();
        assert!(cache.add_response(&request(), ANSWER).unwrap().is_stored());
    });
}

// Not on Windows: the Secret Service
#[cfg(target_os = "linux")]
#[test]
fn a_key_that_was_only_prepared_goes_with_the_value() {
    inside("a_key_that_was_only_prepared_goes_with_the_value", State::Unlocked, |keyring| {
        let place = Place::new();
        let cache = place.builder().key_source(KeySource::OsVault).cache().unwrap();
        let keys = || {
            let search = ["search", "--all", "application", "tokenkeep"];
            let found = keyring.command("secret-tool").args(search).output().unwrap();
            String::from_utf8_lossy(&found.stdout).matches("secret = ").count()
        };
        cache.prepare().unwrap();
        assert_eq!(keys(), 1, "its key is made");
        drop(cache);
        assert_eq!(keys(), 0);
    });
}

#[test]
fn the_token_of_an_answer_outlives_a_lock_that_is_held_and_a_section_that_is_damaged() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let lock = CrossProcessLock::new(place.folder(), "cache");
    let held = held_elsewhere(&lock);
    let waiting = place.builder().cache().unwrap().lock_timeout(Duration::from_millis(50));
    let token = unstored(&waiting);
    assert!(matches!(token.unstored_because(), Some(Error::LockTimeout { .. })), "{token:?}");
    drop(held);

    let path = place.path().join("plain.json");
    let content = br#"{"AccessToken": "no section", "Account": {}}"#;
    tokenkeep_test_support::create_private(&path);
    fs::write(&path, content).unwrap();
    let plain = plaintext(&path).unwrap();
    let token = unstored(&plain);
    assert!(matches!(token.unstored_because(), Some(Error::Corrupt { .. })), "{token:?}");
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn the_token_of_a_renewal_is_not_refused_for_a_cache_that_cannot_be_read() {
    let segment = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let id_token = format!("h.{}.s", segment(r#"{"sub": "s1"}"#));
    let info = segment(r#"{"uid": "o1", "utid": "t1"}"#);
    let place = Place::new();
    let signed_in = format!(
        r#"{{"access_token": "AT", "expires_in": 3600, "refresh_token": "RT",
            "id_token": "{id_token}", "client_info": "{info}"}}"#
    );
    place.open().add_response(&request(), signed_in.as_bytes()).unwrap();
    let spent = place.open().refresh_tokens(&request()).unwrap().remove(0);
    let renewed =
        format!(r#"{{"access_token": "issued", "expires_in": 3600, "id_token": "{id_token}"}}"#);
    let lock = CrossProcessLock::new(place.folder(), "cache");
    let held = held_elsewhere(&lock);
    let waiting = place.builder().cache().unwrap().lock_timeout(Duration::from_millis(50));
    let token = waiting.add_renewal(&request(), &spent, renewed.as_bytes()).unwrap();
    assert_eq!((token.secret(), token.is_stored()), ("issued", false));
    assert_eq!(token.home_account_id().unwrap(), "o1.t1");
    assert!(matches!(token.unstored_because(), Some(Error::LockTimeout { .. })), "{token:?}");
    let refused = waiting.add_renewal(&request(), &spent, br#"{"error": "invalid_grant"}"#);
    assert!(matches!(refused, Err(Error::SignInNeeded { .. })), "{refused:?}");
    drop(held);
    let token = waiting.add_renewal(&request(), &spent, renewed.as_bytes()).unwrap();
    assert!(token.is_stored());
}

#[test]
fn an_answer_without_a_token_is_an_error_whether_or_not_the_cache_can_be_had() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    fs::write(place.file(), "damaged").unwrap();
    for cache in [PersistedTokenCache::in_memory(), place.open()] {
        let refused = cache.add_response(&request(), br#"{"error": "invalid_grant"}"#);
        assert!(matches!(refused, Err(Error::SignInNeeded { .. })), "{refused:?}");
    }
}

#[test]
fn inside_a_transaction_the_token_is_not_lost_either() {
    let cache = PersistedTokenCache::in_memory();
    cache
        .transaction(|_| {
            let token = unstored(&cache);
            assert!(matches!(token.unstored_because(), Some(Error::Nested)), "{token:?}");
            Ok(())
        })
        .unwrap();
}
