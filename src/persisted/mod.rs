//! The cache that outlives the program: reads that notice every change, writes that lose none.

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

/// A token cache that is kept, and shared with every other process that opens the same store.
///
/// - An update that returned `Ok` is on disk: neither a kill, nor a power cut, nor another process
///   that follows the same protocol loses it.
/// - A read sees the newest saved state, whole. An unchanged cache costs one look at the file.
/// - What cannot be read is an error and is left as it is; saves are refused then.
///
/// Threads may share one value by reference. A clone is the same cache once more, for a thread or a
/// task of its own; it costs one counter.
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

/// What all clones of a value share.
struct Shared {
    persistence: Served,
    lock: StoreLock,
    store: Arc<Store>,
    state: ForkLock<Known>,
    /// A reader loads; others wait for its result and do not load too.
    loading: Exclusive,
    /// Somebody prepares a change, which may ask the user; others wait for the answer.
    preparing: Exclusive,
}

/// What this process knows of the store.
#[derive(Clone, Default)]
struct Known {
    cache: Arc<TokenCache>,
    /// The stamp of `cache`; `None` while nothing is kept.
    stamp: Option<Stamp>,
    /// Whether `cache` was ever loaded.
    loaded: bool,
    /// Whether this process knows that the disk has it.
    confirmed: bool,
}

impl PersistedTokenCache {
    /// Opens the sealed cache `name` in the user's data folder, with its key in the operating
    /// system's vault.
    ///
    /// Nothing prompts. Nothing is created before the first save.
    ///
    /// # Errors
    /// As [`SealedPersistenceBuilder::open`](crate::persistence::SealedPersistenceBuilder::open).
    ///
    /// # Platform differences
    /// The vault is the Secret Service on Linux and the BSDs and the Keychain on macOS. On Windows
    /// it is Credential Manager, and for a new cache in a session without one (SSH, a service)
    /// DPAPI.
    pub fn open(name: impl Into<String>) -> Result<Self, Error> {
        Ok(Self::new(SealedPersistence::builder(name).open()?))
    }

    /// Like [`open`](Self::open), but where that fails the cache is kept in memory alone, and the
    /// reason comes with it for the program to show.
    pub fn open_or_memory(name: impl Into<String>) -> (Self, Option<Error>) {
        match Self::open(name) {
            Ok(cache) => (cache, None),
            Err(reason) => (Self::in_memory(), Some(reason)),
        }
    }

    /// A cache that ends with this value. Nothing is written anywhere.
    pub fn in_memory() -> Self {
        Self::new(MemoryPersistence::new())
    }

    /// A cache over `persistence`: one of this crate's, or your own.
    ///
    /// [`Persistence::lock`] keeps the processes apart that write the same store. Where there is
    /// none, only this value and its clones may write it.
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

    /// How long to wait for other processes before [`Error::LockTimeout`]: 60 s unless this says
    /// otherwise. For another thread of this process that loads the cache or asks for its key, a
    /// call waits as long, and 5 s at least. Clones that are made later have the same limit.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.wait.timeout = timeout;
        self
    }

    /// Calls `notice` once a wait for other processes has lasted a second, with what is known of
    /// the process that holds the lock and how long the wait has lasted.
    ///
    /// It runs on the thread that waits, which goes on when it returns; nobody else waits for it.
    /// It must not use the cache: every call there is [`Error::Nested`].
    pub fn on_lock_wait(
        mut self,
        notice: impl Fn(Option<&str>, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.wait.notice = Some(Arc::new(notice));
        self
    }

    /// Takes the time from `now`, in Unix seconds, and not from the system's clock. For tests.
    pub fn clock(mut self, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Clock::of(now);
        self
    }

    /// The persistence, for one call. It may be the program's own, and must not use this cache.
    fn persistence(&self) -> Called<'_> {
        self.shared.persistence.call()
    }

    /// Does everything that may prompt before a change, for one thread at a time: one answer serves
    /// all who are about to change something. Readers ask in their own turn, so that a question of
    /// theirs keeps no change waiting.
    fn prepare_for(&self, intent: Intent) -> Result<(), Error> {
        let turn = self.turn(&self.shared.preparing)?;
        turn.share(self.persistence().prepare(intent))
    }

    /// The store's lock. The notice of a wait is the program's own.
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

/// How long a thread waits at least for another one of this process that loads. A vault may take
/// that long, however little time a program has for other processes.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

impl fmt::Debug for PersistedTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistedTokenCache")
            .field("persistence", &self.shared.persistence)
            .finish_non_exhaustive()
    }
}
