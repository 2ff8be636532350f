//! Locks between processes, for a persistence of your own and for data beside a cache.

use std::path::{Path, PathBuf};

use tokenkeep_platform::lock;
pub use tokenkeep_platform::lock::{Holder, Notify, Stop, Wait};

use crate::Error;

/// A lock that excludes every other thread and process that acquires it by the same path.
///
/// Cheap to clone and to share between threads. Nothing is opened before the first
/// [`acquire`](Self::acquire).
///
/// The locks are advisory: they exclude only programs that acquire them. They are flock(2), and on
/// Windows `LockFileEx` and share modes. They end with the process that holds them. On NFS, Linux
/// turns flock into a byte-range lock of the server.
///
/// ```no_run
/// use std::time::Duration;
/// use tokenkeep::lock::{CrossProcessLock, Wait};
///
/// let lock = CrossProcessLock::new("/home/ada/.mytool", "state");
/// let guard = lock.acquire(&Wait::at_most(Duration::from_secs(10)))?;
/// // Read, change and write what the lock guards.
/// drop(guard);
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossProcessLock(lock::CrossProcessLock);

impl CrossProcessLock {
    /// The lock `name` in a private folder, which must exist when the lock is acquired. The lock's
    /// files are never deleted.
    ///
    /// Its descriptors are kept for the next acquisition. The head of the queue gets the lock next;
    /// all others have the same chance. A head that does not run, for example because it is
    /// stopped, is passed by within a few seconds.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, name: &str) -> Self {
        Self(lock::CrossProcessLock::new(folder, name))
    }

    /// The lock that the MSAL libraries of other languages take before they use the cache at
    /// `location`: the file `LOCATION.lockfile`, which exists while a program holds the lock.
    ///
    /// It excludes programs that take the file's existence for the lock (msal-extensions for
    /// Python, msal-node) and those that lock the file (msal-extensions with portalocker, MSAL.NET,
    /// MSAL for Go). It is not fair, because they poll. A file that nobody locks and that does not
    /// change was left by a program that was killed, and is taken over. That takes 0.75 s if the
    /// file is empty, or if the process it names is gone or is another program by now. It takes 10
    /// s otherwise. So a program that only created the file loses the lock if it holds it longer
    /// than that.
    ///
    /// # Platform differences
    ///
    /// The names of other programs are known only on Linux. Elsewhere a process that exists counts
    /// as the holder. On Windows the lock is the open handle, and the system deletes the file with
    /// it.
    #[must_use]
    pub fn msal_extensions(location: impl AsRef<Path>) -> Self {
        Self(lock::CrossProcessLock::msal_extensions(location))
    }

    /// The lock of [`msal_extensions`](Self::msal_extensions) with exactly this file, as
    /// `CrossPlatLock(path)` of msal-extensions for Python, and the `lock_location` of its caches.
    ///
    /// The file's folder must exist when the lock is acquired. A relative path starts at the folder
    /// that is the current one then. The file is created, overwritten and removed, so it must have
    /// no other use. A file that is there already is taken over as one that a killed program left.
    #[must_use]
    pub fn msal_extensions_at(path: impl Into<PathBuf>) -> Self {
        Self(lock::CrossProcessLock::msal_extensions_at(path))
    }

    /// The file that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether `other` is the same lock, whatever path leads to it: through a link, or relative to
    /// another folder.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }

    /// The holder that the file of an [msal-extensions](Self::msal_extensions) lock names. Only the
    /// file is read, and no program is kept from the lock meanwhile. Returns `None` if the file
    /// does not exist. Also returns `None` for a lock of [`new`](Self::new): its file always
    /// exists, so it does not tell whether the lock is held.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not safe.
    pub fn holder(&self) -> Result<Option<Holder>, Error> {
        Ok(self.0.holder()?)
    }

    /// Acquires the lock, or waits for it as `wait` says.
    ///
    /// A thread that already holds the lock is refused at once, whichever value of this type it
    /// acquired it by, and does not wait for itself. A thread holds a lock until the guard that
    /// `acquire` returned to it is dropped, wherever that is. A clone of that guard belongs to no
    /// thread. So to release a lock on another thread, send a clone there and drop the guard.
    ///
    /// # Errors
    ///
    /// [`Error::LockTimeout`] when the time is up. It names the file that was held and, if known,
    /// the holder. [`Error::AlreadyLocked`] if this thread holds the lock and the timeout is not
    /// zero. [`Error::WaitCanceled`] if the caller stopped the wait. Any error of opening a lock
    /// file, such as [`Error::UnsafePath`] for one that is
    /// not safe.
    pub fn acquire(&self, wait: &Wait<'_>) -> Result<LockGuard, Error> {
        Ok(LockGuard(self.0.acquire(wait)?))
    }
}

/// A lock that is held until the last clone of this is dropped.
///
/// In a forked child, dropping it does nothing: the lock is its parent's.
#[derive(Clone, Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard(lock::LockGuard);

impl LockGuard {
    /// A guard of no lock, for a persistence that only one value uses.
    pub const fn none() -> Self {
        Self(lock::LockGuard::none())
    }

    /// Whether the lock still excludes others: this process acquired it, and nobody has removed or
    /// replaced its file. Call this right before a write. A guard of [no lock](Self::none) is
    /// intact.
    ///
    /// # Errors
    ///
    /// If the file cannot be examined.
    pub fn is_intact(&self) -> Result<bool, Error> {
        Ok(self.0.is_intact()?)
    }
}
