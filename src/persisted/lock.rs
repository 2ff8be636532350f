//! The lock of a store: between processes if the store has lock files, else between threads.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokenkeep_platform::interrupt::Interruptible;

use super::exclusive::{Exclusive, Refused, Turn};
use crate::{
    Error,
    lock::{CrossProcessLock, LockGuard, Wait},
};

/// How long a wait lasts before the program's notice is called.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// How a store is locked.
#[derive(Debug)]
pub(super) enum StoreLock {
    /// Between processes.
    Files(CrossProcessLock),
    /// Between the threads that share this value.
    Value(Exclusive),
}

/// How long to wait for other processes, the notice to call, and when to stop.
#[derive(Clone)]
pub(super) struct LockWait {
    pub(super) timeout: Duration,
    pub(super) notice: Option<Arc<Notice>>,
    pub(super) stop: Option<Arc<Stop>>,
}

type Notice = dyn Fn(Option<&str>, Duration) + Send + Sync;
type Stop = dyn Fn() -> bool + Send + Sync;

/// The lock that a transaction holds; released on drop.
pub(super) struct Held {
    guard: LockGuard,
    _turn: Option<Turn>,
}

impl StoreLock {
    pub(super) fn new(files: Option<CrossProcessLock>) -> Self {
        files.map_or_else(|| Self::Value(Exclusive::default()), Self::Files)
    }

    pub(super) fn acquire(&self, wait: &LockWait) -> Result<Held, Error> {
        match self {
            Self::Files(lock) => {
                let timeout = Wait::at_most(wait.timeout);
                let guard = match &wait.notice {
                    Some(notice) => lock.acquire(&timeout.notify(NOTICE_AFTER, &**notice))?,
                    None => lock.acquire(&timeout)?,
                };
                Ok(Held { guard, _turn: None })
            }
            // The notice tells of other processes; here only threads of this one wait for each
            // other.
            Self::Value(lock) => match lock.acquire(wait.timeout) {
                Ok(turn) => Ok(Held { guard: LockGuard::none(), _turn: Some(turn) }),
                Err(Refused::Own) => Err(Error::Nested),
                Err(Refused::Failed(error)) => Err(error),
                Err(Refused::Stopped) => Err(self.canceled()),
                Err(Refused::TimedOut(waited)) => Err(self.timed_out(waited, "changes it")),
            },
        }
    }

    /// The lock between processes, if the store has one.
    pub(super) fn files(&self) -> Option<&CrossProcessLock> {
        match self {
            Self::Files(lock) => Some(lock),
            Self::Value(_) => None,
        }
    }

    /// The error after a wait that the program stopped.
    pub(super) fn canceled(&self) -> Error {
        Error::wait_canceled(self.place())
    }

    /// The error after a wait of `waited` for another thread of this process.
    pub(super) fn timed_out(&self, waited: Duration, doing: &str) -> Error {
        let holder = Some(format!("another thread of this program, which {doing}"));
        Error::LockTimeout { path: self.place().into(), waited, holder }
    }

    /// The path that messages name.
    pub(super) fn place(&self) -> &Path {
        self.files().map_or(Path::new("(memory)"), CrossProcessLock::path)
    }
}

impl LockWait {
    /// Lets the program stop the waits of this thread while the returned value exists.
    pub(super) fn interruptible(&self) -> Option<Interruptible> {
        let stop = self.stop.clone()?;
        Some(Interruptible::new(stop))
    }
}

impl Default for LockWait {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), notice: None, stop: None }
    }
}

impl Held {
    /// Whether the lock still excludes others: nobody removed or replaced its file.
    pub(super) fn is_intact(&self) -> Result<bool, Error> {
        self.guard().is_intact()
    }

    pub(super) fn guard(&self) -> &LockGuard {
        &self.guard
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
