//! `clear` removes all of a cache or nothing, and says what is left where it could not know before.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    any::Any,
    collections::HashMap,
    fs,
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use keyring::{
    Credential, CredentialStore as Store, Entry, Error as Said, Result as Answer,
    api::{CredentialApi, CredentialStoreApi},
    mock,
};
use support::{OpenCache, Place, event, plaintext, token};
use tokenkeep::{Error, KeySource, PersistedTokenCache, persistence::CredentialStore};
use tokenkeep_test_support::{create_private, hexadecimal};

/// A store that refuses when it is told to, and looks whether a file is there while it deletes.
#[derive(Debug, Clone)]
struct Refusing {
    inner: Arc<Store>,
    refuses_reads: Arc<AtomicBool>,
    refuses_deletions: Arc<AtomicBool>,
    file: PathBuf,
}

#[derive(Debug)]
struct Item(Entry, Refusing);

impl Refusing {
    fn new(file: PathBuf) -> Self {
        let (refuses_reads, refuses_deletions) = Default::default();
        Self { inner: mock::Store::new().unwrap(), refuses_reads, refuses_deletions, file }
    }

    fn open(&self, place: &Place) -> Result<PersistedTokenCache, Error> {
        let store: Arc<Store> = Arc::new(self.clone());
        place.builder().key_source(KeySource::CredentialStore(CredentialStore::new(store))).cache()
    }
}

fn refused() -> Said {
    Said::NoStorageAccess("refused by the test".into())
}

impl CredentialStoreApi for Refusing {
    fn vendor(&self) -> String {
        "tests".into()
    }

    fn id(&self) -> String {
        "tests".into()
    }

    fn build(&self, service: &str, user: &str, _: Option<&HashMap<&str, &str>>) -> Answer<Entry> {
        let item = Item(self.inner.build(service, user, None)?, self.clone());
        Ok(Entry::new_with_credential(Arc::new(item)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl CredentialApi for Item {
    fn set_secret(&self, secret: &[u8]) -> Answer<()> {
        self.0.set_secret(secret)
    }

    fn get_secret(&self) -> Answer<Vec<u8>> {
        match self.1.refuses_reads.load(Ordering::SeqCst) {
            true => Err(refused()),
            false => self.0.get_secret(),
        }
    }

    fn delete_credential(&self) -> Answer<()> {
        // A kill at this moment leaves a key without a cache, and not a cache without its key.
        assert!(!self.1.file.exists(), "the key goes before the cache");
        match self.1.refuses_deletions.load(Ordering::SeqCst) {
            true => Err(refused()),
            false => self.0.delete_credential(),
        }
    }

    fn get_credential(&self) -> Answer<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        self.0.get_specifiers()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn what_is_not_ours_is_found_before_anything_is_removed() {
    let quarantine = format!("cache.quarantine-{}", "0".repeat(32));
    for name in ["cache.sealed.tmp", &quarantine] {
        let place = Place::new();
        let cache = place.open();
        cache.add(&event("client", "kept")).unwrap();
        fs::create_dir(place.folder().join(name)).unwrap();
        let before = (fs::read(place.file()).unwrap(), fs::read(place.key_file()).unwrap());
        for removed in [cache.clear(), cache.reset()] {
            assert!(matches!(removed, Err(Error::UnsafePath { .. })), "{name}: {removed:?}");
            let after = (fs::read(place.file()).unwrap(), fs::read(place.key_file()).unwrap());
            assert_eq!(after, before, "{name}");
        }
        assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
        fs::remove_dir(place.folder().join(name)).unwrap();
        cache.clear().unwrap();
        assert!(!place.file().exists() && !place.key_file().exists());
    }
}

#[test]
fn what_lies_in_the_key_files_place_is_found_before_the_cache_is_removed() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "kept")).unwrap();
    let temporary = place.key_file().with_file_name("tests.key.tmp");
    fs::create_dir(&temporary).unwrap();
    assert!(matches!(cache.clear(), Err(Error::UnsafePath { .. })));
    assert_eq!(token(&place.open(), "client").as_deref(), Some("kept"));
}

#[test]
fn a_source_of_keys_that_does_not_answer_is_found_before_the_cache_is_removed() {
    let place = Place::new();
    let store = Refusing::new(place.file());
    let cache = store.open(&place).unwrap();
    cache.add(&event("client", "kept")).unwrap();
    store.refuses_reads.store(true, Ordering::SeqCst);
    let cleared = cache.clear();
    assert!(matches!(cleared, Err(Error::VaultDenied { .. })), "{cleared:?}");
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
    store.refuses_reads.store(false, Ordering::SeqCst);
    assert_eq!(token(&store.open(&place).unwrap(), "client").as_deref(), Some("kept"));

    cache.quarantine().unwrap().unwrap();
    store.refuses_reads.store(true, Ordering::SeqCst);
    let fresh = store.open(&place).unwrap();
    assert!(matches!(fresh.clear(), Err(Error::VaultDenied { .. })));
    let is_aside = |name: &String| name.starts_with("cache.quarantine-");
    assert!(place.names().iter().any(is_aside), "its key could not be removed, so it stays");
    fresh.reset().expect("what is given up goes without its key");
    assert!(!place.names().iter().any(is_aside));
}

#[test]
fn a_key_that_stays_behind_is_named() {
    let place = Place::new();
    let store = Refusing::new(place.file());
    let cache = store.open(&place).unwrap();
    cache.add(&event("client", "kept")).unwrap();
    let id: String = hexadecimal(&fs::read(place.file()).unwrap()[16..32]);
    store.refuses_deletions.store(true, Ordering::SeqCst);
    match cache.clear() {
        Err(Error::PartlyRemoved { left, source }) => {
            assert!(left.contains(&id), "{left}");
            assert!(matches!(*source, Error::VaultDenied { .. }), "{source:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!place.file().exists());
    assert_eq!(token(&cache, "client"), None);
    cache.add(&event("client", "again")).expect("the next sign-in is kept, under a new key");
    store.refuses_deletions.store(false, Ordering::SeqCst);
    cache.clear().unwrap();
}

#[test]
fn what_another_store_left_in_the_folder_stays() {
    let place = Place::new();
    let other = place.builder().folder(place.path().join("other"));
    let other = other.key_source(KeySource::KeyFile(place.path().join("key2/k"))).cache().unwrap();
    other.add(&event("client", "theirs")).unwrap();
    let cache = place.open();
    cache.add(&event("client", "ours")).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        create_private(&place.folder().join(name)).write_all(bytes).unwrap();
    };
    for kept in ["cache.quarantine-notes", "cache.sealed.bak"] {
        write(kept, &fs::read(place.file()).unwrap());
    }
    let aside = cache.quarantine().unwrap().unwrap();
    let mut foreign = fs::read(&aside).unwrap();
    // The tag of another store's name.
    foreign[48] ^= 1;
    let foreign_name = format!("cache.quarantine-{}", "f".repeat(32));
    write(&foreign_name, &foreign);
    cache.clear().unwrap();
    let mut names = place.names();
    names.retain(|name| !["cache.lock", "cache.queue", "cache.holder"].contains(&&**name));
    assert_eq!(names, [&*foreign_name, "cache.quarantine-notes", "cache.sealed.bak"]);
    assert!(!place.key_file().exists());
}

#[test]
fn what_was_set_aside_goes_with_a_plain_text_cache_and_nothing_else_does() {
    for end in [PersistedTokenCache::clear, PersistedTokenCache::reset] {
        let place = Place::new();
        let file = place.path().join("plain.json");
        let cache = plaintext(&file).unwrap();
        for _ in 0..2 {
            create_private(&file).write_all(b"{\"AccessToken\": {").unwrap();
            cache.quarantine().unwrap().expect("it was there");
        }
        cache.add(&event("client", "kept")).unwrap();
        let others = ["other.json", "plain.json.quarantine-notes"];
        for other in others {
            create_private(&place.path().join(other));
        }
        end(&cache).unwrap();
        let left = fs::read_dir(place.path()).unwrap();
        let mut left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
        left.retain(|name| !name.as_encoded_bytes().ends_with(b".lockfile"));
        left.sort();
        assert_eq!(left, others);
    }
}
