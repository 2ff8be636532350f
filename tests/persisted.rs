//! What `PersistedTokenCache` promises, on the sealed layout with a key file.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]

mod support;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use support::{OpenCache, Place, STORE, event, plaintext, token};
use tokenkeep::{
    CredentialType, Error, KeySource, PersistedTokenCache, Protection, Query, Secret,
    lock::{CrossProcessLock, LockGuard},
    persistence::{
        KeyCallback, KeyRequest, Loaded, MemoryPersistence, Persistence, PlaintextPersistence,
        Saved, SealedPersistence, Stamp,
    },
};

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
fn a_callback_supplies_the_key_and_says_why_it_cannot() {
    let place = Place::new();
    type Function = fn(&KeyRequest) -> Result<Secret, Box<dyn std::error::Error + Send + Sync>>;
    let open = |callback: Function| {
        place.builder().key_source(KeySource::Callback(KeyCallback::new(callback))).cache().unwrap()
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
    let small = place.builder().size_limit(4096).cache().unwrap();
    assert!(matches!(small.accounts(), Err(Error::TooLarge { limit: 4096, .. })));

    let fresh = Place::new();
    let small = fresh.builder().size_limit(4096).cache().unwrap();
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
    let plain = PersistedTokenCache::new(plain).protection();
    assert!(plain.to_string().contains("PLAIN TEXT") && !plain.is_encrypted());
    assert_eq!(PersistedTokenCache::in_memory().protection(), Protection::Memory);
}

#[test]
fn plain_text_is_msal_json_and_shared_like_any_other() {
    let place = Place::new();
    let file = place.path().join("plain.json");
    let open = || plaintext(&file).unwrap();
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
    let beside = place.builder().key_source(KeySource::KeyFile(key)).cache();
    assert!(matches!(beside, Err(Error::Invalid { .. })), "{beside:?}");
}

#[test]
fn a_lock_that_is_held_too_long_names_its_holder() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let lock = CrossProcessLock::new(place.folder(), "cache");
    let guard = support::held_elsewhere(&lock);
    let waiting = place.builder().cache().unwrap().lock_timeout(Duration::from_millis(50));
    let timed_out = waiting.add(&event("client", "late")).unwrap_err();
    assert!(matches!(&timed_out, Error::LockTimeout { holder: Some(_), .. }), "{timed_out:?}");
    assert!(timed_out.to_string().contains(&std::process::id().to_string()), "{timed_out}");
    assert_eq!(token(&waiting, "client").as_deref(), Some("kept"), "reads need no lock");
    drop(guard);
    waiting.add(&event("client", "in time")).unwrap();
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
    let cache = PersistedTokenCache::new(MemoryPersistence::new());
    cache.add(&event("client", "here")).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("here"));
    assert_eq!(token(&PersistedTokenCache::in_memory(), "client"), None);
    cache.clear().unwrap();
    assert_eq!(token(&cache, "client"), None);
}

/// A store that others remove, or give another key, whenever it is looked at.
#[derive(Debug)]
struct Restive;

impl Persistence for Restive {
    fn load(&self, _known: Option<&Stamp>) -> Result<Loaded, Error> {
        Ok(Loaded::NeedsPrepare)
    }

    fn save(&self, _: &[u8], _: Option<&Stamp>, _: &LockGuard) -> Result<Saved, Error> {
        Ok(Saved::NeedsPrepare)
    }

    fn delete(&self, _: Option<&Stamp>, _: &LockGuard) -> Result<(), Error> {
        Ok(())
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(None)
    }
}

#[test]
fn a_store_that_keeps_changing_can_be_tried_again_and_what_it_cannot_do_is_said() {
    let cache = PersistedTokenCache::new(Restive);
    for kept_changing in [
        cache.accounts().unwrap_err(),
        cache.add(&event("client", "late")).unwrap_err(),
        cache.clear().unwrap_err(),
    ] {
        assert!(matches!(kept_changing, Error::KeptChanging { .. }), "{kept_changing:?}");
        assert!(kept_changing.is_retryable());
    }
    let cannot = cache.quarantine().unwrap_err();
    assert!(matches!(cannot, Error::Unsupported { .. }) && !cannot.is_retryable(), "{cannot:?}");
}

#[test]
fn the_clock_of_a_cache_is_the_programs_own() {
    let now = Arc::new(AtomicU64::new(1_000_000_000));
    let theirs = Arc::clone(&now);
    let cache = PersistedTokenCache::in_memory().clock(move || theirs.load(Ordering::SeqCst));
    cache.add(&event("client", "brief")).unwrap();
    assert_eq!(token(&cache.clone(), "client").as_deref(), Some("brief"));
    now.fetch_add(4_000, Ordering::SeqCst);
    assert_eq!(token(&cache, "client"), None);
    assert_eq!(cache.remove_expired().unwrap(), 1);
}

#[test]
fn a_cache_lies_in_a_folder_of_any_name() {
    let place = Place::new();
    let folder = place.path().join("ein Ördner ☂").join("山田 ключ's");
    let open = || {
        let key = KeySource::KeyFile(place.path().join("Schlüssel 🔑").join("der Schlüssel"));
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        SealedPersistence::builder(STORE).folder(&folder).key_source(key).cache().unwrap()
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
