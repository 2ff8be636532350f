//! A token cache that is stored, and shared between processes.

// First and last, because the type's page has its methods in the order of these modules.
mod open;

mod clock;
mod echo;
mod exclusive;
mod lock;
mod nesting;
mod read;
mod replace;
mod silent;
mod transaction;
mod update;

mod maintenance;

#[cfg(feature = "tokio")]
mod asynchronous;
#[cfg(feature = "tokio")]
mod turns;

use std::{fmt, sync::Arc, time::Duration};

use tokenkeep_platform::sync::ForkLock;

pub use self::silent::{RefreshLease, SignedOut};
use self::{
    clock::Clock,
    exclusive::{Exclusive, Refused, Turn},
    lock::{Held, LockWait, StoreLock},
    nesting::{Called, Served, Store},
    silent::Renewals,
};
use crate::{
    Error, TokenCache,
    persistence::{Intent, Stamp},
};

/// A token cache that is stored, and shared with every other process that opens the same store.
///
/// - An update that returned `Ok` is on disk. A kill, a power cut, or another process that follows
///   the same protocol does not lose it.
/// - [`add_response`](Self::add_response) and [`add_renewal`](Self::add_renewal) are the exception:
///   they also return `Ok` with a token that could not be stored. Its
///   [`unstored_because`](crate::AccessToken::unstored_because) is the reason.
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
    renewals: Renewals,
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
    /// The persistence, for one call. It may be the program's own code, which must not use this
    /// cache.
    fn persistence(&self) -> Called<'_> {
        self.shared.persistence.call(self.wait.interruptible())
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
    fn acquire(&self) -> Result<Held, Error> {
        let _call = self.shared.store.call();
        let _stop = self.wait.interruptible();
        self.shared.lock.acquire(&self.wait)
    }

    fn turn(&self, work: &Exclusive) -> Result<Turn, Error> {
        let timeout = self.wait.timeout.max(SHORTEST_WAIT);
        // The callback that may end the wait is the program's own code.
        let _call = self.shared.store.call();
        let _stop = self.wait.interruptible();
        work.acquire(timeout).map_err(|refused| match refused {
            Refused::Failed(error) => error,
            Refused::Own => Error::Nested,
            Refused::Stopped => self.shared.lock.canceled(),
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
