//! A token cache that is stored, and shared between processes.

#[cfg(feature = "tokio")]
mod asynchronous;
mod clock;
mod echo;
mod exclusive;
mod lock;
mod maintenance;
mod nesting;
mod read;
mod transaction;
#[cfg(feature = "tokio")]
mod turns;
mod update;

use std::{fmt, sync::Arc, time::Duration};

use tokenkeep_platform::sync::ForkLock;

use self::{
    clock::Clock,
    exclusive::{Exclusive, Refused, Turn},
    lock::{Held, LockWait, StoreLock},
    nesting::{Called, Served, Store},
};
use crate::{
    Error, TokenCache,
    persistence::{Intent, MemoryPersistence, Persistence, SealedPersistence, Stamp},
};

/// A token cache that is stored, and shared with every other process that opens the same store.
///
/// - An update that returned `Ok` is on disk. A kill, a power cut, or another process that follows
///   the same protocol does not lose it.
/// - A read returns the newest saved state, never a part of one. While the cache is unchanged, a
///   read costs one look at the file.
/// - Content that cannot be read is an error and stays as it is. Saves are refused then.
///
/// Threads may share one value by reference. A clone is another handle to the same cache, for a
/// thread or a task. Cloning costs one reference count.
///
/// ```no_run
/// use tokenkeep::{PersistedTokenCache, TokenRequest};
///
/// let cache = PersistedTokenCache::open("com.example.mytool")?;
/// let request = TokenRequest::new(
///     "my-client-id",
///     "https://login.microsoftonline.com/organizations",
///     ["User.Read"],
/// );
/// match cache.find_access_token(&request)? {
///     Some(token) => println!("valid until {}", token.expires_on()),
///     None => println!("sign in, then cache.add_response(&request, …)"),
/// }
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct PersistedTokenCache {
    shared: Arc<Shared>,
    wait: LockWait,
    clock: Clock,
}

/// The state that all clones of a value share.
struct Shared {
    persistence: Served,
    lock: StoreLock,
    store: Arc<Store>,
    state: ForkLock<Known>,
    /// Held by the reader that loads. Other readers wait for its result instead of loading too.
    loading: Exclusive,
    /// Held by the thread that prepares a change, which may ask the user. Others wait for its
    /// result.
    preparing: Exclusive,
}

/// The state of the store as this process last saw it.
#[derive(Clone, Default)]
struct Known {
    cache: Arc<TokenCache>,
    /// The stamp of `cache`; `None` while nothing is kept.
    stamp: Option<Stamp>,
    /// Whether `cache` was ever loaded.
    loaded: bool,
    /// Whether this process knows that `cache` is durable.
    confirmed: bool,
}

impl PersistedTokenCache {
    /// Opens the sealed cache `name` in the user's data folder. Its key is in the operating
    /// system's vault.
    ///
    /// This does not prompt. Nothing is created before the first save.
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
        let store = Store::new(lock.files().cloned());
        let persistence = Served::new(Box::new(persistence), &store);
        let (state, loading, preparing) = Default::default();
        let shared = Shared { persistence, lock, store, state, loading, preparing };
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

    /// Takes the time from `now`, in Unix seconds, instead of the system's clock. For tests.
    pub fn clock(mut self, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Clock::of(now);
        self
    }

    /// The persistence, for one call. It may be the program's own code, which must not use this
    /// cache.
    fn persistence(&self) -> Called<'_> {
        self.shared.persistence.call()
    }

    /// Does everything that may prompt before a change, one thread at a time. One answer serves all
    /// threads that are about to change something. Readers have a turn of their own, so that a
    /// reader's prompt does not delay a change.
    fn prepare_for(&self, intent: Intent) -> Result<(), Error> {
        let turn = self.turn(&self.shared.preparing)?;
        turn.share(self.persistence().prepare(intent))
    }

    /// Acquires the store's lock. Marked as a call, because the notice of a wait is the program's
    /// own code.
    fn acquire(&self) -> Result<Held<'_>, Error> {
        let _call = self.shared.store.call();
        self.shared.lock.acquire(&self.wait)
    }

    fn turn<'a>(&self, work: &'a Exclusive) -> Result<Turn<'a>, Error> {
        let timeout = self.wait.timeout.max(SHORTEST_WAIT);
        work.acquire(timeout).map_err(|refused| match refused {
            Refused::Failed(error) => error,
            Refused::Own => Error::Nested,
            Refused::TimedOut(waited) => {
                self.shared.lock.timed_out(waited, "loads it or asks for its key")
            }
        })
    }
}

/// The least time that a thread waits for another thread of this process that loads. A vault may
/// take that long, even if the program's limit for other processes is shorter.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

impl fmt::Debug for PersistedTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistedTokenCache")
            .field("persistence", &self.shared.persistence)
            .finish_non_exhaustive()
    }
}
