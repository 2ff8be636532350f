//! The cache that outlives the program: reads that notice every change, writes that lose none.

mod care;
mod echo;
mod exclusive;
mod lock;
mod nesting;
mod read;
mod steps;
mod transaction;
#[cfg(feature = "tokio")]
mod turns;
#[cfg(feature = "tokio")]
mod twins;

use std::{fmt, sync::Arc, time::Duration};

use tokenkeep_platform::{lock::CrossProcessLock, sync::ForkLock};

pub(crate) use self::lock::{DEFAULT_LOCK_TIMEOUT, LockNotice, StoreLock};
use self::{
    exclusive::{Exclusive, Refused, Turn},
    lock::Held,
    nesting::{Called, Served, Store},
};
use crate::{
    Error, MemoryPersistence, PersistenceBuilder, Stamp, TokenCache,
    persistence::{Intent, Persistence},
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
pub struct PersistedTokenCache(Arc<Shared>);

/// What all clones of a value share.
struct Shared {
    persistence: Served,
    lock: StoreLock,
    store: Arc<Store>,
    state: ForkLock<State>,
    /// A reader loads; others wait for its result and do not load too.
    loading: Exclusive,
    /// Somebody prepares a change, which may ask the user; others wait for the answer.
    preparing: Exclusive,
}

/// What this process knows of the store.
#[derive(Clone, Default)]
struct State {
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
    /// As [`PersistenceBuilder::open`].
    ///
    /// # Platform differences
    /// The vault is the Secret Service on Linux and the BSDs and the Keychain on macOS. On Windows it
    /// is Credential Manager, and for a new cache in a session without one (SSH, a service) DPAPI.
    pub fn open(name: &str) -> Result<Self, Error> {
        Self::builder(name).open()
    }

    /// Like [`open`](Self::open), but where that fails the cache is kept in memory alone, and the
    /// reason comes with it for the program to show.
    pub fn open_or_memory(name: &str) -> (Self, Option<Error>) {
        Self::builder(name).open_or_memory()
    }

    /// A cache that ends with this value. Nothing is written anywhere.
    pub fn in_memory() -> Self {
        Self::with_persistence(MemoryPersistence::new(), None)
    }

    /// Begins to open a cache with other choices than the defaults.
    pub fn builder(name: impl Into<String>) -> PersistenceBuilder {
        PersistenceBuilder::new(name)
    }

    /// A cache over a persistence of your own. `lock` keeps processes apart that write the same
    /// place. `None` takes the place's own lock, which the persistences of this crate that write
    /// files have; where there is none, only this value may write the place.
    pub fn with_persistence(
        persistence: impl Persistence + 'static,
        lock: Option<CrossProcessLock>,
    ) -> Self {
        let lock = lock.or_else(|| persistence.lock());
        Self::new(persistence, StoreLock::new(lock, DEFAULT_LOCK_TIMEOUT, None))
    }

    pub(crate) fn new(persistence: impl Persistence + 'static, lock: StoreLock) -> Self {
        let store = Store::new(lock.files().cloned());
        let persistence = Served::new(Box::new(persistence), &store);
        let (state, loading, preparing) = Default::default();
        Self(Arc::new(Shared { persistence, lock, store, state, loading, preparing }))
    }
}

impl Shared {
    /// The persistence, for one call. It may be the program's own, and must not use this cache.
    fn persistence(&self) -> Called<'_> {
        self.persistence.call()
    }

    /// Does everything that may prompt before a change, for one thread at a time: one answer serves
    /// all who are about to change something. Readers ask in their own turn, so that a question of
    /// theirs keeps no change waiting.
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        let turn = self.turn(&self.preparing)?;
        turn.share(self.persistence().prepare(intent))
    }

    /// The store's lock. The notice of a wait is the program's own.
    fn acquire(&self) -> Result<Held<'_>, Error> {
        let _call = self.store.call();
        self.lock.acquire()
    }

    fn turn<'a>(&self, work: &'a Exclusive) -> Result<Turn<'a>, Error> {
        let timeout = self.lock.timeout().max(SHORTEST_WAIT);
        work.acquire(timeout).map_err(|refused| match refused {
            Refused::Failed(error) => error,
            Refused::Own => Error::Nested,
            Refused::TimedOut(waited) => {
                self.lock.timed_out(waited, "loads it or asks for its key")
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
            .field("persistence", &self.0.persistence)
            .finish_non_exhaustive()
    }
}
