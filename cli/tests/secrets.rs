//! No command says a secret or hands one to the system, unless that is what it was asked for.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, process::Command};

use support::{Place, TOKEN};
use tokenkeep_test_support::sign_in;

#[test]
fn no_command_says_a_secret_however_it_ends_and_whatever_is_asked_to_be_logged() {
    let place = signed_in();
    let event = sign_in::event();
    let cut_off = &event[..event.len() - 10];
    let in_the_wrong_place = event.replace("\"client_id\"", sign_in::ACCESS_TOKEN);
    let a_list = event.replace("\"refresh_token\": ", "\"refresh_token\": [0], \"other\": ");
    let client = ["token", "--client-id", "client", "--scope"];
    let exported = sign_in_as_json(&place);
    let torn = &exported[..exported.len() - 10];
    let commands: [(&[&str], &str, i32); 22] = [
        (&["add"], &event, 0),
        (&["add", "--json"], &event, 0),
        (&["add"], cut_off, 1),
        (&["add"], &in_the_wrong_place, 1),
        (&["add"], &a_list, 1),
        (&["add", "--reveal-secrets"], &event, 2),
        (&[&client[..], &["another"]].concat(), "", 3),
        (&client, "", 2),
        (&["accounts"], "", 0),
        (&["accounts", "--json"], "", 0),
        (&["list"], "", 0),
        (&["list", "--json"], "", 0),
        (&["export"], "", 2),
        (&["doctor"], "", 0),
        (&["doctor", "--json"], "", 0),
        (&["import"], &exported, 0),
        (&["import", "--json"], &exported, 0),
        (&["import"], torn, 1),
        (&["import"], &event, 1),
        (&["import", "--from-python"], &exported, 2),
        (&["sign-out", "--everywhere", "--account", "nobody"], "", 3),
        (&["--name", "com.example.other", "list"], "", 6),
    ];
    for (arguments, input, code) in commands {
        assert_eq!(says_no_secret(place.command().args(arguments), input), code, "{arguments:?}");
    }
    let mut sealed = place.sealed();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    fs::write(place.file(), sealed).unwrap();
    for arguments in [&TOKEN[..], &["list"], &["doctor"], &["clear"]] {
        assert_eq!(says_no_secret(place.command().args(arguments), ""), 6, "{arguments:?}");
    }
    let key_file = fs::read_to_string(place.key()).unwrap();
    fs::write(place.key(), key_file.replace("key: ", sign_in::ACCESS_TOKEN)).unwrap();
    assert_eq!(says_no_secret(place.command().args(TOKEN), ""), 6);
    for (source, code) in [("env:THE_KEY", 6), ("passphrase", 6), ("fd:0", 6)] {
        let mut command = support::program();
        command.args(["--key", source, "--cache"]).arg(place.folder()).args(TOKEN);
        command.env("THE_KEY", sign_in::hexadecimal_key());
        command.env("TOKENKEEP_PASSPHRASE", sign_in::ACCESS_TOKEN);
        assert_eq!(says_no_secret(&mut command, sign_in::REFRESH_TOKEN), code, "{source}");
    }
    let plain = place.0.path().join("plain.json");
    for malformed in [&event[1..], cut_off, "[]"] {
        fs::write(&plain, malformed).unwrap();
        let mut command = support::program();
        command.args(["--store", "plaintext", "--cache"]).arg(&plain).arg("list");
        assert_eq!(says_no_secret(&mut command, ""), 6, "{malformed}");
    }
}

// Not on Windows: strace
#[cfg(target_os = "linux")]
#[test]
fn no_system_call_takes_a_secret_but_those_that_print_it() {
    use tokenkeep_test_support::{Tool, need, strace};

    if !need(Tool::Strace) {
        return;
    }
    let place = signed_in();
    let secrets = sign_in::secrets().with("the account", sign_in::UID);
    let event = sign_in::event();
    let exported = sign_in_as_json(&place);
    let commands: [(&[&str], &str, bool); 9] = [
        (&["add"], &event, false),
        (&["add"], &event[..event.len() - 10], false),
        (&TOKEN, "", true),
        (&["list"], "", false),
        (&["export", "--reveal-secrets"], "", true),
        (&["import"], &exported, false),
        (&["clear"], "", false),
        (&["import"], &exported, false),
        (&["add"], &event, false),
    ];
    for (arguments, input, prints) in commands {
        let run = strace::record(place.command().args(arguments), input.as_bytes()).unwrap();
        let mut printed = false;
        for call in &run.calls {
            let bytes = (0..call.arguments.len()).map(|nth| call.bytes(nth)).collect::<Vec<_>>();
            let holds = bytes.iter().any(|bytes| !secrets.found_in(bytes).is_empty());
            let descriptor = call.descriptor(0).map(|(number, _)| number);
            match (call.name.as_str(), descriptor) {
                ("read", Some(0)) => {}
                ("write", Some(1)) if prints => printed |= holds,
                _ => assert!(!holds, "{arguments:?}: {call:?}"),
            }
        }
        assert_eq!(printed, prints, "{arguments:?}");
    }
}

fn sign_in_as_json(place: &Place) -> String {
    support::text(&place.run(&["export", "--reveal-secrets"]).stdout)
}

fn signed_in() -> Place {
    let place = Place::new();
    let added = place.run_with(&["add"], &sign_in::event());
    assert!(added.status.success(), "{}", support::text(&added.stderr));
    place
}

/// The exit code.
#[track_caller]
fn says_no_secret(command: &mut Command, input: &str) -> i32 {
    let output =
        support::run(command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"), input);
    let said = [output.stdout, output.stderr].concat();
    let secrets = sign_in::secrets();
    let found = secrets.found_in(&said);
    assert!(found.is_empty(), "{command:?} says {found:?}: {}", support::text(&said));
    output.status.code().unwrap()
}
