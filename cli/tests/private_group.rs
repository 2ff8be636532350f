//! What other programs make under a umask of 002, where each user has a group of their own, is read
//! and written.
// Not on Windows: a umask, groups
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use support::{EVENT, program, text};
use tokenkeep_test_support::{Tool, need, python, say};

#[test]
fn a_cache_that_pythons_msal_extensions_made_under_umask_002_is_used() {
    if !need(Tool::Python) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("app/token_cache.bin");
    let script = "import sys, msal_extensions as m; m.FilePersistence(sys.argv[1]).save('{}')";
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 002; exec \"$0\" \"$@\""]).arg(python().unwrap());
    let python = shell.args(["-c", script]).arg(&file).output().unwrap();
    assert!(python.status.success(), "{}", text(&python.stderr));
    let made = fs::metadata(place.path().join("app")).unwrap();
    assert_eq!(made.mode() & 0o777, 0o775, "as msal-extensions makes it");
    if made.gid() != made.uid() {
        return say("skipped: this user has no group of their own");
    }
    for command in ["accounts", "add", "accounts", "clear"] {
        let (code, said) = run(&file, command, None);
        assert_eq!(code, 0, "{command}: {said}");
    }
}

#[test]
fn a_group_that_has_others_in_it_is_refused_in_words() {
    let Some(world) = World::new() else { return };
    for (gid, is_accepted) in [(USER, true), (OTHERS, false)] {
        let file = world.made_by_a_peer(gid);
        for command in ["accounts", "add"] {
            let (code, said) = run(&file, command, Some(USER));
            assert_eq!(code, if is_accepted { 0 } else { 6 }, "{gid} {command}: {said}");
            assert!(is_accepted || said.contains("can be changed by others"), "{said}");
            assert!(!said.contains("chmod"), "{said}");
        }
    }
}

#[test]
fn a_sealed_cache_stays_strict_and_may_lie_below_a_folder_of_the_own_group() {
    let Some(world) = World::new() else { return };
    let above = world.made_by_a_peer(USER).parent().unwrap().to_owned();
    let add = |cache: &Path| {
        let mut command = as_user(world.program(), Some(USER));
        command.env("KEY", KEY).args(["--key", "env:KEY", "add", "--cache"]).arg(cache);
        let output = support::run(&mut command, EVENT);
        (output.status.code().unwrap(), text(&output.stderr))
    };
    assert_eq!(add(&above.join("sealed")).0, 0);
    fs::set_permissions(above.join("sealed"), fs::Permissions::from_mode(0o770)).unwrap();
    let (code, said) = add(&above.join("sealed"));
    assert!(code == 6 && said.contains("run `chmod 700 "), "{said}");
    chown(&above, None, Some(OTHERS)).unwrap();
    fs::set_permissions(&above, fs::Permissions::from_mode(0o775)).unwrap();
    let (code, said) = add(&above.join("other"));
    assert!(code == 6 && said.contains("and so can all that lies below it"), "{said}");
}

/// A folder for a user that no list has, and the program where that user can start it.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Option<Self> {
        let world = Self(tempfile::tempdir().unwrap());
        if chown(world.0.path(), Some(USER), Some(USER)).is_err() {
            say("skipped: another user's group; run as root");
            return None;
        }
        fs::copy(env!("CARGO_BIN_EXE_tokenkeep"), world.program()).unwrap();
        Some(world)
    }

    fn program(&self) -> PathBuf {
        self.0.path().join("tokenkeep")
    }

    /// A folder and a file as they come from a umask of 002.
    fn made_by_a_peer(&self, gid: u32) -> PathBuf {
        let folder = self.0.path().join(format!("app-{gid}"));
        fs::create_dir(&folder).unwrap();
        let file = folder.join("token_cache.bin");
        fs::write(&file, "{}").unwrap();
        for (path, mode) in [(&folder, 0o775), (&file, 0o664)] {
            chown(path, Some(USER), Some(gid)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        file
    }
}

fn run(file: &Path, command: &str, user: Option<u32>) -> (i32, String) {
    let mut program = program();
    if user.is_some() {
        let copy = file.parent().and_then(Path::parent).unwrap().join("tokenkeep");
        program = as_user(copy, user);
    }
    program.args(["--store", "plaintext", "--cache"]).arg(file).arg(command);
    let output = support::run(&mut program, EVENT);
    (output.status.code().unwrap(), text(&output.stderr))
}

fn as_user(program: PathBuf, user: Option<u32>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("DBUS_SESSION_BUS_ADDRESS");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// No system has it; nor has it a group of this number, so nobody else is in that.
const USER: u32 = 54_321;
/// A group that is not the user's own.
const OTHERS: u32 = 54_322;
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
