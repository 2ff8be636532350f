//! The fair lock on files that are never deleted.
//!
//! Three files: `NAME.lock` is the lock, `NAME.queue` a turnstile in front of it, `NAME.holder`
//! says who had it last and who heads the queue. Whoever wants the lock first takes the queue, then
//! waits for the lock, then lets the next one into the queue. So only one waiter watches the lock,
//! and whoever releases it cannot take it again before somebody who waits has had a chance: with
//! plain retrying some of 64 processes get no turn for seconds. A waiter that stands still at the
//! head of the queue is passed by.

use std::{
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
};

use super::{LockError, Wait, files::Files, turnstile};
use crate::file::FileError;

#[derive(Debug)]
pub(super) struct Own {
    names: Names,
    idle: Mutex<Vec<Files>>,
}

/// Where the files of one lock are.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) folder: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) queue: PathBuf,
    pub(super) name: String,
}

/// The lock, held.
#[derive(Debug)]
pub(super) struct Tenure {
    own: Arc<Own>,
    files: Option<Files>,
}

impl Own {
    pub(super) fn new(folder: PathBuf, name: &str) -> Self {
        let names = Names {
            lock: folder.join(format!("{name}.lock")),
            queue: folder.join(format!("{name}.queue")),
            name: name.to_owned(),
            folder,
        };
        Self { names, idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.names.lock
    }

    pub(super) fn acquire(self: &Arc<Self>, wait: &Wait<'_>) -> Result<Tenure, LockError> {
        let files = turnstile::pass(&self.names, self.take_idle(), wait)?;
        Ok(Tenure { own: Arc::clone(self), files: Some(files) })
    }

    /// Files that this very process opened and does not use now. A mutex that is held elsewhere may be
    /// one that was held when this process was forked, so nobody waits for it.
    fn take_idle(&self) -> Option<Files> {
        let mut idle = self.idle.try_lock().ok()?;
        let pid = process::id();
        idle.retain(|files| files.pid() == pid);
        idle.pop()
    }

    fn put_idle(&self, files: Files) {
        if let Ok(mut idle) = self.idle.try_lock()
            && idle.len() < MAX_IDLE
        {
            idle.push(files);
        }
    }
}

impl Tenure {
    pub(super) fn is_intact(&self) -> Result<bool, FileError> {
        match &self.files {
            Some(files) if files.pid() == process::id() => files.lock.is_at(&self.own.names.lock),
            _ => Ok(false),
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        let Some(files) = self.files.take() else { return };
        // Files that could not be unlocked are closed instead, which unlocks them too.
        if files.pid() == process::id() && files.lock.unlock().is_ok() {
            self.own.put_idle(files);
        }
    }
}

/// Threads of one process that use a lock at once and then keep their descriptors.
const MAX_IDLE: usize = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::file::{Folder, Parents};

    fn lock() -> (tempfile::TempDir, Arc<Own>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Folder::create(&path, Parents::Require).unwrap();
        (folder, Arc::new(Own::new(path, "s")))
    }

    /// A second descriptor of a locked file is what a fork leaves behind.
    #[test]
    fn a_forked_child_does_not_release_its_parents_lock() {
        let (_folder, lock) = lock();
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
        let (_folder, lock) = lock();
        let once = Wait::at_most(Duration::ZERO);
        let parent = lock.acquire(&once).unwrap();
        let _child = parent.files.as_ref().unwrap().lock.share().unwrap();
        drop(parent);
        let other = Own::new(lock.names.folder.clone(), "s");
        drop(Arc::new(other).acquire(&once).unwrap());
    }

    #[test]
    fn a_forked_child_opens_descriptors_of_its_own() {
        let (_folder, lock) = lock();
        drop(lock.acquire(&Wait::default()).unwrap());
        lock.idle.lock().unwrap()[0].pretend_forked();
        assert!(lock.take_idle().is_none(), "the parent's descriptors were used");
    }
}
