//! Opening a cache, and the choices that belong to it.

use std::{sync::Arc, time::Duration};

use super::{
    PersistedTokenCache, Shared,
    clock::Clock,
    lock::{LockWait, StoreLock},
    nesting::{Served, Store},
};
use crate::{
    Error,
    persistence::{MemoryPersistence, Persistence, SealedPersistence},
};

impl PersistedTokenCache {
    /// Opens the sealed cache `name` in the user's data folder. Its key is in the operating
    /// system's vault.
    ///
    /// This does not prompt, and creates nothing. [`prepare`](Self::prepare) or the first save
    /// creates the folder and the key.
    ///
    /// # Errors
    /// The errors of
    /// [`SealedPersistenceBuilder::open`](crate::persistence::SealedPersistenceBuilder::open).
    ///
    /// # Platform differences
    /// The vault is the Secret Service on Linux and the BSDs, and the Keychain on macOS. On Windows
    /// it is Credential Manager. A new cache in a Windows session without Credential Manager (SSH,
    /// a service) uses DPAPI.
    pub fn open(name: impl Into<String>) -> Result<Self, Error> {
        Ok(Self::new(SealedPersistence::builder(name).open()?))
    }

    /// Like [`open`](Self::open), but if that fails, the cache is kept in memory only. The second
    /// value is the error of `open`, for the program to show.
    pub fn open_or_memory(name: impl Into<String>) -> (Self, Option<Error>) {
        match Self::open(name) {
            Ok(cache) => (cache, None),
            Err(reason) => (Self::in_memory(), Some(reason)),
        }
    }

    /// A cache in memory only, which ends with this value and its clones. Nothing is written
    /// anywhere.
    pub fn in_memory() -> Self {
        Self::new(MemoryPersistence::new())
    }

    /// A cache over `persistence`: one of this crate's, or your own.
    ///
    /// [`Persistence::lock`] keeps processes that write the same store apart. If it returns `None`,
    /// only this value and its clones may write the store.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use tokenkeep::{KeySource, PersistedTokenCache, persistence::SealedPersistence};
    ///
    /// let persistence = SealedPersistence::builder("com.example.mytool")
    ///     .folder("/srv/mytool/sign-ins")
    ///     .key_source(KeySource::KeyFile("/srv/mytool/key/mytool.key".into()))
    ///     .open()?;
    /// let cache = PersistedTokenCache::new(persistence).lock_timeout(Duration::from_secs(10));
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn new(persistence: impl Persistence + 'static) -> Self {
        let lock = StoreLock::new(persistence.lock());
        // Values over one store have the same lock, by which the check for nesting tells them.
        let store = Store::new(lock.files().cloned());
        let persistence = Served::new(Box::new(persistence), &store);
        let (state, loading, preparing, renewals) = Default::default();
        let shared = Shared { persistence, lock, store, state, loading, preparing, renewals };
        Self { shared: Arc::new(shared), wait: LockWait::default(), clock: Clock::default() }
    }

    /// How long a call waits for other processes before [`Error::LockTimeout`]. The default is 60
    /// s. A call waits as long, and at least 5 s, for another thread of this process that loads the
    /// cache or asks for its key. Clones that are made later have the same limit.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.wait.timeout = timeout;
        self
    }

    /// Calls `notice` once a wait for other processes has lasted one second. Its arguments are what
    /// is known of the process that holds the lock, and how long the wait has lasted.
    ///
    /// `notice` runs on the waiting thread, which continues when `notice` returns. No other thread
    /// waits for it. It must not use the cache: every call there is [`Error::Nested`].
    pub fn on_lock_wait(
        mut self,
        notice: impl Fn(Option<&str>, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.wait.notice = Some(Arc::new(notice));
        self
    }

    /// Ends a wait of a call when `stop` returns `true`: for another process or thread, for a
    /// vault, and for the user's answer to a vault's prompt. The call then fails with
    /// [`Error::WaitCanceled`], and changed nothing. Only a write that a vault has begun is
    /// [`Error::OutcomeUnknown`]. Clones that are made later have the same `stop`.
    ///
    /// `stop` runs on the waiting thread, at least every 50 ms of a wait and never otherwise. It
    /// must not use the cache. [`interruptible`] does the same for all waits of a thread.
    ///
    /// [`interruptible`]: crate::interruptible
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use tokenkeep::PersistedTokenCache;
    ///
    /// // Set by the program's handler of Ctrl-C.
    /// static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    ///
    /// let cache = PersistedTokenCache::in_memory();
    /// let cache = cache.stop_when(|| INTERRUPTED.load(Ordering::Relaxed));
    /// # assert!(cache.accounts()?.is_empty());
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn stop_when(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.wait.stop = Some(Arc::new(stop));
        self
    }

    /// Takes the time from `now`, in Unix seconds, instead of the system's clock. For tests.
    pub fn clock(mut self, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Clock::of(now);
        self
    }
}
