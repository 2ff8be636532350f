//! A Python of the tests in a session with a keyring of its own.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;
use tokenkeep_test_support::{
    Tool, Venv,
    keyring::{Session, State},
    need, python_with_libsecret, say, workspace_root,
};

use crate::support::package;

/// A bus, a keyring and a home of their own, and the package of this workspace.
pub(crate) struct Python {
    session: Session,
    package: PathBuf,
    folder: TempDir,
    _machine: MutexGuard<'static, ()>,
}

/// One at a time: each wants the whole machine.
static MACHINE: Mutex<()> = Mutex::new(());

impl Python {
    /// Nothing where one of `tools` or a Secret Service is missing.
    pub(crate) fn new(state: State, tools: &[Tool]) -> Option<Self> {
        if ![Tool::SecretService, Tool::Python].iter().chain(tools).all(|tool| need(*tool)) {
            return None;
        }
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let package = package().to_owned();
        let session = Session::start(state).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Some(Self { session, package, folder, _machine: machine })
    }

    /// A new folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn keyring(&self) -> &Session {
        &self.session
    }

    /// The Python of that environment, which has no PyGObject, with the package.
    pub(crate) fn ours(&self, venv: Venv) -> Command {
        self.with_package(&venv.python())
    }

    /// The system's Python, which has PyGObject, with the peers and without the package.
    pub(crate) fn original(&self) -> Command {
        let mut command = python_with_libsecret();
        self.prepare(&mut command);
        command
    }

    /// Adds what the tests of ours need to start processes of the original.
    pub(crate) fn beside_original(&self, command: &mut Command) {
        let original = python_with_libsecret();
        let (_, path) = original.get_envs().find(|(name, _)| *name == "PYTHONPATH").unwrap();
        command.env("TOKENKEEP_ORIGINAL_PYTHON", original.get_program());
        command.env("TOKENKEEP_ORIGINAL_PATH", path.unwrap());
    }

    fn with_package(&self, python: &Path) -> Command {
        let mut command = Command::new(python);
        self.prepare(&mut command);
        command.env("PYTHONPATH", &self.package);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.envs(self.session.envs()).current_dir(self.folder.path());
        // The sources are linked, and no test shall write beside them.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        for display in ["DISPLAY", "WAYLAND_DISPLAY"] {
            command.env_remove(display);
        }
    }
}

/// Whether the tests with Azure's programs are to run, which `cargo xtask evidence` asks for.
pub(crate) fn azure_is_wanted() -> bool {
    let is_wanted = env::var_os("TOKENKEEP_PYTHON_AZURE").is_some();
    if !is_wanted {
        say("skipped: tests with Azure's programs need TOKENKEEP_PYTHON_AZURE=1");
    }
    is_wanted
}

/// The folder with these tests in Python.
pub(crate) fn tests() -> PathBuf {
    workspace_root().join("python/tests")
}

/// The folders, one after the other, as `PYTHONPATH`, before those that `command` has.
pub(crate) fn add_paths(command: &mut Command, folders: &[PathBuf]) {
    let old = command.get_envs().find(|(name, _)| *name == "PYTHONPATH");
    let old = old.and_then(|(_, value)| value).map(OsString::from).unwrap_or_default();
    let paths = folders.iter().cloned().chain(env::split_paths(&old));
    let joined = env::join_paths(paths).unwrap();
    command.env("PYTHONPATH", joined);
}

/// `python -m pytest`, quiet, and with nothing of its own written anywhere.
pub(crate) fn pytest(command: &mut Command, folder: &Path) {
    command.args(["-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]);
    command.args(["-o", "asyncio_default_fixture_loop_scope=function"]);
    command.arg("--basetemp").arg(folder.join("pytest"));
}
