//! Runs the program as a user would.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use tokenkeep_test_support::started;

pub(crate) const EVENT: &str = r#"{"client_id": "client", "scope": ["s1"],
    "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
    "response": {"access_token": "an-access-token", "expires_in": 3600, "token_type": "Bearer",
        "refresh_token": "a-refresh-token",
        "id_token_claims": {"sub": "subject", "preferred_username": "ada@example.com"}}}"#;

pub(crate) const TOKEN: [&str; 5] = ["token", "--client-id", "client", "--scope", "s1"];

/// A cache and a key file of their own for a test.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A place with one sign-in in it.
    pub(crate) fn signed_in() -> Self {
        let place = Self::new();
        let added = place.run_with(&["add"], EVENT);
        assert!(added.status.success(), "{}", text(&added.stderr));
        place
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("cache.sealed")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("key").join("test.key")
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = program();
        command.arg("--cache").arg(self.folder());
        command.arg("--key").arg(format!("file:{}", self.key().display()));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        run(self.command().args(arguments), input)
    }

    /// The sealed file, to be compared later.
    pub(crate) fn sealed(&self) -> Vec<u8> {
        std::fs::read(self.file()).expect("there is a sealed file")
    }
}

/// The program, without anything of the user's own environment that it would use.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenkeep"));
    command.env_remove("TOKENKEEP_PASSPHRASE").env_remove("DBUS_SESSION_BUS_ADDRESS");
    command.env_remove("TOKENKEEP_LOGIN");
    command
}

/// The command in a process that ignores no signal, though this one may, as after `nohup`. Its
/// input and output are not taken over.
#[cfg(unix)]
pub(crate) fn heeding_signals(command: &Command) -> Command {
    // By its path, because the command may have another `PATH`.
    let mut heeding = Command::new("/usr/bin/env");
    heeding.arg("--default-signal=HUP,INT,TERM").arg(command.get_program());
    heeding.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => heeding.env(name, value),
            None => heeding.env_remove(name),
        };
    }
    heeding
}

pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = started(|| command.spawn()).expect("the program starts");
    // A program that refuses its arguments does not read what it is given.
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).ok();
    child.wait_with_output().expect("the program ends")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code and what a user read, with the promise that no secret was in it.
pub(crate) fn refusal(output: &Output) -> (i32, String) {
    let said = text(&output.stderr);
    for secret in ["an-access-token", "a-refresh-token"] {
        assert!(!said.contains(secret), "a secret was shown: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().expect("an exit code"), said)
}

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
