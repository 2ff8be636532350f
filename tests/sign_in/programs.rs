//! The programs among the examples, run as a user does.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokenkeep_test_support::example;

/// An example with a home folder of its own, and without a desktop.
fn program(name: &str, home: &TempDir) -> Command {
    let mut command = Command::new(example(name));
    command.env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("data"));
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{error}")
}

#[test]
fn the_quickstart_tells_its_whole_story_without_a_vault() {
    let home = TempDir::new().unwrap();
    let mut command = program("quickstart", &home);
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("XDG_RUNTIME_DIR");
    for _ in 0..2 {
        let output = command.output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        for line in [
            "1. Sign in: open http://127.0.0.1:",
            "   Signed in as ada, and kept it.",
            "2. The token is found again, and the provider is not asked.",
            "3. A second process, an hour later: the token has expired and is renewed silently.",
            "4. Signed out here, and revoked at the provider: yes",
            "   A token without a sign-in: no",
            "The provider issued tokens 2 times.",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn mytool_signs_in_finds_the_token_offline_and_signs_out() {
    use tokenkeep_test_support::keyring::{Keyring, State, inside};

    use crate::provider::Provider;

    let test = "programs::mytool_signs_in_finds_the_token_offline_and_signs_out";
    inside(test, State::Unlocked, |_: &Keyring| {
        let (home, provider) = (TempDir::new().unwrap(), Provider::start());
        let run = |command: &str| {
            let arguments = [command, &provider.issuer(), "app"];
            program("mytool", &home).args(arguments).output().unwrap()
        };
        let output = run("token");
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        provider.then_issues("one");
        let output = run("login");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let asked = provider.asked().len();
        assert_eq!(run("token").stdout, b"access-one\n");
        assert_eq!(run("accounts").stdout, b"ada\n");
        assert_eq!(provider.asked().len(), asked, "nobody had to be asked");
        let output = run("logout");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(provider.forms("revoke").len(), 1);
        assert_eq!(run("token").status.code(), Some(3));
        assert_eq!(run("telephone").status.code(), Some(2));
    });
}
