//! A key is removed by the cache that it was made for, and by nobody else: not for a copy, not for
//! a file that names it without having proved it. For each source of keys.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use keyring::mock;
use support::{OpenCache, Place, STORE, event, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, Secret,
    persistence::{CredentialStore, KernelKeyring, KeyCallback, Passphrase},
};
use tokenkeep_test_support::{create_private, hexadecimal};

/// A way to keys, and what it takes to open a cache with it.
struct Source<'a> {
    name: &'static str,
    key: Box<dyn Fn(&Path) -> KeySource + 'a>,
}

impl Source<'_> {
    fn of(name: &'static str, key: KeySource) -> Self {
        Self { name, key: Box::new(move |_| key.clone()) }
    }

    fn open(&self, folder: &Path) -> Result<PersistedTokenCache, Error> {
        SealedPersistence::builder(STORE).folder(folder).key_source((self.key)(folder)).cache()
    }

    /// A cache that can be given up while its key is out of reach.
    fn unreached(&self, folder: &Path) -> PersistedTokenCache {
        let builder = SealedPersistence::builder(STORE).folder(folder);
        let sealed = builder.key_source((self.key)(folder)).build().unwrap();
        PersistedTokenCache::new(sealed)
    }

    fn signed_in(&self, folder: &Path, secret: &str) {
        self.open(folder).unwrap().add(&event("client", secret)).unwrap();
    }

    fn token(&self, folder: &Path) -> Option<String> {
        token(&self.open(folder).unwrap(), "client")
    }
}

/// The sources that need nothing but this program.
fn sources<'a>() -> Vec<Source<'a>> {
    let store = CredentialStore::new(mock::Store::new().unwrap());
    let mut sources = vec![
        Source::of("callback", KeySource::Callback(KeyCallback::new(|_| Ok(Secret::new([7; 32]))))),
        Source::of("credential store", KeySource::CredentialStore(store)),
        Source::of("passphrase", KeySource::Passphrase(Passphrase::new("several words"))),
        // Each cache has a key file of its own; a copy has the one of its original.
        Source {
            name: "key file",
            key: Box::new(|folder| {
                let of = folder.file_name().unwrap().to_str().unwrap().split('-').next().unwrap();
                KeySource::KeyFile(folder.with_file_name(format!("key-{of}")).join("key"))
            }),
        },
    ];
    if cfg!(windows) {
        sources.push(Source::of("DPAPI", KeySource::Dpapi));
    }
    if cfg!(target_os = "linux") {
        let kernel = KeySource::KernelKeyring(KernelKeyring::User);
        match kernel.verify(STORE, tokenkeep::Interaction::Never) {
            Ok(()) => sources.push(Source::of("kernel keyring", kernel)),
            Err(error) => {
                tokenkeep_test_support::say(&format!("skipped: the kernel keyring: {error}"))
            }
        }
    }
    sources
}

/// What `cp -a` of a store's folder makes.
fn copy(from: &Path, to: &Path) {
    drop(tokenkeep_platform::file::Folder::create(to, tokenkeep_platform::file::Parents::Require));
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        create_private(&to.join(entry.file_name())).write_all(&bytes).unwrap();
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("cache.sealed")
}

/// Key id and key check of `of` in the header of the cache in `folder`.
fn forge(folder: &Path, of: &Path) {
    let theirs = fs::read(file(of)).unwrap();
    let mut ours = fs::read(file(folder)).unwrap();
    ours[16..48].copy_from_slice(&theirs[16..48]);
    create_private(&file(folder)).write_all(&ours).unwrap();
}

/// Clearing a copy, and giving one up, leaves the original its key.
fn copies_are_cleared(source: &Source<'_>, place: &Place) {
    let (original, copied) = (place.path().join("one"), place.path().join("one-copy"));
    source.signed_in(&original, "kept");
    copy(&original, &copied);
    let cache = source.open(&copied).unwrap();
    assert_eq!(token(&cache, "client").as_deref(), Some("kept"), "{}: a copy", source.name);
    cache.clear().unwrap();
    assert!(!file(&copied).exists(), "{}", source.name);
    assert_eq!(source.token(&original).as_deref(), Some("kept"), "{}: clear", source.name);

    copy(&original, &copied);
    source.unreached(&copied).reset().unwrap();
    assert_eq!(source.token(&original).as_deref(), Some("kept"), "{}: reset", source.name);

    copy(&original, &copied);
    let cache = source.open(&copied).unwrap();
    cache.quarantine().unwrap().unwrap();
    cache.clear().unwrap();
    assert_eq!(source.token(&original).as_deref(), Some("kept"), "{}: set aside", source.name);
}

/// A header that names another cache's key, without having been authenticated, removes no key.
fn forged_headers_are_given_up(source: &Source<'_>, place: &Place) {
    let (one, other) = (place.path().join("forged"), place.path().join("other"));
    source.signed_in(&one, "forged");
    source.signed_in(&other, "kept");
    forge(&one, &other);
    assert!(source.open(&one).and_then(|cache| cache.accounts()).is_err(), "{}", source.name);
    assert!(source.open(&one).and_then(|cache| cache.clear()).is_err(), "{}", source.name);
    source.unreached(&one).reset().unwrap();
    assert!(!file(&one).exists());
    assert_eq!(source.token(&other).as_deref(), Some("kept"), "{}: reset", source.name);

    source.signed_in(&one, "forged");
    forge(&one, &other);
    source.unreached(&one).quarantine().unwrap().unwrap();
    source.signed_in(&one, "another");
    source.open(&one).unwrap().clear().unwrap();
    assert_eq!(source.token(&other).as_deref(), Some("kept"), "{}: set aside", source.name);
}

/// What a cache that is cleared, reset or set aside and cleared leaves behind cannot be read any
/// more.
fn own_keys_go(source: &Source<'_>, place: &Place) {
    type Removal = fn(&PersistedTokenCache);
    let ways: [(&str, Removal); 3] = [
        ("clear", |cache| cache.clear().unwrap()),
        ("reset", |cache| cache.reset().unwrap()),
        ("quarantine and clear", |cache| {
            cache.quarantine().unwrap().unwrap();
            cache.clear().unwrap();
        }),
    ];
    for (way, removal) in ways {
        let folder = place.path().join("own");
        source.signed_in(&folder, "gone");
        let sealed = fs::read(file(&folder)).unwrap();
        removal(&source.open(&folder).unwrap());
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        let is_lock = |name: &std::ffi::OsString| {
            ["cache.lock", "cache.queue", "cache.holder"].iter().any(|lock| name == lock)
        };
        assert!(left.iter().all(is_lock), "{}: {way}: {left:?}", source.name);
        create_private(&file(&folder)).write_all(&sealed).unwrap();
        let read = source.unreached(&folder).accounts();
        assert!(matches!(read, Err(Error::KeyGone { .. })), "{}: {way}: {read:?}", source.name);
        fs::remove_file(file(&folder)).unwrap();
    }
}

fn keeps_keys(source: &Source<'_>) -> bool {
    !["callback", "passphrase"].contains(&source.name)
}

#[test]
fn a_copy_that_is_cleared_leaves_the_original_its_key() {
    let place = Place::new();
    sources().iter().for_each(|source| copies_are_cleared(source, &Place::new()));
    drop(place);
}

#[test]
fn a_header_that_proved_nothing_removes_no_key() {
    sources().iter().for_each(|source| forged_headers_are_given_up(source, &Place::new()));
}

#[test]
fn a_cache_that_goes_takes_its_key_with_it() {
    let sources = sources();
    let keeping = sources.iter().filter(|source| keeps_keys(source));
    keeping.for_each(|source| own_keys_go(source, &Place::new()));
}

/// As the first versions stored it: the key alone, so that nobody can tell whose it is.
#[test]
fn a_bare_key_is_read_and_stays() {
    let place = Place::new();
    let store: Arc<keyring::CredentialStore> = mock::Store::new().unwrap();
    let brought = CredentialStore::new(Arc::clone(&store));
    let source = Source::of("credential store", KeySource::CredentialStore(brought));
    source.signed_in(&place.folder(), "kept");
    let sealed = fs::read(place.file()).unwrap();
    let id = hexadecimal(&sealed[16..32]);
    let item = store.build("tokenkeep", &id, None).unwrap();
    let key = item.get_secret().unwrap();
    item.set_secret(&key[..32]).unwrap();
    assert_eq!(source.token(&place.folder()).as_deref(), Some("kept"));
    source.open(&place.folder()).unwrap().clear().unwrap();
    assert!(!place.file().exists());
    assert_eq!(item.get_secret().unwrap(), key[..32], "it stays");
    create_private(&place.file()).write_all(&sealed).unwrap();
    let fresh = source.open(&place.folder()).unwrap().accounts();
    assert!(!matches!(fresh, Err(Error::KeyGone { .. })), "{fresh:?}");
}

/// What an item says is not taken for more than it says.
#[test]
fn an_item_that_is_no_key_item_is_refused_and_stays() {
    let place = Place::new();
    let store: Arc<keyring::CredentialStore> = mock::Store::new().unwrap();
    let brought = CredentialStore::new(Arc::clone(&store));
    let source = Source::of("credential store", KeySource::CredentialStore(brought));
    source.signed_in(&place.folder(), "kept");
    let id: String = hexadecimal(&fs::read(place.file()).unwrap()[16..32]);
    let item = store.build("tokenkeep", &id, None).unwrap();
    let good = item.get_secret().unwrap();
    let altered = [
        good[..31].to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], b"x"].concat(),
        [&good[..32], &[9], &good[33..]].concat(),
        [&good[..33], &[0xFF; 2], &good[35..]].concat(),
        vec![7; 5000],
    ];
    for bytes in altered {
        item.set_secret(&bytes).unwrap();
        let read = source.open(&place.folder()).unwrap().accounts();
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{bytes:?}: {read:?}");
        assert_eq!(item.get_secret().unwrap(), bytes, "it stays");
    }
    item.set_secret(&good).unwrap();
    assert_eq!(source.token(&place.folder()).as_deref(), Some("kept"));
}

/// A cache that was moved is not the one in the place that its key names any more.
#[test]
fn a_moved_cache_is_read_and_its_key_stays_when_it_is_cleared() {
    for source in sources().iter().filter(|source| source.name == "credential store") {
        let place = Place::new();
        let (here, there) = (place.path().join("here"), place.path().join("there"));
        source.signed_in(&here, "kept");
        let sealed = fs::read(file(&here)).unwrap();
        fs::rename(&here, &there).unwrap();
        assert_eq!(source.token(&there).as_deref(), Some("kept"));
        source.open(&there).unwrap().clear().unwrap();
        copy(&there, &here);
        create_private(&file(&here)).write_all(&sealed).unwrap();
        let read = source.unreached(&here).accounts();
        assert!(!matches!(read, Err(Error::KeyGone { .. })), "{read:?}");
    }
}

/// A link that leads to the original and later to a copy.
// Not on Windows: links
#[cfg(unix)]
#[test]
fn a_link_that_now_leads_to_a_copy_does_not_make_it_the_original() {
    use std::os::unix::fs::symlink;
    let all = sources();
    for source in all.iter().filter(|source| keeps_keys(source) && source.name != "key file") {
        let place = Place::new();
        let [real, other, link] = ["real", "other", "link"].map(|name| place.path().join(name));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        source.signed_in(&link.join("cache"), "kept");
        fs::create_dir(&other).unwrap();
        copy(&real.join("cache"), &other.join("cache"));
        fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        source.open(&link.join("cache")).unwrap().clear().unwrap();
        assert_eq!(source.token(&real.join("cache")).as_deref(), Some("kept"), "{}", source.name);

        // And one way to the original is as good as another.
        let sealed = fs::read(file(&real.join("cache"))).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&real, &link).unwrap();
        source.open(&link.join("cache")).unwrap().clear().unwrap();
        create_private(&file(&real.join("cache"))).write_all(&sealed).unwrap();
        let read = source.unreached(&real.join("cache")).accounts();
        assert!(matches!(read, Err(Error::KeyGone { .. })), "{}: {read:?}", source.name);
    }
}

#[cfg(target_os = "linux")]
mod real_keyring {
    use ::secret_service::{EncryptionType, blocking::SecretService};
    use tokenkeep_test_support::collections::Collections;
    use tokenkeep_test_support::keyring::{State, inside};

    use super::{
        support::{Forked, child_says_yes},
        *,
    };

    fn vault<'a>() -> Source<'a> {
        Source::of("vault", KeySource::OsVault)
    }

    /// Which collection an item is put into.
    const LOGIN: &str = "default";
    const SESSION: &str = "session";

    fn key_id(folder: &Path) -> String {
        hexadecimal(&fs::read(file(folder)).unwrap()[16..32])
    }

    /// Adds an item by the names of the cache's key to a collection.
    fn add_item(folder: &Path, collection: &str, secret: &[u8]) {
        let id = key_id(folder);
        let service = SecretService::connect(EncryptionType::Dh).unwrap();
        let attributes = [
            ("xdg:schema", "io.github.tokenkeep.Key"),
            ("application", "tokenkeep"),
            ("key-id", &id),
        ];
        let collection = service.get_collection_by_alias(collection).unwrap();
        let attributes = attributes.into_iter().collect();
        collection.create_item("planted", attributes, secret, false, "text/plain").unwrap();
    }

    /// The secrets of all our items, in every collection.
    fn items() -> Vec<Vec<u8>> {
        let service = SecretService::connect(EncryptionType::Dh).unwrap();
        let ours = [("application", "tokenkeep")].into_iter().collect();
        let found = service.search_items(ours).unwrap();
        found.unlocked.iter().map(|item| item.get_secret().unwrap()).collect()
    }

    // Not on Windows: the Secret Service
    #[test]
    fn in_a_real_keyring_only_the_owner_removes_a_key() {
        let name = "real_keyring::in_a_real_keyring_only_the_owner_removes_a_key";
        inside(name, State::Unlocked, |_| {
            copies_are_cleared(&vault(), &Place::new());
            forged_headers_are_given_up(&vault(), &Place::new());
            own_keys_go(&vault(), &Place::new());
        });
    }

    // Not on Windows: the Secret Service
    #[test]
    fn an_item_names_the_store_and_the_folder_behind_the_key() {
        let name = "real_keyring::an_item_names_the_store_and_the_folder_behind_the_key";
        inside(name, State::Unlocked, |_| {
            let place = Place::new();
            vault().signed_in(&place.folder(), "kept");
            let [item] = &items()[..] else { panic!("one item") };
            let folder = fs::canonicalize(place.folder()).unwrap();
            let folder = folder.to_str().unwrap().as_bytes();
            let length = |text: &[u8]| u16::try_from(text.len()).unwrap().to_be_bytes();
            let behind = [&[1], &length(STORE.as_bytes())[..], STORE.as_bytes()].concat();
            let behind = [&behind, &length(folder)[..], folder].concat();
            assert_eq!(item[32..], behind);
        });
    }

    // Not on Windows: the Secret Service
    #[test]
    fn several_items_by_one_name_are_told_apart_by_the_key_check() {
        let name = "real_keyring::several_items_by_one_name_are_told_apart_by_the_key_check";
        inside(name, State::Unlocked, |_| {
            let place = Place::new();
            let folder = place.folder();
            vault().signed_in(&folder, "kept");
            let [true_item] = &items()[..] else { panic!("one item") };

            add_item(&folder, SESSION, true_item);
            assert_eq!(vault().token(&folder).as_deref(), Some("kept"), "two equal items");
            add_item(&folder, LOGIN, &[9; 32]);
            add_item(&folder, SESSION, b"no key at all");
            assert_eq!(vault().token(&folder).as_deref(), Some("kept"), "among others");
            vault().open(&folder).unwrap().add(&event("another", "too")).unwrap();

            vault().open(&folder).unwrap().clear().unwrap();
            let mut left = items();
            left.sort();
            assert_eq!(left, [vec![9; 32], b"no key at all".to_vec()], "both true ones are gone");
        });
    }

    // Not on Windows: the Secret Service
    #[test]
    fn a_locked_item_of_the_key_is_found_before_the_cache_is_removed() {
        let name = "real_keyring::a_locked_item_of_the_key_is_found_before_the_cache_is_removed";
        inside(name, State::Unlocked, |_| {
            let place = Place::new();
            let folder = place.folder();
            vault().signed_in(&folder, "kept");
            let collections = Collections::connect();
            let second = collections.create("Second");
            let (schema, id) = ("io.github.tokenkeep.Key", &key_id(&folder));
            let names = [("xdg:schema", schema), ("application", "tokenkeep"), ("key-id", id)];
            collections.add(&second, &names, &items()[0]);
            collections.lock(&second);
            let cleared = vault().open(&folder).unwrap().clear();
            assert!(matches!(cleared, Err(Error::VaultLocked { .. })), "{cleared:?}");
            assert_eq!(vault().token(&folder).as_deref(), Some("kept"));
            collections.unlock(&second);
            vault().open(&folder).unwrap().clear().unwrap();
            assert!(items().is_empty() && !file(&folder).exists());
        });
    }

    // Not on Windows: the Secret Service
    #[test]
    fn an_item_without_the_key_among_several_is_a_wrong_key() {
        let name = "real_keyring::an_item_without_the_key_among_several_is_a_wrong_key";
        inside(name, State::Unlocked, |keyring| {
            let place = Place::new();
            let folder = place.folder();
            vault().signed_in(&folder, "kept");
            let sealed = fs::read(file(&folder)).unwrap();
            let clear = ["clear", "application", "tokenkeep"];
            assert!(keyring.command("secret-tool").args(clear).status().unwrap().success());
            add_item(&folder, LOGIN, &[9; 32]);
            add_item(&folder, SESSION, &[8; 32]);
            let read = vault().open(&folder).unwrap().accounts();
            assert!(matches!(read, Err(Error::WrongKey { .. })), "{read:?}");
            vault().unreached(&folder).reset().unwrap();
            assert_eq!(items().len(), 2, "what proved nothing stays");
            assert_ne!(fs::read(file(&folder)).ok(), Some(sealed));
        });
    }

    // Not on Windows: the Secret Service
    #[test]
    fn a_first_save_that_is_given_up_removes_the_key_that_it_made_and_no_other() {
        let name =
            "real_keyring::a_first_save_that_is_given_up_removes_the_key_that_it_made_and_no_other";
        inside(name, State::Unlocked, |_| {
            let place = Place::new();
            vault().signed_in(&place.path().join("one"), "kept");
            let before = items();
            vault().open(&place.path().join("two")).unwrap().remove_expired().unwrap();
            assert_eq!(items(), before);
        });
    }
    // Not on Windows: the Secret Service
    #[test]
    fn after_a_fork_no_process_removes_the_key_that_the_other_one_saved_with() {
        let name =
            "real_keyring::after_a_fork_no_process_removes_the_key_that_the_other_one_saved_with";
        inside(name, State::Unlocked, |_| {
            let prepared = |place: &Place| {
                let cache = vault().open(&place.folder()).unwrap();
                cache.prepare().unwrap();
                Some(cache)
            };
            let place = Place::new();
            let cache = prepared(&place);
            let add = |secret| cache.as_ref().unwrap().add(&event("client", secret));
            assert!(child_says_yes(|| add("child").is_ok()));
            drop(cache);
            assert_eq!(vault().token(&place.folder()).as_deref(), Some("child"));

            let place = Place::new();
            let mut cache = prepared(&place);
            let is_saved = || file(&place.folder()).exists();
            let child = Forked::asked(|| {
                while !is_saved() {
                    std::thread::yield_now();
                }
                drop(cache.take());
                true
            });
            cache.as_ref().unwrap().add(&event("client", "parent")).unwrap();
            assert!(child.said_yes());
            assert_eq!(vault().token(&place.folder()).as_deref(), Some("parent"));
        });
    }
}
