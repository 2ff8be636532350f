//! Why a lock was not acquired.

use std::{path::PathBuf, time::Duration};

use crate::file::FileError;

/// A lock that was not acquired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A lock file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others held the lock the whole time.
    #[error("`{}` was still locked after {waited:?}{}; is another program hung?", path.display(), holder.as_deref().map(|holder| format!(" by {holder}")).unwrap_or_default())]
    TimedOut {
        /// The lock file.
        path: PathBuf,
        /// How long this process waited.
        waited: Duration,
        /// Who said last that it holds the lock: process id and program name. Only a hint.
        holder: Option<String>,
    },
}
