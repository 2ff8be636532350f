//! A key in a file descriptor: read itself, once, with a limit and a deadline.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]
// Not on Windows: descriptors with numbers
#![cfg(unix)]

mod support;

use std::{
    fs,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use support::{EVENT, Place, TOKEN, refusal, text};

const KEY: &str = "abababababababababababababababababababababababababababababababab";

/// Runs `line` in a shell, in which `$TK` is the program with the place's cache.
fn shell(place: &Place, line: &str) -> Output {
    let event = place.0.path().join("event.json");
    fs::write(&event, EVENT).unwrap();
    fs::write(place.0.path().join("hex"), KEY).unwrap();
    let mut shell = Command::new("bash");
    let folder = place.folder();
    let program = format!("{} --cache {}", env!("CARGO_BIN_EXE_tokenkeep"), folder.display());
    shell.args(["-c", line]).env("TK", program).env("EVENT", event).current_dir(place.0.path());
    shell.env_remove("DBUS_SESSION_BUS_ADDRESS").env("KEY", KEY);
    shell.stdin(Stdio::null()).output().unwrap()
}

fn signed_in() -> Place {
    let place = Place::new();
    let added = shell(&place, "$TK --key fd:3 add <$EVENT 3<hex");
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert!(text(&added.stderr).ends_with("key: fd\n"), "{}", text(&added.stderr));
    place
}

#[test]
fn files_pipes_and_here_documents_hand_it_over() {
    let place = signed_in();
    let token = TOKEN.join(" ");
    for line in [
        "3<hex",
        "3< <(echo $KEY)",
        "3< <(printf '%s\\r\\n' $KEY)",
        "3< <(sleep 0.2; printf '%s' $KEY)",
        "3<<<$KEY",
        "3<> hex",
    ] {
        let found = shell(&place, &format!("$TK --key fd:3 {token} {line}"));
        assert_eq!(text(&found.stdout), "an-access-token\n", "{line}: {}", text(&found.stderr));
    }
    let found = shell(&place, &format!("$TK --key fd:0 {token} <hex"));
    assert_eq!(text(&found.stdout), "an-access-token\n", "{}", text(&found.stderr));
    // The examination and the look at the sources share the one reading.
    let report = shell(&place, "$TK --key fd:3 doctor 3< <(echo $KEY)");
    let said = text(&report.stdout);
    assert!(said.contains("accounts signed in: 1") && said.contains("key: fd"), "{said}");
}

/// A descriptor that root opened, in the hands of a user who may not open the file.
#[test]
fn it_is_not_opened_again() {
    let place = signed_in();
    let token = TOKEN.join(" ");
    let line = format!("exec 3<hex; rm hex; $TK --key fd:3 {token}");
    assert_eq!(text(&shell(&place, &line).stdout), "an-access-token\n");
    let line = format!("exec 3<hex; rm hex; read -rn 1 <&3; $TK --key fd:3 {token}");
    let (code, said) = refusal(&shell(&place, &line));
    assert!(code == 1 && said.contains("32 bytes"), "what was read before is gone: {said}");
}

#[test]
fn what_is_no_key_says_so_and_shows_nothing_of_it() {
    let place = signed_in();
    let token = TOKEN.join(" ");
    for (line, reason) in [
        ("3<&-", "file descriptor 3 is not open"),
        ("3</", "is a folder"),
        ("3>out", "writing alone"),
        ("3> >(cat)", "writing alone"),
        ("3</dev/zero", "more than 512 bytes"),
        ("3</dev/null", "is empty"),
        ("3<<<canary-$KEY", "32 bytes"),
        ("3< <(printf 'canary-\\xff')", "32 bytes"),
    ] {
        let (code, said) = refusal(&shell(&place, &format!("$TK --key fd:3 {token} {line}")));
        assert!(code == 1 && said.contains(reason), "{line}: {said}");
        assert!(!said.contains("canary") && !said.contains("callback"), "{line}: {said}");
    }
    for number in ["4294967295", "2147483648"] {
        let (code, said) = refusal(&shell(&place, &format!("$TK --key fd:{number} {token}")));
        assert!(code == 1 && said.contains("is not open"), "{said}");
    }
    let (code, said) = refusal(&shell(&place, "$TK --key fd:0 add <$EVENT"));
    assert!(code == 2 && said.contains("fd:3"), "{said}");
    let (code, said) = refusal(&shell(&place, "$TK --key fd:0 import - <$EVENT"));
    assert!(code == 2 && said.contains("fd:3"), "{said}");
}

/// A number that is free when the program starts may be that of a file or socket of its own later.
#[test]
fn nothing_that_the_program_opens_itself_is_taken_for_the_key() {
    let place = signed_in();
    let token = TOKEN.join(" ");
    for number in 3..12 {
        let closed = (3..12).map(|number| format!(" {number}<&-")).collect::<String>();
        for command in [&token[..], "doctor"] {
            let found = shell(&place, &format!("$TK --key fd:{number} {command} {closed}"));
            let said = text(&found.stdout) + &text(&found.stderr);
            let reason = format!("file descriptor {number} is not open");
            assert!(said.contains(&reason), "fd:{number} {command}: {said}");
        }
    }
}

#[test]
fn a_pipe_that_nobody_writes_to_ends() {
    let place = signed_in();
    let begun = Instant::now();
    let line = format!("mkfifo pipe; $TK --key fd:3 {} 3<>pipe", TOKEN.join(" "));
    let (code, said) = refusal(&shell(&place, &line));
    assert!(code == 1 && said.contains("did not end within 10s"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_key_in_any_base64_is_the_same_key() {
    let place = Place::new();
    let token = TOKEN.join(" ");
    let keys = ["++//".repeat(10) + "++8=", "--__".repeat(10) + "--8=", "--__".repeat(10) + "--8"];
    let added = shell(&place, &format!("K={} $TK --key env:K add <$EVENT", keys[0]));
    assert!(text(&added.stderr).ends_with("key: env\n"), "{}", text(&added.stderr));
    for key in keys {
        let found = shell(&place, &format!("K={key} $TK --key env:K {token}"));
        assert_eq!(text(&found.stdout), "an-access-token\n", "{key}: {}", text(&found.stderr));
    }
}
