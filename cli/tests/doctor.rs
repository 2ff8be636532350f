//! What `tokenkeep doctor` finds on real vaults and without one, and that the lines it gives fix.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may, and its figures are shown"
)]
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{EVENT, Place, program, run, text};
use tokenkeep_test_support::{
    keyring::{Keyring, Provider, State, inside},
    mock::{Act, Mock},
    say,
};

/// The exit code and the report of `doctor`.
fn doctor(command: &mut Command) -> (i32, Value) {
    let output = run(command.args(["doctor", "--json"]), "");
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    (output.status.code().unwrap(), report)
}

/// The program in the session, its cache in `place` and its key where the vault is.
fn in_session(keyring: &Keyring, place: &Place) -> Command {
    let mut command = program();
    command.envs(keyring.envs()).arg("--cache").arg(place.folder());
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY", "XDG_DATA_DIRS"] {
        command.env_remove(name);
    }
    command
}

fn source<'r>(report: &'r Value, kind: &str) -> &'r Value {
    let sources = report["key_sources"].as_array().unwrap();
    sources.iter().find(|source| source["kind"] == kind).unwrap()
}

fn items(keyring: &Keyring) -> String {
    let arguments = ["string:org.freedesktop.Secret.Collection", "string:Items"];
    let (service, method) = ("org.freedesktop.secrets", "org.freedesktop.DBus.Properties.Get");
    keyring.send(service, keyring.collection(), method, &arguments).unwrap()
}

/// Types the line of the problem into a shell of the session, with the keyring's password after it.
fn fix(keyring: &Keyring, problem: &Value) {
    let line = problem["next_step"].as_str().unwrap();
    let mut shell = keyring.command("bash");
    let output = run(shell.args(["-c", line]), "a password of the tests\n");
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    keyring.wait_for_daemon().unwrap();
}

fn service_file(folder: &Path, file: &str, name: &str, program: &str) {
    let folder = folder.join("dbus-1/services");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("[D-BUS Service]\nName={name}\nExec={program}\n");
    File::create(folder.join(file)).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_vault_that_works_says_who_serves_it_and_keeps_no_item() {
    let name = "a_vault_that_works_says_who_serves_it_and_keeps_no_item";
    inside(name, State::Unlocked, |keyring| {
        let place = Place::new();
        let before = items(keyring);
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!((code, &report["cache"]["state"]), (0, &"new".into()), "{report:#}");
        assert_eq!(report["cache"]["key_of_a_new_cache"], "vault");
        assert_eq!(source(&report, "vault")["state"], "works");
        assert_eq!(report["environment"]["provider"], "gnome-keyring");
        assert_eq!(items(keyring), before, "the random item is gone");
        assert!(!place.folder().exists(), "nothing is made for the sake of a look");
        println!("measured: doctor on gnome-keyring {} ms", report["milliseconds"]);

        let added = run(in_session(keyring, &place).arg("add"), EVENT);
        assert!(added.status.success(), "{}", text(&added.stderr));
        let before = items(keyring);
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!((code, &report["cache"]["state"]), (0, &"works".into()), "{report:#}");
        assert_eq!(report["cache"]["key_in_use"], "vault");
        assert_eq!(source(&report, "vault")["in_use"], true);
        assert_eq!(items(keyring), before);
    });
}

#[test]
fn a_locked_keyring_is_told_with_the_line_that_unlocks_it() {
    inside("a_locked_keyring_is_told_with_the_line_that_unlocks_it", State::Locked, |keyring| {
        let place = Place::new();
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!(code, 4, "{report:#}");
        assert_eq!(source(&report, "vault")["works"], false);
        let with_display = doctor(in_session(keyring, &place).env("DISPLAY", ":0")).1;
        let line = with_display["cache"]["problem"]["next_step"].as_str().unwrap();
        assert!(line.contains("--allow-prompt"), "{line}");
        fix(keyring, &report["cache"]["problem"]);
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!(code, 0, "{report:#}");
    });
}

#[test]
fn a_keyring_that_was_killed_is_locked_and_not_missing() {
    inside("a_keyring_that_was_killed_is_locked_and_not_missing", State::Unlocked, |keyring| {
        let place = Place::new();
        assert!(run(in_session(keyring, &place).arg("add"), EVENT).status.success());
        keyring.kill_daemon().unwrap();
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!(code, 4, "{report:#}");
        assert_eq!(report["cache"]["key_in_use"], "vault", "{report:#}");
        let what = report["cache"]["problem"]["what"].as_str().unwrap();
        assert!(what.contains("locked"), "{what}");
        fix(keyring, &report["cache"]["problem"]);
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!((code, &report["cache"]["accounts"]), (0, &1.into()), "{report:#}");
    });
}

#[test]
fn a_keyring_without_a_collection_is_told_with_the_line_that_makes_one() {
    let name = "a_keyring_without_a_collection_is_told_with_the_line_that_makes_one";
    inside(name, State::Unlocked, |keyring| {
        let place = Place::new();
        keyring.kill_daemon().unwrap();
        fs::remove_dir_all(keyring.files()).unwrap();
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!(code, 4, "{report:#}");
        let what = report["cache"]["problem"]["what"].as_str().unwrap();
        assert!(what.contains("no default collection"), "{what}");
        fix(keyring, &report["cache"]["problem"]);
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!(code, 0, "{report:#}");
    });
}

#[test]
fn a_bus_without_a_service_is_told_apart_by_what_is_installed() {
    inside(
        "a_bus_without_a_service_is_told_apart_by_what_is_installed",
        State::Absent,
        |keyring| {
            let place = Place::new();
            let shared = place.0.path().join("share");
            let (code, report) = doctor(in_session(keyring, &place).env("XDG_DATA_DIRS", &shared));
            assert_eq!(code, 4, "{report:#}");
            assert_eq!(report["environment"]["session_bus"], true);
            assert_eq!(report["environment"]["provider"], Value::Null);
            let line = report["cache"]["problem"]["next_step"].as_str().unwrap();
            let is_container = report["environment"]["container"] == true;
            let words = if is_container { "--key env:" } else { "gnome-keyring" };
            assert!(line.contains(words), "{line}");

            let name = "org.freedesktop.secrets";
            service_file(&shared, "one.service", name, "/usr/bin/gnome-keyring-daemon --start");
            let report = doctor(in_session(keyring, &place).env("XDG_DATA_DIRS", &shared)).1;
            fix(keyring, &report["cache"]["problem"]);
            let (code, report) = doctor(&mut in_session(keyring, &place));
            assert_eq!(code, 0, "{report:#}");
        },
    );
}

#[test]
fn without_a_bus_the_line_starts_one_with_a_keyring_in_it() {
    inside("without_a_bus_the_line_starts_one_with_a_keyring_in_it", State::Absent, |keyring| {
        let place = Place::new();
        let shared = place.0.path().join("share");
        let name = "org.freedesktop.secrets";
        service_file(&shared, "one.service", name, "/usr/bin/gnome-keyring-daemon --start");
        let empty = place.0.path().join("empty");
        fs::create_dir(&empty).unwrap();
        let without = |command: &mut Command| {
            command.env_remove("DBUS_SESSION_BUS_ADDRESS").env("XDG_DATA_DIRS", &shared);
            command.env("XDG_RUNTIME_DIR", &empty);
        };
        let mut command = in_session(keyring, &place);
        without(&mut command);
        let (code, report) = doctor(&mut command);
        assert_eq!(code, 4, "{report:#}");
        assert_eq!(report["environment"]["session_bus"], false);
        let line = report["cache"]["problem"]["next_step"].as_str().unwrap();
        assert!(line.ends_with("; exec bash'"), "{line}");

        // Instead of a user's shell: one that asks the doctor and ends the keyring.
        let asks = r#"; "$PROGRAM" --cache "$CACHE" doctor --json; code=$?
            kill $(dbus-send --session --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets | grep -o "[0-9]*$"); exit $code'"#;
        let line = line.replace("; exec bash'", asks);
        let mut shell = keyring.command("bash");
        without(&mut shell);
        shell.env("PROGRAM", env!("CARGO_BIN_EXE_tokenkeep")).env("CACHE", place.folder());
        let output = run(shell.args(["-c", &line]), "a password of the tests\n");
        assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
    });
}

#[test]
fn a_silent_vault_keeps_nobody_waiting_for_more_than_5_s() {
    inside("a_silent_vault_keeps_nobody_waiting_for_more_than_5_s", State::Absent, |keyring| {
        let _mock = Mock::start(None, |_| Act::Silence);
        let place = Place::new();
        let begun = Instant::now();
        let (code, report) = doctor(&mut in_session(keyring, &place));
        let took = begun.elapsed();
        println!("measured: doctor with a vault that never answers {took:?}");
        assert_eq!(code, 4, "{report:#}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(source(&report, "vault")["state"], "silent", "{report:#}");
        assert_eq!(report["environment"]["provider_process"], std::process::id());
        let line = source(&report, "vault")["problem"]["next_step"].as_str().unwrap();
        assert!(!line.contains("kill"), "a program that is known for no vault: {line}");
        let other = doctor(place.command().envs(keyring.envs()));
        assert_eq!(other.0, 0, "a cache with a key file does not mind: {:#}", other.1);
        let mut plain = in_session(keyring, &place);
        let plain = doctor(plain.args(["--store", "plaintext"]));
        assert_eq!(plain.0, 0, "nor does one in plain text: {:#}", plain.1);
        assert_eq!(source(&plain.1, "vault")["position"], Value::Null);
    });
}

#[test]
fn a_bus_that_never_answers_keeps_nobody_waiting_either() {
    let place = Place::new();
    let socket = place.0.path().join("bus");
    let _bus = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let address = format!("unix:path={}", socket.display());
    let mut command = program();
    command.arg("--cache").arg(place.folder()).env("DBUS_SESSION_BUS_ADDRESS", address);
    let begun = Instant::now();
    let (code, report) = doctor(&mut command);
    let took = begun.elapsed();
    say(&format!("measured: doctor with a bus that never answers {took:?}"));
    assert_eq!(code, 4, "{report:#}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_second_provider_is_told_with_what_it_means() {
    inside("a_second_provider_is_told_with_what_it_means", State::Unlocked, |keyring| {
        let place = Place::new();
        let shared = place.0.path().join("share");
        let name = "org.freedesktop.secrets";
        service_file(&shared, "one.service", name, "/usr/bin/gnome-keyring-daemon --start");
        let alone = doctor(in_session(keyring, &place).env("XDG_DATA_DIRS", &shared)).1;
        let note = source(&alone, "vault")["note"].as_str().unwrap();
        assert!(note.contains("gnome-keyring answers") && !note.contains("too"), "{note}");
        service_file(&shared, "two.service", name, "/usr/bin/ksecretd");
        let both = doctor(in_session(keyring, &place).env("XDG_DATA_DIRS", &shared)).1;
        let note = source(&both, "vault")["note"].as_str().unwrap();
        assert!(note.contains("KWallet is installed too"), "{note}");
        assert_eq!(both["environment"]["installed_providers"][1], "KWallet");
    });
}

#[test]
fn kwallet_is_named_and_keeps_no_item_either() {
    let setup = State::Unlocked.of(Provider::KWallet);
    inside("kwallet_is_named_and_keeps_no_item_either", setup, |keyring| {
        let place = Place::new();
        let before = items(keyring);
        let (code, report) = doctor(&mut in_session(keyring, &place));
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(report["environment"]["provider"], "KWallet");
        assert_eq!(items(keyring), before);
        println!("measured: doctor on KWallet {} ms", report["milliseconds"]);
    });
}

#[test]
fn a_passphrase_is_not_asked_for_and_the_report_says_so() {
    let place = Place::new();
    let with = |passphrase: Option<&str>| {
        let mut command = program();
        command.arg("--cache").arg(place.folder()).args(["--key", "passphrase"]);
        passphrase.map(|passphrase| command.env("TOKENKEEP_PASSPHRASE", passphrase));
        command
    };
    let (code, report) = doctor(&mut with(None));
    assert_eq!((code, &report["cache"]["state"]), (0, &"new".into()), "{report:#}");
    assert!(run(with(Some("several words")).arg("add"), EVENT).status.success());
    let (code, report) = doctor(&mut with(None));
    assert_eq!((code, &report["cache"]["state"]), (0, &"not_asked".into()), "{report:#}");
    assert_eq!(source(&report, "passphrase")["state"], "asks");
    assert_eq!(report["cache"]["key_in_use"], "passphrase");
    let (code, report) = doctor(&mut with(Some("several words")));
    assert_eq!((code, &report["cache"]["state"]), (0, &"works".into()), "{report:#}");
    assert_eq!(doctor(&mut with(Some("other words"))).0, 6);
    let mut asking = with(None);
    let refused = run(asking.args(["--allow-prompt", "5", "doctor"]), "");
    assert!(text(&refused.stderr).contains("no terminal"), "{}", text(&refused.stderr));
}

#[test]
fn the_exit_code_is_about_the_cache_that_was_meant() {
    let place = Place::signed_in();
    let (code, report) = doctor(&mut place.command());
    assert_eq!(code, 0, "a vault that is missing does not matter: {report:#}");
    assert_eq!(source(&report, "vault")["works"], false);
    assert_eq!(source(&report, "dpapi")["state"], "not_on_this_system");
    assert_eq!(source(&report, "dpapi")["problem"], Value::Null);
    assert_eq!(source(&report, "file")["in_use"], true);

    let key = format!("file:{}", place.key().display());
    let empty = Place::new();
    let ordered = |keys: &[&str]| {
        let mut command = program();
        command.arg("--cache").arg(empty.folder());
        command.args(keys.iter().flat_map(|key| ["--key", *key]));
        command
    };
    let (code, report) = doctor(&mut ordered(&["dpapi", "passphrase", &key]));
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["cache"]["key_of_a_new_cache"], "passphrase");
    assert_eq!(report["cache"]["order"], serde_json::json!(["dpapi", "passphrase", key]));
    assert_eq!(doctor(&mut ordered(&["dpapi"])).0, 4);
    let (code, report) = doctor(&mut ordered(&["env:NOT_SET"]));
    assert_eq!(code, 1, "a new cache would have no key: {report:#}");
    let seen = text(&run(ordered(&["env:NOT_SET"]).arg("doctor"), "").stdout);
    assert!(seen.contains("NOT_SET is not set"), "{seen}");
    say(&format!("measured: doctor without a vault {} ms", report["milliseconds"]));
}

#[test]
fn the_way_to_sign_in_here_is_named() {
    let place = Place::new();
    let here = |setting: &str| {
        let mut command = place.command();
        command.env("DISPLAY", ":0").env_remove("WAYLAND_DISPLAY");
        command.env("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22").env("TOKENKEEP_LOGIN", setting);
        command
    };
    for (setting, way) in [("", "device"), ("browser", "browser"), ("device", "device")] {
        let report = doctor(&mut here(setting)).1;
        assert_eq!(report["sign_in"]["way"], way, "{report:#}");
        assert_eq!(report["sign_in"]["browser"], false);
        let said = run(here(setting).arg("doctor"), "");
        let why = match setting {
            "" => "no browser of this machine can be used",
            _ => "TOKENKEEP_LOGIN says so",
        };
        let line = format!("sign-in: --{way} ({why})\n");
        assert!(text(&said.stdout).contains(&line), "{}", text(&said.stdout));
    }
    assert_eq!(doctor(&mut here("telephone")).1["sign_in"]["way"], Value::Null);
}
