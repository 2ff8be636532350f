//! What becomes of a cache that is cleared or checked, that is damaged or another's, or whose key
//! is gone.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, io::Write};

use support::{OpenCache, Place, event, plaintext, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{Error, KeySource, PersistedTokenCache, persistence::Passphrase};
use tokenkeep_test_support::create_private;

#[test]
fn clear_leaves_the_lock_files_and_nothing_else() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "gone")).unwrap();
    fs::File::create(place.folder().join("cache.sealed.tmp")).unwrap();
    cache.clear().unwrap();
    assert_eq!(place.names(), ["cache.holder", "cache.lock", "cache.queue"]);
    assert!(!place.key_file().exists());
    assert_eq!(token(&cache, "client"), None);
    cache.clear().expect("clearing twice is no error");
    cache.add(&event("client", "again")).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("again"));
}

#[test]
fn a_value_that_is_alive_while_another_clears_adds_under_a_new_key() {
    let place = Place::new();
    let (alive, other) = (place.open(), place.open());
    alive.add(&event("client", "first")).unwrap();
    let first_key = fs::read(place.key_file()).unwrap();
    other.clear().unwrap();
    alive.add(&event("client", "second")).unwrap();
    assert_ne!(fs::read(place.key_file()).unwrap(), first_key);
    assert_eq!(token(&place.open(), "client").as_deref(), Some("second"));
}

#[test]
fn a_key_that_is_gone_is_an_error_and_no_new_key_is_made() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let sealed = fs::read(place.file()).unwrap();
    let key = fs::read(place.key_file()).unwrap();
    fs::remove_file(place.key_file()).unwrap();
    for _ in 0..100 {
        let cache = place.open();
        assert!(matches!(cache.accounts(), Err(Error::KeyGone { .. })));
        assert!(matches!(cache.add(&event("client", "no")), Err(Error::KeyGone { .. })));
    }
    assert_eq!(fs::read(place.file()).unwrap(), sealed);
    assert!(!place.key_file().exists());
    create_private(&place.key_file()).write_all(&key).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("kept"), "the key came back");
}

#[test]
fn a_damaged_file_is_kept_until_it_is_set_aside_or_reset() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "kept")).unwrap();
    let mut damaged = fs::read(place.file()).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    overwrite(&place, &damaged);

    assert!(matches!(place.open().accounts(), Err(Error::Corrupt { .. })));
    assert!(matches!(place.open().add(&event("client", "no")), Err(Error::Corrupt { .. })));
    assert_eq!(fs::read(place.file()).unwrap(), damaged);

    let aside = place.open().quarantine().unwrap().expect("there was something to set aside");
    assert_eq!(fs::read(aside).unwrap(), damaged);
    assert_eq!(place.open().accounts().unwrap().len(), 0);

    overwrite(&place, b"{\"AccessToken\": {}}");
    let planted = place.open().accounts();
    assert!(
        matches!(planted, Err(Error::OtherBackend { .. })),
        "plain text is refused: {planted:?}"
    );
    assert!(place.open().clear().is_err(), "clear removes nothing that it does not recognise");
    place.open().reset().unwrap();
    place.open().add(&event("client", "again")).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("again"));
}

#[test]
fn an_older_file_put_back_is_reported_to_whoever_saw_the_newer() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "old")).unwrap();
    let old = fs::read(place.file()).unwrap();
    cache.add(&event("client", "new")).unwrap();
    overwrite(&place, &old);
    let read = cache.find_access_token(&support::request("client"));
    assert!(matches!(read, Err(Error::RolledBack { seen: 2, found: 1, .. })), "{read:?}");
    assert!(matches!(cache.add(&event("client", "no")), Err(Error::RolledBack { .. })));
    cache.reset().unwrap();
    cache.add(&event("client", "again")).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("again"), "a new identity is no rollback");
}

#[test]
fn a_cache_opens_under_its_own_name_and_key_alone() {
    let place = Place::new();
    let passphrase = |text: &str| KeySource::Passphrase(Passphrase::new(text));
    let open = |name: &str, key| {
        SealedPersistence::builder(name).folder(place.folder()).key_source(key).cache().unwrap()
    };
    open("com.example.one", passphrase("right")).add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();

    let other_name = open("com.example.two", passphrase("right")).accounts();
    assert!(matches!(other_name, Err(Error::OtherStore { .. })), "{other_name:?}");
    let other_key = open("com.example.one", passphrase("wrong")).accounts();
    assert!(matches!(other_key, Err(Error::WrongKey { .. })), "{other_key:?}");
    let other_source = open("com.example.one", KeySource::KeyFile(place.key_file()));
    let refused = other_source.add(&event("client", "no"));
    assert!(matches!(refused, Err(Error::OtherBackend { .. })), "{refused:?}");

    assert_eq!(fs::read(place.file()).unwrap(), before);
    let cache = open("com.example.one", passphrase("right"));
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
}

#[test]
fn verify_proves_reading_and_writing_and_leaves_nothing() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "kept")).unwrap();
    let before = (fs::read(place.file()).unwrap(), place.names());
    cache.verify().unwrap();
    assert_eq!((fs::read(place.file()).unwrap(), place.names()), before);
    overwrite(&place, b"");
    assert!(cache.verify().is_err());
}

#[test]
fn a_key_file_serves_the_cache_it_was_made_for_and_no_other() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let key = fs::read(place.key_file()).unwrap();
    let elsewhere = || place.builder().folder(place.path().join("elsewhere"));
    let refused = elsewhere().open();
    assert!(matches!(refused, Err(Error::InvalidKeyFile { .. })), "{refused:?}");
    let unreached = elsewhere().build().unwrap();
    PersistedTokenCache::new(unreached).clear().unwrap();
    assert_eq!(fs::read(place.key_file()).unwrap(), key);

    fs::rename(place.folder(), place.path().join("moved")).unwrap();
    let moved = place.builder().folder(place.path().join("moved")).cache().unwrap();
    assert_eq!(token(&moved, "client").as_deref(), Some("kept"), "a moved cache is read");
    moved.add(&event("client", "still")).unwrap();

    let together = Place::new();
    together.open().add(&event("client", "kept")).unwrap();
    let (home, new_home) = (place.path().join("home"), place.path().join("new-home"));
    fs::rename(together.path(), &home).unwrap();
    fs::rename(&home, &new_home).unwrap();
    let restored = || {
        let key = KeySource::KeyFile(new_home.join("key/tests.key"));
        place.builder().folder(new_home.join("cache")).key_source(key).cache().unwrap()
    };
    assert_eq!(token(&restored(), "client").as_deref(), Some("kept"));
    restored().clear().unwrap();
    assert!(!new_home.join("key/tests.key").exists(), "it is still the cache it was made for");
}

#[test]
fn a_cache_with_a_damaged_payload_is_not_cleared() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let mut damaged = fs::read(place.file()).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    overwrite(&place, &damaged);
    assert!(matches!(place.open().clear(), Err(Error::Corrupt { .. })));
    assert_eq!(fs::read(place.file()).unwrap(), damaged);
}

#[test]
fn an_empty_or_sealed_file_is_no_plain_text_cache() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();
    let sealed = plaintext(place.file()).unwrap();
    assert!(matches!(sealed.add(&event("client", "no")), Err(Error::OtherBackend { .. })));
    assert_eq!(fs::read(place.file()).unwrap(), before);

    let file = place.path().join("plain.json");
    drop(create_private(&file));
    let empty = plaintext(&file).unwrap();
    assert!(matches!(empty.add(&event("client", "no")), Err(Error::Corrupt { .. })));
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    create_private(&file).write_all(b"{\"AccessToken\": ").unwrap();
    let error = empty.accounts().unwrap_err();
    assert!(error.to_string().contains("plain.json"), "{error}");
}

/// Writes in place, as a careless program would.
fn overwrite(place: &Place, bytes: &[u8]) {
    create_private(&place.file()).write_all(bytes).unwrap();
}
