//! A callback that uses the cache it serves is told so at once, and keeps nobody waiting
//! afterwards.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and it prints figures")]

mod support;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use support::{OpenCache, Place, STORE, event, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, Secret,
    lock::{CrossProcessLock, LockGuard},
    persistence::{
        Intent, KeyCallback, Loaded, MemoryPersistence, Passphrase, Persistence, Saved, Stamp,
    },
};

/// Everything that a callback might call.
type Use = fn(&PersistedTokenCache) -> Result<(), Error>;

const USES: [(&str, Use); 9] = [
    ("accounts", |cache| cache.accounts().map(drop)),
    ("snapshot", |cache| cache.snapshot().map(drop)),
    ("add", |cache| cache.add(&event("client", "never"))),
    ("transaction", |cache| cache.transaction(|_| Ok(()))),
    ("verify", |cache| cache.verify().map(drop)),
    ("clear", PersistedTokenCache::clear),
    ("reset", PersistedTokenCache::reset),
    ("quarantine", |cache| cache.quarantine().map(drop)),
    ("prepare", |cache| cache.prepare().map(drop)),
];

/// What a callback uses, and what came of it.
#[derive(Clone, Default)]
struct Inner {
    cache: Arc<OnceLock<PersistedTokenCache>>,
    uses: Arc<Mutex<Vec<Use>>>,
    results: Arc<Mutex<Vec<Result<(), Error>>>>,
}

impl Inner {
    fn run(&self) {
        let uses = std::mem::take(&mut *self.uses.lock().unwrap());
        if let Some(cache) = self.cache.get() {
            let results = uses.into_iter().map(|of| of(cache)).collect::<Vec<_>>();
            self.results.lock().unwrap().extend(results);
        }
    }

    /// From now on the next callback uses `cache` in every way.
    fn arm(&self, cache: PersistedTokenCache) {
        assert!(self.cache.set(cache).is_ok());
        *self.uses.lock().unwrap() = USES.map(|(_, of)| of).to_vec();
    }

    fn assert_nested(&self, which: &str) {
        let results = std::mem::take(&mut *self.results.lock().unwrap());
        assert_eq!(results.len(), USES.len(), "{which}: nobody was called");
        for ((name, _), result) in USES.iter().zip(results) {
            assert!(matches!(result, Err(Error::Nested)), "{which}, {name}: {result:?}");
        }
    }
}

/// Which other value a callback uses.
const OTHERS: [&str; 3] = ["a clone", "another value", "another spelling of the folder"];

fn other(
    which: &str,
    place: &Place,
    source: &KeySource,
    cache: &PersistedTokenCache,
) -> PersistedTokenCache {
    let folder = match which {
        "a clone" => return cache.clone(),
        "another value" => place.folder(),
        _ => spelled_otherwise(place),
    };
    SealedPersistence::builder(STORE).folder(folder).key_source(source.clone()).cache().unwrap()
}

fn spelled_otherwise(place: &Place) -> PathBuf {
    let link = place.path().join("link");
    #[cfg(unix)]
    if !link.exists() {
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
    }
    if link.exists() {
        link.join("cache")
    } else {
        place.path().join("cache").join("..").join("cache")
    }
}

/// The kinds of first calls that need a key.
const FIRST: [(&str, Use); 5] = [USES[0], USES[2], USES[4], USES[5], USES[8]];

fn a_key_source_that_uses_the_cache(source: impl Fn(Inner) -> KeySource) {
    for (first, call) in FIRST {
        for which in OTHERS {
            let place = Place::new();
            let inner = Inner::default();
            let source = source(inner.clone());
            let open = || place.builder().key_source(source.clone()).cache().unwrap();
            open().add(&event("client", "kept")).unwrap();
            let cache = open();
            inner.arm(other(which, &place, &source, &cache));
            let began = Instant::now();
            call(&cache).unwrap();
            assert!(began.elapsed() < Duration::from_secs(5), "{first}, {which}: it waited");
            inner.assert_nested(&format!("{first}, {which}"));
            if first != "clear" {
                let text = thread::scope(|scope| scope.spawn(|| token(&cache, "client")).join());
                assert!(text.unwrap().is_some(), "{first}, {which}");
            }
            cache.add(&event("client", "next")).unwrap();
            assert_eq!(token(&cache, "client").as_deref(), Some("next"), "{first}, {which}");
        }
    }
}

#[test]
fn a_key_callback_that_uses_its_cache_is_told_so_at_once() {
    a_key_source_that_uses_the_cache(|inner| {
        KeySource::Callback(KeyCallback::new(move |_| {
            inner.run();
            Ok(Secret::new([7; 32]))
        }))
    });
}

#[test]
fn a_question_for_the_passphrase_that_uses_its_cache_is_told_so_at_once() {
    let place = Place::new();
    let inner = Inner::default();
    // One answer is remembered by all clones of one source, so each cache gets a source of its own.
    let source = |inner: Inner| {
        KeySource::Passphrase(Passphrase::asked(move |_| {
            inner.run();
            Ok(Secret::new("several words"))
        }))
    };
    let open = |source| place.builder().key_source(source).cache().unwrap();
    open(source(Inner::default())).add(&event("client", "kept")).unwrap();
    let cache = open(source(inner.clone()));
    inner.arm(cache.clone());
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
    inner.assert_nested("passphrase");
}

/// A persistence of one's own that uses the cache it serves, in one of its calls.
struct Own {
    inner: MemoryPersistence,
    uses: Inner,
    call: &'static str,
    lock: Option<CrossProcessLock>,
}

impl Own {
    fn at(&self, call: &str) {
        if self.call == call {
            self.uses.run();
        }
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

impl Persistence for Own {
    fn prepare(&self, _: Intent) -> Result<(), Error> {
        self.at("prepare");
        Ok(())
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.at("load");
        self.inner.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        self.at("save");
        self.inner.save(content, base, guard)
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.at("delete");
        self.inner.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.at("stamp");
        self.inner.stamp()
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        self.lock.clone()
    }
}

#[test]
fn a_persistence_of_ones_own_that_uses_its_cache_is_told_so_at_once() {
    let place = Place::new();
    std::fs::create_dir(place.folder()).unwrap();
    for files in [false, true] {
        for call in ["prepare", "load", "save", "delete", "stamp"] {
            let uses = Inner::default();
            let lock = files.then(|| CrossProcessLock::msal_extensions(place.folder().join("own")));
            let own = Own { inner: MemoryPersistence::new(), uses: uses.clone(), call, lock };
            let cache = PersistedTokenCache::new(own);
            cache.add(&event("client", "kept")).unwrap();
            uses.arm(cache.clone());
            match call {
                "delete" => cache.clear().unwrap(),
                _ => cache.add(&event("client", "more")).unwrap(),
            }
            cache.accounts().unwrap();
            uses.assert_nested(call);
            cache.add(&event("client", "next")).unwrap();
            assert_eq!(token(&cache, "client").as_deref(), Some("next"), "{call}");
        }
    }
}

#[test]
fn a_lock_notice_that_uses_its_cache_is_told_so_at_once() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let inner = Inner::default();
    let (told, is_told) = mpsc::channel();
    let theirs = inner.clone();
    let cache = place.open().on_lock_wait(move |_, _| {
        theirs.run();
        told.send(()).ok();
    });
    inner.arm(cache.clone());
    let held = CrossProcessLock::new(place.folder(), "cache").acquire(&Default::default()).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| cache.add(&event("client", "next")));
        is_told.recv().unwrap();
        drop(held);
        waits.join().unwrap().unwrap();
    });
    inner.assert_nested("notice");
}

/// It cannot be recognised, so it ends by its deadline.
#[test]
fn a_callback_that_waits_for_another_thread_which_uses_its_cache_ends() {
    let place = Place::new();
    let inner: Arc<OnceLock<PersistedTokenCache>> = Arc::default();
    let (theirs, waits) = (Arc::clone(&inner), AtomicBool::new(true));
    let source = KeySource::Callback(KeyCallback::new(move |_| {
        if let Some(cache) = theirs.get().filter(|_| waits.swap(false, Ordering::SeqCst)) {
            let result = thread::scope(|scope| scope.spawn(|| cache.accounts()).join().unwrap());
            return Err(result.expect_err("it got through").into());
        }
        Ok(Secret::new([7; 32]))
    }));
    let open = || {
        let builder = place.builder().key_source(source.clone());
        builder.cache().unwrap().lock_timeout(Duration::from_millis(10))
    };
    open().add(&event("client", "kept")).unwrap();
    let cache = open();
    inner.set(cache.clone()).unwrap();
    let began = Instant::now();
    let error = cache.accounts().unwrap_err();
    println!("measured: it ended after {:?}", began.elapsed());
    let Error::Callback { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("another thread of this program"), "{source}");
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"), "the next read works");
}

/// Several threads that need the key at once, and how often it was asked for.
fn asked_by_three(place: &Place, answer: bool, of: Use) -> (usize, Vec<Result<(), Error>>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (asked, is_asked) = mpsc::channel();
    let (answers, may_answer) = mpsc::channel::<()>();
    let (counted, may_answer) = (Arc::clone(&count), Mutex::new(may_answer));
    let callback = KeyCallback::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        asked.send(()).unwrap();
        may_answer.lock().unwrap().recv().unwrap();
        if answer { Ok(Secret::new([7; 32])) } else { Err("nobody answers".into()) }
    });
    let cache = place.builder().key_source(KeySource::Callback(callback)).cache().unwrap();
    let results = thread::scope(|scope| {
        let first = scope.spawn(|| of(&cache));
        is_asked.recv().unwrap();
        let others: Vec<_> = (0..2).map(|_| scope.spawn(|| of(&cache))).collect();
        // Should they ask, too, they have done so by then.
        thread::sleep(Duration::from_millis(200));
        (0..3).for_each(|_| answers.send(()).unwrap());
        [first].into_iter().chain(others).map(|thread| thread.join().unwrap()).collect()
    });
    (count.load(Ordering::SeqCst), results)
}

#[test]
fn one_question_serves_all_who_wait_for_its_answer_or_its_failure() {
    let key = || KeySource::Callback(KeyCallback::new(|_| Ok(Secret::new([7; 32]))));
    for (name, of) in [USES[0], USES[2], USES[5]] {
        for answer in [true, false] {
            let place = Place::new();
            let first = place.builder().key_source(key()).cache().unwrap();
            first.add(&event("client", "kept")).unwrap();
            let (asked, results) = asked_by_three(&place, answer, of);
            assert_eq!(asked, 1, "{name}, answered: {answer}");
            for result in results {
                match answer {
                    true => result.unwrap(),
                    false => {
                        let failed = result.unwrap_err();
                        assert!(matches!(failed, Error::Callback { .. }), "{name}: {failed:?}");
                    }
                }
            }
        }
    }
}
