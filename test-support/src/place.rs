//! Where things are: the workspace, what cargo built, and the programs on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::skip::skip;

/// The folder of the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("it is a folder of the workspace").to_owned()
}

/// The folder cargo builds into: of the running executable if cargo built that, else of the
/// workspace.
pub fn target_dir() -> PathBuf {
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        return workspace_root().join(dir);
    }
    let running = env::current_exe().ok();
    let marked = running
        .as_deref()
        .and_then(|exe| exe.ancestors().find(|dir| dir.join(CACHE_TAG).is_file()));
    marked.map_or_else(|| workspace_root().join("target"), Path::to_owned)
}

/// The built example `name` of the workspace.
///
/// `cargo test` builds the examples of a package before its tests run; `cargo test --test x` does
/// not, unless `--examples` is given too.
///
/// # Panics
///
/// When the example is not built; the message has the line that builds it.
pub fn example(name: &str) -> PathBuf {
    let path = profile_dir().join("examples").join(program_file(name));
    assert!(
        path.is_file(),
        "{} is not built; build it with: cargo build --example {name}",
        path.display()
    );
    path
}

/// The built program `name` of any package of the workspace, if it is built.
///
/// `cargo test --workspace` builds them all; `cargo test` in one package only that package's own,
/// whose tests use `env!("CARGO_BIN_EXE_name")` instead. Without it a skip is printed.
///
/// # Panics
///
/// When `CI` is set and the program is not built.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = profile_dir().join(program_file(name));
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("the program {name}"), &format!("cargo build --workspace --bin {name}"));
    None
}

/// The Python that has the peers installed: `TOKENKEEP_TEST_PYTHON`, or that of the virtual
/// environment in `test-support/venv` of [`target_dir`] once every package that the tests import is
/// in it.
pub fn python() -> Option<PathBuf> {
    if let Some(chosen) = env::var_os("TOKENKEEP_TEST_PYTHON").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(chosen));
    }
    venv_is_complete(&venv()).then(venv_python)
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

pub(crate) fn has_gi() -> bool {
    Path::new("/usr/lib/python3/dist-packages/gi").is_dir()
}

pub(crate) fn has_typelib(name: &str) -> bool {
    let file = format!("girepository-1.0/{name}.typelib");
    folders(Path::new("/usr/lib")).any(|folder| folder.join(&file).is_file())
}

fn folders(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The `strace` on this machine, on Linux.
pub fn strace() -> Option<PathBuf> {
    if cfg!(target_os = "linux") { executable("strace") } else { None }
}

/// The first program called `name` in the folders of `PATH`.
pub fn executable(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program_file(name))).find(|file| file.is_file())
}

/// The folder of the tests' own Python environment.
pub fn venv() -> PathBuf {
    target_dir().join("test-support").join("venv")
}

/// The Python of [`venv`], whether it is there or not.
pub fn venv_python() -> PathBuf {
    venv().join(if cfg!(windows) { "Scripts" } else { "bin" }).join(program_file("python"))
}

fn program_file(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// `target/debug` and the like: the running test lies in its `deps`, an example in its `examples`.
fn profile_dir() -> PathBuf {
    let running = env::current_exe().expect("the running program has a path");
    let folder = running.parent().expect("a program lies in a folder");
    let nested = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    if nested { folder.parent().expect("deps lies in a profile's folder") } else { folder }
        .to_owned()
}

/// Cargo puts this file into every target folder.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// Whether the environment at `venv` has every wheel, in its version.
fn venv_is_complete(venv: &Path) -> bool {
    let folders =
        |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let site = if cfg!(windows) {
        Some(venv.join("Lib").join("site-packages"))
    } else {
        folders(&venv.join("lib"))
            .map(|python| python.join("site-packages"))
            .find(|dir| dir.is_dir())
    };
    site.is_some_and(|site| {
        WHEELS.iter().all(|wheel| {
            let installed = wheel.replace('-', "_").replace("==", "-");
            site.join(format!("{installed}.dist-info")).is_dir()
        })
    })
}

/// What `pip` adds in the virtual environment, each with the version that the tests were written
/// for.
pub(crate) const WHEELS: [&str; 6] = [
    "msal==1.39.0",
    "msal-extensions==1.3.1",
    "argon2-cffi==25.1.0",
    "portalocker==3.2.0",
    "azure-identity==1.27.0",
    "azure-core==1.41.0",
];

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
        ];
        for folder in folders {
            assert!(!venv_is_complete(venv.path()), "complete before {folder}");
            fs::create_dir_all(site.join(folder)).unwrap();
        }
        assert!(venv_is_complete(venv.path()));
    }
}
