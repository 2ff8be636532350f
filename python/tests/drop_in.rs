//! The package `tokenkeep.msal_extensions`: its tests in Python, in a session of their own.
// Not on Windows and macOS: they are run in a session with a Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod session;
mod support;

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use session::{Python, add_paths, azure_is_wanted, pytest, tests};
use tokenkeep_test_support::{Tool, Venv, executable, keyring::State, need, say};

#[test]
fn the_interface_is_that_of_msal_extensions() {
    run(&["test_persistence.py", "test_interface.py", "test_alias.py"]);
}

#[test]
fn a_cache_keeps_its_promises() {
    run(&["test_cache.py", "test_concurrency.py"]);
}

#[test]
fn one_process_renews_for_all() {
    run(&["test_renewal.py"]);
}

#[test]
fn processes_share_a_cache() {
    run(&["test_processes.py"]);
}

/// Runs where `TOKENKEEP_PYTHON_AZURE` is set, as `cargo xtask evidence` does.
#[test]
fn the_command_line_of_azure_works_on_it() {
    if !azure_is_wanted() || !need(Tool::AzureCli) {
        return;
    }
    let places =
        [("plain", State::Unlocked), ("vault", State::Unlocked), ("locked", State::Locked)];
    for (place, state) in places {
        let Some(python) = Python::new(state, &[]) else { return };
        let mut command = python.ours(Venv::AZURE_CLI);
        add_paths(&mut command, &[tests().join("drop_in"), tests().join("peers/plugins")]);
        command.arg(tests().join("drop_in/azure_cli.py")).arg(python.folder()).arg(place);
        finish(&mut command);
    }
}

#[test]
fn a_locked_vault_is_not_taken_for_a_missing_one() {
    let Some(python) = Python::new(State::Locked, &[]) else { return };
    let run = |phase| {
        let mut command = python.ours(Venv::PEERS);
        add_paths(&mut command, &[tests().join("drop_in")]);
        command.arg(tests().join("drop_in/locked_vault.py")).arg(phase);
        finish(&mut command);
    };
    run("locked");
    python.keyring().unlock().unwrap();
    run("unlocked");
}

/// Runs the tests of those files.
fn run(files: &[&str]) {
    let Some(python) = Python::new(State::Unlocked, &[Tool::PythonLibsecret]) else { return };
    let mut command = python.ours(Venv::PEERS);
    pytest(&mut command, python.folder());
    // What is measured is shown.
    command.args(["-p", "no:logging", "--capture=sys", "-rA"]);
    python.beside_original(&mut command);
    command.env("TOKENKEEP_PYTHONS", env::join_paths(pythons()).unwrap());
    add_paths(&mut command, &[tests().join("drop_in")]);
    command.args(files.iter().map(|file| tests().join("drop_in").join(file)));
    finish(&mut command);
}

/// Runs it, shows what it measured, and what it said if it failed.
fn finish(command: &mut Command) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(|line| line.starts_with("measured")).for_each(say);
    assert!(output.status.success(), "{text}");
}

/// Every Python that is found and new enough for what msal needs.
fn pythons() -> Vec<PathBuf> {
    let names = VERSIONS.map(|version| format!("python{version}"));
    let mut found: Vec<PathBuf> = names.iter().filter_map(|name| executable(name)).collect();
    // Where pyenv keeps them. Its programs in `PATH` run the chosen versions alone.
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    for version in home.join(".pyenv/versions").read_dir().into_iter().flatten().flatten() {
        found.extend(names.iter().map(|name| version.path().join("bin").join(name)));
    }
    found.retain(|python| {
        let run = Command::new(python).args(["-c", ""]).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    });
    found
}

const VERSIONS: [&str; 5] = ["3.10", "3.11", "3.12", "3.13", "3.14"];
