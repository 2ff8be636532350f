//! What can go wrong with a file, by what the caller can do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// A file operation that failed. What the operating system said is the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// An operating system call failed.
    #[error("could not {operation} `{}`", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder that must exist does not.
    #[error("`{}` does not exist; create it, or name another place", path.display())]
    MissingParent {
        /// The folder that is missing.
        path: PathBuf,
    },
    /// The disk is full, a quota is used up or a file would be too large. Old content is intact.
    #[error("no space is left to write `{}`; the old content is intact", path.display())]
    NoSpace {
        /// The file that could not be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The change is visible, but the operating system could not promise that it survives a power
    /// cut. Doing it again is safe.
    #[error("`{}` was changed, but the disk did not confirm it; do it again", path.display())]
    NotDurable {
        /// The file or folder that was changed.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refuses this user.
    #[error("could not {operation} `{}`: this user may not; check its owner and mode", path.display())]
    PermissionDenied {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file system is read-only. Reading still works.
    #[error("`{}` lies on a read-only file system; reading works, writing does not", path.display())]
    ReadOnly {
        /// The file or folder that could not be written.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is larger than the caller allows. Nothing was read.
    #[error("`{}` has {size} bytes, the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file or folder is not safe to use. It was left as it is.
    #[error("`{}` {found}; {mend}", path.display())]
    Unsafe {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, such as "is a symbolic link".
        found: String,
        /// How to mend it, such as "run `chmod 600 PATH`".
        mend: String,
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
            ErrorKind::PermissionDenied => Self::PermissionDenied { operation, path, source },
            _ => Self::Io { operation, path, source },
        }
    }
}
