//! The Secret Service vault against a real KWallet: what it does otherwise than gnome-keyring.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

use tokenkeep_platform::vault::{Call, Collection, Item, Vault, VaultError};
use tokenkeep_test_support::keyring::{Keyring, Provider, State, inside};

/// No UTF-8: what a vault of texts would damage.
const SECRET: [u8; 32] =
    *b"\x00\x01\xff\xfe\x80binary \xc3\x28 secret\n\r\t\x7f\x00\xf0\x9f\xaa\xe2\xc0\xc1";

fn item(name: &str) -> Item {
    Item::new("tests", name)
        .labelled(format!("label of {name}"))
        .with_attributes([("xdg:schema", "tests"), ("name", name)])
}

fn quiet() -> Call {
    Call::quiet()
}

fn with_kwallet(test: &str, body: impl FnOnce(&Keyring)) {
    inside(test, State::Unlocked.of(Provider::KWallet), body);
}

#[test]
fn a_binary_secret_comes_back_and_is_in_no_file() {
    with_kwallet("a_binary_secret_comes_back_and_is_in_no_file", |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        assert!(vault.read(&key, &quiet()).unwrap().is_none());
        vault.create(&key, &SECRET, &quiet()).unwrap();
        assert!(matches!(vault.create(&key, &SECRET, &quiet()), Err(VaultError::Exists)));
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
        // Locking writes the wallet at once.
        keyring.lock().unwrap();
        let files: Vec<_> = std::fs::read_dir(keyring.files()).unwrap().collect();
        assert!(files.len() > 1, "{files:?}");
        for file in files {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(8).any(|window| SECRET.windows(8).any(|part| part == window)));
        }
    });
}

#[test]
fn a_locked_wallet_is_locked_and_never_empty_or_unfinished() {
    with_kwallet("a_locked_wallet_is_locked_and_never_empty_or_unfinished", |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        let locked = |result: Result<(), VaultError>| {
            assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        };
        for _ in 0..2 {
            keyring.lock().unwrap();
            locked(vault.read(&key, &quiet()).map(drop));
            locked(vault.read(&item("never made"), &quiet()).map(drop));
            locked(vault.create(&item("another"), &SECRET, &quiet()));
            locked(vault.delete(&key, &quiet(), None).map(drop));
            locked(vault.unlock(&quiet()));
            keyring.unlock().unwrap();
            assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
        }
        assert!(vault.delete(&key, &quiet(), None).unwrap());
        assert!(!vault.delete(&key, &quiet(), None).unwrap());
        assert!(vault.read(&key, &quiet()).unwrap().is_none());
    });
}

#[test]
fn a_write_to_a_locked_wallet_is_locked_and_changes_nothing() {
    with_kwallet("a_write_to_a_locked_wallet_is_locked_and_changes_nothing", |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        vault.write(&key, b"the place of the item is known now", &quiet(), None).unwrap();
        vault.write(&key, &SECRET, &quiet(), None).unwrap();
        keyring.lock().unwrap();
        // The wallet itself says that it has set the secret, and has not.
        let result = vault.write(&key, b"meanwhile", &quiet(), None);
        assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        keyring.unlock().unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
    });
}

#[test]
fn a_killed_daemon_is_missing_and_the_next_one_has_what_was_written() {
    with_kwallet("a_killed_daemon_is_missing_and_the_next_one_has_what_was_written", |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&item("first"), b"the first item's", &quiet()).unwrap();
        vault.create(&key, &SECRET, &quiet()).unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
        keyring.lock().unwrap();
        keyring.kill_daemon().unwrap();
        for _ in 0..20 {
            let result = vault.read(&key, &quiet());
            assert!(matches!(result, Err(VaultError::ServiceMissing { .. })), "{result:?}");
        }
        // It numbers its items again: a path from before may mean another item now.
        keyring.start_daemon().unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
    });
}

#[test]
fn what_was_not_yet_written_when_the_daemon_was_killed_is_unfinished_and_not_absent() {
    let test = "what_was_not_yet_written_when_the_daemon_was_killed_is_unfinished_and_not_absent";
    with_kwallet(test, |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        keyring.kill_daemon().unwrap();
        keyring.start_daemon().unwrap();
        // The wallet is written 5 s after a change; the list of its items at once.
        assert!(matches!(vault.read(&key, &quiet()), Err(VaultError::Unfinished)));
        assert!(matches!(vault.create(&key, &SECRET, &quiet()), Err(VaultError::Exists)));
        assert!(vault.delete(&key, &quiet(), None).unwrap());
        vault.create(&key, &SECRET, &quiet()).unwrap();
    });
}

#[test]
fn a_wallet_opened_at_login_needs_an_allowed_unlock_that_asks_nobody() {
    with_kwallet("a_wallet_opened_at_login_needs_an_allowed_unlock_that_asks_nobody", |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        type Unlock = fn(&Vault, &Item, &Call) -> Result<(), VaultError>;
        let ways: [Unlock; 3] = [
            |vault, _, call| vault.unlock(call),
            |vault, key, call| vault.unlock_for(key, call),
            |vault, _, call| vault.unlock_for(&item("never made"), call),
        ];
        for unlock in ways {
            keyring.lock().unwrap();
            keyring.open_without_unlock().unwrap();
            assert!(matches!(vault.read(&key, &quiet()), Err(VaultError::Locked { .. })));
            let refused = unlock(&vault, &key, &quiet());
            assert!(matches!(refused, Err(VaultError::Locked { .. })), "{refused:?}");
            unlock(&vault, &key, &Call::prompting()).unwrap();
            assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
        }
    });
}

#[test]
fn an_item_with_more_attributes_is_not_deleted_and_missing_collections_are_named() {
    with_kwallet(
        "an_item_with_more_attributes_is_not_deleted_and_missing_collections_are_named",
        |_| {
            let vault = Vault::os();
            for part in ["1", "2"] {
                let key =
                    Item::new("tests", "half").with_attributes([("name", "both"), ("part", part)]);
                vault.create(&key, b"secret", &quiet()).unwrap();
            }
            let both = Item::new("tests", "both").with_attributes([("name", "both")]);
            assert!(vault.read(&both, &quiet()).unwrap().is_some());
            assert!(!vault.delete(&both, &quiet(), None).unwrap());
            assert_eq!(vault.read_all(&both, &quiet()).unwrap().len(), 1, "they are equal");
            let at = |collection| Vault::os_in(collection).read(&item("key"), &quiet());
            assert!(at(Collection::Named("kdewallet".into())).unwrap().is_none());
            for missing in [Collection::Session, Collection::Named("nowhere".into())] {
                assert!(matches!(at(missing), Err(VaultError::Missing { .. })));
            }
        },
    );
}
