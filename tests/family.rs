//! The cache where msal-extensions for Python keeps it, with the real one at the other end.
#![allow(clippy::disallowed_methods, reason = "a test writes what others leave behind")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may")]

mod support;

#[path = "family/secret_service.rs"]
mod secret_service;

#[path = "family/dpapi.rs"]
mod dpapi;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use support::{event, token};
use tokenkeep::{
    Error, FamilyIdentity, FamilyPersistence, Hold, Loaded, MemoryPersistence, PersistedTokenCache,
    Persistence, Saved, Stamp, build_encrypted_persistence,
};

/// A place that another program writes in place: every other look at it finds a part.
#[derive(Debug, Default)]
struct Torn {
    whole: MemoryPersistence,
    looks: Arc<AtomicUsize>,
    part: &'static [u8],
    lasting: bool,
}

impl Persistence for Torn {
    fn load(&self, _known: Option<&Stamp>) -> Result<Loaded, Error> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        match self.whole.load(None)? {
            Loaded::Content(_, stamp) if look.is_multiple_of(2) || self.lasting => {
                Ok(match self.part {
                    [] => Loaded::Empty,
                    part => Loaded::Content(part.to_vec().into(), stamp),
                })
            }
            whole => Ok(whole),
        }
    }

    fn save(&self, content: &[u8], base: Option<&Stamp>, hold: &Hold) -> Result<Saved, Error> {
        self.looks.store(0, Ordering::SeqCst);
        self.whole.save(content, base, hold)
    }

    fn delete(&self, hold: &Hold) -> Result<(), Error> {
        self.whole.delete(hold)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        let looks = self.looks.load(Ordering::SeqCst);
        Ok(Some(Stamp::new(looks.to_be_bytes())))
    }

    fn is_written_in_place(&self) -> bool {
        true
    }
}

#[test]
fn a_reader_that_finds_nothing_or_a_part_looks_again_under_the_lock() {
    for part in [&b""[..], b"{\"AccessToken\": {\"a"] {
        let looks = Arc::new(AtomicUsize::new(0));
        let torn = Torn { part, looks: Arc::clone(&looks), ..Torn::default() };
        let cache = PersistedTokenCache::with_persistence(torn, None);
        cache.add(&event("client", "whole")).unwrap();
        looks.store(0, Ordering::SeqCst);
        assert_eq!(token(&cache, "client").as_deref(), Some("whole"), "{part:?}");
        assert_eq!(looks.load(Ordering::SeqCst), 2, "once without the lock, once with it");
    }
}

#[test]
fn what_is_torn_under_the_lock_too_is_corrupt() {
    let looks = Arc::new(AtomicUsize::new(0));
    let torn = Torn { part: b"{\"Acc", looks, lasting: true, ..Torn::default() };
    let cache = PersistedTokenCache::with_persistence(torn, None);
    cache.add(&event("client", "whole")).unwrap();
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
    let open = || place.builder().lock_timeout(Duration::from_millis(50)).open_plaintext(&file);
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

#[test]
fn a_location_or_an_identity_that_means_nothing_is_refused() {
    for location in ["", "/", "~somebody/cache"] {
        let refused = build_encrypted_persistence(location);
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{location:?}");
    }
    let identity = FamilyIdentity::python("x").match_schema(false);
    assert!(matches!(FamilyPersistence::new("x", &identity), Err(Error::Invalid { .. })));
}
