//! Locks between processes, and between the threads of one.
//!
//! One type, two protocols. [`CrossProcessLock::new`] locks files of the program's own, which are
//! never deleted, and gives everybody a turn. [`CrossProcessLock::msal_extensions`] locks
//! `LOCATION.lockfile` as the MSAL libraries of other languages do, and excludes them.
//!
//! The kernel's locks are flock(2), on Windows `LockFileEx` and share modes: they vanish with their
//! holder, however it ends.
//!
//! # Limitations
//!
//! The locks are advisory: they exclude those who ask for them. On NFS, Linux turns flock into a
//! byte-range lock of the server.

mod backoff;
mod content;
mod fair;
mod files;
mod flock;
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
use self::{fair::Fair, msal_extensions::MsalExtensions};
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
    /// The lock `name` in a store's own folder, which must exist by the time it is acquired.
    ///
    /// Its descriptors are kept for the next acquisition. Who heads the queue gets the lock next;
    /// of the others each has the same chance. A head that stands still, stopped for instance, is
    /// passed by within a few seconds.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, name: &str) -> Self {
        Self { protocol: Protocol::Fair(Arc::new(Fair::new(folder.into(), name))) }
    }

    /// The lock that the MSAL libraries of other languages take before they use the cache at
    /// `location`: the file `LOCATION.lockfile`, which is there while somebody holds it.
    ///
    /// It excludes programs that take the file's existence for the lock (msal-extensions for
    /// Python, msal-node) and those that lock the file (msal-extensions with portalocker, MSAL.NET,
    /// MSAL for Go). It is not fair: they poll. A file that nobody locks and that stays as it is
    /// was left by a program that was killed, and is taken over: after 0.75 s if it is empty or the
    /// process it names is gone or is another program by now, after 10 s otherwise. So a program
    /// that only created the file loses the lock if it holds it longer than that.
    ///
    /// # Platform differences
    ///
    /// Other programs' names are known on Linux alone; elsewhere a process that is there counts as
    /// the holder. On Windows the lock is the open handle, and the system deletes the file with it.
    #[must_use]
    pub fn msal_extensions(location: impl AsRef<Path>) -> Self {
        Self {
            protocol: Protocol::MsalExtensions(Arc::new(MsalExtensions::new(location.as_ref()))),
        }
    }

    /// The file that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.protocol {
            Protocol::Fair(fair) => fair.path(),
            Protocol::MsalExtensions(theirs) => theirs.path(),
        }
    }

    /// Whether `other` is the same lock, by whatever path: through a link, or relative to another
    /// folder.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let protocol = match (&self.protocol, &other.protocol) {
            (Protocol::Fair(one), Protocol::Fair(two)) => Arc::ptr_eq(one, two),
            (Protocol::MsalExtensions(one), Protocol::MsalExtensions(two)) => Arc::ptr_eq(one, two),
            _ => return false,
        };
        protocol || same::file(self.path(), other.path())
    }

    /// Who says that it holds an [msal-extensions](Self::msal_extensions) lock, from a look at its
    /// file alone: nobody is kept from the lock meanwhile. `None` where the file is not there. A
    /// lock of [`new`](Self::new) always has its file, so that a look says nothing: `None`.
    ///
    /// # Errors
    ///
    /// [`LockError::File`] where the file cannot be read or is not safe.
    pub fn holder(&self) -> Result<Option<Holder>, LockError> {
        match &self.protocol {
            Protocol::Fair(_) => Ok(None),
            Protocol::MsalExtensions(theirs) => Ok(theirs.holder()?),
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
            Protocol::Fair(fair) => Held::Fair(fair.acquire(wait)?),
            Protocol::MsalExtensions(theirs) => Held::MsalExtensions(theirs.acquire(wait)?),
        };
        Ok(LockGuard::new(held))
    }
}

/// The lock, held until the last clone of this is dropped.
///
/// In a forked child, dropping it does nothing: the lock is its parent's.
#[derive(Clone, Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    held: Option<Arc<Held>>,
}

#[derive(Debug)]
enum Held {
    Fair(fair::Held),
    MsalExtensions(msal_extensions::Held),
}

impl LockGuard {
    fn new(held: Held) -> Self {
        Self { held: Some(Arc::new(held)) }
    }

    /// A guard of no lock, for data that one thread alone uses.
    pub const fn none() -> Self {
        Self { held: None }
    }

    /// Whether the lock still excludes others: this process acquired it, and nobody has removed or
    /// replaced its file. To be asked right before a write. A guard of [no lock](Self::none) is
    /// intact.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] or [`FileError::PermissionDenied`] where the file cannot be looked at.
    pub fn is_intact(&self) -> Result<bool, FileError> {
        match self.held.as_deref() {
            Some(Held::Fair(held)) => held.is_intact(),
            Some(Held::MsalExtensions(held)) => held.is_intact(),
            None => Ok(true),
        }
    }
}

/// How long to wait for a lock. Measured on the monotonic clock.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Wait<'a> {
    /// The longest time; zero tries once. 60 s by default.
    pub timeout: Duration,
    /// After which time `notify` is called, once. 1 s by default.
    pub notify_after: Duration,
    /// Told who holds the lock, where known, and how long this process has waited. It runs on the
    /// thread that waits, which goes on when it returns; nobody else waits for it.
    pub notify: Option<Notify<'a>>,
}

/// Told who holds the lock, where known, and how long this process has waited.
pub type Notify<'a> = &'a dyn Fn(Option<&str>, Duration);

impl<'a> Wait<'a> {
    /// Waits at most for `timeout`.
    #[must_use]
    pub fn at_most(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }

    /// Calls `notify` once if the wait lasts longer than `after`.
    #[must_use]
    pub fn notify(self, after: Duration, notify: Notify<'a>) -> Self {
        Self { notify_after: after, notify: Some(notify), ..self }
    }
}

impl Default for Wait<'_> {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            notify_after: Duration::from_secs(1),
            notify: None,
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
