//! What an import takes over, what it leaves, and what it refuses.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{EVENT, Place, TOKEN, program, refusal, run, text};
use tokenkeep::lock::{CrossProcessLock, Wait};

fn import(place: &Place, input: &str) -> Value {
    let output = place.run_with(&["import", "--json"], input);
    assert!(!text(&output.stdout).contains("-token"), "no secret is shown");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {:?}", refusal(&output)))
}

fn export(place: &Place) -> String {
    text(&place.run(&["export", "--reveal-secrets"]).stdout)
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_export_comes_whole_into_another_cache_and_a_second_import_changes_nothing() {
    let (from, to) = (Place::signed_in(), Place::new());
    let exported = export(&from).replacen('{', "{\"customized\": [1e400],", 1);
    let first = import(&to, &exported);
    assert_eq!(
        first["imported"]["AccessToken"],
        json!({ "imported": 1, "outdated": 0, "unchanged": 0 })
    );
    assert_eq!(first["imported"]["AppMetadata"]["imported"], 1);
    assert_eq!(first["sections"], json!({ "imported": 1, "skipped": 0 }));
    assert_eq!(first["changed"], true);
    assert!(first["protection"].as_str().unwrap().contains("key file"), "{first}");
    assert_eq!(text(&to.run(&TOKEN).stdout), "an-access-token\n");
    assert!(export(&to).contains("1e400"));

    let before = to.sealed();
    let second = import(&to, &exported);
    assert_eq!(
        second["imported"]["RefreshToken"],
        json!({ "imported": 0, "outdated": 0, "unchanged": 1 })
    );
    assert_eq!(second["changed"], false);
    assert_eq!(to.sealed(), before, "nothing was written");

    let said = to.run_with(&["import"], &exported);
    assert!(text(&said.stderr).contains("is here already"), "{}", text(&said.stderr));
    assert!(text(&said.stdout).contains("RefreshToken"), "{}", text(&said.stdout));
    refusal(&said);
}

#[test]
fn an_export_leaves_client_secrets_out_and_an_import_the_records() {
    let (from, to) = (Place::new(), Place::new());
    let file = from.0.path().join("plain.json");
    let mut cache: Value = serde_json::from_str(&export(&Place::signed_in())).unwrap();
    cache["Tokenkeep"] = json!({"id.example|c": {"issuer": "https://id.example", "client_id": "c",
        "token_endpoint": "https://id.example/token", "client_secret": "S3CRET", "later": 1}});
    fs::write(&file, cache.to_string()).unwrap();
    let mut command = program();
    command.args(["--store", "plaintext", "--cache"]).arg(&file);
    let exported = text(&run(command.args(["export", "--reveal-secrets"]), "").stdout);
    assert!(exported.contains("https://id.example/token") && exported.contains("later"));
    assert!(!exported.contains("S3CRET") && !exported.contains("client_secret"), "{exported}");
    let said = import(&to, &exported);
    assert_eq!(said["sections"], json!({ "imported": 0, "skipped": 0 }));
    assert!(!export(&to).contains("id.example/token"));
}

#[test]
fn an_old_export_loses_no_newer_sign_in() {
    let place = Place::signed_in();
    let now = export(&place);
    let mut old: Value = serde_json::from_str(&now).unwrap();
    for (kind, time) in [("AccessToken", "cached_at"), ("RefreshToken", "last_modification_time")] {
        for entry in old[kind].as_object_mut().unwrap().values_mut() {
            (entry[time], entry["secret"]) = ("1000".into(), "an old one".into());
        }
    }
    let merged = import(&place, &old.to_string());
    for kind in ["AccessToken", "RefreshToken"] {
        assert_eq!(
            merged["imported"][kind],
            json!({ "imported": 0, "outdated": 1, "unchanged": 0 }),
            "{kind}"
        );
    }
    assert_eq!(export(&place), now);
    place.run(&["sign-out", "--everywhere"]);
    assert_eq!(import(&place, &now)["imported"]["AccessToken"]["imported"], 1);
}

#[test]
fn a_byte_order_mark_as_windows_own_programs_write_it_is_skipped() {
    let whole = export(&Place::signed_in());
    let place = Place::new();
    let output = place.run_with(&["import"], &format!("\u{feff}{whole}"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(export(&place), whole);
}

#[test]
fn the_help_names_each_field_of_the_json() {
    let (from, to) = (Place::signed_in(), Place::new());
    let said = import(&to, &export(&from));
    let help = text(&run(program().args(["import", "--help"]), "").stdout);
    let inner = [&said["imported"]["AccessToken"], &said["sections"]];
    for object in inner.into_iter().chain([&said]) {
        for field in object.as_object().unwrap().keys() {
            assert!(help.contains(field.as_str()), "{field} is not in the help");
        }
    }
}

// Not on Windows: modes
#[cfg(unix)]
#[test]
fn a_source_that_cannot_be_used_is_refused_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;

    let (from, to) = (Place::signed_in(), Place::new());
    let file = from.0.path().join("theirs.json");
    fs::write(&file, export(&from)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let mut command = to.command();
    command.args(["import", "--plaintext", "--from-python"]).arg(&file);
    let (code, said) = refusal(&run(&mut command, ""));
    assert_eq!(code, 6, "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("theirs.json"), "{said}");
    assert!(lines.len() == 2 && lines[1].starts_with("  "), "what to do: {said}");
    assert!(!said.contains("--unreadable"), "that would harm this cache: {said}");
}

#[test]
fn what_is_no_cache_is_refused_with_its_reason_and_nothing_is_changed() {
    let place = Place::signed_in();
    let before = place.sealed();
    let whole = export(&place);
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(33 << 20));
    for (input, code, reason) in [
        ("", 1, "empty"),
        ("not json", 1, "MSAL JSON"),
        (&whole[..whole.len() / 2], 1, "MSAL JSON"),
        ("\u{feff}", 1, "empty"),
        ("[]", 1, "object"),
        ("{\"AccessToken\": {\"k\": {\"n\": NaN}}}", 1, "MSAL JSON"),
        (EVENT, 1, "no token cache"),
        ("{\"access_token\": \"an-access-token\"}", 1, "no token cache"),
        ("{}", 3, "nothing was imported"),
        ("{\"AccessToken\": {}}", 3, "nothing was imported"),
        (&large, 2, "32 MiB"),
    ] {
        let (exit, said) = refusal(&place.run_with(&["import"], input));
        let begin = &input[..input.len().min(20)];
        assert_eq!(exit, code, "{begin}: {said}");
        assert!(said.contains(reason), "{begin}: {said}");
        assert!(!said.contains("--unreadable"), "that would harm this cache: {said}");
        assert_eq!(place.sealed(), before, "{begin}");
    }
    let new = Place::new();
    assert_eq!(refusal(&new.run_with(&["import"], "{")).0, 1);
    assert_eq!(refusal(&new.run_with(&["import"], EVENT)).0, 1);
    assert!(names(new.0.path()).is_empty(), "nothing is made for what is refused");
}

#[test]
fn a_file_is_read_and_one_that_is_not_there_is_named() {
    let (from, to) = (Place::signed_in(), Place::new());
    let file = from.0.path().join("an export.json");
    fs::write(&file, export(&from)).unwrap();
    let imported = run(to.command().arg("import").arg(&file), "");
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert_eq!(text(&to.run(&TOKEN).stdout), "an-access-token\n");
    let missing = run(to.command().arg("import").arg(file.with_extension("gone")), "");
    let (code, said) = refusal(&missing);
    assert!(code == 1 && said.contains("an export.gone"), "{said}");
    for both in [&["--from-python", "x"][..], &["--plaintext"]] {
        assert_eq!(refusal(&run(to.command().args(["import", "x"]).args(both), "")).0, 2);
    }
}

/// A plain text cache of another program, and the command that imports it.
fn plain(place: &Place) -> (std::path::PathBuf, Command) {
    let folder = tempfile::tempdir_in(place.0.path()).unwrap().keep();
    let file = folder.join("token_cache.bin");
    let from = Place::signed_in();
    fs::write(&file, export(&from)).unwrap();
    let mut command = place.command();
    command.args(["import", "--plaintext", "--from-python"]).arg(&file);
    (file, command)
}

#[test]
fn a_plain_text_file_of_python_comes_when_that_is_said_and_stays_as_it_is() {
    let place = Place::new();
    let (file, mut command) = plain(&place);
    let before = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    let imported = run(&mut command, "");
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert_eq!(text(&place.run(&TOKEN).stdout), "an-access-token\n");
    assert_eq!(names(file.parent().unwrap()), ["token_cache.bin"], "nothing is left beside it");
    let after = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    assert!(after == before, "it is not touched");
    fs::remove_file(&file).unwrap();
    assert_eq!(refusal(&run(&mut command, "")).0, 3);
    fs::write(&file, "").unwrap();
    let (code, said) = refusal(&run(&mut command, ""));
    assert!(code == 6 && said.contains("empty") && !said.contains("--unreadable"), "{said}");
}

#[test]
fn a_file_that_its_program_is_writing_is_read_when_that_is_done() {
    let place = Place::new();
    let (file, mut command) = plain(&place);
    let whole = fs::read(&file).unwrap();
    for part in [0, whole.len() / 2] {
        let peer = CrossProcessLock::msal_extensions(&file).acquire(&Wait::default()).unwrap();
        fs::write(&file, &whole[..part]).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = said.next().unwrap().unwrap();
        assert!(first.contains(&format!("process {}", std::process::id())), "{first}");
        fs::write(&file, &whole).unwrap();
        drop(peer);
        let rest: Vec<_> = said.map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success(), "{rest:?}");
        assert_eq!(text(&place.run(&TOKEN).stdout), "an-access-token\n");
        place.run(&["clear"]);
    }
}

#[test]
fn a_cache_that_cannot_be_read_takes_nothing_and_stays_as_it_is() {
    let (from, to) = (Place::signed_in(), Place::signed_in());
    let mut sealed = to.sealed();
    *sealed.last_mut().unwrap() ^= 1;
    fs::write(to.file(), &sealed).unwrap();
    assert_eq!(refusal(&to.run_with(&["import"], &export(&from))).0, 6);
    assert_eq!(to.sealed(), sealed);
}

#[test]
fn an_msal_extensions_cache_needs_its_location_and_has_no_key() {
    for command in [&["accounts"][..], &["add"], &["clear"], &["doctor"], &["import"]] {
        let mut theirs = program();
        theirs.args(["--store", "msal-extensions"]).args(command);
        let (code, said) = refusal(&run(&mut theirs, ""));
        assert!(code == 2 && said.contains("--cache"), "{command:?}: {said}");
    }
    let mut command = program();
    command.args(["--store", "msal-extensions", "--cache", "x", "--key", "vault", "doctor"]);
    let (code, said) = refusal(&run(&mut command, ""));
    assert!(code == 2 && said.contains("--key"), "{said}");
}
