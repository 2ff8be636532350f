//! A transaction on the text of a cache.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    env, fs,
    sync::{Arc, Mutex},
    thread,
};

use support::{Place, event, plaintext, token};
use tokenkeep::{
    Error, PersistedTokenCache, Secret, SignInRecord,
    lock::LockGuard,
    persistence::{
        Intent, Loaded, MemoryPersistence, Persistence, PlaintextPersistence, Saved, Stamp,
    },
};
use tokenkeep_test_support::create_private;

const TEXT: &str =
    "{\"Other\": [1, 2.50],\r\n \"Account\": {\"k\": {\"environment\": \"e\", \"n\": 1e400}}}";

fn text(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// Each kind of store in `place`.
fn stores(place: &Place) -> [PersistedTokenCache; 3] {
    let file = plaintext(place.path().join("cache.json")).unwrap();
    [place.open(), file, PersistedTokenCache::in_memory()]
}

fn stored(cache: &PersistedTokenCache) -> Option<String> {
    let mut found = None;
    let look = |text: Option<&str>| {
        found = text.map(str::to_owned);
        Ok(None)
    };
    cache.replace_with(look).unwrap();
    found
}

#[test]
fn a_text_is_stored_and_given_back_byte_for_byte() {
    for cache in stores(&Place::new()) {
        assert_eq!(stored(&cache), None);
        cache.replace_with(|_| Ok(Some(text(TEXT)))).unwrap();
        assert_eq!(stored(&cache).as_deref(), Some(TEXT), "{cache:?}");
        cache.add(&event("client", "a token")).unwrap();
        assert!(stored(&cache).unwrap().contains("2.50"));
        let before = stored(&cache).unwrap();
        cache.replace_with(|found| Ok(Some(text(found.unwrap())))).unwrap();
        assert_eq!(stored(&cache), Some(before));
        assert_eq!(token(&cache, "client").as_deref(), Some("a token"));
    }
}

#[test]
fn the_returned_cache_is_the_snapshot_until_somebody_changes_it() {
    let place = Place::new();
    let (cache, other) = (place.open(), place.open());
    let first = cache.replace_with(|_| Ok(Some(text(TEXT)))).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.snapshot().unwrap()));
    let same = cache.replace_with(|_| Ok(None)).unwrap();
    assert!(Arc::ptr_eq(&first, &same), "nobody has changed it");
    other.add(&event("client", "a token")).unwrap();
    let second = cache.snapshot().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    let third = cache.replace_with(|_| Ok(None)).unwrap();
    assert!(Arc::ptr_eq(&second, &third));
    assert_eq!(token(&cache, "client").as_deref(), Some("a token"));
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let place = Place::new();
    let file = place.path().join("cache.json");
    let cache = plaintext(&file).unwrap();
    cache.replace_with(|_| Ok(None)).unwrap();
    assert!(!file.exists());
    cache.replace_with(|_| Ok(Some(text(TEXT)))).unwrap();
    let store = PlaintextPersistence::new(&file).unwrap();
    let before = store.stamp().unwrap();
    cache.replace_with(|_| Ok(None)).unwrap();
    cache.replace_with(|found| Ok(Some(text(found.unwrap())))).unwrap();
    assert_eq!(store.stamp().unwrap(), before);
}

#[test]
fn an_error_leaves_everything_as_it_was() {
    for cache in stores(&Place::new()) {
        cache.replace_with(|_| Ok(Some(text(TEXT)))).unwrap();
        let failed = cache.replace_with(|_| Err(Error::Invalid { detail: "mine".into() }));
        assert!(matches!(failed, Err(Error::Invalid { detail }) if detail == "mine"));
        for bad in ["", "[1]", "{\"Account\": {", "\u{feff}{}", "text"] {
            let refused = cache.replace_with(|_| Ok(Some(text(bad))));
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{bad:?}: {refused:?}");
        }
        let nested = cache.transaction(|_| cache.replace_with(|_| Ok(None)).map(drop));
        assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
        let nested = cache.replace_with(|_| cache.add(&event("c", "t")).map(|()| None)).map(drop);
        assert!(matches!(nested, Err(Error::Nested)), "{nested:?}");
        assert_eq!(stored(&cache).as_deref(), Some(TEXT), "{cache:?}");
    }
}

#[test]
fn a_text_that_the_store_would_not_read_is_not_stored() {
    let [_, plain, _] = stores(&Place::new());
    let refused = plain.replace_with(|_| Ok(Some(text(r#"{"settings": 1}"#)))).map(drop);
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    assert_eq!(stored(&plain), None);
}

#[test]
fn a_stored_text_that_is_no_cache_is_not_replaced() {
    let place = Place::new();
    let file = place.path().join("cache.json");
    for (content, is_expected) in [
        ("", (|e| matches!(e, Error::Corrupt { .. })) as fn(&Error) -> bool),
        ("{\"Account\": {", |e| matches!(e, Error::Corrupt { .. })),
        ("{\"settings\": 1}", |e| matches!(e, Error::OtherBackend { .. })),
    ] {
        drop(create_private(&file));
        fs::write(&file, content).unwrap();
        let cache = plaintext(&file).unwrap();
        let error = cache.replace_with(|_| Ok(Some(text("{}")))).map(drop).unwrap_err();
        assert!(is_expected(&error), "{content:?}: {error:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}

#[test]
fn a_text_brings_no_client_secret_into_plain_text() {
    let place = Place::new();
    let record = SignInRecord::new("client", support::AUTHORITY).with_client_secret("secret");
    let memory = PersistedTokenCache::in_memory();
    memory.set_record(&record).unwrap();
    let with_secret = stored(&memory).unwrap();
    let [sealed, plain, _] = stores(&place);
    let refused = plain.replace_with(|_| Ok(Some(text(&with_secret)))).map(drop);
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    assert_eq!(stored(&plain), None);
    sealed.replace_with(|_| Ok(Some(text(&with_secret)))).unwrap();
}

#[test]
fn no_change_of_several_threads_is_lost() {
    let changes = env::var("TOKENKEEP_REPLACE_CHANGES").map_or(10, |n| n.parse().unwrap());
    let place = Place::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (cache, place) = (place.open(), &place);
            scope.spawn(move || {
                for _ in 0..changes {
                    cache.replace_with(|found| Ok(Some(text(&counted_up(found))))).unwrap();
                }
                drop(cache);
                place.open().add(&event("client", "a token")).unwrap();
            });
        }
    });
    let cache = place.open();
    assert_eq!(token(&cache, "client").as_deref(), Some("a token"));
    assert_eq!(count(stored(&cache).as_deref()), 4 * changes);
}

fn counted_up(text: Option<&str>) -> String {
    let (before, after) = (format!("\"Count\": {}", count(text)), count(text) + 1);
    match text.filter(|text| text.contains(&before)) {
        Some(text) => text.replace(&before, &format!("\"Count\": {after}")),
        None => "{\"Count\": 1}".to_owned(),
    }
}

fn count(text: Option<&str>) -> usize {
    let rest = text.and_then(|text| text.split_once("\"Count\": "));
    rest.map_or(0, |(_, rest)| {
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    })
}

const ENTRIES: &str = r#"{"k": {"environment": "e"}}"#;

/// Windows removes no file that is open.
#[cfg(unix)]
#[test]
fn a_lock_that_was_taken_away_means_another_round() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let place = Place::new();
    let file = place.path().join("cache.json");
    let cache = plaintext(&file).unwrap();
    let rounds = AtomicUsize::new(0);
    let take_away = |found: Option<&str>| {
        if rounds.fetch_add(1, Ordering::SeqCst) == 0 {
            // Another program takes the lock for a stale one, writes and ends.
            fs::remove_file(place.path().join("cache.json.lockfile")).unwrap();
            drop(create_private(&file));
            fs::write(&file, r#"{"Account": {}}"#).unwrap();
            assert_eq!(found, None);
            return Ok(Some(text("{}")));
        }
        Ok(Some(text(&found.unwrap().replace("{}", ENTRIES))))
    };
    cache.replace_with(take_away).unwrap();
    assert_eq!(rounds.load(Ordering::SeqCst), 2);
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{{\"Account\": {ENTRIES}}}"));
}

/// A store whose key is gone at the first save.
#[derive(Debug, Default)]
struct LosesItsKey {
    memory: MemoryPersistence,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Persistence for LosesItsKey {
    fn prepare(&self, _: Intent) -> Result<(), Error> {
        self.calls.lock().unwrap().push("prepare");
        Ok(())
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.memory.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        let is_first = !self.calls.lock().unwrap().contains(&"save");
        self.calls.lock().unwrap().push("save");
        if is_first { Ok(Saved::NeedsPrepare) } else { self.memory.save(content, base, guard) }
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.memory.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.memory.stamp()
    }
}

#[test]
fn a_key_that_is_gone_is_prepared_again() {
    let store = LosesItsKey::default();
    let calls = Arc::clone(&store.calls);
    let cache = PersistedTokenCache::new(store);
    cache.replace_with(|_| Ok(Some(text("{}")))).unwrap();
    assert_eq!(*calls.lock().unwrap(), ["prepare", "save", "prepare", "save"]);
    assert_eq!(stored(&cache).as_deref(), Some("{}"));
}
