//! What `PersistedTokenCache` promises, on the sealed layout with a key file.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]

mod support;

use std::{
    fs,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use support::{Place, STORE, event, token};
use tokenkeep::{
    CredentialType, CrossProcessLock, Error, KeyCallback, KeyRequest, KeySource, MemoryPersistence,
    Passphrase, PersistedTokenCache, PlaintextPersistence, Protection, Query, Secret,
};
use tokenkeep_lab::create_private;

#[test]
fn what_one_value_adds_another_finds() {
    let place = Place::new();
    let (writer, reader) = (place.open(), place.open());
    assert_eq!(token(&reader, "client"), None, "absence is no error");
    writer.add(&event("client", "first")).unwrap();
    assert_eq!(token(&reader, "client").as_deref(), Some("first"));
    writer.add(&event("client", "second")).unwrap();
    assert_eq!(token(&reader, "client").as_deref(), Some("second"), "a change is noticed");
}

#[test]
fn nothing_is_created_before_the_first_save() {
    let place = Place::new();
    let cache = place.open();
    assert_eq!(token(&cache, "client"), None);
    assert_eq!(cache.accounts().unwrap().len(), 0);
    cache.clear().unwrap();
    assert_eq!(cache.quarantine().unwrap(), None);
    assert!(!place.folder().exists() && !place.key_file().exists());
}

#[test]
fn a_closure_that_fails_or_panics_changes_nothing() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();

    let failed = cache.transaction(|cache| -> Result<(), Error> {
        cache.add(&event("client", "lost"), 0)?;
        Err(Error::Invalid { detail: "the closure's own".into() })
    });
    assert!(matches!(failed, Err(Error::Invalid { .. })));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        cache.transaction(|cache| -> Result<(), Error> {
            cache.add(&event("client", "lost"), 0)?;
            panic!("the closure's own")
        })
    }));
    assert!(panicked.is_err());

    assert_eq!(fs::read(place.file()).unwrap(), before);
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
    cache.add(&event("client", "next")).expect("the lock was released");
}

#[test]
fn a_transaction_that_changes_nothing_writes_nothing() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();
    let accounts = cache.transaction(|cache| Ok(cache.accounts().len())).unwrap();
    assert_eq!(accounts, 1);
    assert_eq!(fs::read(place.file()).unwrap(), before, "a save would have drawn another nonce");
}

#[test]
fn a_transaction_inside_a_transaction_is_refused_at_once() {
    let place = Place::new();
    let (outer, same_store) = (place.open(), place.open());
    for inner in [&outer, &same_store] {
        let nested = outer.transaction(|_| inner.add(&event("client", "never")));
        assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
    }
    let memory = PersistedTokenCache::in_memory();
    let nested = memory.transaction(|_| memory.add(&event("client", "never")));
    assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
    let another = PersistedTokenCache::in_memory();
    memory.transaction(|_| another.add(&event("client", "fine"))).expect("another store");
}

#[test]
fn a_read_inside_a_transaction_sees_the_saved_state() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "saved")).unwrap();
    cache
        .transaction(|working| {
            working.add(&event("client", "unsaved"), 0)?;
            assert_eq!(token(&cache, "client").as_deref(), Some("saved"));
            Ok(())
        })
        .unwrap();
}

#[test]
fn threads_that_share_a_value_lose_no_update() {
    let place = Place::new();
    let cache = Arc::new(place.open());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let cache = Arc::clone(&cache);
            scope.spawn(move || {
                for round in 0..10 {
                    cache.add(&event(&format!("client-{thread}-{round}"), "secret")).unwrap();
                }
            });
        }
    });
    let fresh = place.open();
    for thread in 0..8 {
        for round in 0..10 {
            assert!(token(&fresh, &format!("client-{thread}-{round}")).is_some());
        }
    }
}

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
    cache.add(&event("client", "anew")).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("anew"));
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
    place.open().add(&event("client", "anew")).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("anew"));
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
    cache.add(&event("client", "anew")).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("anew"), "a new identity is no rollback");
}

#[test]
fn a_cache_opens_under_its_own_name_and_key_alone() {
    let place = Place::new();
    let passphrase = |text: &str| KeySource::Passphrase(Passphrase::new(text));
    let open = |name: &str, key| {
        PersistedTokenCache::builder(name).folder(place.folder()).key_source(key).open().unwrap()
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
fn a_callback_supplies_the_key_and_says_why_it_cannot() {
    let place = Place::new();
    type Function = fn(&KeyRequest) -> Result<Secret, Box<dyn std::error::Error + Send + Sync>>;
    let open = |callback: Function| {
        place.builder().key_source(KeySource::Callback(KeyCallback::new(callback))).open().unwrap()
    };
    open(|_| Ok(Secret::new([7; 32]))).add(&event("client", "kept")).unwrap();
    assert_eq!(token(&open(|_| Ok(Secret::new([7; 32]))), "client").as_deref(), Some("kept"));
    assert!(matches!(open(|_| Ok(Secret::new([8; 32]))).accounts(), Err(Error::WrongKey { .. })));
    assert!(matches!(open(|_| Ok(Secret::new([7; 31]))).accounts(), Err(Error::Invalid { .. })));
    let failed = open(|_| Err("the key service is down".into())).accounts();
    assert!(matches!(failed, Err(Error::Callback { .. })), "{failed:?}");
}

#[test]
fn the_size_limit_holds_on_read_and_on_save() {
    let place = Place::new();
    place.open().add(&event("client", &"x".repeat(10_000))).unwrap();
    let before = fs::read(place.file()).unwrap();
    let small = place.builder().size_limit(4096).open().unwrap();
    assert!(matches!(small.accounts(), Err(Error::TooLarge { limit: 4096, .. })));

    let fresh = Place::new();
    let small = fresh.builder().size_limit(4096).open().unwrap();
    small.add(&event("client", "fits")).unwrap();
    let refused = small.add(&event("client", &"x".repeat(10_000)));
    assert!(matches!(refused, Err(Error::TooLarge { limit: 4096, .. })), "{refused:?}");
    assert_eq!(token(&small, "client").as_deref(), Some("fits"));
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

#[test]
fn the_protection_is_told() {
    let place = Place::new();
    let sealed = place.open().protection();
    assert!(matches!(&sealed, Protection::Sealed { key: "key file", .. }) && sealed.is_encrypted());
    let plain = PlaintextPersistence::new(place.path().join("plain.json")).unwrap();
    let plain = PersistedTokenCache::with_persistence(plain, None).protection();
    assert!(plain.to_string().contains("PLAIN TEXT") && !plain.is_encrypted());
    assert_eq!(PersistedTokenCache::in_memory().protection(), Protection::Memory);
}

#[test]
fn plain_text_is_msal_json_and_shared_like_any_other() {
    let place = Place::new();
    let file = place.path().join("plain.json");
    let open = || place.builder().open_plaintext(&file).unwrap();
    open().add(&event("client", "visible")).unwrap();
    assert_eq!(token(&open(), "client").as_deref(), Some("visible"));
    let json = fs::read_to_string(&file).unwrap();
    assert!(json.starts_with("{\n    \"AccessToken\": {\n"), "{json}");
    assert!(json.contains("\"secret\": \"visible\""));
    open().clear().unwrap();
    assert!(!file.exists());
}

#[test]
fn a_key_file_beside_the_cache_is_refused() {
    let place = Place::new();
    let key = place.folder().join("tests.key");
    let beside = place.builder().key_source(KeySource::KeyFile(key)).open();
    assert!(matches!(beside, Err(Error::Invalid { .. })), "{beside:?}");
}

#[test]
fn a_lock_that_is_held_too_long_names_its_holder() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let lock = CrossProcessLock::new(place.folder(), "cache");
    let guard = lock.acquire(&Default::default()).unwrap();
    let waiting = place.builder().lock_timeout(Duration::from_millis(50)).open().unwrap();
    let timed_out = waiting.add(&event("client", "late")).unwrap_err();
    assert!(matches!(&timed_out, Error::LockTimeout { holder: Some(_), .. }), "{timed_out:?}");
    assert!(timed_out.to_string().contains(&std::process::id().to_string()), "{timed_out}");
    assert_eq!(token(&waiting, "client").as_deref(), Some("kept"), "reads need no lock");
    drop(guard);
    waiting.add(&event("client", "in time")).unwrap();
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
    let unreached = elsewhere().sealed().unwrap();
    PersistedTokenCache::with_persistence(unreached, None).clear().unwrap();
    assert_eq!(fs::read(place.key_file()).unwrap(), key);

    fs::rename(place.folder(), place.path().join("moved")).unwrap();
    let moved = place.builder().folder(place.path().join("moved")).open().unwrap();
    assert_eq!(token(&moved, "client").as_deref(), Some("kept"), "a moved cache is read");
    moved.add(&event("client", "still")).unwrap();

    let together = Place::new();
    together.open().add(&event("client", "kept")).unwrap();
    let (home, new_home) = (place.path().join("home"), place.path().join("new-home"));
    fs::rename(together.path(), &home).unwrap();
    fs::rename(&home, &new_home).unwrap();
    let restored = || {
        let key = KeySource::KeyFile(new_home.join("key/tests.key"));
        place.builder().folder(new_home.join("cache")).key_source(key).open().unwrap()
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
    let sealed = place.builder().open_plaintext(place.file()).unwrap();
    assert!(matches!(sealed.add(&event("client", "no")), Err(Error::OtherBackend { .. })));
    assert_eq!(fs::read(place.file()).unwrap(), before);

    let file = place.path().join("plain.json");
    drop(create_private(&file));
    let empty = place.builder().open_plaintext(&file).unwrap();
    assert!(matches!(empty.add(&event("client", "no")), Err(Error::Corrupt { .. })));
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);
    create_private(&file).write_all(b"{\"AccessToken\": ").unwrap();
    let error = empty.accounts().unwrap_err();
    assert!(error.to_string().contains("plain.json"), "{error}");
}

#[test]
fn steps_are_transactions_of_one_entry() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "first")).unwrap();
    let entry = |kind| {
        let found = place.open().search(kind, &Query::new().client_id("client")).unwrap();
        found.into_iter().next()
    };
    let refresh = entry(CredentialType::RefreshToken).unwrap();
    assert!(cache.update_refresh_token(&refresh, "renewed").unwrap());
    let renewed = entry(CredentialType::RefreshToken).unwrap();
    assert_eq!(renewed.secret(), Some("renewed"));
    cache.modify(&renewed, &[("family_id", Some("1"))]).unwrap();
    let member = entry(CredentialType::RefreshToken).unwrap();
    assert_eq!(member.text("family_id").as_deref(), Some("1"));
    assert!(cache.remove_refresh_token(&member).unwrap());
    assert!(!cache.update_refresh_token(&member, "late").unwrap(), "nothing is brought back");
    assert!(entry(CredentialType::RefreshToken).is_none());
    assert!(cache.remove_access_token(&entry(CredentialType::AccessToken).unwrap()).unwrap());
    let account = cache.accounts().unwrap().remove(0);
    cache.sign_out(&account, "client").unwrap();
    assert!(place.open().accounts().unwrap().is_empty());
}

#[test]
fn a_cache_in_memory_is_shared_by_its_threads_alone() {
    let cache = PersistedTokenCache::with_persistence(MemoryPersistence::new(), None);
    cache.add(&event("client", "here")).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("here"));
    assert_eq!(token(&PersistedTokenCache::in_memory(), "client"), None);
    cache.clear().unwrap();
    assert_eq!(token(&cache, "client"), None);
}

#[test]
fn a_cache_lies_in_a_folder_of_any_name() {
    let place = Place::new();
    let folder = place.path().join("ein Ördner ☂").join("山田 ключ's");
    let open = || {
        let key = KeySource::KeyFile(place.path().join("Schlüssel 🔑").join("der Schlüssel"));
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        PersistedTokenCache::builder(STORE).folder(&folder).key_source(key).open().unwrap()
    };
    let (one, two) = (open(), open());
    for secret in ["first", "second"] {
        one.add(&event("client", secret)).unwrap();
        assert_eq!(token(&two, "client").as_deref(), Some(secret));
    }
    two.clear().unwrap();
    assert_eq!(token(&one, "client"), None);
    assert!(folder.join("cache.lock").is_file());
}

/// Writes in place, as a careless program would.
fn overwrite(place: &Place, bytes: &[u8]) {
    create_private(&place.file()).write_all(bytes).unwrap();
}
