//! Creates a folder and its parents for only this user.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Mode, OFlags},
    io::{Errno, retry_on_intr},
};

use super::{
    super::{FileError, Parents, own},
    check, parent_of, sync_parent,
};

/// Creates a folder and, if requested, its parents. Each is durable before the next is created.
///
/// The first existing parent must belong to this user or the system. Otherwise a superuser with the
/// HOME of another user would create folders that the other user cannot enter. No link is followed
/// among the created folders.
pub(super) fn make_folder(path: &Path, parents: Parents) -> Result<(), FileError> {
    let There { mut at, mut folder, mut missing } = There::above(path)?;
    if parents == Parents::Require && missing.len() > 1 {
        return Err(FileError::MissingParent { path: parent_of(path) });
    }
    let stat = retry_on_intr(|| rustix::fs::fstat(&folder))
        .map_err(|errno| FileError::from_io("look at", &at, errno.into()))?;
    // Judged by the open folder, in which the new ones are then created.
    check::may_make_in(&at, &stat)?;
    while let Some(name) = missing.pop() {
        at.push(&name);
        folder = make_one(&folder, &name, &at)?;
        sync_made(&at)?;
    }
    Ok(())
}

/// Whether a command that creates folders at `path` fits this user. The first existing parent must
/// belong to the user. A superuser must not create folders outside their home.
pub(crate) fn may_make(path: &Path) -> bool {
    if rustix::process::geteuid().is_root()
        && !own::home().is_some_and(|home| path.starts_with(home))
    {
        return false;
    }
    There::above(path).is_ok_and(|there| {
        retry_on_intr(|| rustix::fs::fstat(&there.folder))
            .is_ok_and(|stat| check::is_own_folder(&stat))
    })
}

/// The nearest existing parent of a path.
struct There {
    at: PathBuf,
    folder: OwnedFd,
    /// The missing components below it, the last one first.
    missing: Vec<OsString>,
}

impl There {
    fn above(path: &Path) -> Result<Self, FileError> {
        let (mut at, mut missing) = (path.to_owned(), Vec::new());
        loop {
            let Some(name) = at.file_name() else {
                return Err(FileError::MissingParent { path: parent_of(path) });
            };
            missing.push(name.to_owned());
            at = parent_of(&at);
            match retry_on_intr(|| rustix::fs::open(&at, TO_MAKE_IN, Mode::empty())) {
                Ok(folder) => return Ok(Self { at, folder, missing }),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(check::explain("open", &at, errno, true)),
            }
        }
    }
}

/// Creates a folder with mode 0700, whatever the umask. Another process may have created it first.
fn make_one(folder: &OwnedFd, name: &OsString, path: &Path) -> Result<OwnedFd, FileError> {
    let failed = |errno: Errno| FileError::from_io("create", path, errno.into());
    match retry_on_intr(|| rustix::fs::mkdirat(folder, name, Mode::RWXU)) {
        Ok(()) => widen_to_owner(folder, name).map_err(failed)?,
        // Opened below without following a link, in case that is what exists.
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let flags = TO_MAKE_IN | OFlags::NOFOLLOW;
    retry_on_intr(|| rustix::fs::openat(folder, name, flags, Mode::empty()))
        .map_err(|errno| check::explain("open", path, errno, true))
}

/// The umask may remove the owner's own bits.
fn widen_to_owner(folder: &OwnedFd, name: &OsString) -> Result<(), Errno> {
    let stat = retry_on_intr(|| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if check::is_own_folder(&stat) && !mode.contains(Mode::RWXU) {
        retry_on_intr(|| rustix::fs::chmodat(folder, name, Mode::RWXU, AtFlags::empty()))?;
    }
    Ok(())
}

/// Syncs the name of a created folder and the name of its parent. The creator of the parent may
/// have been killed before its own sync.
fn sync_made(path: &Path) -> Result<(), FileError> {
    sync_parent(&parent_of(path))
        .and_then(|()| sync_parent(path))
        .map_err(|source| FileError::NotDurable { path: path.to_owned(), source })
}

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        /// `O_PATH` also opens a folder that may be entered but not listed.
        const TO_MAKE_IN: OFlags =
            OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    } else {
        const TO_MAKE_IN: OFlags =
            OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    }
}
