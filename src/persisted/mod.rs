//! The cache that outlives the program: reads that notice every change, writes that lose none.

mod care;
mod lock;
mod nesting;
mod read;
mod steps;
mod transaction;
#[cfg(feature = "tokio")]
mod twins;

use std::{
    fmt,
    sync::{Arc, Mutex, RwLock},
};

use tokenkeep_platform::lock::CrossProcessLock;

pub(crate) use self::lock::{DEFAULT_LOCK_TIMEOUT, LockNotice, StoreLock};
use crate::{
    Error, MemoryPersistence, PersistenceBuilder, Stamp, TokenCache, persistence::Persistence,
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
    persistence: Box<dyn Persistence>,
    lock: StoreLock,
    state: RwLock<State>,
    /// Held while a reader loads, so that others wait for its result and do not load too.
    loading: Mutex<()>,
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
        let persistence = Box::new(persistence);
        let (state, loading) = Default::default();
        Self(Arc::new(Shared { persistence, lock, state, loading }))
    }
}

impl fmt::Debug for PersistedTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistedTokenCache")
            .field("persistence", &self.0.persistence)
            .finish_non_exhaustive()
    }
}
