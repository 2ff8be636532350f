//! Files that are replaced atomically and durably, checked before use, and stamped.
//!
//! A store is kept in a [`Folder`]. Each opened path is checked at its final component: kind,
//! owner, links and mode. Each operating system has a module here with the same interface. Code
//! above this module must not rely on inodes or open handles.
//!
//! # Platform differences
//!
//! Unix: owner and mode are checked. A stamp is (device, inode, size, mtime, ctime), and its
//! descriptor stays open so that the inode cannot be reused.
//!
//! Windows: owner and access list are checked. A stamp is (volume, file id, size, write time)
//! without a handle. Names are changed by write-through calls, because a folder cannot be synced.

#[cfg(any(windows, test))]
mod access_list;
mod error;
mod folder;
mod open_file;
mod opened;
mod own;
mod real;
mod recent;
mod reserved;
mod signal;
mod trust;

use std::path::Path;

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        #[path = "unix/mod.rs"]
        mod os;
    } else if #[cfg(windows)] {
        #[path = "windows/mod.rs"]
        mod os;
    } else {
        compile_error!("tokenkeep-platform supports Unix and Windows");
    }
}

#[cfg(windows)]
pub(crate) use self::os::delete_when_closed;
pub(crate) use self::os::{Identity, read_at, write_at};
pub use self::{
    error::FileError,
    folder::Folder,
    open_file::OpenFile,
    os::FileStamp,
    real::{path_from_bytes, path_to_bytes, real_path},
    reserved::Reserved,
    signal::SignalFile,
    trust::{Parents, Trust},
};

/// Refuses a place below a folder that others may change, or behind a link of another user. They
/// could replace the place with another one, and put it back later.
///
/// Each folder above must belong to this user or the system, because its owner can replace entries
/// whatever its mode. If its mode lets others write, it must be sticky, as `/tmp` is. The place
/// itself need not exist. If it is a link, the folders above its target are checked too.
///
/// On Windows nothing is checked.
///
/// # Errors
///
/// [`FileError::Unsafe`] with the folder or the link.
pub fn check_above(path: &Path) -> Result<(), FileError> {
    os::check_above(path)
}

/// Whether an error may name a command that creates the folder `path` and its missing parents. The
/// first existing parent must be a folder of this user. For a superuser it must also be in their
/// home.
pub fn may_make(path: &Path) -> bool {
    os::may_make(path)
}

/// Returns the current stamp of `path` with one system call, or `None` if nothing exists there.
///
/// Any difference from an earlier stamp means that the file was changed. A link in the last
/// component is not followed.
///
/// # Errors
///
/// [`FileError::PermissionDenied`] or [`FileError::Io`] if the system call failed.
pub fn stamp(path: &Path) -> Result<Option<FileStamp>, FileError> {
    FileStamp::at(path).map_err(|source| FileError::from_io("look at", path, source))
}
