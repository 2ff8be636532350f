//! What can go wrong with a file, by what the caller can do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::text::{shown, shown_path};

/// A file operation that failed. What the operating system said is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// An operating system call failed.
    #[error("could not {operation} `{}`", shown_path(path))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder that must exist does not.
    #[error("`{}` does not exist; create it, or name another place", shown_path(path))]
    MissingParent {
        /// The folder that is missing.
        path: PathBuf,
    },
    /// The disk is full, a quota is used up or a file would be too large. Old content is intact.
    #[error("no space is left to write `{}`; the old content is intact", shown_path(path))]
    NoSpace {
        /// The file that could not be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The change is visible, but the operating system could not promise that it survives a power
    /// cut. Doing it again is safe.
    #[error("`{}` was changed, but the disk did not confirm it; do it again", shown_path(path))]
    NotDurable {
        /// The file or folder that was changed.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refuses this user.
    #[error(
        "could not {operation} `{}`: this user may not; check its owner and mode",
        shown_path(path)
    )]
    PermissionDenied {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file system is read-only. Reading still works.
    #[error(
        "`{}` lies on a read-only file system; reading works, writing does not",
        shown_path(path)
    )]
    ReadOnly {
        /// The file or folder that could not be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is a mount of its own, as a container is given a single file. It can be read, but
    /// neither replaced nor removed, so the old content is intact.
    #[error(
        "could not {operation} `{}`, for something is mounted there; mount the folder that it lies in as a whole instead",
        shown_path(path)
    )]
    Mounted {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is larger than the caller allows. Nothing was read.
    #[error("`{}` has {size} bytes, the limit is {limit}", shown_path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file or folder is not safe to use. It was left as it is.
    #[error("`{}` {}; {}", shown_path(path), shown(found), shown(fix))]
    Unsafe {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, such as "is a symbolic link".
        found: String,
        /// What to do. A command, as in "run `chmod 600 PATH`", is named only for what was made for
        /// a store alone and belongs to this user; it never changes what somebody else uses.
        fix: String,
    },
}

impl FileError {
    /// The file or folder that the error is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::MissingParent { path }
            | Self::NoSpace { path, .. }
            | Self::NotDurable { path, .. }
            | Self::PermissionDenied { path, .. }
            | Self::Mounted { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Unsafe { path, .. } => path,
        }
    }

    /// The only place that knows which code of an operating system means what.
    pub(crate) fn from_io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::NoSpace { path, source }
            }
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            ErrorKind::ResourceBusy if cfg!(unix) && NAMING.contains(&operation) => {
                Self::Mounted { operation, path, source }
            }
            ErrorKind::PermissionDenied => Self::PermissionDenied { operation, path, source },
            _ => Self::Io { operation, path, source },
        }
    }
}

/// The operations on names. A name is busy if something is mounted at it.
const NAMING: [&str; 3] = ["replace", "remove", "rename"];
