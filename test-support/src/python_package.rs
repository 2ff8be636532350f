//! The Python package of the workspace, put together from its sources and its native module.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::place;

/// The native module that cargo built in `folder`.
pub fn native_library(folder: &Path) -> PathBuf {
    folder.join(format!("{DLL_PREFIX}_native{DLL_SUFFIX}"))
}

/// Puts the package together with the native module `library`. Returns the folder for `PYTHONPATH`,
/// which is `target/python/NAME`. Several processes may do this at once.
///
/// # Errors
///
/// If the folder cannot be written.
pub fn python_package(name: &str, library: &Path) -> io::Result<PathBuf> {
    let folder = place::target_dir().join("python").join(name);
    let package = folder.join("tokenkeep");
    fs::create_dir_all(&package)?;
    let sources = place::workspace_root().join("python/python/tokenkeep");
    for entry in fs::read_dir(&sources)? {
        let entry = entry?;
        if entry.file_name() != "__pycache__" {
            put(&entry.path(), &package.join(entry.file_name()))?;
        }
    }
    put(library, &package.join(if cfg!(windows) { "_native.pyd" } else { "_native.abi3.so" }))?;
    Ok(folder)
}

/// A link, so that the package has every later change of its sources.
#[cfg(unix)]
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if fs::read_link(to).is_ok_and(|there| there == from) {
        return Ok(());
    }
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match std::os::unix::fs::symlink(from, to) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

#[cfg(not(unix))]
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        put(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
