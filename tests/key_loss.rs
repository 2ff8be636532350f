//! The sealed cache when its key is out of reach: deleted, in another keyring, in another service,
//! or behind a service that was just killed. Every program that opens the cache is a process of its
//! own.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

mod support;

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write, stdin},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use support::{OpenCache, Place, STORE, event, request, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{Error, KeySource, PersistedTokenCache};
use tokenkeep_test_support::{
    Tool, again,
    collections::Collections,
    keyring::{Keyring, Provider, State, inside},
    need, task,
};

fn open(folder: &Path) -> Result<PersistedTokenCache, Error> {
    SealedPersistence::builder(STORE).folder(folder).key_source(KeySource::OsVault).cache()
}

#[test]
fn a_key_deleted_from_the_vault_leaves_the_ciphertext_alone() {
    if let Some(folder) = task() {
        return attempts(Path::new(&folder));
    }
    let name = "a_key_deleted_from_the_vault_leaves_the_ciphertext_alone";
    inside(name, State::Unlocked, |keyring| {
        let place = signed_in();
        assert_eq!(keys(keyring), 1);
        let clear = ["clear", "application", "tokenkeep"];
        assert!(keyring.command("secret-tool").args(clear).status().unwrap().success());
        refuse_a_hundred_times(|| {
            again(a_key_deleted_from_the_vault_leaves_the_ciphertext_alone, place.folder())
        });
        assert_eq!(keys(keyring), 0, "no new key was made over it");
    });
}

#[test]
fn a_key_that_is_gone_is_said_to_be_while_a_collection_of_others_stays_locked() {
    let name = "a_key_that_is_gone_is_said_to_be_while_a_collection_of_others_stays_locked";
    inside(name, State::Unlocked, |keyring| {
        let collections = Collections::connect();
        let second = collections.create("Second");
        collections.add(&second, &[("name", "somebody")], b"another's");
        collections.lock(&second);
        let place = signed_in();
        let clear = ["clear", "application", "tokenkeep"];
        assert!(keyring.command("secret-tool").args(clear).status().unwrap().success());
        let read = open(&place.folder()).and_then(|cache| cache.accounts());
        assert!(matches!(read, Err(Error::KeyGone { .. })), "{read:?}");
        let unopened = SealedPersistence::builder(STORE).folder(place.folder());
        let sealed = unopened.key_source(KeySource::OsVault).build().unwrap();
        PersistedTokenCache::new(sealed).quarantine().unwrap().unwrap();
        let cache = open(&place.folder()).unwrap();
        cache.add(&event("client", "again")).unwrap();
        cache.clear().unwrap();
        assert_eq!(keys(keyring), 0);
        let left = fs::read_dir(place.folder()).unwrap().map(|file| file.unwrap().file_name());
        let is_lock = |name: &OsString| {
            ["cache.lock", "cache.queue", "cache.holder"].iter().any(|lock| name == lock)
        };
        assert!(left.into_iter().all(|name| is_lock(&name)), "what was set aside is gone, too");
    });
}

#[test]
fn a_keyring_replaced_by_an_empty_one_leaves_the_ciphertext_alone() {
    if let Some(folder) = task() {
        return attempts(Path::new(&folder));
    }
    let name = "a_keyring_replaced_by_an_empty_one_leaves_the_ciphertext_alone";
    inside(name, State::Unlocked, |keyring| {
        let place = signed_in();
        let aside = place.path().join("aside");
        copy(&keyring.files(), &aside);
        keyring.replace_by_empty().unwrap();
        refuse_a_hundred_times(|| {
            again(a_keyring_replaced_by_an_empty_one_leaves_the_ciphertext_alone, place.folder())
        });
        assert_eq!(keys(keyring), 0, "no new key was made over it");

        keyring.kill_daemon().unwrap();
        copy(&aside, &keyring.files());
        keyring.start_daemon().unwrap();
        assert_eq!(token(&open(&place.folder()).unwrap(), "client").as_deref(), Some("kept"));
    });
}

#[test]
fn another_service_answering_leaves_the_ciphertext_alone() {
    if let Some(folder) = task() {
        return attempts(Path::new(&folder));
    }
    if !need(Tool::KWallet) {
        return;
    }
    let name = "another_service_answering_leaves_the_ciphertext_alone";
    inside(name, State::Unlocked, |keyring| {
        let place = signed_in();
        let other = keyring.replace_by(Provider::KWallet).unwrap();
        refuse_a_hundred_times(|| {
            again(another_service_answering_leaves_the_ciphertext_alone, place.folder())
        });
        assert_eq!(keys(&other), 0, "no new key was made over it");

        // Another cache's first sign-in goes to it as to any other; locked, what it holds cannot be
        // told.
        let beside = signed_in();
        assert_eq!(token(&open(&beside.folder()).unwrap(), "client").as_deref(), Some("kept"));
        assert_eq!(keys(&other), 1);
        other.lock().unwrap();
        let locked = open(&place.folder()).and_then(|cache| cache.accounts().map(drop));
        assert!(matches!(locked, Err(Error::VaultLocked { .. })), "{locked:?}");

        other.replace_by(Provider::GnomeKeyring).unwrap();
        assert_eq!(token(&open(&place.folder()).unwrap(), "client").as_deref(), Some("kept"));
    });
}

#[test]
fn a_keyring_killed_at_any_moment_is_never_an_absent_key() {
    if let Some(mut folder) = task().map(PathBuf::from) {
        let first = folder.ends_with("first");
        folder.pop();
        return if first { first_runs(&folder) } else { updates(&folder) };
    }
    let name = "a_keyring_killed_at_any_moment_is_never_an_absent_key";
    inside(name, State::Unlocked, |keyring| {
        let seed = env::var("TOKENKEEP_SEED").map_or(1, |seed| seed.parse().unwrap());
        let rounds: u32 = env::var("TOKENKEEP_KILLS").map_or(20, |n| n.parse().unwrap());
        let mut random: u64 = seed;
        let place = signed_in();
        let (sender, said) = channel();
        let mut workers = KINDS.map(|kind| worker(place.path(), kind, &sender));
        drop(sender);
        let mut kept = Vec::new();
        let mut refusals = 0;
        for _ in 0..rounds {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let end = kept.len() + 1 + (random % 7) as usize;
            hear(&said, &mut kept, |kept, _| kept.len() >= end, |kind| go_on(&mut workers[kind]));
            keyring.kill_daemon().unwrap();
            refusals += hear(&said, &mut kept, |_, refused| refused.iter().all(|n| *n > 0), |_| {});
            keyring.wait_for_daemon().unwrap();
            keyring.unlock().unwrap();
            workers.iter_mut().for_each(go_on);
        }
        let end = kept.len() + 4;
        hear(&said, &mut kept, |kept, _| kept.len() >= end, |kind| go_on(&mut workers[kind]));
        fs::File::create(place.path().join("stop")).unwrap();
        hear(&said, &mut kept, |_, _| false, |kind| go_on(&mut workers[kind]));
        for worker in &mut workers {
            assert!(worker.wait().unwrap().success(), "seed {seed}");
        }
        let shared = open(&place.folder()).unwrap();
        assert_eq!(token(&shared, "client").as_deref(), Some("kept"));
        for (kind, client) in &kept {
            let found = match kind.as_str() {
                "first" => token(&open(&place.path().join(client)).unwrap(), client),
                _ => token(&shared, client),
            };
            assert_eq!(found.as_deref(), Some("kept"), "seed {seed}: {kind} {client}");
        }
        println!(
            "measured: {rounds} kills of the keyring, {} sign-ins acknowledged and all there, {} refusals, seed {seed}",
            kept.len(),
            refusals * REFUSALS
        );
    });
}

/// A place with a sign-in whose key is in the vault.
fn signed_in() -> Place {
    let place = Place::new();
    open(&place.folder()).unwrap().add(&event("client", "kept")).unwrap();
    place
}

/// Ten programs one after another, each with ten loads and ten saves.
fn refuse_a_hundred_times(program: impl Fn() -> Command) {
    for _ in 0..10 {
        let output = program().output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), output.stderr);
        assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&err));
        assert_eq!(out.lines().filter(|line| *line == REFUSED).count(), 20, "{out}");
    }
}

/// A program that has no way to the key; the file's bytes, inode and time are compared after each
/// attempt.
fn attempts(folder: &Path) {
    let file = folder.join("cache.sealed");
    let state = || {
        let metadata = fs::metadata(&file).unwrap();
        (fs::read(&file).unwrap(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
    };
    let before = state();
    let refuse = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::KeyGone { .. })), "{result:?}");
        assert!(state() == before, "the ciphertext was touched");
        println!("\n{REFUSED}");
    };
    for _ in 0..10 {
        let cache = open(folder).unwrap();
        refuse(cache.accounts().map(drop));
        refuse(cache.add(&event("client", "no")));
    }
}

/// A program that signs in again and again, each time as if it had just started, and reads what was
/// there before.
fn updates(place: &Path) {
    let folder = place.join("cache");
    for number in 0.. {
        let client = format!("update{number}");
        until_kept("updates", &client, || {
            let cache = open(&folder)?;
            let before = cache.find_access_token(&request("client"))?;
            assert!(before.is_some(), "an absent sign-in");
            cache.add(&event(&client, "kept"))
        });
        if place.join("stop").exists() {
            return;
        }
    }
}

/// A program that makes cache after cache, each with a key of its own.
fn first_runs(place: &Path) {
    for number in 0.. {
        let client = format!("first{number}");
        let folder = place.join(&client);
        until_kept("first", &client, || open(&folder)?.add(&event(&client, "kept")));
        if place.join("stop").exists() {
            return;
        }
    }
}

/// Tries until it succeeds. After some refusals it waits to be told that the vault is open again.
fn until_kept(kind: &str, client: &str, mut attempt: impl FnMut() -> Result<(), Error>) {
    for refusals in 1.. {
        match attempt() {
            Ok(()) => return println!("\nkept {kind} {client}"),
            Err(Error::VaultLocked { .. } | Error::VaultMissing { .. }) => {}
            // Only who makes a key writes to the vault; after such an answer it is not asked for a
            // while.
            Err(Error::OutcomeUnknown { .. } | Error::VaultTimeout { .. }) if kind == "first" => {}
            Err(error) => return println!("\nbroken {kind} {client}: {error:?}"),
        }
        if refusals % REFUSALS == 0 {
            println!("\nrefused {kind}");
            stdin().read_line(&mut String::new()).unwrap();
        }
    }
}

fn worker(place: &Path, kind: &str, lines: &Sender<String>) -> Child {
    let mut child = again(a_keyring_killed_at_any_moment_is_never_an_absent_key, place.join(kind))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, lines) = (BufReader::new(child.stdout.take().unwrap()), lines.clone());
    thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    child
}

fn go_on(worker: &mut Child) {
    worker.stdin.as_mut().unwrap().write_all(b"go on\n").unwrap();
}

/// Takes in what the programs say until `done`, or until they have ended. How often they were
/// refused.
fn hear(
    said: &Receiver<String>,
    kept: &mut Vec<(String, String)>,
    done: impl Fn(&[(String, String)], &[u32; 2]) -> bool,
    mut when_refused: impl FnMut(usize),
) -> u32 {
    let mut refused = [0; 2];
    while !done(kept, &refused) {
        let Ok(line) = said.recv() else { break };
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["kept", kind, client] => kept.push((kind.to_owned(), client.to_owned())),
            ["refused", kind] => {
                let kind = KINDS.iter().position(|name| *name == kind).unwrap();
                refused[kind] += 1;
                when_refused(kind);
            }
            ["broken", ..] => panic!("{line}"),
            _ => {}
        }
    }
    refused.iter().sum()
}

/// How many items of ours the service has, as another program sees them.
fn keys(keyring: &Keyring) -> usize {
    let search = ["search", "--all", "application", "tokenkeep"];
    let output = keyring.command("secret-tool").args(search).output().unwrap();
    String::from_utf8_lossy(&output.stdout).matches("label = ").count()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

const REFUSED: &str = "refused, and the ciphertext as it was";
/// How often a program tries a locked vault before it waits.
const REFUSALS: u32 = 10;
/// What the programs beside a killed keyring do.
const KINDS: [&str; 2] = ["first", "updates"];
