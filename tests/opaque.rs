//! Text and bytes of any kind in the places of token caches.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, path::Path};

use tokenkeep::{
    Error, PersistedTokenCache, Secret,
    lock::Wait,
    persistence::{Intent, OpaqueStore, PlaintextPersistence},
};

const CONTENTS: [&[u8]; 6] =
    [b"", b"[1, 2]", "te\u{e9}xt\u{1f511}".as_bytes(), b"{\"a\": ", b"\0\xff\xfe\0", b"{}"];

type Change<'a> = &'a dyn Fn(Option<&[u8]>) -> Result<Secret, Error>;

fn plaintext(path: &Path) -> OpaqueStore {
    PlaintextPersistence::open(path).unwrap().into()
}

fn content(store: &OpaqueStore) -> Option<Vec<u8>> {
    store.load().unwrap().map(|(content, _)| content.expose().to_vec())
}

fn save(store: &OpaqueStore, content: &[u8]) -> Result<(), Error> {
    store.prepare(Intent::Write)?;
    let guard = store.lock().acquire(&Wait::default())?;
    let stamp = store.save(content, &guard)?;
    assert_eq!(Some(stamp), store.stamp()?);
    Ok(())
}

#[test]
fn a_file_keeps_any_bytes_and_none_at_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("folder/file");
    let store = plaintext(&path);
    assert_eq!((content(&store), store.stamp().unwrap()), (None, None));
    for bytes in CONTENTS {
        save(&store, bytes).unwrap();
        assert_eq!(content(&plaintext(&path)).as_deref(), Some(bytes));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    // What another program leaves there.
    for bytes in CONTENTS {
        fs::write(&path, bytes).unwrap();
        assert_eq!(content(&store).as_deref(), Some(bytes));
    }
    let limited: OpaqueStore = PlaintextPersistence::new(&path).unwrap().size_limit(4).into();
    assert!(matches!(save(&limited, b"12345"), Err(Error::TooLarge { .. })));
    let guard = store.lock().acquire(&Wait::default()).unwrap();
    store.delete(&guard).unwrap();
    store.delete(&guard).unwrap();
    assert_eq!(content(&store), None);
}

#[test]
fn a_token_cache_keeps_refusing_what_an_opaque_store_left() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    for bytes in CONTENTS {
        save(&plaintext(&path), bytes).unwrap();
        let cache = support::plaintext(&path).unwrap();
        let read = cache.accounts();
        match bytes {
            b"{}" => assert!(read.is_ok()),
            b"" => assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}"),
            _ => assert!(read.is_err(), "{bytes:?}"),
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn an_update_is_whole_or_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    let store = plaintext(&path);
    let update = |change: Change<'_>| store.update(&Wait::default(), change);
    update(&|before| {
        assert_eq!(before, None);
        Ok(Secret::new(""))
    })
    .unwrap();
    let stamp = store.stamp().unwrap();
    update(&|before| {
        assert_eq!(before, Some(&b""[..]));
        Ok(Secret::new(""))
    })
    .unwrap();
    assert_eq!(store.stamp().unwrap(), stamp, "the same content was written");
    let failed = update(&|_| Err(Error::Invalid { detail: "mine".into() }));
    assert!(matches!(failed, Err(Error::Invalid { .. })), "{failed:?}");
    let nested = update(&|_| {
        update(&|_| Ok(Secret::new("inner")))?;
        Ok(Secret::new("outer"))
    });
    assert!(matches!(nested, Err(Error::AlreadyLocked { .. })), "{nested:?}");
    assert_eq!(content(&store).as_deref(), Some(&b""[..]));

    // Another program takes the lock for a stale one, and writes. Windows removes no file that is
    // open.
    #[cfg(unix)]
    {
        let lock = tokenkeep::lock::CrossProcessLock::msal_extensions(&path).path().to_owned();
        update(&|before| match before {
            Some(b"") => {
                fs::remove_file(&lock).unwrap();
                fs::write(&path, "theirs").unwrap();
                Ok(Secret::new("lost"))
            }
            before => Ok(Secret::new([before.unwrap(), b" and ours"].concat())),
        })
        .unwrap();
        assert_eq!(content(&store).as_deref(), Some(&b"theirs and ours"[..]));
    }
}

/// A binding to another language makes its own copy, so that the core must not make any.
#[cfg(target_os = "linux")]
#[test]
fn a_load_takes_the_memory_of_its_content_once() {
    use tokenkeep_test_support::{again, say, task};

    const BYTES: usize = 32 << 20;
    if let Some(path) = task() {
        let kilobytes = |name: &str| -> usize {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().split(' ').next().unwrap().parse().unwrap()
        };
        let store = PlaintextPersistence::new(path).unwrap().size_limit(2 * BYTES as u64);
        let store = OpaqueStore::from(store);
        let before = kilobytes("VmRSS");
        let (content, _) = store.load().unwrap().unwrap();
        assert_eq!(content.expose().len(), BYTES);
        let times = (kilobytes("VmHWM") - before) as f64 / (BYTES >> 10) as f64;
        say(&format!("a load takes {times:.2} times the size of its content"));
        return assert!(times < 1.5, "{times}");
    }
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    fs::write(&path, vec![b'x'; BYTES]).unwrap();
    assert!(again(a_load_takes_the_memory_of_its_content_once, path).status().unwrap().success());
}

#[cfg(target_os = "linux")]
mod vault {
    use std::{
        rc::Rc,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use tokenkeep::{build_encrypted_persistence, interruptible, lock::CrossProcessLock};
    use tokenkeep_test_support::{
        keyring::{State, inside},
        mock::{Act, Mock},
    };

    use super::*;

    #[test]
    fn a_late_write_keeps_the_lock_whose_guard_it_was_given() {
        let name = "vault::a_late_write_keeps_the_lock_whose_guard_it_was_given";
        inside(name, State::Absent, |_| {
            let mock = Mock::start(Some(b"old"), |member| match member {
                "SetSecret" => Act::Hold,
                _ => Act::Answer,
            });
            let mock = Rc::new(mock);
            let place = tempfile::tempdir().unwrap();
            let location = place.path().join("cache.bin");
            let store = OpaqueStore::from(build_encrypted_persistence(&location).unwrap());
            // The lock of a binding is its own value, at a path that it was given.
            let lock = CrossProcessLock::msal_extensions_at(store.lock().path());
            store.prepare(Intent::Write).unwrap();
            let guard = lock.acquire(&Wait::default()).unwrap();
            let theirs = Rc::clone(&mock);
            let has_begun = move || theirs.held() > 0;
            let saved = interruptible(has_begun, || store.save(b"new", &guard));
            assert!(matches!(saved, Err(Error::OutcomeUnknown { .. })), "{saved:?}");
            drop(guard);
            let early = lock.acquire(&Wait::at_most(Duration::from_millis(10))).map(drop);
            assert!(matches!(early, Err(Error::LockTimeout { .. })), "{early:?}");
            mock.release();
            drop(lock.acquire(&Wait::default()).unwrap());
            assert_eq!(mock.secret().as_deref(), Some(&b"new"[..]));
        });
    }

    #[test]
    fn a_probe_finds_a_locked_vault_and_writes_nothing() {
        inside("vault::a_probe_finds_a_locked_vault_and_writes_nothing", State::Absent, |_| {
            let is_locked = Arc::new(AtomicBool::new(false));
            let theirs = Arc::clone(&is_locked);
            let mock = Mock::start(None, move |member| match member {
                "Locked" if theirs.load(Ordering::SeqCst) => Act::Locked,
                _ => Act::Answer,
            });
            let place = tempfile::tempdir().unwrap();
            let location = place.path().join("folder/cache.bin");
            let store = build_encrypted_persistence(&location).unwrap();
            store.reach().unwrap();
            is_locked.store(true, Ordering::SeqCst);
            let locked = store.reach();
            assert!(matches!(locked, Err(Error::VaultLocked { .. })), "{locked:?}");
            for writes in ["CreateItem", "SetSecret", "Delete", "Unlock", "GetSecret"] {
                assert_eq!(mock.count(writes), 0, "{writes}");
            }
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        });
    }
}

#[test]
fn a_cache_cannot_tell_an_opaque_stores_lock_from_its_own() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    let store = plaintext(&path);
    let cache = PersistedTokenCache::new(PlaintextPersistence::new(&path).unwrap());
    let guard = store.lock().acquire(&Wait::default()).unwrap();
    let refused = cache.add(&support::event("client", "a token"));
    assert!(matches!(refused, Err(Error::AlreadyLocked { .. })), "{refused:?}");
    drop(guard);
}
