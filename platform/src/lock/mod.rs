//! A fair lock between processes, on files that are never deleted.
//!
//! Three files: `NAME.lock` is the lock, `NAME.queue` a turnstile in front of it, `NAME.holder` says
//! who had it last. Whoever wants the lock first takes the queue, then waits for the lock, then lets the
//! next one into the queue. So only one waiter watches the lock, and whoever releases it cannot take it
//! again before somebody who waits has had a chance: with plain retrying some of 64 processes get no turn
//! for seconds.
//!
//! The locks are flock(2) (on Windows `LockFileEx`): they vanish with their holder, however it ends.
//! All methods of [`fs4::FileExt`] are called by their full path, for the standard library has methods of
//! the same names.
//!
//! # Limitations
//!
//! The lock is advisory: it excludes those who ask for it. On NFS, Linux turns it into a
//! byte-range lock of the server.

mod error;
mod files;
mod guard;
mod pace;
mod turnstile;
mod wait;

use std::{
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
};

use self::files::Files;
pub use self::{
    error::LockError,
    guard::LockGuard,
    wait::{Notify, Wait},
};
use crate::file::Place;

/// A lock that excludes every other thread and process that acquires it by the same path.
///
/// Cheap to clone and to share between threads. Nothing is opened before the first
/// [`acquire`](Self::acquire); descriptors are kept for the next.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep_platform::{
///     file::{Folder, Parents},
///     lock::{CrossProcessLock, Wait},
/// };
///
/// let place = tempfile::tempdir()?;
/// let folder = place.path().join("store");
/// Folder::create(&folder, Parents::Require)?;
///
/// let lock = CrossProcessLock::new(&folder, "cache");
/// let guard = lock.acquire(&Wait::default())?;
/// assert!(lock.acquire(&Wait::at_most(Duration::ZERO)).is_err());
/// drop(guard);
/// assert!(lock.acquire(&Wait::at_most(Duration::ZERO)).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossProcessLock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    names: Names,
    idle: Mutex<Vec<Files>>,
}

/// Where the files of one lock are.
#[derive(Debug)]
struct Names {
    folder: PathBuf,
    place: Place,
    lock: PathBuf,
    queue: PathBuf,
    name: String,
}

impl CrossProcessLock {
    /// The lock `name` in a store's own folder, which must exist by the time it is acquired.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, name: &str) -> Self {
        Self::in_place(folder, name, Place::Private)
    }

    /// The lock `name` in a folder of the given kind. Its files are private in each.
    #[must_use]
    pub fn in_place(folder: impl Into<PathBuf>, name: &str, place: Place) -> Self {
        let folder = folder.into();
        let names = Names {
            lock: folder.join(format!("{name}.lock")),
            queue: folder.join(format!("{name}.queue")),
            name: name.to_owned(),
            folder,
            place,
        };
        Self { shared: Arc::new(Shared { names, idle: Mutex::default() }) }
    }

    /// The file that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.names.lock
    }

    /// Acquires the lock, or waits for it as `wait` says.
    ///
    /// A thread that acquires it while it holds it waits for itself.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`] when the time is up; [`LockError::File`] where a lock file cannot be
    /// opened or is not safe.
    pub fn acquire(&self, wait: &Wait<'_>) -> Result<LockGuard, LockError> {
        let files = turnstile::pass(&self.shared.names, self.shared.take_idle(), wait)?;
        Ok(LockGuard::new(Arc::clone(&self.shared), files))
    }
}

impl Shared {
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

/// Threads of one process that use a lock at once and then keep their descriptors.
const MAX_IDLE: usize = 4;
