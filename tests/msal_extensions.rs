//! The cache where msal-extensions for Python keeps it, with the real one at the other end.
#![allow(clippy::disallowed_methods, reason = "a test writes what others leave behind")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may")]

mod support;

#[cfg(target_os = "linux")]
#[path = "msal_extensions/python.rs"]
mod python;

#[path = "msal_extensions/secret_service.rs"]
mod secret_service;

#[path = "msal_extensions/dpapi.rs"]
mod dpapi;

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, SystemTime},
};

use support::{event, held_elsewhere, plaintext, token};
use tokenkeep::{
    Error, PersistedTokenCache, Secret, build_encrypted_persistence,
    lock::{CrossProcessLock, LockGuard, Wait},
    persistence::{
        Intent, Loaded, MemoryPersistence, MsalExtensionsLocation, MsalExtensionsPersistence,
        Persistence, PlaintextPersistence, Saved, Stamp,
    },
};

/// Another persistence whose loads can be waited for, and which may claim that nothing ever
/// changes.
#[derive(Debug)]
struct Watched<P> {
    inner: P,
    loads: Mutex<Sender<()>>,
    still: bool,
}

impl<P: Persistence> Watched<P> {
    fn new(inner: P) -> (Self, Receiver<()>) {
        let (loads, told) = mpsc::channel();
        (Self { inner, loads: Mutex::new(loads), still: false }, told)
    }
}

impl<P: Persistence> Persistence for Watched<P> {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        self.inner.prepare(intent)
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        let loaded = self.inner.load(known);
        self.loads.lock().unwrap().send(()).ok();
        loaded
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        let saved = self.inner.save(content, base, guard)?;
        Ok(if self.still { Saved::Done(Stamp::new("still")) } else { saved })
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.inner.delete(base, guard)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        if self.still { Ok(Some(Stamp::new("still"))) } else { self.inner.stamp() }
    }

    fn is_written_in_place(&self) -> bool {
        self.inner.is_written_in_place()
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        self.inner.lock()
    }
}

// Not on macOS: its Keychain is not tested
#[cfg(any(target_os = "linux", windows))]
/// Reads with `persistence` while a peer has the lock and `part` of its cache is there, and again
/// when the peer is done.
fn read_beside_a_writer<P: Persistence + 'static>(
    persistence: P,
    whole: impl FnOnce(),
) -> Option<String> {
    let (watched, loads) = Watched::new(persistence);
    let peer = watched.lock().unwrap().acquire(&Wait::default()).unwrap();
    let cache = PersistedTokenCache::new(watched);
    thread::scope(|scope| {
        let reader = scope.spawn(|| token(&cache, "client"));
        loads.recv().unwrap();
        whole();
        drop(peer);
        let token = reader.join().unwrap();
        assert_eq!(loads.try_iter().count(), 1, "once more, with the lock");
        token
    })
}

/// A place that another program writes in place: the next `torn` looks find a part.
#[derive(Debug, Default)]
struct Torn {
    whole: MemoryPersistence,
    torn: Arc<AtomicUsize>,
    part: &'static [u8],
}

impl Persistence for Torn {
    fn load(&self, _known: Option<&Stamp>) -> Result<Loaded, Error> {
        let less = |torn: usize| torn.checked_sub(1);
        let torn = self.torn.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
        match self.whole.load(None)? {
            Loaded::Content(_, stamp) if torn => Ok(match self.part {
                [] => Loaded::Empty,
                part => Loaded::Content(Secret::new(part), stamp),
            }),
            whole => Ok(whole),
        }
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        self.whole.save(content, base, guard)
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.whole.delete(base, guard)
    }

    /// Never that of what was loaded, so that every read looks.
    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(None)
    }

    fn is_written_in_place(&self) -> bool {
        true
    }
}

/// A cache that is kept whole in a place whose next `torn` looks find `part`, and what tells of
/// each look.
fn torn(part: &'static [u8]) -> (PersistedTokenCache, Arc<AtomicUsize>, Receiver<()>) {
    let place = Torn { part, ..Torn::default() };
    let torn = Arc::clone(&place.torn);
    let (watched, loads) = Watched::new(place);
    let cache = PersistedTokenCache::new(watched);
    cache.add(&event("client", "whole")).unwrap();
    loads.try_iter().for_each(drop);
    (cache, torn, loads)
}

#[test]
fn a_reader_that_finds_nothing_or_a_part_looks_again_under_the_lock() {
    for part in [&b""[..], b"{\"AccessToken\": {\"a"] {
        let (cache, torn, loads) = torn(part);
        torn.store(1, Ordering::SeqCst);
        assert_eq!(token(&cache, "client").as_deref(), Some("whole"), "{part:?}");
        assert_eq!(loads.try_iter().count(), 2, "once without the lock, once with it");
    }
}

/// A reader that looks again waits for the lock, and the thread that has it may read meanwhile.
#[test]
fn a_transaction_reads_while_a_reader_waits_for_it_to_end() {
    let (cache, torn, loads) = torn(b"{");
    let cache = &cache;
    thread::scope(|scope| {
        let reader = cache.transaction(|_| {
            loads.try_iter().for_each(drop);
            torn.store(1, Ordering::SeqCst);
            let reader = scope.spawn(|| token(cache, "client"));
            loads.recv().unwrap();
            assert_eq!(token(cache, "client").as_deref(), Some("whole"));
            Ok(reader)
        });
        assert_eq!(reader.unwrap().join().unwrap().as_deref(), Some("whole"));
    });
}

#[test]
fn a_transaction_reads_anew_whatever_the_stamp_says() {
    let place = support::Place::new();
    let file = place.path().join("plain.json");
    let open = || {
        let (watched, _) = Watched::new(PlaintextPersistence::new(&file).unwrap());
        PersistedTokenCache::new(Watched { still: true, ..watched })
    };
    let (one, other) = (open(), open());
    for (cache, client) in [(&one, "a"), (&other, "b"), (&one, "c"), (&other, "d")] {
        cache.add(&event(client, "kept")).unwrap();
    }
    assert_eq!(token(&one, "d"), None, "its stamp says that it knows everything");
    for client in ["a", "b", "c", "d"] {
        assert_eq!(token(&open(), client).as_deref(), Some("kept"), "{client}");
    }
}

#[test]
fn what_is_torn_under_the_lock_too_is_corrupt() {
    let (cache, torn, _) = torn(b"{\"Acc");
    torn.store(usize::MAX, Ordering::SeqCst);
    assert!(matches!(cache.accounts(), Err(Error::Corrupt { .. })));
    assert!(matches!(cache.add(&event("client", "next")), Err(Error::Corrupt { .. })));
}

#[test]
fn the_lock_is_the_file_that_python_takes() {
    let place = support::Place::new();
    let location = place.path().join("token_cache.bin");
    let lock = build_encrypted_persistence(&location).unwrap().lock().unwrap();
    assert_eq!(lock.path(), place.path().join("token_cache.bin.lockfile"));
    let home = build_encrypted_persistence("~/token_cache.bin").unwrap().lock().unwrap();
    assert!(home.path().is_absolute() && !home.path().to_string_lossy().contains('~'), "{home:?}");
}

#[test]
fn plain_text_is_locked_as_the_msal_libraries_lock_it() {
    let place = support::Place::new();
    let file = place.path().join("plain.json");
    let lock_file = place.path().join("plain.json.lockfile");
    let open = || plaintext(&file).map(|cache| cache.lock_timeout(Duration::from_millis(50)));
    let cache = open().unwrap();
    assert!(cache.transaction(|_| Ok(lock_file.exists())).unwrap(), "a peer finds the file");
    cache.add(&event("client", "kept")).unwrap();
    let mut names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!((names.next(), names.next()), (Some("plain.json".into()), None), "nothing is left");

    fs::write(&lock_file, "4711 python").unwrap();
    let timed_out = cache.add(&event("client", "late")).unwrap_err();
    assert!(matches!(&timed_out, Error::LockTimeout { .. }), "{timed_out:?}");
    assert!(timed_out.to_string().contains("4711"), "{timed_out}");
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"), "reads need no lock");
    fs::remove_file(&lock_file).unwrap();
    cache.add(&event("client", "in time")).unwrap();
}

/// Some peers truncate the file and write it again, under the lock.
#[test]
fn a_plain_file_that_a_peer_is_writing_is_read_again_when_its_lock_is_free() {
    let place = support::Place::new();
    let file = place.path().join("plain.json");
    let open = || plaintext(&file).map(|cache| cache.lock_timeout(Duration::from_millis(50)));
    open().unwrap().add(&event("client", "whole")).unwrap();
    let whole = fs::read(&file).unwrap();
    let cache = open().unwrap();
    for part in [0, whole.len() / 2] {
        let peer = held_elsewhere(&CrossProcessLock::msal_extensions(&file));
        fs::write(&file, &whole[..part]).unwrap();
        let refused = cache.accounts();
        assert!(matches!(refused, Err(Error::LockTimeout { .. })), "{part}: {refused:?}");
        fs::write(&file, &whole).unwrap();
        drop(peer);
        assert_eq!(token(&cache, "client").as_deref(), Some("whole"));
        fs::write(&file, &whole[..part]).unwrap();
        let torn = cache.accounts();
        assert!(matches!(torn, Err(Error::Corrupt { .. })), "{part}: {torn:?}");
    }
}

#[test]
fn a_location_or_an_identity_that_means_nothing_is_refused() {
    for location in ["", "/", "~somebody/cache"] {
        let refused = build_encrypted_persistence(location);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{location:?}");
    }
    let identity = MsalExtensionsLocation::python("x").match_schema(false);
    assert!(matches!(MsalExtensionsPersistence::new("x", &identity), Err(Error::Invalid { .. })));
}

/// Trusts the time of `file` for what is kept there only when it is past.
fn trusts_a_past_time_alone(persistence: &impl Persistence, file: &Path) {
    let trusts = |time: SystemTime| {
        fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        let Loaded::Content(_, read) = persistence.load(None).unwrap() else {
            panic!("no content")
        };
        persistence.stamp().unwrap() == Some(read)
    };
    let hour = Duration::from_secs(3600);
    assert!(trusts(SystemTime::now() - hour));
    assert!(trusts(SystemTime::now() + hour), "a clock that was set back");
    loop {
        let now = SystemTime::now();
        let trusted = trusts(now);
        // Else this process stood still meanwhile.
        if now.elapsed().unwrap() < Duration::from_millis(50) {
            return assert!(!trusted);
        }
    }
}

#[test]
fn a_file_that_was_written_just_now_may_change_without_a_sign_and_is_read_again() {
    let place = support::Place::new();
    let path = place.path().join("cache.json");
    fs::write(&path, r#"{"AccessToken": {}}"#).unwrap();
    trusts_a_past_time_alone(&PlaintextPersistence::new(&path).unwrap(), &path);
}
