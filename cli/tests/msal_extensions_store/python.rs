//! With Python at the other end, and gnome-keyring between.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokenkeep_test_support::{
    Tool,
    keyring::{Keyring, State, inside},
    mock::{Act, Mock},
    need, python_with_libsecret, say, workspace_root,
};

use super::{
    application::{LOCKS, Python},
    *,
};

fn with_python(test: &str, body: impl FnOnce(&Keyring, &Path)) {
    if Keyring::current().is_none() && !need(Tool::PythonLibsecret) {
        return;
    }
    inside(&format!("python::{test}"), State::Unlocked, |keyring| {
        let folder = tempfile::tempdir().unwrap();
        body(keyring, folder.path());
    });
}

/// What Python answers to `input`, and how it ended.
fn python(identity: &str, command: &str, location: &Path, input: &str) -> (String, i32) {
    let mut python = python_with_libsecret();
    python.arg(workspace_root().join("tests/msal_extensions/peer.py"));
    let output = run(python.args([identity, command]).arg(location), input);
    (text(&output.stdout), output.status.code().unwrap())
}

fn in_session(keyring: &Keyring) -> impl Fn() -> Command {
    || {
        let mut command = program();
        command.envs(keyring.envs());
        command
    }
}

#[test]
fn python_signs_in_and_the_program_finds_adds_and_signs_out() {
    with_python("python_signs_in_and_the_program_finds_adds_and_signs_out", |keyring, folder| {
        let location = folder.join("token_cache.bin");
        let start = in_session(keyring);
        let ours = at(&start, &location);
        assert_eq!(python("default", "add", &location, EVENT).1, 0);
        assert!(text(&ours(&["accounts"], "").stdout).contains("ada@example.com"));
        assert_eq!(text(&ours(&TOKEN, "").stdout), "an-access-token\n");
        let another = EVENT.replace("\"client\"", "\"another\"").replace("an-access", "our");
        assert!(ours(&["add"], &another).status.success());
        assert_eq!(python("default", "find", &location, "another\n").0, "our-token\n");
        assert!(ours(&["sign-out", "--everywhere"], "").status.success());
        assert_eq!(python("default", "find", &location, "client\n").0, "\n");
        assert!(ours(&["clear"], "").status.success());
        assert_eq!(python("default", "load", &location, ""), (String::new(), 3), "no item is left");
        assert!(names(folder).is_empty(), "{:?}", names(folder));
    });
}

#[test]
fn an_application_with_msal_and_the_program_share_a_sign_in() {
    with_python("an_application_with_msal_and_the_program_share_a_sign_in", |keyring, folder| {
        for lock in LOCKS {
            let location = folder.join(format!("{lock}.bin"));
            let start = in_session(keyring);
            let ours = at(&start, &location);
            let mut python = Python::start("python", lock);
            let place = ["default", location.to_str().unwrap(), "contoso", "client"];
            python.ask("Application", place.map(Value::from));
            assert_eq!(python.ask("sign_in", []), "python-access-1");
            assert!(text(&ours(&["accounts"], "").stdout).contains("ada@example.com"));
            assert_eq!(text(&ours(&TOKEN, "").stdout), "python-access-1\n");
            assert!(ours(&["sign-out", "--client-id", "client"], "").status.success());
            assert_eq!(refusal(&ours(&TOKEN, "")).0, 3);
            assert_eq!(python.ask("accounts", []), Value::Array(Vec::new()));
            assert_eq!(python.ask("silent", []), Value::from([Value::Null, Value::Null].to_vec()));
            assert_eq!(python.ask("sign_in", []), "python-access-2");
            assert_eq!(text(&ours(&TOKEN, "").stdout), "python-access-2\n");
        }
    });
}

#[test]
fn what_python_keeps_comes_and_stays_there() {
    with_python("what_python_keeps_comes_and_stays_there", |keyring, folder| {
        let (location, plain) = (folder.join("token_cache.bin"), folder.join("plain.json"));
        assert_eq!(python("default", "add", &location, EVENT).1, 0);
        assert_eq!(python("file", "add", &plain, EVENT).1, 0);
        let before = python("default", "load", &location, "");
        for (location, more) in [(&location, &[][..]), (&plain, &["--plaintext"])] {
            let place = Place::new();
            let mut command = in_session(keyring)();
            command.arg("--cache").arg(place.folder());
            command.arg("--key").arg(format!("file:{}", place.key().display()));
            command.args(["import", "--from-python"]).arg(location).args(more);
            let imported = run(&mut command, "");
            assert!(imported.status.success(), "{}", text(&imported.stderr));
            assert_eq!(text(&place.run(&TOKEN).stdout), "an-access-token\n");
        }
        assert_eq!(python("default", "load", &location, ""), before);
        assert_eq!(names(folder).len(), 2, "{:?}", names(folder));
    });
}

#[test]
fn doctor_says_which_item_a_location_means() {
    with_python("doctor_says_which_item_a_location_means", |keyring, folder| {
        let location = folder.join("token_cache.bin");
        assert_eq!(python("default", "add", &location, EVENT).1, 0);
        let report = json(&at(&in_session(keyring), &location)(&["doctor", "--json"], ""));
        let item = &report["cache"]["item"];
        assert_eq!(item["kind"], "secret_service");
        assert_eq!((&item["collection"], &item["label"]), (&"default".into(), &"".into()));
        assert_eq!(report["cache"]["signal_file"]["path"], location.to_str().unwrap());
        assert_eq!(report["cache"]["signal_file"]["there"], true);
        assert_eq!(report["cache"]["vault"]["name"], "Secret Service");
        let schema = item["schema"].as_str().unwrap();
        let mut search = keyring.command("secret-tool");
        let found = search.args(["lookup", "xdg:schema", schema]).output().unwrap();
        assert!(text(&found.stdout).contains("a-refresh-token"), "another program finds it so");
    });
}

#[test]
fn a_locked_keyring_is_exit_code_4_for_every_command_and_nothing_asks() {
    let name = "python::a_locked_keyring_is_exit_code_4_for_every_command_and_nothing_asks";
    inside(name, State::Locked, |keyring| {
        let place = Place::new();
        let location = place.0.path().join("token_cache.bin");
        let start = in_session(keyring);
        let ours = at(&start, &location);
        let json = "{\"AccessToken\": {\"k\": {\"secret\": \"an-access-token\"}}}";
        for (command, input) in [
            (&["accounts"][..], ""),
            (&TOKEN, ""),
            (&["list"], ""),
            (&["export", "--reveal-secrets"], ""),
            (&["add"], EVENT),
            (&["import"], json),
            (&["sign-out", "--everywhere"], ""),
            (&["clear"], ""),
            (&["doctor"], ""),
        ] {
            let (code, said) = refusal(&ours(command, input));
            assert_eq!(code, 4, "{command:?}: {said}");
        }
        let mut import = start();
        import.arg("--cache").arg(place.folder());
        import.arg("--key").arg(format!("file:{}", place.key().display()));
        let imported = run(import.args(["import", "--from-python"]).arg(&location), "");
        assert_eq!(refusal(&imported).0, 4);
        assert!(!place.folder().exists());
    });
}

#[test]
fn doctor_names_everything_within_5_s_of_a_vault_that_never_answers() {
    let name = "python::doctor_names_everything_within_5_s_of_a_vault_that_never_answers";
    inside(name, State::Absent, |keyring| {
        let _mock = Mock::start(None, |_| Act::Silence);
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("token_cache.bin");
        let begun = Instant::now();
        let doctor = at(&in_session(keyring), &location)(&["doctor", "--json"], "");
        let took = begun.elapsed();
        let report = json(&doctor);
        say(&format!(
            "measured: doctor on an msal-extensions cache in a vault that never answers {took:?}"
        ));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(doctor.status.code(), Some(4), "{report:#}");
        assert_eq!(report["cache"]["item"]["kind"], "secret_service");
        assert_eq!(report["cache"]["item"]["there"], Value::Null);
        assert_eq!(report["cache"]["vault"]["works"], false);
        assert_eq!(report["cache"]["lock_file"]["there"], false);
    });
}
