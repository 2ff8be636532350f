//! The program on the cache that it shares with programs in other languages, with real vaults and
//! the real Python.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]
// Not on macOS: its Keychain is not tested
#![cfg(any(target_os = "linux", windows))]

mod support;

#[cfg(target_os = "linux")]
#[path = "../../tests/interop/python.rs"]
mod application;
#[cfg(target_os = "linux")]
#[path = "msal_extensions_store/python.rs"]
mod python;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use support::{EVENT, Place, TOKEN, program, refusal, run, text};

/// Runs `body` where the system's own vault works; the programs it starts begin with what it is
/// given.
fn with_vault(test: &str, body: impl FnOnce(&dyn Fn() -> Command)) {
    #[cfg(target_os = "linux")]
    tokenkeep_test_support::keyring::inside(
        test,
        tokenkeep_test_support::keyring::State::Unlocked,
        |keyring| {
            body(&|| {
                let mut command = program();
                command.envs(keyring.envs());
                command
            });
        },
    );
    #[cfg(windows)]
    {
        let _ = test;
        body(&program);
    }
}

/// The program at a location.
fn at(start: &dyn Fn() -> Command, location: &Path) -> impl Fn(&[&str], &str) -> Output {
    move |arguments, input| {
        let mut command = start();
        command.args(["--store", "msal-extensions", "--cache"]).arg(location).args(arguments);
        run(&mut command, input)
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)))
}

#[test]
fn every_command_works_on_a_msal_extensions_cache() {
    with_vault("every_command_works_on_a_msal_extensions_cache", |start| {
        let place = Place::new();
        let location = place.0.path().join("token_cache.bin");
        let run = at(start, &location);
        let new = json(&run(&["doctor", "--json"], ""));
        assert_eq!(new["cache"]["state"], "new", "{new:#}");
        assert_eq!(new["cache"]["item"]["there"], false, "{new:#}");
        assert!(names(place.0.path()).is_empty(), "nothing is made for the sake of a look");
        assert!(text(&run(&["accounts"], "").stderr).contains("nobody"));
        assert_eq!(refusal(&run(&TOKEN, "")).0, 3);

        let added = run(&["add"], EVENT);
        assert!(text(&added.stderr).contains("shared at"), "{}", text(&added.stderr));
        assert_eq!(text(&run(&TOKEN, "").stdout), "an-access-token\n");
        assert!(text(&run(&["accounts"], "").stdout).contains("ada@example.com"));
        let list = run(&["list"], "");
        assert!(text(&list.stdout).contains("RefreshToken"));
        refusal(&list);
        let exported = text(&run(&["export", "--reveal-secrets"], "").stdout);
        assert!(exported.contains("a-refresh-token"));
        assert_eq!(names(place.0.path()), std::slice::from_ref(&location), "no lock file is left");

        let kept = json(&run(&["doctor", "--json"], ""));
        assert_eq!(kept["cache"]["state"], "works", "{kept:#}");
        assert_eq!(kept["cache"]["item"]["there"], true);
        assert_eq!(kept["cache"]["vault"]["works"], true);
        assert_eq!(kept["cache"]["lock_file"]["there"], false);
        assert_eq!(kept["cache"]["accounts"], 1);
        let said = text(&run(&["doctor"], "").stdout);
        assert!(said.contains("token_cache.bin.lockfile"), "{said}");
        assert!(said.contains("item, there"), "{said}");

        let nowhere = place.0.path().join("nowhere");
        assert!(at(start, &nowhere.join("cache"))(&["clear"], "").status.success());
        assert!(!nowhere.exists(), "what is not there is not made to be cleared");
        assert!(run(&["sign-out", "--everywhere"], "").status.success());
        assert_eq!(refusal(&run(&TOKEN, "")).0, 3);
        assert_eq!(json(&run(&["import", "--json"], &exported))["changed"], true);
        assert_eq!(text(&run(&TOKEN, "").stdout), "an-access-token\n");
        for clear in [&["clear"][..], &["clear", "--unreadable"], &["clear"]] {
            assert!(run(clear, "").status.success());
            assert!(names(place.0.path()).is_empty(), "{:?}", names(place.0.path()));
            assert_eq!(json(&run(&["doctor", "--json"], ""))["cache"]["item"]["there"], false);
        }
    });
}

#[test]
fn an_msal_extensions_cache_comes_into_a_sealed_one_and_stays_as_it_is() {
    with_vault("an_msal_extensions_cache_comes_into_a_sealed_one_and_stays_as_it_is", |start| {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("token_cache.bin");
        let theirs = at(start, &location);
        let sealed = Place::new();
        let import = || {
            let mut command = start();
            command.arg("--cache").arg(sealed.folder());
            command.arg("--key").arg(format!("file:{}", sealed.key().display()));
            run(command.args(["import", "--json", "--from-python"]).arg(&location), "")
        };
        let (code, said) = refusal(&import());
        assert!(code == 3 && said.contains("nothing"), "{said}");
        assert!(theirs(&["add"], EVENT).status.success());
        let before = fs::metadata(&location).unwrap().modified().unwrap();
        assert_eq!(json(&import())["imported"]["RefreshToken"]["imported"], 1);
        assert_eq!(json(&import())["changed"], false);
        assert_eq!(text(&sealed.run(&TOKEN).stdout), "an-access-token\n");
        assert_eq!(names(folder.path()), std::slice::from_ref(&location));
        assert_eq!(fs::metadata(&location).unwrap().modified().unwrap(), before, "not touched");
        assert_eq!(text(&theirs(&TOKEN, "").stdout), "an-access-token\n");
    });
}

#[test]
fn a_file_in_plain_text_is_told_with_what_reads_it() {
    with_vault("a_file_in_plain_text_is_told_with_what_reads_it", |start| {
        let place = Place::new();
        let location = place.0.path().join("token_cache.json");
        let exported = text(&Place::signed_in().run(&["export", "--reveal-secrets"]).stdout);
        fs::write(&location, exported).unwrap();
        let import = |more: &[&str]| {
            let mut command = start();
            command.arg("--cache").arg(place.folder());
            command.arg("--key").arg(format!("file:{}", place.key().display()));
            run(command.args(["import", "--from-python"]).arg(&location).args(more), "")
        };
        let (code, said) = refusal(&import(&[]));
        assert!(code == 2 && said.contains("--plaintext"), "{said}");
        assert!(!place.folder().exists());
        assert!(import(&["--plaintext"]).status.success());
        assert_eq!(text(&place.run(&TOKEN).stdout), "an-access-token\n");
    });
}

#[test]
fn doctor_names_the_lock_file_and_who_holds_it() {
    with_vault("doctor_names_the_lock_file_and_who_holds_it", |start| {
        let place = Place::new();
        let location = place.0.path().join("token_cache.bin");
        let lock_file = place.0.path().join("token_cache.bin.lockfile");
        let run = at(start, &location);
        assert!(run(&["add"], EVENT).status.success());
        let lock = tokenkeep::lock::CrossProcessLock::msal_extensions(&location);
        let held = lock.acquire(&tokenkeep::lock::Wait::default()).unwrap();
        let doctor = run(&["doctor", "--json"], "");
        let report = json(&doctor);
        assert_eq!(doctor.status.code(), Some(5), "{report:#}");
        let lock = &report["cache"]["lock_file"];
        assert_eq!(lock["path"], lock_file.to_str().unwrap());
        assert_eq!((&lock["there"], &lock["left_behind"]), (&true.into(), &false.into()));
        let holder = lock["holder"].as_str().unwrap();
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        drop(held);
        fs::write(&lock_file, "4294967295 python").unwrap();
        let report = json(&run(&["doctor", "--json"], ""));
        assert_eq!(report["cache"]["lock_file"]["left_behind"], true, "{report:#}");
        assert_eq!(report["cache"]["state"], "works", "it is taken over: {report:#}");

        let file = place.0.path().join("plain.json");
        let plain = |arguments: &[&str], input: &str| {
            let mut command = program();
            command.args(["--store", "plaintext", "--cache"]).arg(&file).args(arguments);
            support::run(&mut command, input)
        };
        assert!(plain(&["add"], EVENT).status.success());
        let report = json(&plain(&["doctor", "--json"], ""));
        assert_eq!(report["cache"]["state"], "works");
        let path = report["cache"]["lock_file"]["path"].as_str().unwrap();
        assert!(path.ends_with("plain.json.lockfile"), "{path}");
        assert_eq!(report["cache"]["item"], Value::Null);
    });
}
