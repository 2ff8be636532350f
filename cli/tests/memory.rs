//! What stays in the program's memory when it has done its work, and that nobody gets at it before.

// Not on Windows: core dumps
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use support::{Place, TOKEN, run, text};
use tokenkeep_test_support::{
    Canaries, Tool,
    core_dump::{Stop, dump, may_read_all},
    keyring::{State, inside},
    need, say, sign_in,
};

/// Where all has been dropped and only the end is left.
const END: Stop = Stop::at("exit_group");
const PRINTS: Stop = Stop::writing_to(1);

#[test]
fn a_core_dump_after_the_work_holds_nothing_of_what_was_kept() {
    if !can_dump() {
        return;
    }
    let place = Place::new();
    let added = place.run_with(&["add"], &sign_in::event());
    assert!(added.status.success(), "{}", text(&added.stderr));
    let canaries = everything().with("the key file's key", key_in(&place.key()));
    let event = sign_in::event();
    let cut_off = &event[..event.len() - 10];
    let after_the_token = event.replace("\"expires_in\"", "expires_in");
    let a_number = event.replace(&format!("\"{}\"", sign_in::ACCESS_TOKEN), "[1, 2]");
    let escaped =
        event.replace(sign_in::ACCESS_TOKEN, &format!(r"\u00e9{}", sign_in::ACCESS_TOKEN));
    let half = event.replace(sign_in::REFRESH_TOKEN, &format!(r"{}\ud83d", sign_in::REFRESH_TOKEN));
    let no_number = event.replace("3600", "NaN");
    let whole = ["export", "--reveal-secrets"];
    let cases: [(&[&str], &str, Option<Stop>); 17] = [
        (&TOKEN, "", Some(PRINTS)),
        (&[&TOKEN[..], &["--json"]].concat(), "", Some(PRINTS)),
        (&whole, "", Some(PRINTS)),
        (&["list"], "", Some(PRINTS)),
        (&["list", "--reveal-secrets"], "", Some(PRINTS)),
        (&["list", "--reveal-secrets", "--json"], "", Some(PRINTS)),
        (&["accounts"], "", Some(PRINTS)),
        (&["doctor"], "", None),
        (&["add"], &event, Some(Stop::at("fsync"))),
        (&["add"], cut_off, None),
        (&["add"], &after_the_token, None),
        (&["add"], &a_number, None),
        (&["add"], &escaped, Some(Stop::at("fsync"))),
        (&["add"], &half, None),
        (&["add"], &no_number, None),
        (&["token", "--client-id", "client", "--scope", "another"], "", None),
        (&["sign-out", "--everywhere"], "", Some(Stop::at("fsync"))),
    ];
    for (arguments, input, held) in cases {
        examine(place.command().args(arguments), input, held, &canaries);
    }
}

#[test]
fn a_core_dump_holds_nothing_of_a_cache_that_could_not_be_read_nor_of_a_key_from_a_descriptor() {
    if !can_dump() {
        return;
    }
    let place = Place::new();
    let key = sign_in::hexadecimal_key();
    let canaries = everything();
    let program = |arguments: &[&str]| {
        let mut command = support::program();
        command.arg("--cache").arg(place.folder()).args(arguments);
        command
    };
    let mut add = program(&["--key", "env:THE_KEY", "add"]);
    assert!(run(add.env("THE_KEY", &key), &sign_in::event()).status.success());
    let from_input = [&["--key", "fd:0"], &TOKEN[..]].concat();
    examine(&program(&from_input), &key, Some(PRINTS), &canaries);
    let wrong = key.replace("5", "6");
    examine(&program(&from_input), &wrong, None, &canaries);
    examine(&program(&from_input), &format!("{key}00"), None, &canaries);
    let mut sealed = fs::read(place.file()).unwrap();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    fs::write(place.file(), sealed).unwrap();
    examine(&program(&from_input), &key, None, &canaries);
    let plain = place.0.path().join("plain.json");
    let malformed =
        format!("{{\"AccessToken\": {{\"a\": {{\"secret\": \"{}\",,", sign_in::ACCESS_TOKEN);
    fs::write(&plain, malformed).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = support::program();
    command.args(["--store", "plaintext", "--cache"]).arg(&plain).args(TOKEN);
    examine(&command, "", None, &canaries);
}

#[test]
fn a_core_dump_holds_nothing_of_a_key_in_the_vault() {
    if !can_dump() {
        return;
    }
    let name = "a_core_dump_holds_nothing_of_a_key_in_the_vault";
    inside(name, State::Unlocked, |keyring| {
        let place = Place::new();
        let program = |arguments: &[&str]| {
            let mut command = keyring.command(env!("CARGO_BIN_EXE_tokenkeep"));
            command.arg("--cache").arg(place.folder()).args(arguments);
            command
        };
        let added = run(&mut program(&["add"]), &sign_in::event());
        assert!(added.status.success(), "{}", text(&added.stderr));
        let mut search = keyring.command("secret-tool");
        let listed = search.args(["search", "application", "tokenkeep"]).output().unwrap().stdout;
        let begin = b"secret = ";
        let at = listed.windows(begin.len()).position(|window| window == begin).unwrap();
        let key = &listed[at + begin.len()..][..32];
        let canaries = everything().with("the vault's key", key);
        examine(&program(&TOKEN), "", Some(PRINTS), &canaries);
        examine(&program(&["add"]), &sign_in::event(), Some(Stop::at("fsync")), &canaries);
        examine(&program(&["list"]), "", Some(PRINTS), &canaries);
        keyring.lock().unwrap();
        examine(&program(&TOKEN), "", None, &canaries);
    });
}

#[test]
fn a_variable_of_the_environment_stays_and_nothing_else() {
    if !can_dump() {
        return;
    }
    let place = Place::new();
    let key = sign_in::hexadecimal_key();
    let mut command = support::program();
    command.args(["--key", "env:THE_KEY", "--cache"]).arg(place.folder()).env("THE_KEY", &key);
    let program = command.arg("add");
    let dumped = dump(program, sign_in::event().as_bytes(), &[END]).unwrap();
    let canaries = everything();
    let found: Vec<_> = canaries.found_in(&dumped.cores[0]).into_iter().collect();
    assert_eq!(found, ["the key in hexadecimal"], "docs/THREATS.md says what of it stays");
}

#[test]
fn the_kernel_dumps_no_core_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let aborted = |program: &str, arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\"", program]).args(arguments);
        let mut child = start(shell.current_dir(folder.path()));
        wait_until_it_reads(&mut child);
        kill(&child, "ABRT");
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(6));
        status.core_dumped()
    };
    if !aborted("cat", &[]) {
        return say(
            "skipped: the_kernel_dumps_no_core_of_the_program: no program's core is dumped here",
        );
    }
    assert!(!aborted(env!("CARGO_BIN_EXE_tokenkeep"), &["add"]));
}

#[test]
fn other_programs_of_the_same_user_cannot_look_into_the_program() {
    if !may_read_all() {
        let mut begun = start(support::program().arg("add"));
        wait_until_it_reads(&mut begun);
        let opened = fs::File::open(format!("/proc/{}/mem", begun.id()));
        begun.kill().unwrap();
        begun.wait().unwrap();
        return assert!(opened.is_err(), "its memory can be opened");
    }
    // As somebody without privileges, whose processes belong to root as soon as they refuse dumps.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("tokenkeep");
    fs::copy(env!("CARGO_BIN_EXE_tokenkeep"), &copy).unwrap();
    let owner = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        let mut child = start(command.args(arguments).current_dir("/").uid(NOBODY).gid(NOBODY));
        wait_until_it_reads(&mut child);
        let owner = fs::metadata(format!("/proc/{}/mem", child.id())).unwrap().uid();
        child.kill().unwrap();
        child.wait().unwrap();
        owner
    };
    assert_eq!(owner(Path::new("cat"), &[]), NOBODY);
    assert_eq!(owner(&copy, &["add"]), 0);
}

/// Runs the program to its end, where nothing may be left. Where it is known to hold them, at
/// `held`, the same search must find them.
fn examine(program: &Command, input: &str, held: Option<Stop>, canaries: &Canaries) {
    let stops: Vec<_> = held.into_iter().chain([END]).collect();
    let dumped = dump(program, input.as_bytes(), &stops).unwrap();
    let (end, held) = dumped.cores.split_last().unwrap();
    for core in held {
        let found = canaries.found_in(core);
        for name in ["the access token as it is", "the refresh token as it is", "key as it is"] {
            let is_found = found.iter().any(|found| found.ends_with(name));
            assert!(is_found, "{program:?} holds {name}: {found:?}");
        }
    }
    let found = canaries.found_in(end);
    assert!(found.is_empty(), "{program:?} left {found:?}\n{}", text(&dumped.stderr));
}

fn everything() -> Canaries {
    sign_in::secrets().with("the account", sign_in::UID)
}

fn can_dump() -> bool {
    if !may_read_all() {
        say("skipped: reading the memory of a program that refuses dumps needs root");
    }
    may_read_all() && need(Tool::Debugger)
}

fn key_in(file: &Path) -> Vec<u8> {
    let text = fs::read_to_string(file).unwrap();
    let digits = text.lines().find_map(|line| line.strip_prefix("key: ")).unwrap();
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn start(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Until its own start is behind it: it has read more than a pipe holds.
fn wait_until_it_reads(child: &mut Child) {
    child.stdin.as_mut().unwrap().write_all(&vec![b' '; 1 << 20]).unwrap();
}

fn kill(child: &Child, signal: &str) {
    let mut kill = Command::new("kill");
    assert!(kill.arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap().success());
}

const NOBODY: u32 = 65534;
