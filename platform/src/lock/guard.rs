//! A lock that is held.

use super::{family, own};
use crate::file::FileError;

/// The lock, held until this is dropped.
///
/// In a forked child, dropping it does nothing: the lock is its parent's.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    held: Held,
}

#[derive(Debug)]
pub(super) enum Held {
    Own(own::Tenure),
    Family(family::Tenure),
}

impl LockGuard {
    pub(super) fn new(held: Held) -> Self {
        Self { held }
    }

    /// Whether the lock still excludes others: this process acquired it, and nobody has removed or
    /// replaced its file. To be asked right before a write.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] or [`FileError::PermissionDenied`] where the file cannot be looked at.
    pub fn is_intact(&self) -> Result<bool, FileError> {
        match &self.held {
            Held::Own(tenure) => tenure.is_intact(),
            Held::Family(tenure) => tenure.is_intact(),
        }
    }
}
