//! Locks between processes, and between the threads of one.
//!
//! One type, two protocols. [`CrossProcessLock::new`] locks files of the program's own, which are never
//! deleted, and gives everybody a turn. [`CrossProcessLock::family`] locks `LOCATION.lockfile` as the
//! MSAL libraries of other languages do, and excludes them.
//!
//! The kernel's locks are flock(2), on Windows `LockFileEx` and share modes: they vanish with their holder,
//! however it ends.
//!
//! # Limitations
//!
//! The locks are advisory: they exclude those who ask for them. On NFS, Linux turns flock into a
//! byte-range lock of the server.

mod content;
mod error;
mod family;
mod files;
mod guard;
mod holder;
mod kernel;
mod notes;
mod own;
mod pace;
mod patience;
mod peer;
mod same;
mod standstill;
mod turnstile;
mod wait;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    error::LockError,
    guard::LockGuard,
    holder::Holder,
    wait::{Notify, Wait},
};
use self::{family::Family, guard::Held, own::Own};

/// A lock that excludes every other thread and process that acquires it by the same path.
///
/// Cheap to clone and to share between threads. Nothing is opened before the first
/// [`acquire`](Self::acquire).
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
    protocol: Protocol,
}

#[derive(Clone, Debug)]
enum Protocol {
    Own(Arc<Own>),
    Family(Arc<Family>),
}

impl CrossProcessLock {
    /// The lock `name` in a store's own folder, which must exist by the time it is acquired.
    ///
    /// Its descriptors are kept for the next acquisition. Who heads the queue gets the lock next; of
    /// the others each has the same chance. A head that stands still, stopped for instance, is
    /// passed by within a few seconds.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, name: &str) -> Self {
        Self { protocol: Protocol::Own(Arc::new(Own::new(folder.into(), name))) }
    }

    /// The lock that the MSAL libraries of other languages take before they use the cache at `location`:
    /// the file `LOCATION.lockfile`, which is there while somebody holds it.
    ///
    /// It excludes programs that take the file's existence for the lock (msal-extensions for Python,
    /// msal-node) and those that lock the file (msal-extensions with portalocker, MSAL.NET, MSAL for Go).
    /// It is not fair: they poll. A file that nobody locks and that stays as it is was left by a program that
    /// was killed, and is taken over: after 0.75 s if it is empty or the process it names is gone or is
    /// another program by now, after 10 s otherwise. So a program that only created the file loses the lock
    /// if it holds it longer than that.
    ///
    /// # Platform differences
    ///
    /// Other programs' names are known on Linux alone; elsewhere a process that is there counts as the
    /// holder. On Windows the lock is the open handle, and the system deletes the file with it.
    #[must_use]
    pub fn family(location: impl AsRef<Path>) -> Self {
        Self { protocol: Protocol::Family(Arc::new(Family::new(location.as_ref()))) }
    }

    /// The file that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.protocol {
            Protocol::Own(own) => own.path(),
            Protocol::Family(family) => family.path(),
        }
    }

    /// Whether `other` is the same lock, by whatever path: through a link, or relative to another
    /// folder.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let protocol = match (&self.protocol, &other.protocol) {
            (Protocol::Own(one), Protocol::Own(two)) => Arc::ptr_eq(one, two),
            (Protocol::Family(one), Protocol::Family(two)) => Arc::ptr_eq(one, two),
            _ => return false,
        };
        protocol || same::file(self.path(), other.path())
    }

    /// Who says that it holds a lock of the [family](Self::family), from a look at its file alone: nobody is kept
    /// from the lock meanwhile. `None` where the file is not there. A lock of [`new`](Self::new) always has its file,
    /// so that a look says nothing: `None`.
    ///
    /// # Errors
    ///
    /// [`LockError::File`] where the file cannot be read or is not safe.
    pub fn holder(&self) -> Result<Option<Holder>, LockError> {
        match &self.protocol {
            Protocol::Own(_) => Ok(None),
            Protocol::Family(family) => Ok(family.holder()?),
        }
    }

    /// Acquires the lock, or waits for it as `wait` says.
    ///
    /// A thread that acquires it while it holds it waits for itself.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`] when the time is up, with the file that was held and who holds it,
    /// where that can be told; [`LockError::File`] where a lock file cannot be opened or is not
    /// safe.
    pub fn acquire(&self, wait: &Wait<'_>) -> Result<LockGuard, LockError> {
        let held = match &self.protocol {
            Protocol::Own(own) => Held::Own(own.acquire(wait)?),
            Protocol::Family(family) => Held::Family(family.acquire(wait)?),
        };
        Ok(LockGuard::new(held))
    }
}
