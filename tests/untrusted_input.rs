//! What a sealed cache does with forged bytes, wrong keys and callers that stop half way.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use support::{OpenCache, Place, event, plaintext, token};
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, Protection, Secret,
    persistence::{Intent, KeyCallback, Passphrase, Persistence, PlaintextPersistence},
};

/// Where FORMAT.md puts the first byte of the generation.
const GENERATION: usize = 80;

#[test]
fn a_forged_generation_is_corrupt_and_does_not_make_the_true_file_old() {
    let place = Place::new();
    let cache = place.open();
    cache.add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();
    let mut forged = before.clone();
    forged[GENERATION] = 0xff;
    fs::write(place.file(), forged).unwrap();
    let read = cache.accounts();
    assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
    fs::write(place.file(), before).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
}

#[test]
fn a_key_that_proved_wrong_is_asked_for_again() {
    let place = Place::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let callback = KeyCallback::new(move |request| {
        let round = seen.fetch_add(1, Ordering::SeqCst);
        Ok(Secret::new(if !request.is_new && round == 0 { [9; 32] } else { [7; 32] }))
    });
    let open =
        |callback| place.builder().key_source(KeySource::Callback(callback)).cache().unwrap();
    open(KeyCallback::new(|_| Ok(Secret::new([7; 32])))).add(&event("client", "kept")).unwrap();
    let cache = open(callback);
    let wrong = cache.accounts();
    assert!(matches!(wrong, Err(Error::WrongKey { .. })), "{wrong:?}");
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "a key that proved right is kept");
}

#[test]
fn no_key_is_asked_for_a_file_that_could_not_be_read_anyway() {
    let place = Place::new();
    let open = |callback, limit| {
        let builder = place.builder().key_source(KeySource::Callback(callback));
        builder.size_limit(limit).cache().unwrap()
    };
    let cache = open(KeyCallback::new(|_| Ok(Secret::new([7; 32]))), 1 << 20);
    cache.add(&event("client", "kept")).unwrap();
    let whole = fs::read(place.file()).unwrap();
    let never = || KeyCallback::new(|_| panic!("the key was asked for"));
    let too_large = open(never(), whole.len() as u64 - 1).accounts();
    assert!(matches!(too_large, Err(Error::TooLarge { .. })), "{too_large:?}");
    for damaged in [&whole[..whole.len() - 1], &[&whole[..], b"x"].concat()] {
        fs::write(place.file(), damaged).unwrap();
        let cut = open(never(), 1 << 20).accounts();
        assert!(matches!(cut, Err(Error::Corrupt { .. })), "{cut:?}");
    }
}

#[test]
fn clear_with_a_wrong_passphrase_removes_nothing() {
    let place = Place::new();
    let open = |text: &str| {
        place.builder().key_source(KeySource::Passphrase(Passphrase::new(text))).cache().unwrap()
    };
    open("right").add(&event("client", "kept")).unwrap();
    let cleared = open("wrong").clear();
    assert!(matches!(cleared, Err(Error::WrongKey { .. })), "{cleared:?}");
    assert_eq!(token(&open("right"), "client").as_deref(), Some("kept"));
}

#[test]
fn content_between_file_and_cache_is_not_in_debug() {
    let place = Place::new();
    place.open().add(&event("client", "a-secret")).unwrap();
    let persistence = place.builder().build().unwrap();
    persistence.prepare(Intent::Read).unwrap();
    let loaded = format!("{:?}", persistence.load(None).unwrap());
    assert_eq!(loaded, "Content(..)");
}

#[test]
fn a_persistence_of_this_crate_brings_its_own_lock() {
    let place = Place::new();
    let sealed = place.builder().build().unwrap();
    let (one, other) = (place.open(), PersistedTokenCache::new(sealed));
    let nested = one.transaction(|_| other.add(&event("client", "no")));
    assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");

    let path = place.path().join("plain.json");
    let plain = PlaintextPersistence::new(&path).unwrap();
    let one = plaintext(&path).unwrap();
    let other = PersistedTokenCache::new(plain);
    let nested = one.transaction(|_| other.add(&event("client", "no")));
    assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
}

#[test]
fn a_writer_does_not_wait_for_a_reader_that_waits_for_its_key() {
    let place = Place::new();
    let (asked, answers) = (mpsc::channel(), mpsc::channel::<()>());
    let blocks = AtomicBool::new(true);
    let wait = Mutex::new(answers.1);
    let callback = KeyCallback::new(move |request| {
        if !request.is_new && blocks.swap(false, Ordering::SeqCst) {
            asked.0.send(()).ok();
            wait.lock().unwrap().recv().ok();
        }
        Ok(Secret::new([7; 32]))
    });
    let open =
        |callback| place.builder().key_source(KeySource::Callback(callback)).cache().unwrap();
    let other = open(KeyCallback::new(|_| Ok(Secret::new([7; 32]))));
    other.add(&event("other", "first")).unwrap();
    let cache = Arc::new(open(callback));
    thread::scope(|scope| {
        let reader = Arc::clone(&cache);
        let reader = scope.spawn(move || reader.accounts().map(drop));
        asked.1.recv().unwrap();
        other.clear().unwrap();
        let (done, added) = mpsc::channel();
        let writer = Arc::clone(&cache);
        scope.spawn(move || done.send(writer.add(&event("client", "kept"))).ok());
        let added = added.recv_timeout(Duration::from_secs(20));
        answers.0.send(()).ok();
        added.expect("the writer waits for the reader, and holds the store's lock").unwrap();
        reader.join().unwrap().unwrap();
    });
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
}

#[test]
fn verify_finds_a_place_where_nothing_could_be_saved() {
    let place = Place::new();
    let nowhere = place.path().join("no").join("such").join("file");
    let key = place.builder().key_source(KeySource::KeyFile(nowhere.clone())).cache().unwrap();
    let verified = key.verify();
    assert!(matches!(verified, Err(Error::MissingParent { .. })), "{verified:?}");
    let plain = plaintext(&nowhere).unwrap();
    let verified = plain.verify();
    assert!(matches!(verified, Err(Error::MissingParent { .. })), "{verified:?}");
}

#[test]
fn plain_text_that_cannot_be_read_can_be_set_aside() {
    let place = Place::new();
    let path = place.path().join("plain.json");
    fs::write(&path, "{\"AccessToken\": {").unwrap();
    let cache = plaintext(&path).unwrap();
    assert!(matches!(cache.accounts(), Err(Error::Corrupt { .. })));
    let aside = cache.quarantine().unwrap().expect("it was there");
    assert_eq!(fs::read(aside).unwrap(), b"{\"AccessToken\": {");
    cache.add(&event("client", "again")).unwrap();
    assert_eq!(cache.protection(), Protection::Plaintext { path, exposed: false });
}
