//! The users and the folders that the program is tried with.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use tokenkeep_test_support::{say, started};

use crate::support::{EVENT, run, text};

/// Who runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User(u32),
}

/// Folders in which root, or else this user alone, tries what can be named.
pub(crate) struct World {
    pub(crate) outer: TempDir,
    pub(crate) who: Who,
}

impl World {
    /// One for each user that there can be.
    pub(crate) fn all() -> Vec<Self> {
        let this = fs::metadata("/proc/self").map_or(1, |process| process.uid());
        match this {
            0 => vec![Self::of(Who::Root), Self::of(Who::User(SOMEBODY))],
            this => {
                say("skipped: root, and what belongs to others; run as root");
                vec![Self::of(Who::User(this))]
            }
        }
    }

    fn of(who: Who) -> Self {
        let world = Self { outer: tempfile::tempdir().unwrap(), who };
        set_mode(world.outer.path(), 0o755);
        for name in ["home", "run", "own"] {
            world.folder(name, 0o700);
        }
        let program = env!("CARGO_BIN_EXE_tokenkeep");
        fs::copy(program, world.outer.path().join("tokenkeep")).unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.outer.path().join(name)
    }

    fn id(&self) -> u32 {
        match self.who {
            Who::Root => 0,
            Who::User(id) => id,
        }
    }

    /// A folder of the user's.
    pub(crate) fn folder(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        set_mode(&path, mode);
        self.give(&path)
    }

    /// A file of the user's.
    pub(crate) fn file(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, "some text").unwrap();
        set_mode(&path, mode);
        self.give(&path)
    }

    pub(crate) fn give(&self, path: &Path) -> PathBuf {
        std::os::unix::fs::lchown(path, Some(self.id()), Some(self.id())).ok();
        path.to_owned()
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.path("home"));
        command.env("XDG_RUNTIME_DIR", self.path("run")).env("KEY", KEY);
        command.current_dir(self.path("own"));
        if fs::metadata(self.outer.path()).unwrap().uid() == 0 {
            command.uid(self.id()).gid(self.id());
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(self.path("tokenkeep"));
        run(command.args(arguments), EVENT)
    }

    /// Types a line as the user would.
    pub(crate) fn shell(&self, line: &str) {
        let done = started(|| self.command("bash").args(["-c", line]).output()).unwrap();
        assert!(done.status.success(), "{:?}: {line}: {}", self.who, text(&done.stderr));
    }

    /// The arguments that name `path` in each way there is.
    pub(crate) fn ways(&self, path: &Path) -> [Vec<String>; 4] {
        let path = path.to_str().unwrap().to_owned();
        let own = self.path("own/cache").to_str().unwrap().to_owned();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        [
            words(&["--key", "env:KEY", "--cache", &path]),
            words(&["--store", "plaintext", "--cache", &path]),
            words(&["--store", "msal-extensions", "--cache", &path]),
            words(&["--key", &format!("file:{path}"), "--cache", &own]),
        ]
    }
}

pub(crate) const SOMEBODY: u32 = 54_321;
pub(crate) const ANOTHER: u32 = 54_322;
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What a command would begin with that changes what lies at a path.
const COMMANDS: [&str; 9] =
    ["chmod", "chown", "chgrp", "icacls", "mkdir", "`mv ", "`rm ", "`cp ", "`ln "];

/// Everything that is said of a place, in each way to name it.
pub(crate) fn said_of(
    world: &World,
    path: &Path,
    commands: &[&[&str]],
) -> Vec<(String, i32, String)> {
    let mut said = Vec::new();
    for way in world.ways(path) {
        for command in commands {
            let words = way.iter().map(String::as_str).chain(command.iter().copied());
            let arguments: Vec<_> = words.collect();
            let output = world.run(&arguments);
            let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert!(!all.contains("panicked"), "{all}");
            said.push((
                format!("{:?}: {arguments:?}", world.who),
                output.status.code().unwrap_or(-1),
                all,
            ));
        }
    }
    said
}

#[track_caller]
pub(crate) fn no_command(said: Vec<(String, i32, String)>) {
    for (what, _, said) in said {
        for command in COMMANDS {
            assert!(!said.contains(command), "{what} says {command}: {said}");
        }
        // It removes what is there; only the cache of the test is a cache.
        let mut removing = said.lines().filter(|line| line.contains("clear --unreadable"));
        assert!(removing.all(|line| line.contains("own/cache")), "{what}: {said}");
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
