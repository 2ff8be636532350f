//! Why a lock was not acquired.

use std::{path::PathBuf, time::Duration};

use crate::{
    file::FileError,
    text::{shown, shown_path},
};

/// A lock that was not acquired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A lock file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others held the lock the whole time.
    #[error("`{}` was still locked after {waited:?} by {}", shown_path(path), shown(holder.as_deref().unwrap_or(NOBODY_KNOWN)))]
    TimedOut {
        /// The file that others had locked: the lock, or the queue in front of it while the lock
        /// was free.
        path: PathBuf,
        /// How long this process waited.
        waited: Duration,
        /// Who holds it: process id and program name, and whether the process is stopped. Only one
        /// that is there and has the name that it noted is named, and one that has ended and whose
        /// lock file was left.
        holder: Option<String>,
    },
}

/// Who is not named.
const NOBODY_KNOWN: &str = "a process that is not known, or that has ended";
