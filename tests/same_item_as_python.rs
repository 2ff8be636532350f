//! The same item as msal-extensions for Python, wherever the collections of a keyring let it lie.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

#[path = "msal_extensions/python.rs"]
mod python;

use std::path::{Path, PathBuf};

use tokenkeep::{
    Error, PersistedTokenCache, build_encrypted_persistence,
    persistence::{MsalExtensionsItem, MsalExtensionsLocation, MsalExtensionsPersistence},
};
use tokenkeep_test_support::collections::Collections;

use python::{peer, python, with_python};
use support::{AUTHORITY, event, token};

/// A cache, the Python that shares it, and the keyring in which it lies.
struct Shared {
    location: PathBuf,
    ours: PersistedTokenCache,
    collections: Collections,
    /// What Python asks for: the schema that it makes of the location.
    names: Vec<(String, String)>,
}

impl Shared {
    fn new(folder: &Path) -> Self {
        let location = folder.join("cache");
        let persistence = build_encrypted_persistence(&location).unwrap();
        let MsalExtensionsItem::SecretService { schema, attributes, .. } = persistence.item()
        else {
            panic!("{:?}", persistence.item())
        };
        assert_eq!(*attributes, [], "a location has none");
        let names = vec![("xdg:schema".to_owned(), schema.clone())];
        let (ours, collections) = (open(&location), Collections::connect());
        Self { location, ours, collections, names }
    }

    /// The tokens that Python finds; `None` where it finds no cache.
    fn in_python(&self) -> Option<Vec<String>> {
        let output = peer("default", "load", &self.location).output().unwrap();
        match output.status.code() {
            Some(0) => {}
            Some(3) => return None,
            _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
        let clients = ["from-rust", "from-python"];
        let found = python("default", "find", &self.location, &clients.map(line).concat());
        Some(found.lines().map(str::to_owned).collect())
    }

    /// The tokens that a cache of ours finds which has been open all the time, and a new one.
    fn in_rust(&self) -> Vec<String> {
        let [known, new] = [&self.ours, &open(&self.location)].map(|cache| {
            let token = |client| token(cache, client).unwrap_or_default();
            ["from-rust", "from-python"].map(token).to_vec()
        });
        assert_eq!(known, new);
        new
    }

    /// Both see these tokens, of us and of Python.
    fn both_see(&self, ours: &str, pythons: &str) {
        assert_eq!(self.in_rust(), [ours, pythons]);
        assert_eq!(self.in_python().unwrap(), [ours, pythons]);
    }

    fn add(&self, secret: &str) {
        self.ours.add(&event("from-rust", secret)).unwrap();
    }

    fn python_adds(&self, secret: &str) {
        let event = format!(
            r#"{{"client_id": "from-python", "scope": ["s1"],
                "token_endpoint": "{AUTHORITY}/oauth2/v2.0/token",
                "response": {{"access_token": "{secret}", "expires_in": 3600,
                    "id_token_claims": {{"sub": "subject", "preferred_username": "ada"}}}}}}"#
        );
        python("default", "add", &self.location, &event);
    }

    /// The unlocked items of the cache and the locked ones, those of others with more names too.
    fn items(&self) -> [Vec<String>; 2] {
        self.collections.find(&self.names_and(&[]))
    }

    fn names_and<'n>(&'n self, more: &[(&'n str, &'n str)]) -> Vec<(&'n str, &'n str)> {
        self.names
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .chain(more.iter().copied())
            .collect()
    }

    /// Nobody is signed in, to either.
    fn is_gone(&self) {
        assert_eq!(self.in_python(), None);
        for cache in [&self.ours, &open(&self.location)] {
            assert!(cache.accounts().unwrap().is_empty());
        }
    }

    fn is_locked(&self) {
        let new = open(&self.location);
        for cache in [&self.ours, &new] {
            let refused = [
                cache.transaction(|_| Ok(())),
                cache.add(&event("from-rust", "lost")),
                cache.clear(),
            ];
            for refused in refused {
                assert!(matches!(refused, Err(Error::VaultLocked { .. })), "{refused:?}");
            }
        }
    }
}

fn open(location: &Path) -> PersistedTokenCache {
    let persistence = build_encrypted_persistence(location).unwrap();
    PersistedTokenCache::new(persistence)
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

#[test]
fn when_another_collection_becomes_the_default_both_go_on_with_the_same_item() {
    let test = "when_another_collection_becomes_the_default_both_go_on_with_the_same_item";
    with_python(test, |_, folder| {
        let shared = Shared::new(folder);
        shared.python_adds("1");
        shared.add("1");
        shared.both_see("1", "1");
        shared.collections.set_default(&shared.collections.create("Second"));
        shared.both_see("1", "1");
        shared.add("2");
        assert_eq!(shared.items().concat().len(), 1, "no second item");
        shared.both_see("2", "1");
        // Python writes to the default collection alone, and reads in each.
        for number in 2..5 {
            shared.python_adds(&number.to_string());
            assert_eq!(Some(shared.in_rust()), shared.in_python());
            shared.add(&format!("{number} again"));
            assert_eq!(shared.in_rust()[0], format!("{number} again"));
            assert_eq!(Some(shared.in_rust()), shared.in_python());
        }
        assert_eq!(shared.items().concat().len(), 2, "one is Python's");
        shared.ours.clear().unwrap();
        shared.is_gone();
        assert_eq!(shared.items().concat(), [""; 0]);

        shared.add("5");
        shared.collections.set_default(Collections::LOGIN);
        shared.both_see("5", "");
        python("default", "clear", &shared.location, "");
        shared.is_gone();
    });
}

#[test]
fn what_lies_in_a_locked_collection_is_locked_and_loses_nothing() {
    with_python("what_lies_in_a_locked_collection_is_locked_and_loses_nothing", |_, folder| {
        let shared = Shared::new(folder);
        let second = shared.collections.create("Second");
        shared.collections.set_default(&second);
        shared.add("1");
        shared.collections.set_default(Collections::LOGIN);
        shared.collections.lock(&second);
        shared.is_locked();
        shared.collections.unlock(&second);
        shared.both_see("1", "");

        // Python takes what is unlocked, and finds the other one again after an unlock.
        shared.collections.lock(&second);
        python("default", "save", &shared.location, r#"{"AccessToken": {}}"#);
        assert_eq!(shared.in_python().unwrap(), ["", ""]);
        assert_eq!(shared.in_rust(), ["", ""]);
        let refused = shared.ours.clear();
        assert!(matches!(refused, Err(Error::VaultLocked { .. })), "{refused:?}");
        // A search may miss the locked one: gnome-keyring may have read its file again.
        assert_eq!(shared.items()[0].len(), 1);
        shared.collections.unlock(&second);
        assert_eq!(shared.items()[0].len(), 2);
        shared.ours.clear().unwrap();
        shared.is_gone();

        // A locked collection that has nothing of ours is nobody's affair.
        shared.collections.lock(&second);
        shared.is_gone();
        shared.add("2");
        shared.both_see("2", "");
        shared.ours.clear().unwrap();
        shared.collections.set_default(&second);
        let refused = shared.ours.add(&event("from-rust", "lost"));
        assert!(matches!(refused, Err(Error::VaultLocked { .. })), "{refused:?}");
    });
}

#[test]
fn an_item_with_more_attributes_is_another_programs_and_stays() {
    with_python("an_item_with_more_attributes_is_another_programs_and_stays", |_, folder| {
        let shared = Shared::new(folder);
        let theirs = shared.names_and(&[("version", "1")]);
        shared.add("0");
        let [ours] = &shared.items()[0][..] else { panic!("{:?}", shared.items()) };
        let json = shared.collections.secret(ours);
        let json = String::from_utf8(json).unwrap().replace("\"0\"", "\"theirs\"");
        let second = shared.collections.create("Second");
        let others: Vec<_> = [Collections::LOGIN, Collections::SESSION, &*second]
            .map(|collection| shared.collections.add(collection, &theirs, json.as_bytes()))
            .to_vec();
        assert_eq!(shared.in_rust(), ["0", ""]);
        shared.add("1");
        assert_eq!(shared.in_rust(), ["1", ""]);
        shared.ours.clear().unwrap();
        assert_eq!(shared.items()[0].len(), others.len(), "they are not ours to remove");
        for other in &others {
            assert_eq!(shared.collections.secret(other), json.as_bytes(), "{other}");
        }
        // As long as there is none of its own, each reads what it finds.
        assert_eq!(shared.in_rust(), ["theirs", ""]);
        assert_eq!(python("default", "load", &shared.location, "").as_bytes(), json.as_bytes());
    });
}

#[test]
fn of_two_equal_items_both_read_and_write_the_same_and_a_clear_removes_both() {
    let test = "of_two_equal_items_both_read_and_write_the_same_and_a_clear_removes_both";
    with_python(test, |_, folder| {
        let shared = Shared::new(folder);
        let second = shared.collections.create("Second");
        for collection in [Collections::LOGIN, &*second, Collections::SESSION] {
            shared.add("equal");
            let equal = shared.collections.secret(&shared.items()[0][0]);
            shared.collections.add(collection, &shared.names_and(&[]), &equal);
            shared.both_see("equal", "");
            let items = shared.items()[0].clone();
            shared.add("ours");
            shared.both_see("ours", "");
            let changed = items.iter().filter(|item| shared.collections.secret(item) != equal);
            assert_eq!(changed.count(), 1, "the others are left");
            assert_eq!(shared.items()[0].len(), 2);
            shared.ours.clear().unwrap();
            shared.is_gone();
        }
    });
}

#[test]
fn without_a_default_collection_it_says_so_and_another_one_can_be_chosen() {
    let test = "without_a_default_collection_it_says_so_and_another_one_can_be_chosen";
    with_python(test, |keyring, folder| {
        keyring.kill_daemon().unwrap();
        std::fs::remove_dir_all(keyring.files()).unwrap();
        let location = folder.join("cache");
        let cache = open(&location);
        for refused in [cache.accounts().map(drop), cache.add(&event("from-rust", "lost"))] {
            assert!(matches!(refused, Err(Error::VaultMissing { .. })), "{refused:?}");
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("no default collection"), "{said}");
        }
        let text = location.to_str().unwrap();
        let identity = MsalExtensionsLocation::python(text).collection("session");
        let persistence = MsalExtensionsPersistence::new(&location, &identity).unwrap();
        let session = PersistedTokenCache::new(persistence);
        session.add(&event("from-rust", "kept")).unwrap();
        assert_eq!(token(&cache, "from-rust").as_deref(), Some("kept"));
    });
}
