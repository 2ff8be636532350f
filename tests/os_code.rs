//! The operating system's number comes through every layer.
// Not on Windows: the numbers are those of Unix
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, io};

use support::{OpenCache as _, event, plaintext};
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, build_encrypted_persistence,
    lock::{CrossProcessLock, Wait},
    persistence::{KeyCallback, SealedPersistence},
};

#[test]
fn a_failure_of_a_file_a_lock_or_a_callback_has_the_number_of_its_cause() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("below");
    let sealed = |key| SealedPersistence::builder(support::STORE).folder(&below).key_source(key);
    let no_key = KeySource::Callback(KeyCallback::new(|_| {
        Err(io::Error::from_raw_os_error(libc::EAGAIN).into())
    }));
    let folder = place.path().join("store");
    let unsealed = SealedPersistence::builder(support::STORE).folder(&folder).key_source(no_key);
    for (error, code) in [
        (plaintext(below.join("cache")).and_then(|c| c.accounts()).unwrap_err(), libc::ENOTDIR),
        (
            CrossProcessLock::msal_extensions(below.join("cache"))
                .acquire(&Wait::default())
                .unwrap_err(),
            libc::ENOTDIR,
        ),
        (sealed(KeySource::KeyFile(place.path().join("key"))).cache().unwrap_err(), libc::ENOTDIR),
        (unsealed.cache().and_then(|c| c.add(&event("a", "b"))).unwrap_err(), libc::EAGAIN),
    ] {
        assert_eq!(error.os_code(), Some(code.into()), "{error:?}");
    }
    assert_eq!(Error::Nested.os_code(), None);
}

#[cfg(target_os = "linux")]
#[test]
fn a_failure_below_the_vault_has_the_number_of_its_cause() {
    use tokenkeep_test_support::{again, task};

    let this = a_failure_below_the_vault_has_the_number_of_its_cause;
    let Some(location) = task() else {
        let place = tempfile::tempdir().unwrap();
        let mut command = again(this, place.path().join("cache"));
        // The variable belongs to the process.
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/such/bus");
        return assert!(command.status().unwrap().success());
    };
    let cache = PersistedTokenCache::new(build_encrypted_persistence(location).unwrap());
    let error = cache.accounts().unwrap_err();
    assert!(matches!(error, Error::VaultServiceMissing { .. }), "{error:?}");
    assert_eq!(error.os_code(), Some(libc::ENOENT.into()), "{error:?}");
}
