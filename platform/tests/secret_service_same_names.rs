//! The Secret Service vault where several items have the same names, in one collection or in
//! several.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![allow(clippy::unwrap_used, reason = "a test may")]

use tokenkeep_platform::vault::{Call, Collection, Item, Vault, VaultError};
use tokenkeep_test_support::collections::Collections;
use tokenkeep_test_support::keyring::{State, inside};

const NAMES: [(&str, &str); 3] = [("xdg:schema", "tests"), ("application", "a"), ("key-id", "one")];

fn item() -> Item {
    Item::new("a", "one").with_attributes(NAMES)
}

fn quiet() -> Call {
    Call::quiet()
}

fn read_all() -> Vec<Vec<u8>> {
    let mut secrets: Vec<_> =
        Vault::os().read_all(&item(), &quiet()).unwrap().iter().map(|s| s.to_vec()).collect();
    secrets.sort();
    secrets
}

fn is_locked<T>(result: Result<T, VaultError>) -> bool {
    matches!(result, Err(VaultError::Locked { .. }))
}

#[test]
fn an_item_is_found_after_another_collection_has_become_the_default() {
    let test = "an_item_is_found_after_another_collection_has_become_the_default";
    inside(test, State::Unlocked, |_| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        vault.create(&item(), b"key", &quiet()).unwrap();
        collections.set_default(&collections.create("Second"));
        // Another handle's, so that no place is remembered.
        assert_eq!(read_all(), [b"key"]);
        assert_eq!(*vault.read(&item(), &quiet()).unwrap().unwrap(), b"key");
        vault.write(&item(), b"new", &quiet(), None).unwrap();
        assert_eq!(read_all(), [b"new"]);
        assert!(matches!(vault.create(&item(), b"2", &quiet()), Err(VaultError::Exists)));
        assert!(vault.delete(&item(), &quiet(), None).unwrap());
        assert_eq!(read_all(), [b""; 0]);
    });
}

#[test]
fn each_of_several_items_is_read_and_equal_ones_once() {
    inside("each_of_several_items_is_read_and_equal_ones_once", State::Unlocked, |_| {
        let collections = Collections::connect();
        let second = collections.create("Second");
        for (collection, secret) in
            [(Collections::LOGIN, "1"), (&second, "1"), (Collections::LOGIN, "1"), (&second, "2")]
        {
            collections.add(collection, &NAMES, secret.as_bytes());
        }
        collections.add(Collections::SESSION, &NAMES, b"");
        assert_eq!(read_all(), [b"1", b"2"], "and what is unfinished is left out");
        let vault = Vault::os();
        let first = collections.secret(&collections.find(&NAMES)[0][0]);
        match vault.read(&item(), &quiet()) {
            Ok(secret) => assert_eq!(*secret.unwrap(), first, "as libsecret"),
            Err(error) => assert!(first.is_empty(), "{error:?}"),
        }
        assert!(!vault.delete_if(&item(), &quiet(), None, |secret| secret == b"3").unwrap());
        assert!(vault.delete_if(&item(), &quiet(), None, |secret| secret == b"1").unwrap());
        assert_eq!(read_all(), [b"2"]);
        assert!(vault.delete_if(&item(), &quiet(), None, |secret| secret == b"2").unwrap());
        let only_unfinished = vault.read_all(&item(), &quiet());
        assert!(matches!(only_unfinished, Err(VaultError::Unfinished)), "{only_unfinished:?}");
        assert!(vault.delete_if(&item(), &quiet(), None, <[u8]>::is_empty).unwrap());
        assert_eq!(read_all(), [b""; 0]);
        assert_eq!(collections.find(&NAMES)[0], [""; 0]);
    });
}

#[test]
fn an_item_that_another_program_makes_or_locks_is_noticed_by_who_knows_the_place() {
    let test = "an_item_that_another_program_makes_or_locks_is_noticed_by_who_knows_the_place";
    inside(test, State::Unlocked, |_| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        vault.create(&item(), b"0", &quiet()).unwrap();
        let read = || vault.read(&item(), &quiet()).unwrap().unwrap().to_vec();
        assert_eq!(read(), b"0");
        let mut came_first = 0;
        // The service's order is that of a hash table, so a new item may come anywhere.
        for number in 1..1000 {
            let secret = number.to_string();
            let added = collections.add(Collections::LOGIN, &NAMES, secret.as_bytes());
            let first = &collections.find(&NAMES)[0][0];
            assert_eq!(collections.secret(first), read(), "libsecret takes the first one");
            match *first == added {
                true => came_first += 1,
                false => collections.remove(&added),
            }
            if came_first == 3 {
                break;
            }
        }
        assert_eq!(came_first, 3, "hardly a new item came first");
        vault.write(&item(), b"written", &quiet(), None).unwrap();
        assert_eq!(collections.secret(&collections.find(&NAMES)[0][0]), b"written");
        let second = collections.create("Second");
        collections.add(&second, &NAMES, b"second");
        collections.lock(Collections::LOGIN);
        assert_eq!(read(), b"second", "the other ones are locked by now");
        collections.lock(&second);
        assert!(is_locked(vault.read(&item(), &quiet())));
    });
}

#[test]
fn a_locked_item_is_locked_and_none_beside_it_is_deleted() {
    inside("a_locked_item_is_locked_and_none_beside_it_is_deleted", State::Unlocked, |_| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        let second = collections.create("Second");
        collections.add(&second, &NAMES, b"locked");
        collections.lock(&second);
        assert!(is_locked(vault.read_all(&item(), &quiet())));
        assert!(is_locked(vault.read(&item(), &quiet())));
        assert!(is_locked(vault.write(&item(), b"new", &quiet(), None)));
        assert!(is_locked(vault.list(&item(), &quiet())));
        vault.unlock(&quiet()).unwrap();
        assert!(is_locked(vault.unlock_for(&item(), &quiet())), "it lies elsewhere");
        collections.add(Collections::LOGIN, &NAMES, b"open");
        vault.unlock_for(&item(), &quiet()).unwrap();
        assert_eq!(read_all(), [b"open"]);
        assert!(is_locked(vault.delete(&item(), &quiet(), None)));
        assert!(is_locked(vault.delete_if(&item(), &quiet(), None, |_| true)));
        assert!(is_locked(vault.would_delete_if(&item(), &quiet(), |_| true)));
        assert_eq!(read_all(), [b"open"]);
        collections.unlock(&second);
        assert!(vault.delete(&item(), &quiet(), None).unwrap());
        assert_eq!(collections.find(&NAMES).concat(), [""; 0]);
    });
}

#[test]
fn no_other_item_is_taken_while_the_one_that_is_meant_is_locked() {
    let test = "no_other_item_is_taken_while_the_one_that_is_meant_is_locked";
    inside(test, State::Unlocked, |_| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        let [one, two] = ["1", "2"].map(|more| [NAMES.as_slice(), &[("more", more)]].concat());
        let second = collections.create("Second");
        let theirs = collections.add(Collections::LOGIN, &one, b"another's");
        collections.add(&second, &two, b"another's, too");
        collections.lock(&second);
        let read = || vault.read(&item(), &quiet());
        assert_eq!(*read().unwrap().unwrap(), b"another's", "none is exactly ours");
        collections.unlock(&second);
        collections.add(&second, &NAMES, b"ours");
        assert_eq!(*read().unwrap().unwrap(), b"ours");
        collections.lock(&second);
        assert!(is_locked(read()));
        assert!(is_locked(vault.write(&item(), b"new", &quiet(), None)));
        assert!(is_locked(vault.unlock_for(&item(), &quiet())));
        assert_eq!(collections.secret(&theirs), b"another's");
        collections.unlock(&second);
        vault.unlock_for(&item(), &quiet()).unwrap();
        vault.write(&item(), b"new", &quiet(), None).unwrap();
        assert_eq!(*read().unwrap().unwrap(), b"new");
        assert_eq!(collections.secret(&theirs), b"another's");
    });
}

#[test]
fn of_a_collection_that_was_never_unlocked_it_is_told_what_may_be_ours() {
    let test = "of_a_collection_that_was_never_unlocked_it_is_told_what_may_be_ours";
    inside(test, State::Unlocked, |keyring| {
        let vault = Vault::os();
        let (plain, other) = (Item::new("service", "account"), Item::new("other", "account"));
        for ours in [&plain, &item()] {
            vault.create(ours, b"ours", &quiet()).unwrap();
        }
        let more = other.attributes.iter().map(|(name, value)| (&**name, &**value));
        let more: Vec<_> = more.chain([("more", "1")]).collect();
        Collections::connect().add(Collections::LOGIN, &more, b"another's");
        keyring.kill_daemon().unwrap();
        // The bus starts another daemon, which has read the names alone.
        for ours in [&plain, &item()] {
            assert!(is_locked(vault.delete(ours, &quiet(), None)), "{ours:?}");
        }
        assert!(!vault.delete(&other, &quiet(), None).unwrap(), "it has more");
        keyring.unlock().unwrap();
        for ours in [&plain, &item()] {
            assert!(vault.delete(ours, &quiet(), None).unwrap(), "{ours:?}");
        }
        assert!(!vault.delete(&other, &quiet(), None).unwrap());
        assert!(vault.read(&other, &quiet()).unwrap().is_some());
    });
}

#[test]
fn a_locked_collection_may_hide_a_key_but_not_where_a_new_item_goes() {
    let test = "a_locked_collection_may_hide_a_key_but_not_where_a_new_item_goes";
    inside(test, State::Unlocked, |keyring| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        let second = collections.create("Second");
        collections.add(&second, &[NAMES[0], NAMES[1], ("key-id", "two")], b"another key");
        collections.lock(&second);
        keyring.kill_daemon().unwrap();
        // The bus starts another daemon, which tells the names alone of what it never unlocked.
        assert!(is_locked(vault.read_all(&item(), &quiet())), "all is locked");
        keyring.wait_for_daemon().unwrap();
        keyring.unlock().unwrap();
        let collections = Collections::connect();
        // It tells the hash of each value, too.
        assert_eq!(vault.read_all(&item(), &quiet()).unwrap().len(), 0, "another key lies there");
        let there =
            Item::new("tests", "two").with_attributes([NAMES[0], NAMES[1], ("key-id", "two")]);
        assert!(is_locked(vault.read_all(&there, &quiet())), "this key lies there");
        assert!(is_locked(vault.read(&there, &quiet())));
        assert!(is_locked(vault.delete(&there, &quiet(), None)));
        assert!(is_locked(vault.list(&item(), &quiet())));
        assert!(is_locked(vault.unlock_for(&there, &quiet())));
        // What a search does find is neither taken in its place nor deleted without it.
        let more = [NAMES[0], NAMES[1], ("key-id", "two"), ("more", "1")];
        let theirs = collections.add(Collections::LOGIN, &more, b"another's");
        assert!(is_locked(vault.read(&there, &quiet())));
        assert!(is_locked(vault.write(&there, b"new", &quiet(), None)));
        assert!(is_locked(vault.unlock_for(&there, &quiet())));
        collections.add(Collections::LOGIN, &more[..3], b"open");
        assert_eq!(*vault.read(&there, &quiet()).unwrap().unwrap(), b"open");
        assert!(is_locked(vault.delete_if(&there, &quiet(), None, |_| true)));
        assert!(is_locked(vault.would_delete_if(&there, &quiet(), |_| true)));
        assert_eq!(collections.secret(&theirs), b"another's");
        assert!(vault.read(&item(), &quiet()).unwrap().is_none(), "nobody opens it");
        vault.write(&item(), b"new", &quiet(), None).unwrap();
        assert_eq!(read_all(), [b"new"]);
        collections.set_default(&second);
        assert_eq!(*vault.read(&item(), &quiet()).unwrap().unwrap(), b"new");
        assert!(vault.delete(&item(), &quiet(), None).unwrap());
        assert!(is_locked(vault.write(&item(), b"new", &quiet(), None)));
        assert!(is_locked(vault.create(&item(), b"new", &quiet())));
    });
}

#[test]
fn a_locked_collection_without_such_a_key_hides_none() {
    inside("a_locked_collection_without_such_a_key_hides_none", State::Unlocked, |keyring| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        let second = collections.create("Second");
        let key = [("xdg:schema", "another"), ("name", "somebody")];
        let is_absent = |vault: &Vault| {
            assert_eq!(vault.read_all(&item(), &quiet()).unwrap().len(), 0);
            assert_eq!(vault.list(&item(), &quiet()).unwrap().expect("it can list").len(), 0);
        };
        collections.lock(&second);
        is_absent(&vault);
        collections.unlock(&second);
        collections.add(&second, &key, b"another's");
        collections.lock(&second);
        is_absent(&vault);
        // The bus starts another daemon, which tells the names alone of what it never unlocked.
        keyring.kill_daemon().unwrap();
        assert!(is_locked(vault.read_all(&item(), &quiet())), "all is locked");
        keyring.wait_for_daemon().unwrap();
        keyring.unlock().unwrap();
        is_absent(&vault);
        let collections = Collections::connect();
        collections.unlock(&second);
        collections.add(&second, &NAMES, b"ours");
        collections.lock(&second);
        assert!(is_locked(vault.read_all(&item(), &quiet())), "it is found, locked");
        assert!(is_locked(vault.list(&item(), &quiet())));
    });
}

#[test]
fn without_a_default_collection_what_is_there_is_read_and_nothing_is_made() {
    let test = "without_a_default_collection_what_is_there_is_read_and_nothing_is_made";
    inside(test, State::Unlocked, |keyring| {
        // The bus starts another daemon, without the collection that a login makes.
        keyring.kill_daemon().unwrap();
        std::fs::remove_dir_all(keyring.files()).unwrap();
        let vault = Vault::os();
        let says_so = |result: Result<(), VaultError>| match result {
            Err(VaultError::Missing { reason, .. }) => {
                assert!(reason.contains("default"), "{reason}")
            }
            other => panic!("{other:?}"),
        };
        says_so(vault.write(&item(), b"new", &quiet(), None));
        says_so(vault.read(&item(), &quiet()).map(drop));
        says_so(vault.read_all(&item(), &quiet()).map(drop));
        Vault::os_in(Collection::Session).write(&item(), b"key", &quiet(), None).unwrap();
        assert_eq!(*vault.read(&item(), &quiet()).unwrap().unwrap(), b"key");
        vault.write(&item(), b"new", &quiet(), None).unwrap();
        assert_eq!(read_all(), [b"new"]);
    });
}

#[test]
fn all_items_of_a_service_are_listed_by_their_account() {
    inside("all_items_of_a_service_are_listed_by_their_account", State::Unlocked, |_| {
        let (vault, collections) = (Vault::os(), Collections::connect());
        let second = collections.create("Second");
        let key = |id| [NAMES[0], NAMES[1], ("key-id", id)];
        assert_eq!(vault.list(&item(), &quiet()).unwrap().expect("it can list").len(), 0);
        collections.add(Collections::LOGIN, &key("one"), b"1");
        collections.add(&second, &key("two"), b"2");
        collections.add(&second, &NAMES[..2], b"has no account");
        collections.add(&second, &[NAMES[0], ("application", "b"), NAMES[2]], b"another's");
        let listed = vault.list(&item(), &quiet()).unwrap().expect("it can list");
        let mut listed: Vec<_> =
            listed.iter().map(|item| (&*item.account, &**item.secret)).collect();
        listed.sort();
        assert_eq!(listed, [("one", &b"1"[..]), ("two", b"2")]);
        let everything = Item::new("a", "one").with_attributes([("key-id", "one")]);
        assert!(vault.list(&everything, &quiet()).unwrap().is_none());
    });
}
