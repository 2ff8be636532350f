//! Locks between processes, and between the threads of one process.
//!
//! There is one type with two protocols. [`CrossProcessLock::new`] locks the program's own files,
//! which are never deleted, and is fair. [`CrossProcessLock::msal_extensions`] locks
//! `LOCATION.lockfile` like the MSAL libraries of other languages, and excludes them.
//!
//! The locks are kernel locks: flock(2), on Windows `LockFileEx` and share modes. They are released
//! when the holder ends, however it ends.
//!
//! # Limitations
//!
//! The locks are advisory: they exclude only programs that take them. On NFS, Linux turns flock
//! into a byte-range lock on the server.

mod backoff;
mod content;
mod fair;
mod files;
mod flock;
mod held;
mod holder;
mod msal_extensions;
mod notes;
mod peer;
mod same;
mod standstill;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use self::holder::Holder;
use self::{backoff::Deadline, fair::Fair, held::Mark, msal_extensions::MsalExtensions};
use crate::{
    file::FileError,
    text::{shown, shown_path},
};

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
    Fair(Arc<Fair>),
    MsalExtensions(Arc<MsalExtensions>),
}

impl CrossProcessLock {
    /// The lock `name` in a store's own folder. The folder must exist when the lock is acquired.
    ///
    /// Its descriptors are kept for the next acquisition. The process at the head of the queue gets
    /// the lock next. All others have equal chances. A head that stands still, for instance because
    /// it is stopped, is passed by within a few seconds.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, name: &str) -> Self {
        Self { protocol: Protocol::Fair(Arc::new(Fair::new(folder.into(), name))) }
    }

    /// The lock that the MSAL libraries of other languages take before they use the cache at
    /// `location`. It is the file `LOCATION.lockfile`, which exists while the lock is held.
    ///
    /// It excludes programs that use the file's existence as the lock (msal-extensions for Python,
    /// msal-node) and programs that lock the file (msal-extensions with portalocker, MSAL.NET, MSAL
    /// for Go). It is not fair, because they poll.
    ///
    /// A file that is unlocked and stays unchanged was left by a killed program, and is taken over.
    /// This happens after 0.75 s if the file is empty, or if the process it names is gone or is now
    /// another program. Otherwise it happens after 10 s. So a program that only creates the file
    /// loses the lock if it holds it longer than that.
    ///
    /// # Platform differences
    ///
    /// The names of other programs are known only on Linux. Elsewhere any process with the id
    /// counts as the holder. On Windows the lock is the open handle, and the system deletes the
    /// file when it is closed.
    #[must_use]
    pub fn msal_extensions(location: impl AsRef<Path>) -> Self {
        let mut path = location.as_ref().as_os_str().to_owned();
        path.push(".lockfile");
        Self::msal_extensions_at(PathBuf::from(path))
    }

    /// The lock of [`msal_extensions`](Self::msal_extensions) with exactly this file, whose folder
    /// must exist when the lock is acquired. The file is created, overwritten and removed, so it
    /// must have no other use.
    #[must_use]
    pub fn msal_extensions_at(path: impl Into<PathBuf>) -> Self {
        Self { protocol: Protocol::MsalExtensions(Arc::new(MsalExtensions::new(path.into()))) }
    }

    /// The path of the lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.protocol {
            Protocol::Fair(fair) => fair.path(),
            Protocol::MsalExtensions(theirs) => theirs.path(),
        }
    }

    /// Whether `other` is the same lock. Its path may differ, for instance through a link or
    /// relative to another folder.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let protocol = match (&self.protocol, &other.protocol) {
            (Protocol::Fair(one), Protocol::Fair(two)) => Arc::ptr_eq(one, two),
            (Protocol::MsalExtensions(one), Protocol::MsalExtensions(two)) => Arc::ptr_eq(one, two),
            _ => return false,
        };
        protocol || same::file(self.path(), other.path())
    }

    /// The process that claims to hold an [msal-extensions](Self::msal_extensions) lock. Only reads
    /// the file, so it does not keep others from the lock. Returns `None` if the file does not
    /// exist. Always returns `None` for a lock of [`new`](Self::new), whose file always exists.
    ///
    /// # Errors
    ///
    /// [`LockError::File`] if the file cannot be read or is not safe.
    pub fn holder(&self) -> Result<Option<Holder>, LockError> {
        match &self.protocol {
            Protocol::Fair(_) => Ok(None),
            Protocol::MsalExtensions(theirs) => Ok(theirs.holder()?),
        }
    }

    /// Acquires the lock. Waits for it as `wait` says.
    ///
    /// Not reentrant: a thread that holds the lock is refused at once, and does not wait for
    /// itself. The thread that acquired the lock holds it until that guard is dropped, wherever
    /// that is. A clone of the guard belongs to no thread, so a thread waits for a lock that only a
    /// clone keeps.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`] after the timeout, with the file that was held and its holder, if
    /// known; [`LockError::Nested`] if this thread holds the lock and the timeout is not zero;
    /// [`LockError::Stopped`] if the caller stopped the wait; [`LockError::File`] if a lock file
    /// cannot be opened or is not safe.
    pub fn acquire(&self, wait: &Wait<'_>) -> Result<LockGuard, LockError> {
        let is_nested = || held::is_held_here(self);
        let deadline = Deadline::new(wait, &is_nested);
        let held = match &self.protocol {
            Protocol::Fair(fair) => Held::Fair(fair.acquire(deadline)?),
            Protocol::MsalExtensions(theirs) => Held::MsalExtensions(theirs.acquire(deadline)?),
        };
        Ok(LockGuard { held: Some(Arc::new(held)), _mark: Some(Mark::new(self)) })
    }
}

/// The held lock. It is released when the last clone is dropped.
///
/// In a forked child, dropping it does nothing, because the lock is the parent's.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    // Released before the mark goes.
    held: Option<Arc<Held>>,
    _mark: Option<Mark>,
}

#[derive(Debug)]
enum Held {
    Fair(fair::Held),
    MsalExtensions(msal_extensions::Held),
}

impl LockGuard {
    /// A guard without a lock, for data that only one thread uses.
    pub const fn none() -> Self {
        Self { held: None, _mark: None }
    }

    /// Whether the lock still excludes others: this process acquired it, and its file was not
    /// removed or replaced. Call it right before a write. A guard of [no lock](Self::none) is
    /// always intact.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] or [`FileError::PermissionDenied`] if the file cannot be looked at.
    pub fn is_intact(&self) -> Result<bool, FileError> {
        match self.held.as_deref() {
            Some(Held::Fair(held)) => held.is_intact(),
            Some(Held::MsalExtensions(held)) => held.is_intact(),
            None => Ok(true),
        }
    }
}

impl Clone for LockGuard {
    fn clone(&self) -> Self {
        Self { held: self.held.clone(), _mark: None }
    }
}

/// How long to wait for a lock, on the monotonic clock.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Wait<'a> {
    /// The timeout. Zero tries once. The default is 60 s.
    pub timeout: Duration,
    /// When `notify` is called, once. The default is 1 s.
    pub notify_after: Duration,
    /// Called with the holder, if known, and the time waited so far. It runs on the waiting thread,
    /// which continues when it returns. No other waiter is delayed by it.
    pub notify: Option<Notify<'a>>,
    /// Called at least every 50 ms of the wait. The wait ends with [`LockError::Stopped`] when it
    /// returns `true`. It runs on the waiting thread, as `notify` does.
    pub stop: Option<Stop<'a>>,
}

/// Whether to stop waiting.
pub type Stop<'a> = &'a dyn Fn() -> bool;

/// Receives the holder, if known, and the time this process has waited.
pub type Notify<'a> = &'a dyn Fn(Option<&str>, Duration);

impl<'a> Wait<'a> {
    /// Waits for at most `timeout`.
    #[must_use]
    pub fn at_most(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }

    /// Calls `notify` once if the wait lasts longer than `after`.
    #[must_use]
    pub fn notify(self, after: Duration, notify: Notify<'a>) -> Self {
        Self { notify_after: after, notify: Some(notify), ..self }
    }

    /// Stops the wait when `stop` returns `true`. It is called at least every 50 ms.
    #[must_use]
    pub fn until(self, stop: Stop<'a>) -> Self {
        Self { stop: Some(stop), ..self }
    }
}

impl Default for Wait<'_> {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            notify_after: Duration::from_secs(1),
            notify: None,
            stop: None,
        }
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("timeout", &self.timeout)
            .field("notify_after", &self.notify_after)
            .finish_non_exhaustive()
    }
}

/// A lock that was not acquired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A lock file could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// This thread holds the lock already, and would have waited for itself.
    #[error("`{}` is already locked by this thread, which would wait for itself", shown_path(path))]
    Nested {
        /// The file that is locked.
        path: PathBuf,
    },
    /// Other processes or threads held the lock the whole time.
    #[error(
        "`{}` was still locked after {waited:?} by {}",
        shown_path(path),
        shown(holder.as_deref().unwrap_or(NOBODY_KNOWN))
    )]
    TimedOut {
        /// The file that was locked: the lock, or the queue in front of it while the lock was free.
        path: PathBuf,
        /// How long this process waited.
        waited: Duration,
        /// The holder: process id and program name, and whether it is stopped. Named only if it is
        /// running under the name that it noted, or has ended and left its lock file.
        holder: Option<String>,
    },
    /// The caller stopped the wait.
    #[error("the wait for `{}` was stopped", shown_path(path))]
    Stopped {
        /// The file that was locked.
        path: PathBuf,
    },
}

/// The text if the holder is not named.
const NOBODY_KNOWN: &str = "a process that is not known, or that has ended";
