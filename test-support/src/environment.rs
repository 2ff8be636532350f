//! What pip installs for the tests, in folders of the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::place::{folders, target_dir, workspace_root};

/// A virtual environment of Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Venv {
    name: &'static str,
    wheels: &'static [&'static str],
}

impl Venv {
    /// The programs that tests share sign-ins with and benchmarks compare with.
    pub const PEERS: Self = Self {
        name: "venv",
        wheels: &[
            "msal==1.39.0",
            "msal-extensions==1.3.1",
            "argon2-cffi==25.1.0",
            "portalocker==3.2.0",
            "azure-identity==1.27.0",
            "azure-core==1.41.0",
            "redis==8.1.0",
            "pytest==9.2.0",
            "pytest-asyncio==1.5.0",
            "aiohttp==3.14.5",
        ],
    };

    /// What the command-line program of Azure uses.
    pub const AZURE_CLI: Self = Self { name: "azure_cli", wheels: &["azure-cli-core==2.91.0"] };

    /// A provider with a leeway for spent refresh tokens.
    pub const DJANGO: Self = Self {
        name: "django",
        wheels: &["django-oauth-toolkit==3.4.1", "django==5.2.19", "oauthlib==3.3.1"],
    };

    /// Its folder, whether it is there or not.
    pub fn path(self) -> PathBuf {
        folder(self.name)
    }

    /// Its Python, whether it is there or not.
    pub fn python(self) -> PathBuf {
        let programs = if cfg!(windows) { "Scripts" } else { "bin" };
        self.path().join(programs).join(format!("python{}", env::consts::EXE_SUFFIX))
    }

    /// What `pip` adds, each with the version that the tests were written for.
    pub fn wheels(self) -> &'static [&'static str] {
        self.wheels
    }

    /// Whether it has every wheel, in its version.
    pub fn is_complete(self) -> bool {
        has_wheels(&self.path(), self.wheels)
    }
}

fn has_wheels(venv: &Path, wheels: &[&str]) -> bool {
    let site = if cfg!(windows) {
        Some(venv.join("Lib").join("site-packages"))
    } else {
        folders(&venv.join("lib"))
            .map(|python| python.join("site-packages"))
            .find(|dir| dir.is_dir())
    };
    site.is_some_and(|site| {
        wheels.iter().all(|wheel| {
            let installed = wheel.replace('-', "_").replace("==", "-");
            site.join(format!("{installed}.dist-info")).is_dir()
        })
    })
}

/// The source distributions of the peers, which have their test suites; a wheel has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suites {
    name: &'static str,
}

impl Suites {
    /// Those of msal, msal-extensions and azure-identity.
    pub const PEERS: Self = Self { name: "suites" };

    /// The packages that `pip download` gets, with their versions and digests, in
    /// [`source`](Self::source) and, when all are there, in [`path`](Self::path).
    pub const REQUIREMENTS: &str = "requirements.txt";

    /// What `pip` is told, but for the folder and the requirements.
    pub const DOWNLOAD: [&str; 5] =
        ["download", "--no-deps", "--no-binary=:all:", "--require-hashes", "--quiet"];

    /// The folder of the requirements.
    pub fn source(self) -> PathBuf {
        workspace_root().join("test-support").join(self.name)
    }

    /// The folder that they are unpacked in, whether they are there or not.
    pub fn path(self) -> PathBuf {
        folder(self.name)
    }

    /// The tests of the package whose folder begins with `name` and a hyphen.
    ///
    /// # Panics
    /// When it is not there.
    pub fn tests_of(self, name: &str) -> PathBuf {
        let is_its = |folder: &PathBuf| {
            let folder = folder.file_name().and_then(|folder| folder.to_str());
            folder.is_some_and(|folder| {
                folder.strip_prefix(name).is_some_and(|version| version.starts_with('-'))
            })
        };
        let package = folders(&self.path()).find(|folder| folder.is_dir() && is_its(folder));
        package.expect("the suites are here").join("tests")
    }

    /// Whether all are there, in their versions.
    pub(crate) fn is_complete(self) -> bool {
        // They are copied last.
        let requirements = |folder: PathBuf| fs::read(folder.join(Self::REQUIREMENTS)).ok();
        requirements(self.path()).is_some_and(|is| Some(is) == requirements(self.source()))
    }
}

/// The Python that has the peers installed: `TOKENKEEP_TEST_PYTHON`, or that of the virtual
/// environment in `test-support/venv` of [`target_dir`] once every package that the tests import is
/// in it.
pub fn python() -> Option<PathBuf> {
    if let Some(chosen) = env::var_os("TOKENKEEP_TEST_PYTHON").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(chosen));
    }
    Venv::PEERS.is_complete().then(|| Venv::PEERS.python())
}

/// A command that runs the system's own Python with the peers of [`python`]: libsecret's bindings
/// are a package of the system, which a virtual environment does not see.
///
/// # Panics
///
/// When there is no such environment.
pub fn python_with_libsecret() -> Command {
    let python = python().expect("the environment with the peers is here");
    let venv = python.parent().and_then(Path::parent).expect("a program lies in its environment");
    let site = folders(&venv.join("lib")).map(|python| python.join("site-packages"));
    let mut command = Command::new("/usr/bin/python3");
    let paths = env::join_paths(site).expect("a folder's name has no colon");
    command.env("PYTHONPATH", paths);
    command
}

/// The folder of what is installed under this name.
pub(crate) fn folder(name: &str) -> PathBuf {
    target_dir().join("test-support").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_lacking_one_wheel_is_not_complete() {
        let venv = tempfile::tempdir().unwrap();
        let site = if cfg!(windows) { "Lib/site-packages" } else { "lib/python3.11/site-packages" };
        let site = venv.path().join(site);
        let folders = [
            "msal-1.39.0.dist-info",
            "msal_extensions-1.3.1.dist-info",
            "argon2_cffi-25.1.0.dist-info",
            "portalocker-3.2.0.dist-info",
            "azure_identity-1.27.0.dist-info",
            "azure_core-1.41.0.dist-info",
            "redis-8.1.0.dist-info",
            "pytest-9.2.0.dist-info",
            "pytest_asyncio-1.5.0.dist-info",
            "aiohttp-3.14.5.dist-info",
        ];
        for folder in folders {
            assert!(!has_wheels(venv.path(), Venv::PEERS.wheels()), "complete before {folder}");
            fs::create_dir_all(site.join(folder)).unwrap();
        }
        assert!(has_wheels(venv.path(), Venv::PEERS.wheels()));
    }
}
