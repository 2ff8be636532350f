//! The lock of a store: between processes where it has files, else within this value.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokenkeep_platform::lock::{CrossProcessLock, Wait};

use super::exclusive::{Exclusive, Refused, Turn};
use crate::{Error, persistence::Hold};

/// How long a transaction waits for other processes unless the program says otherwise.
pub(crate) const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a wait lasts before the program is told.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// How a store is locked, how long to wait for it, and whom to tell.
#[derive(Debug)]
pub(crate) struct StoreLock {
    kind: Kind,
    timeout: Duration,
    notice: Option<LockNotice>,
}

#[derive(Debug)]
enum Kind {
    Files(CrossProcessLock),
    Value(Exclusive),
}

/// What a program does when it has to wait.
#[derive(Clone)]
pub(crate) struct LockNotice(Arc<Notice>);

type Notice = dyn Fn(Option<&str>, Duration) + Send + Sync;

/// What a transaction holds; released on drop.
pub(super) struct Held<'a> {
    hold: Hold,
    _turn: Option<Turn<'a>>,
}

impl StoreLock {
    /// Between processes by `files`; without them, between the threads that share this value.
    pub(crate) fn new(
        files: Option<CrossProcessLock>,
        timeout: Duration,
        notice: Option<LockNotice>,
    ) -> Self {
        let kind = files.map_or_else(|| Kind::Value(Exclusive::default()), Kind::Files);
        Self { kind, timeout, notice }
    }

    pub(super) fn acquire(&self) -> Result<Held<'_>, Error> {
        match &self.kind {
            Kind::Files(lock) => {
                let wait = Wait::at_most(self.timeout);
                let guard = match &self.notice {
                    Some(notice) => lock.acquire(&wait.notify(NOTICE_AFTER, &*notice.0))?,
                    None => lock.acquire(&wait)?,
                };
                Ok(Held { hold: Hold::new(guard), _turn: None })
            }
            Kind::Value(lock) => match lock.acquire(self.timeout) {
                Ok(turn) => Ok(Held { hold: Hold::default(), _turn: Some(turn) }),
                Err(Refused::Own) => Err(Error::Nested),
                Err(Refused::Failed(error)) => Err(error),
                Err(Refused::TimedOut(waited)) => Err(self.timed_out(waited, "changes it")),
            },
        }
    }

    /// What locks it between processes.
    pub(super) fn files(&self) -> Option<&CrossProcessLock> {
        match &self.kind {
            Kind::Files(lock) => Some(lock),
            Kind::Value(_) => None,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Another thread of this process was in the way for all that time.
    pub(super) fn timed_out(&self, waited: Duration, doing: &str) -> Error {
        let holder = Some(format!("another thread of this program, which {doing}"));
        Error::LockTimeout { path: self.place().into(), waited, holder }
    }

    /// The store's place, for messages.
    pub(super) fn place(&self) -> &Path {
        self.files().map_or(Path::new("(memory)"), CrossProcessLock::path)
    }
}

impl LockNotice {
    pub(crate) fn new(notice: impl Fn(Option<&str>, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(notice))
    }
}

impl fmt::Debug for LockNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockNotice")
    }
}

impl Held<'_> {
    /// Whether the lock still excludes others: nobody removed or replaced its file.
    pub(super) fn is_intact(&self) -> Result<bool, Error> {
        self.hold().is_intact()
    }

    pub(super) fn hold(&self) -> &Hold {
        &self.hold
    }
}

impl fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
