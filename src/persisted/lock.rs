//! The lock of a store: between processes where it has files, else within this value.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokenkeep_platform::lock::{CrossProcessLock, Wait};

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
    Value(ValueLock),
}

/// What a program does when it has to wait.
#[derive(Clone)]
pub(crate) struct LockNotice(Arc<Notice>);

type Notice = dyn Fn(Option<&str>, Duration) + Send + Sync;

#[derive(Debug, Default)]
pub(super) struct ValueLock {
    taken: Mutex<bool>,
    released: Condvar,
}

/// What a transaction holds; released on drop.
pub(super) enum Held<'a> {
    Files(Hold),
    Value(&'a ValueLock, Hold),
}

impl StoreLock {
    /// Between processes by `files`; without them, between the threads that share this value.
    pub(crate) fn new(
        files: Option<CrossProcessLock>,
        timeout: Duration,
        notice: Option<LockNotice>,
    ) -> Self {
        let kind = files.map_or_else(|| Kind::Value(ValueLock::default()), Kind::Files);
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
                Ok(Held::Files(Hold::new(guard)))
            }
            Kind::Value(lock) => lock.acquire(self.timeout),
        }
    }

    /// Names the store in a way that every value over the same store shares.
    pub(super) fn store(&self) -> String {
        match &self.kind {
            Kind::Files(lock) => lock.path().display().to_string(),
            Kind::Value(lock) => format!("{:p}", std::ptr::from_ref(lock)),
        }
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

impl ValueLock {
    fn acquire(&self, timeout: Duration) -> Result<Held<'_>, Error> {
        let begun = Instant::now();
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, outcome) = self
            .released
            .wait_timeout_while(taken, timeout, |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        if outcome.timed_out() && *taken {
            return Err(Error::LockTimeout {
                path: "(memory)".into(),
                waited: begun.elapsed(),
                holder: Some("another thread of this program".into()),
            });
        }
        *taken = true;
        Ok(Held::Value(self, Hold::default()))
    }
}

impl Held<'_> {
    /// Whether the lock still excludes others: nobody removed or replaced its file.
    pub(super) fn is_intact(&self) -> Result<bool, Error> {
        self.hold().is_intact()
    }

    pub(super) fn hold(&self) -> &Hold {
        match self {
            Self::Files(hold) | Self::Value(_, hold) => hold,
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Self::Value(lock, _) = self {
            *lock.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
            lock.released.notify_one();
        }
    }
}

impl fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
