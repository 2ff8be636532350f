//! A lock that is held.

use std::{process, sync::Arc};

use super::{Shared, files::Files};
use crate::file::FileError;

/// The lock, held until this is dropped.
///
/// In a forked child, dropping it does nothing: the lock is its parent's.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    shared: Arc<Shared>,
    files: Option<Files>,
}

impl LockGuard {
    pub(super) fn new(shared: Arc<Shared>, files: Files) -> Self {
        Self { shared, files: Some(files) }
    }

    /// Whether the lock still excludes others: this process acquired it, and nobody has removed or
    /// replaced its file. To be asked right before a write.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] or [`FileError::PermissionDenied`] where the file cannot be looked at.
    pub fn is_intact(&self) -> Result<bool, FileError> {
        match &self.files {
            Some(files) if files.pid() == process::id() => {
                files.lock.is_at(&self.shared.names.lock)
            }
            _ => Ok(false),
        }
    }

    fn release(&mut self, pid: u32) {
        let Some(files) = self.files.take() else { return };
        if files.pid() != pid {
            return;
        }
        // Files that could not be unlocked are closed instead, which unlocks them too.
        if files.lock.unlock().is_ok() {
            self.shared.put_idle(files);
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.release(process::id());
    }
}
