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
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let Some(files) = self.files.take() else { return };
        // Files that could not be unlocked are closed instead, which unlocks them too.
        if files.pid() == process::id() && files.lock.unlock().is_ok() {
            self.shared.put_idle(files);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        file::{Folder, Parents},
        lock::{CrossProcessLock, Wait},
    };

    /// A second descriptor of a locked file is what a fork leaves behind.
    #[test]
    fn a_forked_child_does_not_release_its_parents_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Folder::create(&path, Parents::Require).unwrap();
        let lock = CrossProcessLock::new(&path, "s");
        let once = Wait::at_most(Duration::ZERO);

        let mut child = lock.acquire(&once).unwrap();
        let parent = child.files.as_ref().unwrap().lock.share().unwrap();
        child.files.as_mut().unwrap().pretend_forked();
        assert!(!child.is_intact().unwrap(), "the lock is not the child's");
        drop(child);
        assert!(lock.acquire(&once).is_err(), "the child released its parent's lock");
        drop(parent);
        drop(lock.acquire(&once).unwrap());
    }

    #[test]
    fn a_parent_releases_its_lock_while_a_forked_child_has_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Folder::create(&path, Parents::Require).unwrap();
        let lock = CrossProcessLock::new(&path, "s");
        let once = Wait::at_most(Duration::ZERO);

        let parent = lock.acquire(&once).unwrap();
        let _child = parent.files.as_ref().unwrap().lock.share().unwrap();
        drop(parent);
        drop(CrossProcessLock::new(&path, "s").acquire(&once).unwrap());
    }

    #[test]
    fn a_forked_child_opens_descriptors_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Folder::create(&path, Parents::Require).unwrap();
        let lock = CrossProcessLock::new(&path, "s");
        drop(lock.acquire(&Wait::default()).unwrap());
        lock.shared.idle.lock().unwrap()[0].pretend_forked();
        assert!(lock.shared.take_idle().is_none(), "the parent's descriptors were used");
    }
}
