//! The examples as programs, with a real keyring and a provider on loopback.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    sync::mpsc,
};

use support::{provider, tokens};
use tokenkeep_test_support::{
    example,
    keyring::{State, inside},
};

fn run(example_name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(example(example_name));
    command.arg("client").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// What the program printed, after it was given this line.
fn output(mut command: Command, line: &str) -> Output {
    let mut program = command.stderr(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    program.wait_with_output().unwrap()
}

fn assert_has_token(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("An access token, valid until"), "{text}");
    assert!(!text.contains("kept"), "{text}");
    text
}

#[test]
fn an_interrupted_program_keeps_the_renewal_that_was_under_way() {
    let name = "an_interrupted_program_keeps_the_renewal_that_was_under_way";
    inside(name, State::Unlocked, |_| {
        for example in ["silent_reqwest", "silent_oauth2"] {
            let (asked, is_asked) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel();
            let issuer = provider(move |path, body| match path {
                "/device" => r#"{"device_code": "d", "user_code": "ABCD", "interval": 1,
                    "verification_uri": "https://id.example/device", "expires_in": 600}"#
                    .into(),
                _ if body.contains("device_code") => tokens("0", "r0", 0),
                _ => {
                    asked.send(body.to_owned()).unwrap();
                    may_go_on.recv().unwrap();
                    tokens("1", "r1", 3600)
                }
            });
            let (token, device) = (format!("{issuer}/token"), format!("{issuer}/device"));
            let mut arguments = vec![issuer.as_str(), token.as_str()];
            if example == "silent_oauth2" {
                arguments.push(&device);
            }
            arguments.push("read");
            let first = assert_has_token(&output(run(example, &arguments), &tokens("0", "r0", 0)));
            assert_eq!(first.contains("ABCD"), example == "silent_oauth2", "{first}");

            let mut interrupted = run(example, &arguments).spawn().unwrap();
            let form = is_asked.recv().unwrap();
            for part in ["grant_type=refresh_token", "refresh_token=r0", "client_id=client"] {
                assert_eq!(form.matches(part).count(), 1, "{part} in {form}");
            }
            let pid = interrupted.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            // Still there, because the renewal is.
            assert_eq!(interrupted.try_wait().unwrap(), None);
            go_on.send(()).unwrap();
            assert_eq!(interrupted.wait().unwrap().code(), Some(130));

            // From the cache: the provider would wait for ever.
            assert_has_token(&output(run(example, &arguments), ""));
            assert!(is_asked.try_recv().is_err());
        }
    });
}
