//! Bad input of every kind: a clear error, and nothing lost.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, time::Instant};

use support::{EVENT, Place, TOKEN, exists, program, refusal, run, text};
use tokenkeep_test_support::say;

#[test]
fn text_that_is_no_event_is_refused_with_its_reason() {
    let place = Place::signed_in();
    let before = place.sealed();
    let other_host = EVENT.replace("https://", r"https://evil.example\\@");
    let not_https = EVENT.replace("https://", "http://");
    for (input, reason) in [
        ("", "JSON"),
        ("not json", "JSON"),
        ("[]", "object"),
        ("null", "object"),
        ("{}", "no token"),
        ("{\"access_token\": \"a-token\"}", "`response`"),
        ("{\"response\": 5}", "response"),
        ("{\"scope\": 7}", "scope"),
        ("{\"access_token\": \"a-token\", \"scope\": \"s1\"}", "`response`"),
        (&*other_host, "token endpoint"),
        (&*not_https, "https"),
    ] {
        let (code, said) = refusal(&place.run_with(&["add"], input));
        assert_eq!(code, 1, "{input}: {said}");
        assert!(said.contains(reason), "{input}: {said}");
        assert_eq!(place.sealed(), before, "{input}");
    }
}

#[test]
fn a_gibibyte_of_nothing_is_refused_at_once() {
    let place = Place::signed_in();
    fs::OpenOptions::new().write(true).open(place.file()).unwrap().set_len(1 << 30).unwrap();
    let begun = Instant::now();
    let (code, said) = refusal(&place.run(&TOKEN));
    say(&format!("1 GiB sparse file refused after {:?}", begun.elapsed()));
    assert!(code == 6 && (said.contains("16777216") || said.contains("corrupt")), "{said}");
    assert_eq!(fs::metadata(place.file()).unwrap().len(), 1 << 30, "it was left as it is");
}

#[test]
fn a_missing_parent_is_named_for_a_folder_of_the_persons_own() {
    let place = Place::new();
    let missing = place.0.path().join("nowhere");
    let mut command = program();
    command.arg("--cache").arg(missing.join("cache"));
    command.arg("--key").arg(format!("file:{}", place.key().display()));
    let (code, said) = refusal(&run(command.arg("add"), EVENT));
    assert!(code == 1 && said.contains(&missing.display().to_string()), "{said}");
    assert!(!exists(&missing));
}

#[test]
fn a_store_name_that_is_none_is_refused() {
    let place = Place::new();
    for name in ["", "..", "a/b", "a\nb", "a b"] {
        let (code, said) = refusal(&place.run(&["--name", name, "accounts"]));
        assert!(code == 2 && said.contains("store name"), "{name:?}: {said}");
    }
}

#[test]
fn a_cache_of_another_store_is_refused_and_left() {
    let place = Place::signed_in();
    let before = place.sealed();
    let output = place.run_with(&["--name", "com.example.other", "add"], EVENT);
    let (code, said) = refusal(&output);
    assert!(code == 6 && said.contains("another name"), "{said}");
    assert_eq!(place.sealed(), before);
}

#[test]
fn a_key_that_is_gone_is_said_and_no_other_is_made() {
    let place = Place::signed_in();
    let before = place.sealed();
    fs::remove_file(place.key()).unwrap();
    for arguments in [&["add"][..], &TOKEN, &["sign-out", "--everywhere"]] {
        let (code, said) = refusal(&place.run_with(arguments, EVENT));
        assert!(code == 6 && said.contains("is gone"), "{arguments:?}: {said}");
    }
    assert_eq!(place.sealed(), before);
    assert!(!place.key().exists());
}

#[test]
fn what_cannot_be_read_is_given_up_by_a_word_of_its_own() {
    let place = Place::signed_in();
    fs::remove_file(place.key()).unwrap();
    let (code, said) = refusal(&place.run(&["clear"]));
    assert!(code == 6 && said.contains("clear --unreadable"), "{said}");
    assert!(place.file().exists());
    let given_up = place.run(&["clear", "--unreadable"]);
    assert!(given_up.status.success(), "{}", text(&given_up.stderr));
    assert!(!place.file().exists());
    assert!(place.run_with(&["add"], EVENT).status.success());
    assert_eq!(text(&place.run(&TOKEN).stdout), "an-access-token\n");
}

#[test]
fn what_could_not_be_read_is_called_reading() {
    let place = Place::signed_in();
    for command in [&["add"][..], &["import"], &["import", "-"]] {
        let folder = fs::File::open(place.0.path());
        // A folder cannot be opened as a file on Windows.
        let Ok(folder) = folder else { continue };
        let output = place.command().args(command).stdin(folder).output().unwrap();
        let (code, said) = refusal(&output);
        assert!(code == 1 && said.contains("could not read standard input"), "{said}");
    }
}

#[test]
fn an_answer_without_its_event_gets_the_hint_that_was_made_for_it() {
    let place = Place::signed_in();
    let before = place.sealed();
    for answer in [
        r#"{"access_token": "an-access-token", "expires_in": 3600, "scope": "s", "token_type": "Bearer"}"#,
        r#"{"access_token": "an-access-token"}"#,
        r#"{"refresh_token": "a-refresh-token", "scope": ["s"], "expires_in": "odd"}"#,
        "\u{feff}{\"id_token\": \"x.y.z\"}",
        r#"{"error": "invalid_grant", "error_description": "x"}"#,
    ] {
        let (code, said) = refusal(&place.run_with(&["add"], answer));
        assert!(code == 1 && said.contains("`response`"), "{answer}: {said}");
        assert!(said.contains("add --help"), "{answer}: {said}");
        assert_eq!(place.sealed(), before, "{answer}");
    }
}

#[test]
fn utf_16_is_called_by_its_name() {
    let place = Place::signed_in();
    for marked in [true, false] {
        let mark = if marked { "\u{feff}" } else { "" };
        let event = format!("{mark}{EVENT}");
        let wide: Vec<u8> = event.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let file = place.0.path().join("wide.json");
        fs::write(&file, wide).unwrap();
        for command in [&["add"][..], &["import"]] {
            let input = fs::File::open(&file).unwrap();
            let output = place.command().args(command).stdin(input).output().unwrap();
            let (code, said) = refusal(&output);
            assert!(code == 1 && said.contains("UTF-16"), "{command:?}: {said}");
        }
        let (code, said) = refusal(&run(place.command().arg("import").arg(&file), ""));
        assert!(code == 1 && said.contains("UTF-16"), "{said}");
    }
}

#[test]
fn advice_is_in_the_programs_words_and_for_the_cache_that_was_meant() {
    let place = Place::signed_in();
    let mut sealed = place.sealed();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    fs::write(place.file(), sealed).unwrap();
    let doctor = place.run(&["doctor"]);
    let said = [refusal(&place.run(&["list"])).1, text(&doctor.stdout)];
    for said in &said {
        for word in ["quarantine", "reset", "callback"] {
            assert!(!said.contains(word), "{word} in {said}");
        }
        let lines = said.lines().filter(|line| line.contains("clear --unreadable"));
        assert_eq!(lines.count(), 1, "{said}");
    }
    // The command does what it says, to this cache.
    let command = said[0].split('`').find(|part| part.contains("clear")).unwrap();
    let mut words = command.split(' ').skip(1);
    assert_eq!(words.next(), Some("--cache"));
    assert_eq!(words.next(), Some(&*place.folder().display().to_string()));
    // With the key, so that its file is removed with the cache.
    assert_eq!(words.next(), Some("--key"));
    assert!(words.next().is_some_and(|key| key.starts_with("file:")));
    assert_eq!(words.collect::<Vec<_>>(), ["clear", "--unreadable"]);
}
