//! Files that are replaced atomically and durably, checked before they are trusted, and stamped.
//!
//! A store lives in a [`Folder`]. Every path that is opened is checked at its final component:
//! kind, owner, links and mode. Each operating system has one file here with the same names;
//! nothing above this module may assume an inode or an open handle.
//!
//! # Platform differences
//!
//! Unix: owner and mode are checked, a stamp is (device, inode, size, mtime, ctime) with the
//! descriptor kept open, so that the inode cannot be used again. Windows: owner and access list are
//! checked, a stamp is (volume, file id, size, write time) without a handle, and names are changed
//! by calls that write through, for a folder cannot be synced.

#[cfg(any(windows, test))]
mod access_list;
mod error;
mod folder;
mod open_file;
mod own;
mod real;
mod recent;
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
    signal::SignalFile,
    trust::{Parents, Trust},
};

/// Refuses a place that lies below a folder which others may change, or behind a link of somebody
/// else's: they could put another place in its stead, and this one back later. Each folder above
/// must be this user's or the system's, because its owner can do so whatever the mode is. Where the
/// mode lets others write, it must be sticky, as `/tmp` is. The place itself need not exist. If it
/// is a link, the folders above what it leads to are looked at, too.
///
/// On Windows nothing is checked.
///
/// # Errors
///
/// [`FileError::Unsafe`] with the folder or the link.
pub fn check_above(path: &Path) -> Result<(), FileError> {
    os::check_above(path)
}

/// Whether an error may name a command that makes the folder `path` and those above it that are
/// missing: the first one that exists is a folder of this user's, and for a superuser it lies in
/// their home.
pub fn may_make(path: &Path) -> bool {
    os::may_make(path)
}

/// Tells what lies at `path` now, by one system call; `None` where nothing lies there.
///
/// Any difference from an earlier stamp means that the file was changed. The last component is not
/// followed if it is a link.
///
/// # Errors
///
/// [`FileError::PermissionDenied`] or [`FileError::Io`] where the system call failed.
pub fn stamp(path: &Path) -> Result<Option<FileStamp>, FileError> {
    FileStamp::at(path).map_err(|source| FileError::from_io("look at", path, source))
}
