//! What `tokenkeep doctor` says of keys that no cache names, and which of them it removes. In a
//! real keyring.
#![allow(clippy::unwrap_used, reason = "a test may")]
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use support::{EVENT, TOKEN, program, run, text};
use tokenkeep_test_support::{
    create_private, hexadecimal,
    keyring::{Keyring, State, inside},
};

/// A cache with a sign-in whose key is in the session's keyring.
struct Cache<'a> {
    keyring: &'a Keyring,
    folder: PathBuf,
}

impl<'a> Cache<'a> {
    fn new(keyring: &'a Keyring, folder: PathBuf) -> Self {
        let cache = Self { keyring, folder };
        let added = run(cache.command().arg("add"), EVENT);
        assert!(added.status.success(), "{}", text(&added.stderr));
        cache
    }

    fn command(&self) -> Command {
        let mut command = program();
        command.envs(self.keyring.envs()).arg("--cache").arg(&self.folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(self.command().args(arguments), "")
    }

    fn file(&self) -> PathBuf {
        self.folder.join("cache.sealed")
    }

    fn key_id(&self) -> String {
        hexadecimal(&fs::read(self.file()).unwrap()[16..32])
    }

    /// The identifiers that the doctor lists.
    fn listed(&self) -> Vec<String> {
        let report: Value =
            serde_json::from_slice(&self.run(&["doctor", "--json"]).stdout).unwrap();
        let listed = report["left_over_keys"].as_array().unwrap_or_else(|| panic!("{report:#}"));
        listed.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    }

    fn remove(&self, id: &str) -> (i32, String) {
        let output = self.run(&["doctor", "--remove-key", id]);
        (output.status.code().unwrap(), text(&output.stderr))
    }

    fn is_readable(&self) -> bool {
        self.run(&TOKEN).status.success()
    }
}

fn write(path: &Path, bytes: &[u8]) {
    create_private(path).write_all(bytes).unwrap();
}

#[test]
fn a_key_whose_cache_is_gone_is_listed_and_removed() {
    inside("a_key_whose_cache_is_gone_is_listed_and_removed", State::Unlocked, |keyring| {
        let place = tempfile::tempdir().unwrap();
        let kept = Cache::new(keyring, place.path().join("kept"));
        // A name that would move the reader's cursor.
        let gone = Cache::new(keyring, place.path().join("gone\u{1b}[2J\u{202e}\n"));
        let (kept_id, id) = (kept.key_id(), gone.key_id());
        assert_eq!(kept.listed(), [""; 0], "every key has its cache");
        assert_eq!(gone.remove(&id).0, 1, "a cache names it");
        fs::remove_file(gone.file()).unwrap();

        assert_eq!(kept.listed(), [&*id]);
        let shown = text(&kept.run(&["doctor"]).stdout);
        assert!(shown.contains(&format!("doctor --remove-key {id}")), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
        assert!(!shown.contains(&kept_id), "{shown}");

        assert_eq!(kept.remove(&kept_id).0, 1);
        assert_eq!(kept.remove(&id), (0, format!("removed the key {id}\n")));
        assert_eq!(kept.listed(), [""; 0]);
        assert_eq!(kept.remove(&id).0, 3, "it is gone");
        assert_eq!(kept.remove("no identifier").0, 2);
        assert!(kept.is_readable());
    });
}

#[test]
fn a_key_that_a_file_names_or_may_name_is_neither_listed_nor_removed() {
    let name = "a_key_that_a_file_names_or_may_name_is_neither_listed_nor_removed";
    inside(name, State::Unlocked, |keyring| {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::new(keyring, place.path().join("cache"));
        let (id, sealed) = (cache.key_id(), fs::read(cache.file()).unwrap());
        let stays = |why: &str| {
            assert_eq!(cache.listed(), [""; 0], "{why}");
            let (code, said) = cache.remove(&id);
            assert!(code != 0 && code != 3, "{why}: {code} {said}");
        };
        stays("the cache names it");

        let aside = cache.folder.join(format!("cache.quarantine-{}", "a".repeat(32)));
        fs::rename(cache.file(), &aside).unwrap();
        stays("what was set aside names it");
        let copy = cache.folder.join("cache.sealed.bak");
        fs::rename(&aside, &copy).unwrap();
        stays("a copy under another name names it");
        fs::rename(&copy, place.path().join("elsewhere")).unwrap();
        write(&cache.file(), &sealed[..20]);
        stays("a damaged cache may have named it");
        fs::remove_file(cache.file()).unwrap();
        fs::create_dir(cache.file()).unwrap();
        stays("what lies there cannot be read");
        fs::remove_dir(cache.file()).unwrap();
        let moved = place.path().join("moved");
        fs::rename(&cache.folder, &moved).unwrap();
        stays("the folder is not there");
        fs::rename(&moved, &cache.folder).unwrap();

        assert_eq!(cache.listed(), [&*id], "and now nothing names it");
        write(&cache.file(), &sealed);
        stays("it came back between the list and the removal");
        assert!(cache.is_readable());
    });
}

#[test]
fn a_key_that_says_nothing_is_nobodys_and_stays() {
    inside("a_key_that_says_nothing_is_nobodys_and_stays", State::Unlocked, |keyring| {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::new(keyring, place.path().join("cache"));
        let id = "0123456789abcdef".repeat(2);
        let mut store = keyring.command("secret-tool");
        store.args(["store", "--label=bare", "application", "tokenkeep", "key-id", &id]);
        store.args(["xdg:schema", "io.github.tokenkeep.Key"]);
        assert!(run(&mut store, &"k".repeat(32)).status.success());
        assert_eq!(cache.listed(), [""; 0]);
        let (code, said) = cache.remove(&id);
        assert!(code == 1 && said.contains("does not say"), "{code} {said}");
    });
}

#[test]
fn without_a_vault_no_key_is_removed_and_the_reason_is_told() {
    let name = "without_a_vault_no_key_is_removed_and_the_reason_is_told";
    inside(name, State::Absent, |keyring| {
        let mut command = program();
        let id = "0123456789abcdef".repeat(2);
        command.envs(keyring.envs()).args(["doctor", "--remove-key", &id]);
        assert_eq!(run(&mut command, "").status.code(), Some(4));
    });
}
