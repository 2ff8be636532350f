//! The program's commands, outputs and exit codes.

mod support;

use std::{
    ffi::OsString,
    process::{Output, Stdio},
};

use tokenkeep_test_support::started;

use support::{EVENT, Place, TOKEN, program, refusal, run, text};

#[test]
fn what_one_process_adds_a_new_one_prints() {
    let place = Place::signed_in();
    let token = place.run(&TOKEN);
    assert_eq!(text(&token.stdout), "an-access-token\n", "{}", text(&token.stderr));
    assert!(token.stderr.is_empty());
}

#[test]
fn every_command_speaks_json_with_stable_names() {
    let place = Place::new();
    let json = |arguments: &[&str], input: &str| -> serde_json::Value {
        let output = place.run_with(&[arguments, &["--json"]].concat(), input);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", text(&output.stderr)))
    };
    assert_eq!(json(&["add"], EVENT)["added"], true);
    let token = json(&TOKEN, "");
    assert_eq!(token["access_token"], "an-access-token");
    assert_eq!(token["token_type"], "Bearer");
    assert!(token["expires_on"].as_i64() > Some(1_700_000_000));
    let accounts = json(&["accounts"], "");
    assert_eq!(accounts[0]["username"], "ada@example.com");
    assert_eq!(accounts[0]["home_account_id"], "subject");
    assert_eq!(accounts[0]["client_ids"], serde_json::json!(["client"]));
    let list = json(&["list"], "");
    assert_eq!(list.as_array().map(Vec::len), Some(4));
    assert_eq!(list[0]["credential_type"], "AccessToken");
    assert_eq!(list[0]["scopes"][0], "s1");
    assert!(!list.to_string().contains("an-access-token"), "secrets are hidden unless asked for");
    assert!(json(&["list", "--reveal-secrets"], "").to_string().contains("an-access-token"));
    let doctor = json(&["doctor"], "");
    assert_eq!(doctor["cache"]["encrypted"], true);
    assert_eq!(doctor["cache"]["accounts"], 1);
    assert_eq!(doctor["key_sources"][0]["source"], "vault");
    let names = |value: &serde_json::Value| {
        let object = value.as_object().expect("an object");
        object.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&doctor), "cache environment key_sources left_over_keys milliseconds sign_in");
    assert_eq!(
        names(&doctor["cache"]),
        "accounts encrypted item key_in_use key_of_a_new_cache lock_file name \
         network_file_system order place problem protection signal_file state vault"
    );
    assert_eq!(
        names(&doctor["key_sources"][0]),
        "in_use kind milliseconds note position problem source state works"
    );
    assert_eq!(names(&doctor["sign_in"]), "browser setting way");
    assert_eq!(
        names(&doctor["environment"]),
        "container display installed_providers provider provider_process runtime_folder \
         session_bus session_bus_address ssh system wsl"
    );
    assert_eq!(
        json(&["sign-out", "--everywhere"], "")["signed_out"]["username"],
        "ada@example.com"
    );
    assert_eq!(json(&["clear"], "")["cleared"], true);
}

#[test]
fn people_read_tables_without_secrets() {
    let place = Place::signed_in();
    let list = text(&place.run(&["list"]).stdout);
    for word in ["AccessToken", "RefreshToken", "ada@example.com", "login.example.com", "s1"] {
        assert!(list.contains(word), "{word} in\n{list}");
    }
    assert!(!list.contains("an-access-token") && !list.contains("a-refresh-token"), "{list}");
    assert!(text(&place.run(&["accounts"]).stdout).contains("ada@example.com"));
}

#[test]
fn export_asks_for_the_word_that_reveals() {
    let place = Place::signed_in();
    let (code, said) = refusal(&place.run(&["export"]));
    assert!(code == 2 && said.contains("--reveal-secrets"), "{said}");
    let exported = text(&place.run(&["export", "--reveal-secrets"]).stdout);
    assert!(exported.starts_with("{\n    \"AccessToken\": {\n"), "{exported}");
    assert!(exported.ends_with("}\n"), "{exported}");
}

#[test]
fn pythons_msal_finds_the_token_in_an_export() {
    if !tokenkeep_test_support::need(tokenkeep_test_support::Tool::Python) {
        return;
    }
    let place = Place::signed_in();
    let exported = place.run(&["export", "--reveal-secrets"]);
    let script = "import sys, msal\n\
        cache = msal.SerializableTokenCache()\n\
        cache.deserialize(sys.stdin.read())\n\
        found = list(cache.search('AccessToken', ['s1'], {'client_id': 'client'}))\n\
        print(found[0]['secret'])";
    let python = tokenkeep_test_support::python().expect("it was there a moment ago");
    let mut command = std::process::Command::new(python);
    let loaded = run(command.args(["-c", script]), &text(&exported.stdout));
    assert_eq!(text(&loaded.stdout), "an-access-token\n", "{}", text(&loaded.stderr));
}

#[test]
fn exit_codes_tell_a_script_what_to_do() {
    let place = Place::new();
    let code = |arguments: &[&str]| refusal(&place.run(arguments)).0;
    assert_eq!(code(&TOKEN), 3, "nothing there: sign in");
    assert_eq!(code(&["sign-out", "--everywhere"]), 3);
    assert_eq!(code(&["accounts"]), 0, "nobody is signed in, and that is an answer");
    assert_eq!(code(&["token"]), 2);
    assert_eq!(code(&["sign-out"]), 2);
    assert_eq!(code(&["no-such-command"]), 2);
    assert_eq!(code(&["--key", "fd:x", "accounts"]), 2);
    let without_a_vault = |key: &str| {
        let mut command = program();
        refusal(&run(
            command.arg("--cache").arg(place.folder()).args(["--key", key, "accounts"]),
            "",
        ))
    };
    let (nowhere, why) = match cfg!(windows) {
        true => ("kernel", "no kernel keyring here"),
        false => ("dpapi", "no DPAPI here"),
    };
    let (code, said) = without_a_vault(nowhere);
    assert!(code == 4 && said.contains(why), "{said}");
    if cfg!(target_os = "linux") {
        let (code, said) = without_a_vault("vault");
        assert!(code == 4 && said.contains("DBUS_SESSION_BUS_ADDRESS"), "{said}");
    }
}

#[test]
fn a_sign_out_names_whom_and_takes_everything_of_theirs() {
    let place = Place::signed_in();
    let other =
        EVENT.replace("ada@", "bob@").replace("subject", "other").replace("an-access", "bobs");
    assert!(place.run_with(&["add"], &other).status.success());
    let (code, said) = refusal(&place.run(&["sign-out", "--everywhere"]));
    assert!(code == 2 && said.contains("2 accounts") && said.contains("--account"), "{said}");
    let (code, said) = refusal(&place.run(&TOKEN));
    assert!(code != 0 && said.contains("--account"), "{said}");

    let out = place.run(&["sign-out", "--everywhere", "--account", "ADA@example.com"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let exported = text(&place.run(&["export", "--reveal-secrets"]).stdout);
    assert!(!exported.contains("subject") && exported.contains("bobs-token"), "{exported}");
    assert_eq!(text(&place.run(&TOKEN).stdout), "bobs-token\n");
}

#[test]
fn the_environment_a_passphrase_and_a_descriptor_supply_keys() {
    let hex = "0123456789abcdef".repeat(4);
    for (choice, variable, value) in [
        ("env:MY_KEY", "MY_KEY", hex.as_str()),
        ("passphrase", "TOKENKEEP_PASSPHRASE", "correct horse battery staple"),
    ] {
        let place = Place::new();
        let with = |value: &str, arguments: &[&str], input: &str| {
            let mut command = program();
            command.arg("--cache").arg(place.folder()).args(["--key", choice]).args(arguments);
            run(command.env(variable, value), input)
        };
        let added = with(value, &["add"], EVENT);
        assert!(added.status.success(), "{}", text(&added.stderr));
        assert_eq!(text(&with(value, &TOKEN, "").stdout), "an-access-token\n");
        let wrong = value.replace('c', "d");
        let (code, said) = refusal(&with(&wrong, &TOKEN, ""));
        assert_eq!(code, 6, "{choice}");
        assert!(!said.contains("--unreadable"), "a wrong key is no reason to give up: {said}");
    }
}

#[test]
fn a_key_that_is_not_text_is_refused_and_not_shown() {
    for (choice, variable) in [("env:MY_KEY", "MY_KEY"), ("passphrase", "TOKENKEEP_PASSPHRASE")] {
        let place = Place::new();
        let mut command = program();
        command.arg("--cache").arg(place.folder()).args(["--key", choice, "add"]);
        let refused = run(command.env(variable, not_text("nobody-may-see")), EVENT);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(variable) && !said.contains("nobody"), "{said}");
    }
}

#[cfg(unix)]
fn not_text(begin: &str) -> OsString {
    use std::os::unix::ffi::OsStringExt;

    OsString::from_vec([begin.as_bytes(), b"\xff"].concat())
}

/// Half of a surrogate pair is what text is not on Windows.
#[cfg(windows)]
fn not_text(begin: &str) -> OsString {
    use std::os::windows::ffi::OsStringExt;

    let units: Vec<u16> = begin.encode_utf16().chain([0xD800]).collect();
    OsString::from_wide(&units)
}

#[test]
fn spaces_and_letters_of_every_script_are_no_hindrance() {
    let place = Place::new();
    let folder = place.0.path().join("ein Ördner ☂").join("山田 ключ's x");
    std::fs::create_dir(folder.parent().expect("it has one")).expect("a folder");
    let sealed = |arguments: &[&str], input: &str| {
        let mut command = program();
        let mut key = OsString::from("file:");
        key.push(place.0.path().join("ein Schlüssel 🔑").join("der Schlüssel"));
        command.arg("--cache").arg(&folder).arg("--key").arg(key).args(arguments);
        run(&mut command, input)
    };
    let plain = |arguments: &[&str], input: &str| {
        let mut command = program();
        let file = place.0.path().join("Klar text ☂.json");
        command.args(["--store", "plaintext", "--cache"]).arg(file).args(arguments);
        run(&mut command, input)
    };
    type Way<'a> = &'a dyn Fn(&[&str], &str) -> Output;
    for way in [&sealed as Way<'_>, &plain] {
        let event = EVENT.replace("ada@", "åda 山@");
        for _ in 0..2 {
            let added = way(&["add"], &event);
            assert!(added.status.success(), "{}", text(&added.stderr));
        }
        assert_eq!(text(&way(&TOKEN, "").stdout), "an-access-token\n");
        assert!(text(&way(&["accounts"], "").stdout).contains("åda 山@example.com"));
        let out = way(&["sign-out", "--everywhere", "--account", "åda 山@example.com"], "");
        assert!(out.status.success(), "{}", text(&out.stderr));
        assert!(way(&["clear"], "").status.success());
    }
    assert!(folder.join("cache.lock").is_file() && !folder.join("cache.sealed").exists());
    std::fs::create_dir(folder.join("cache.sealed")).expect("a folder");
    let (code, said) = refusal(&sealed(&TOKEN, ""));
    assert!(code == 6 && said.contains("ein Ördner ☂"), "exit {code}: {said}");
}

/// Where Windows says that the user's data lies; no variable moves it.
#[cfg(windows)]
#[test]
fn a_store_by_name_lies_in_the_users_data_folder() {
    let place = Place::new();
    let own = place.0.path().file_name().expect("it has a name").to_string_lossy();
    let name = format!("com.example.test-{}", own.replace('.', ""));
    let run_named = |command: &str| {
        let mut program = program();
        program.args(["--name", &name, "--key"]).arg(format!("file:{}", place.key().display()));
        run(program.arg(command), EVENT)
    };
    let added = run_named("add");
    let local = std::env::var_os("LOCALAPPDATA").expect("Windows has it");
    let folder = std::path::Path::new(&local).join("tokenkeep").join(&name);
    let kept = folder.join("cache.sealed").is_file();
    let cleared = run_named("clear");
    std::fs::remove_dir_all(&folder).ok();
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert!(kept && cleared.status.success(), "{}", text(&cleared.stderr));
}

// Not on Windows: descriptors with numbers
#[cfg(unix)]
#[test]
fn a_key_comes_through_a_file_descriptor() {
    let place = Place::new();
    let key = "ab".repeat(32);
    let command = |arguments: &str| {
        let mut shell = std::process::Command::new("sh");
        let line = format!(
            "printf %s {key} | {{ {} --cache {} --key fd:3 {arguments} 3<&0 <\"$EVENT\"; }}",
            env!("CARGO_BIN_EXE_tokenkeep"),
            place.folder().display()
        );
        let event = place.0.path().join("event.json");
        std::fs::File::create(&event)
            .and_then(|mut file| std::io::Write::write_all(&mut file, EVENT.as_bytes()))
            .expect("the event");
        shell.args(["-c", &line]).env("EVENT", event).stdin(Stdio::null());
        shell.output().expect("a shell")
    };
    let added = command("add");
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert_eq!(text(&command("token --client-id client --scope s1").stdout), "an-access-token\n");
}

// Not on Windows: bash
#[cfg(unix)]
#[test]
fn bash_completes_commands_and_options_by_the_printed_script() {
    let script = support::run(support::program().args(["completions", "bash"]), "");
    assert!(script.status.success(), "{}", text(&script.stderr));
    let mut bash = std::process::Command::new("bash");
    let asks = "source /dev/stdin
        complete_it() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
            _tokenkeep tokenkeep \"${COMP_WORDS[COMP_CWORD]}\"; echo \"${COMPREPLY[*]}\"; }
        complete_it tokenkeep lo; complete_it tokenkeep login --dev";
    let found = support::run(bash.args(["-c", asks]), &text(&script.stdout));
    assert_eq!(
        text(&found.stdout),
        "login\n--device --device-endpoint\n",
        "{}",
        text(&found.stderr)
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = Place::signed_in();
    let mut command = place.command();
    command.args(["export", "--reveal-secrets"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = started(|| command.spawn()).expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn plain_text_needs_its_name_and_its_place() {
    let place = Place::new();
    let (code, said) = refusal(&run(program().args(["--store", "plaintext", "accounts"]), ""));
    assert!(code == 2 && said.contains("--cache"), "{said}");
    let file = place.0.path().join("plain.json");
    let mut command = program();
    let added = run(command.args(["--store", "plaintext", "--cache"]).arg(&file).arg("add"), EVENT);
    assert!(text(&added.stderr).contains("PLAIN TEXT"), "{}", text(&added.stderr));
    assert!(std::fs::read_to_string(file).expect("the file").contains("an-access-token"));
}
