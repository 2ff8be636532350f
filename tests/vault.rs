//! The sealed cache with its key in a real gnome-keyring.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Stdio},
};

use support::{OpenCache, Place, STORE, event, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{Error, KeySource, PersistedTokenCache};
use tokenkeep_test_support::{
    again,
    keyring::{Keyring, State, inside},
    task,
};

fn open(place: &Place) -> Result<PersistedTokenCache, Error> {
    place.builder().key_source(KeySource::OsVault).cache()
}

#[test]
fn the_key_is_in_the_vault_and_no_secret_is_in_any_file() {
    inside("the_key_is_in_the_vault_and_no_secret_is_in_any_file", State::Unlocked, |keyring| {
        let place = Place::new();
        let cache = open(&place).unwrap();
        cache.add(&event("client", "a-token-nobody-may-see")).unwrap();
        assert_eq!(
            token(&open(&place).unwrap(), "client").as_deref(),
            Some("a-token-nobody-may-see")
        );
        let keys = keys(keyring);
        assert_eq!(keys.len(), 1, "{keys:?}");
        for folder in [place.folder(), keyring.files()] {
            for (path, bytes) in files(&folder) {
                assert!(!contains(&bytes, b"nobody-may-see"), "{path}");
                assert!(!contains(&bytes, &keys[0][..8]), "a part of the key is in {path}");
            }
        }
        cache.clear().unwrap();
        assert_eq!(self::keys(keyring).len(), 0, "clear removes the key");
    });
}

#[test]
fn a_locked_vault_is_an_error_and_nothing_is_lost() {
    inside("a_locked_vault_is_an_error_and_nothing_is_lost", State::Unlocked, |keyring| {
        let place = Place::new();
        let cache = open(&place).unwrap();
        cache.add(&event("client", "kept")).unwrap();
        let sealed = fs::read(place.file()).unwrap();
        let another = open(&place).unwrap();
        keyring.lock().unwrap();
        assert!(matches!(another.accounts(), Err(Error::VaultLocked { .. })));
        assert!(matches!(another.add(&event("client", "no")), Err(Error::VaultLocked { .. })));
        assert!(matches!(open(&place), Err(Error::VaultLocked { .. })));
        let (memory, why) = PersistedTokenCache::open_or_memory(STORE);
        assert!(matches!(why, Some(Error::VaultLocked { .. })), "{why:?}");
        memory.add(&event("client", "for now")).unwrap();
        cache.add(&event("client", "still")).expect("a key in memory goes on working");
        keyring.unlock().unwrap();
        assert_eq!(token(&another, "client").as_deref(), Some("still"));
        assert_ne!(fs::read(place.file()).unwrap(), sealed);
    });
}

#[test]
fn without_a_vault_the_error_says_what_is_missing_and_what_the_choices_are() {
    inside(
        "without_a_vault_the_error_says_what_is_missing_and_what_the_choices_are",
        State::Absent,
        |_| {
            let place = Place::new();
            let error = open(&place).unwrap_err();
            let text = format!("{error}: {}", error.next_step());
            assert!(matches!(error, Error::VaultServiceMissing { .. }), "{text}");
            for choice in ["passphrase", "key file", "callback", "memory"] {
                assert!(text.contains(choice), "{text}");
            }
            assert!(!place.folder().exists());
        },
    );
}

#[test]
fn a_cache_for_the_login_session_lies_in_its_folder() {
    inside("a_cache_for_the_login_session_lies_in_its_folder", State::Unlocked, |_| {
        let open = || SealedPersistence::builder(STORE).for_login_session().cache().unwrap();
        open().add(&event("client", "until logout")).unwrap();
        assert_eq!(token(&open(), "client").as_deref(), Some("until logout"));
        let runtime = env::var("XDG_RUNTIME_DIR").unwrap();
        let file = Path::new(&runtime).join("tokenkeep").join(STORE).join("cache.sealed");
        assert!(file.is_file(), "{}", file.display());
    });
}

#[test]
fn a_key_that_was_made_in_vain_is_removed_again() {
    inside("a_key_that_was_made_in_vain_is_removed_again", State::Unlocked, |keyring| {
        let place = Place::new();
        open(&place).unwrap().remove_expired().unwrap();
        assert_eq!(keys(keyring).len(), 0, "nothing was saved");

        let cache = open(&place).unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let cache = &cache;
                let event = event(&format!("client{number}"), "kept");
                scope.spawn(move || cache.add(&event).unwrap());
            }
        });
        drop(cache);
        assert_eq!(keys(keyring).len(), 1, "one key for one cache");
        assert_eq!(token(&open(&place).unwrap(), "client7").as_deref(), Some("kept"));
    });
}

#[test]
fn clear_by_one_value_while_another_is_alive_and_adds() {
    inside("clear_by_one_value_while_another_is_alive_and_adds", State::Unlocked, |keyring| {
        let place = Place::new();
        let (alive, other) = (open(&place).unwrap(), open(&place).unwrap());
        for round in 0..20 {
            alive.add(&event("client", &round.to_string())).unwrap();
            other.clear().unwrap();
            alive.add(&event("client", "after")).unwrap();
            assert_eq!(token(&open(&place).unwrap(), "client").as_deref(), Some("after"));
            assert_eq!(keys(keyring).len(), 1);
        }
    });
}

#[test]
fn two_first_runs_at_once_keep_both_sign_ins_under_one_key() {
    if let Some(client) = task() {
        return first_runs(&client.into_string().unwrap());
    }
    inside("two_first_runs_at_once_keep_both_sign_ins_under_one_key", State::Unlocked, |keyring| {
        let rounds: usize = env::var("TOKENKEEP_FIRST_RUNS").map_or(200, |n| n.parse().unwrap());
        let mut workers: Vec<Child> = ["a", "b"].into_iter().map(first_runner).collect();
        for round in 0..rounds {
            let place = Place::new();
            for worker in &mut workers {
                let line = format!("{}\n", place.path().display());
                worker.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
            }
            for worker in &mut workers {
                assert_eq!(line(worker), "kept", "round {round}");
            }
            let cache = open(&place).unwrap();
            for client in ["a", "b"] {
                assert_eq!(token(&cache, client).as_deref(), Some("secret"), "round {round}");
            }
            assert_eq!(keys(keyring).len(), 1, "round {round}: the other key was removed again");
            cache.clear().unwrap();
        }
        println!("measured: {rounds} double first runs, both sign-ins kept, one key each");
        for mut worker in workers {
            drop(worker.stdin.take());
            assert!(worker.wait().unwrap().success());
        }
    });
}

/// For each folder that it is given, begins a program's work again.
fn first_runs(client: &str) {
    println!("ready");
    for place in std::io::stdin().lock().lines() {
        let place = place.unwrap();
        let cache = SealedPersistence::builder(STORE)
            .folder(Path::new(&place).join("cache"))
            .key_source(KeySource::OsVault)
            .cache()
            .unwrap();
        match cache.add(&event(client, "secret")) {
            Ok(()) => println!("kept"),
            Err(error) => println!("{error:?}"),
        }
    }
}

fn first_runner(client: &str) -> Child {
    let mut child = again(two_first_runs_at_once_keep_both_sign_ins_under_one_key, client)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while line(&mut child) != "ready" {}
    child
}

/// The next line, byte by byte so that nothing is read ahead.
fn line(child: &mut Child) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while child.stdout.as_mut().unwrap().read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// The secrets of our items in the keyring, as another program sees them.
fn keys(keyring: &Keyring) -> Vec<Vec<u8>> {
    let output = keyring
        .command("secret-tool")
        .args(["search", "--all", "application", "tokenkeep"])
        .output()
        .unwrap();
    let listed = output.stdout;
    let marker = b"secret = ";
    let starts = listed.windows(marker.len()).enumerate().filter(|(_, w)| w == marker);
    starts.map(|(at, _)| listed[at + marker.len()..].iter().take(32).copied().collect()).collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), BufReader::new(fs::File::open(path).unwrap())))
        .map(|(name, mut reader)| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        })
        .collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
