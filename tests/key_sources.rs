//! Several key sources in an order, and the sources that no other test needs.

mod support;

use std::{
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use keyring::mock;
use support::{OpenCache, Place, event, token};
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, Protection, Secret,
    persistence::{CredentialStore, KernelKeyring, KeyCallback, Passphrase},
};
use tokenkeep_test_support::create_private;

/// A source that does not exist on the system that runs the tests.
fn missing() -> KeySource {
    if cfg!(windows) { KeySource::KernelKeyring(KernelKeyring::User) } else { KeySource::Dpapi }
}

fn callback() -> KeySource {
    KeySource::Callback(KeyCallback::new(|_| Ok(Secret::new([7; 32]))))
}

fn file(place: &Place) -> KeySource {
    KeySource::KeyFile(place.key_file())
}

fn open<const N: usize>(
    place: &Place,
    sources: [KeySource; N],
) -> Result<PersistedTokenCache, Error> {
    place.builder().key_sources(sources).cache()
}

fn key_in_use(cache: &PersistedTokenCache) -> &'static str {
    match cache.protection() {
        Protection::Sealed { key, .. } => key,
        other => panic!("{other}"),
    }
}

#[test]
fn a_new_cache_takes_the_first_source_that_exists() {
    let place = Place::new();
    let cache = open(&place, [missing(), callback(), file(&place)]).unwrap();
    assert_eq!(key_in_use(&cache), "callback");
    cache.add(&event("client", "kept")).unwrap();
    assert_eq!(key_in_use(&cache), "callback");
    assert!(!place.key_file().exists());
    let alone = open(&place, [callback()]).unwrap();
    assert_eq!(token(&alone, "client").as_deref(), Some("kept"));
}

#[test]
fn a_cache_stays_with_its_source_whatever_comes_before_it() {
    let place = Place::new();
    open(&place, [file(&place)]).unwrap().add(&event("client", "kept")).unwrap();
    let cache = open(&place, [missing(), callback(), file(&place)]).unwrap();
    assert_eq!(key_in_use(&cache), "key file");
    cache.add(&event("another", "too")).unwrap();
    let alone = open(&place, [file(&place)]).unwrap();
    assert_eq!(token(&alone, "client").as_deref(), Some("kept"));
    assert_eq!(token(&alone, "another").as_deref(), Some("too"));
}

#[test]
fn a_cache_that_another_process_made_meanwhile_keeps_the_source_of_its_maker() {
    let place = Place::new();
    let early = open(&place, [callback(), file(&place)]).unwrap();
    open(&place, [file(&place)]).unwrap().add(&event("client", "theirs")).unwrap();
    early.add(&event("another", "ours")).unwrap();
    assert_eq!(key_in_use(&early), "key file");
    let alone = open(&place, [file(&place)]).unwrap();
    assert_eq!(token(&alone, "client").as_deref(), Some("theirs"));
    assert_eq!(token(&alone, "another").as_deref(), Some("ours"));
}

#[test]
fn a_source_outside_the_list_is_named_and_nothing_changes() {
    let place = Place::new();
    open(&place, [file(&place)]).unwrap().add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();
    let error = open(&place, [missing(), callback()]).unwrap().accounts().unwrap_err();
    assert!(matches!(error, Error::OtherBackend { .. }), "{error}");
    assert!(error.to_string().contains("a key file"), "{error}");
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

#[test]
fn a_source_that_fails_is_not_passed_over() {
    let place = Place::new();
    let refusing = KeySource::Callback(KeyCallback::new(|_| Err("the key service is down".into())));
    let cache = open(&place, [refusing, file(&place)]).unwrap();
    let error = cache.add(&event("client", "lost")).unwrap_err();
    assert!(matches!(error, Error::Callback { .. }), "{error}");
    assert!(!place.file().exists() && !place.key_file().exists());
}

#[test]
fn a_list_in_which_nothing_exists_says_what_is_missing_or_keeps_it_in_memory() {
    let place = Place::new();
    let error = open(&place, [missing()]).unwrap_err();
    assert!(matches!(error, Error::VaultMissing { .. }), "{error}");
    assert!(!place.folder().exists());
}

#[test]
fn verify_proves_and_names_the_source_in_use_and_no_other() {
    let place = Place::new();
    let sealed = || place.builder().key_sources([missing(), file(&place), callback()]).build();
    let unopened = || PersistedTokenCache::new(sealed().unwrap());
    assert_eq!(sealed().unwrap().key_source_in_use().unwrap(), None);
    let new = unopened().verify().unwrap();
    assert!(matches!(new, Protection::Sealed { key: "key file", .. }), "{new:?}");
    assert!(!place.file().exists() && !place.key_file().exists());
    open(&place, [callback()]).unwrap().add(&event("client", "kept")).unwrap();
    assert_eq!(sealed().unwrap().key_source_in_use().unwrap(), Some("callback"));
    let verified = unopened().verify().unwrap();
    assert!(matches!(verified, Protection::Sealed { key: "callback", .. }), "{verified:?}");
    let error = place.builder().key_source(file(&place)).build().unwrap().key_source_in_use();
    assert!(matches!(error, Err(Error::OtherBackend { .. })), "{error:?}");
}

#[test]
fn a_list_that_is_empty_or_names_a_source_twice_is_refused() {
    let place = Place::new();
    for sources in [vec![], vec![callback(), callback()]] {
        let error = place.builder().key_sources(sources).cache().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
}

#[test]
fn a_store_of_keyring_core_keeps_the_key_until_the_cache_is_cleared() {
    let place = Place::new();
    let store = CredentialStore::new(mock::Store::new().unwrap());
    let open = || place.builder().key_source(KeySource::CredentialStore(store.clone())).cache();
    open().unwrap().add(&event("client", "kept")).unwrap();
    let cache = open().unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
    let aside = place.path().join("aside");
    create_private(&aside).write_all(&fs::read(place.file()).unwrap()).unwrap();
    cache.clear().unwrap();
    fs::rename(&aside, place.file()).unwrap();
    let error = open().unwrap().accounts().unwrap_err();
    assert!(matches!(error, Error::KeyGone { .. }), "{error}");
}

#[test]
fn a_passphrase_is_asked_for_once_and_only_when_it_is_needed() {
    let place = Place::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let ask = Passphrase::asked(move |is_new| {
        assert_eq!(is_new, count.fetch_add(1, Ordering::SeqCst) == 0);
        Ok(Secret::new("several words"))
    });
    let passphrase = |ask: &Passphrase| KeySource::Passphrase(ask.clone());
    let cache = open(&place, [missing(), passphrase(&ask)]).unwrap();
    assert!(cache.accounts().unwrap().is_empty());
    assert_eq!(asked.load(Ordering::SeqCst), 0, "an empty cache needs no passphrase");
    cache.add(&event("client", "kept")).unwrap();
    cache.add(&event("another", "too")).unwrap();
    let again = open(&place, [passphrase(&ask)]).unwrap();
    assert_eq!(token(&again, "client").as_deref(), Some("kept"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let typed = open(&place, [KeySource::Passphrase(Passphrase::new("several words"))]).unwrap();
    assert_eq!(token(&typed, "another").as_deref(), Some("too"));
}

#[test]
fn a_passphrase_that_was_wrong_is_asked_for_again() {
    let place = Place::new();
    open(&place, [KeySource::Passphrase(Passphrase::new("several words"))])
        .unwrap()
        .add(&event("client", "kept"))
        .unwrap();
    let answers = std::sync::Mutex::new(vec!["several words", "", "a typo"]);
    let ask = Passphrase::asked(move |_| Ok(Secret::new(answers.lock().unwrap().pop().unwrap())));
    let cache = open(&place, [KeySource::Passphrase(ask)]).unwrap();
    assert!(matches!(cache.accounts(), Err(Error::WrongKey { .. })));
    assert!(matches!(cache.accounts(), Err(Error::Invalid { .. })));
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
}

/// The header of a cache that is saved all the time is never the same twice; its key is.
#[test]
fn a_wrong_passphrase_beside_a_busy_writer_is_told_after_one_question() {
    let place = Place::new();
    let writer = place
        .builder()
        .key_source(KeySource::Passphrase(Passphrase::new("several words")))
        .cache()
        .unwrap();
    writer.add(&event("client", "kept")).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let saving = writer.clone();
    let ask = Passphrase::asked(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        assert!(number < 20, "the question comes again and again");
        // Another thread, as another process: within the question the cache is `Nested`.
        let (other, sign_in) = (saving.clone(), event("client", &format!("save {number}")));
        thread::spawn(move || other.add(&sign_in)).join().unwrap().unwrap();
        Ok(Secret::new("a typo"))
    });
    let cache = open(&place, [KeySource::Passphrase(ask)]).unwrap();
    assert!(matches!(cache.accounts(), Err(Error::WrongKey { .. })));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Two caches that take each other's place are two questions, however often they do.
#[test]
fn each_cache_that_comes_into_the_place_is_asked_for_once() {
    let place = Place::new();
    let words = || KeySource::Passphrase(Passphrase::new("several words"));
    let mut files = Vec::new();
    for _ in 0..2 {
        let cache = place.builder().key_source(words()).cache().unwrap();
        cache.add(&event("client", "kept")).unwrap();
        files.push(fs::read(place.file()).unwrap());
        fs::remove_file(place.file()).unwrap();
    }
    create_private(&place.file()).write_all(&files[0]).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, file) = (Arc::clone(&asked), place.file());
    let ask = Passphrase::asked(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        assert!(number < 20, "the question comes again and again");
        create_private(&file).write_all(&files[(number + 1) % 2]).unwrap();
        Ok(Secret::new("a typo"))
    });
    let cache = open(&place, [KeySource::Passphrase(ask)]).unwrap();
    assert!(matches!(cache.accounts(), Err(Error::WrongKey { .. })));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_key_file_in_the_caches_folder_is_refused_whatever_leads_there() {
    let place = Place::new();
    let folder = place.folder();
    place.open().add(&event("client", "kept")).unwrap();
    fs::create_dir(folder.join("below")).unwrap();
    #[cfg_attr(windows, expect(unused_mut, reason = "there are no links to add"))]
    let mut beside = vec![
        folder.join("key"),
        folder.join("below").join("key"),
        folder.join("not/there/key"),
        place.path().join("x/../cache/key"),
        folder.join("below/../key"),
        place.path().join("./cache/./key"),
    ];
    #[cfg(unix)]
    for (name, target) in [("link", &folder), ("deep", &folder.join("below"))] {
        std::os::unix::fs::symlink(target, place.path().join(name)).unwrap();
        beside.push(place.path().join(name).join("key"));
    }
    fs::create_dir(place.path().join("x")).unwrap();
    for key in beside {
        let refused = place.builder().key_source(KeySource::KeyFile(key.clone())).cache();
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{}: {refused:?}", key.display());
    }
    for elsewhere in ["cache-key/key", "cache/../elsewhere/key"] {
        let key = place.path().join(elsewhere);
        let opened = place.builder().key_source(KeySource::KeyFile(key)).cache();
        assert!(opened.is_ok(), "{elsewhere}: {opened:?}");
    }
}

#[test]
fn a_key_file_of_another_cache_is_told_when_a_new_cache_is_opened() {
    let (place, other) = (Place::new(), Place::new());
    open(&place, [file(&place)]).unwrap().add(&event("client", "kept")).unwrap();
    let error = open(&other, [file(&place)]).unwrap_err();
    assert!(matches!(error, Error::InvalidKeyFile { .. }), "{error}");
}

// Not on Windows: the kernel keyring of Linux
#[cfg(target_os = "linux")]
#[test]
fn a_key_in_the_kernel_keyring_opens_the_cache_and_goes_with_it() {
    let place = Place::new();
    let open = || open(&place, [KeySource::KernelKeyring(KernelKeyring::User)]);
    let of_the_session = KeySource::KernelKeyring(KernelKeyring::Session);
    let cache = match open() {
        Err(Error::VaultMissing { reason, .. }) => {
            return tokenkeep_test_support::say(&format!("skipped: the kernel keyring: {reason}"));
        }
        cache => cache.unwrap(),
    };
    cache.add(&event("client", "kept")).unwrap();
    assert_eq!(token(&open().unwrap(), "client").as_deref(), Some("kept"));
    assert_eq!(key_in_use(&cache), "kernel keyring");
    let other = place.builder().key_source(of_the_session).cache().unwrap();
    assert_eq!(token(&other, "client").as_deref(), Some("kept"), "whichever keyring was named");
    cache.verify().unwrap();
    cache.clear().unwrap();
    assert!(!place.file().exists());
}

// Not elsewhere than on Windows: DPAPI
#[cfg(windows)]
#[test]
fn a_key_under_dpapi_lies_beside_the_cache_and_shows_nothing() {
    let place = Place::new();
    let open = || open(&place, [KeySource::Dpapi]);
    open().unwrap().add(&event("client", "kept")).unwrap();
    let cache = open().unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"));
    let key_file = place.folder().join("key.dpapi");
    let wrapped = fs::read(&key_file).unwrap();
    assert!(!String::from_utf8_lossy(&wrapped).contains("key-id"), "it is not in clear");
    cache.verify().unwrap();
    cache.clear().unwrap();
    assert!(!key_file.exists());
}

#[cfg(windows)]
#[test]
fn a_key_that_dpapi_does_not_decrypt_any_more_goes_with_the_cache_that_is_given_up() {
    let place = Place::new();
    let open = || open(&place, [KeySource::Dpapi]);
    open().unwrap().add(&event("client", "lost")).unwrap();
    let key_file = place.folder().join("key.dpapi");
    let wrapped = fs::read(&key_file).unwrap();
    fs::remove_file(&key_file).unwrap();
    create_private(&key_file).write_all(&wrapped[..wrapped.len() / 2]).unwrap();
    assert!(matches!(open(), Err(Error::InvalidKeyFile { .. })));
    let unreached = place.builder().key_source(KeySource::Dpapi).build().unwrap();
    PersistedTokenCache::new(unreached).reset().unwrap();
    open().unwrap().add(&event("client", "new")).unwrap();
    assert_eq!(token(&open().unwrap(), "client").as_deref(), Some("new"));
}

#[cfg(windows)]
#[test]
fn credential_manager_comes_first_and_keeps_the_key() {
    let place = Place::new();
    let open = || place.builder().key_sources(KeySource::defaults()).cache();
    let cache = open().unwrap();
    cache.add(&event("client", "kept")).unwrap();
    assert_eq!(key_in_use(&cache), "Credential Manager");
    assert_eq!(token(&open().unwrap(), "client").as_deref(), Some("kept"));
    cache.verify().unwrap();
    cache.clear().unwrap();
    assert!(!place.file().exists());
}
