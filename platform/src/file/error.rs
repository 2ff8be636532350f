//! Errors of file operations, grouped by what the caller can do.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::text::{shown, shown_path};

/// A file operation that failed. The operating system's error is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// An operating system call failed.
    #[error("could not {operation} `{}`", shown_path(path))]
    Io {
        /// The operation that failed.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A required folder does not exist.
    #[error("`{}` does not exist; create it, or name another place", shown_path(path))]
    MissingParent {
        /// The missing folder.
        path: PathBuf,
    },
    /// The disk is full, a quota is used up or a file would be too large. Old content is intact.
    #[error("no space is left to write `{}`; the old content is intact", shown_path(path))]
    NoSpace {
        /// The file that could not be written.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The change is visible, but the operating system did not confirm that it survives a power
    /// cut. Repeating the operation is safe.
    #[error("`{}` was changed, but the disk did not confirm it; do it again", shown_path(path))]
    NotDurable {
        /// The file or folder that was changed.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system denies this user access.
    #[error(
        "could not {operation} `{}`: this user may not; check its owner and mode",
        shown_path(path)
    )]
    PermissionDenied {
        /// The operation that failed.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
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
        /// The operating system's error.
        source: io::Error,
    },
    /// Something is mounted at the file, as when a container mounts a single file. The file can be
    /// read, but neither replaced nor removed. The old content is intact.
    #[error(
        "could not {operation} `{}`, for something is mounted there; mount the folder that it lies \
         in as a whole instead",
        shown_path(path)
    )]
    Mounted {
        /// The operation that failed.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
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
    /// A file or folder is not safe to use. It was not changed.
    #[error("`{}` {}; {}", shown_path(path), shown(found), shown(fix))]
    Unsafe {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, such as "is a symbolic link".
        found: String,
        /// How to fix it. A command, as in "run `chmod 600 PATH`", is named only for what was made
        /// for a store and belongs to this user. It never changes what other programs or users use.
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

    /// Maps an operating system error to a variant. Nothing else does so.
    pub(crate) fn from_io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::NoSpace { path, source }
            }
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            // `EBUSY` means a mount only for operations on names; a read may be busy for other
            // reasons.
            ErrorKind::ResourceBusy if cfg!(unix) && NAMING.contains(&operation) => {
                Self::Mounted { operation, path, source }
            }
            ErrorKind::PermissionDenied => Self::PermissionDenied { operation, path, source },
            _ => Self::Io { operation, path, source },
        }
    }
}

/// The operations that change names. They fail as busy if something is mounted at the name.
const NAMING: [&str; 3] = ["replace", "remove", "rename"];
