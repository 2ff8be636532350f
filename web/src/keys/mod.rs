//! The key ring in use, and where it comes from.

mod ring;

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use tokenkeep::envelope::{EnvelopeKey, KeyId};
use tokio::time::{Instant, timeout};

pub use self::ring::KeyRing;
use crate::{
    Error, TARGET,
    flight::{Flights, Joined},
    store::BoxFuture,
};

/// Where the key ring comes from: a key management service, for instance, that unwraps it.
///
/// A node asks it for the ring at the first call. Later it asks again, so that a rotation needs no
/// restart: behind a call when the ring is 5 min old, before a call when it is 10 min old, and when
/// [`rewrap_all`](crate::WebTokenCache::rewrap_all) begins. It also asks when a value is met that was
/// sealed with a key the ring does not have, at most once in 30 s. If the source fails, the ring
/// that was loaded before stays in use.
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// Brings the key ring. After 5 s it is no longer waited for.
    ///
    /// # Errors
    ///
    /// Whatever failed. It becomes the source of [`Error::KeysUnavailable`], so its text must have
    /// no key.
    fn load(&self) -> BoxFuture<'_, Result<KeyRing, Box<dyn StdError + Send + Sync>>>;
}

/// A key ring, ready for use.
pub(crate) struct Ring {
    ring: KeyRing,
    naming: Hmac<Sha256>,
}

impl Ring {
    fn new(ring: KeyRing) -> Self {
        let naming = Hmac::new_from_slice(ring.naming().expose());
        Self { naming: naming.expect("HMAC takes keys of any length"), ring }
    }

    pub(crate) fn naming(&self) -> Hmac<Sha256> {
        self.naming.clone()
    }

    pub(crate) fn sealing(&self) -> (KeyId, &EnvelopeKey) {
        let (id, key) = self.ring.sealing();
        (*id, key)
    }

    pub(crate) fn opening(&self, key_id: KeyId) -> Option<&EnvelopeKey> {
        self.ring.opening(key_id)
    }
}

/// The key ring in use.
pub(crate) struct Keys {
    source: Option<Arc<dyn KeySource>>,
    current: RwLock<Option<Arc<Ring>>>,
    loads: Flights<(), Result<Arc<Ring>, Error>>,
    last: Mutex<Option<Last>>,
    /// When it was last asked for a key that a value has.
    sought: Mutex<Option<Instant>>,
}

/// The last load from the source.
#[derive(Clone)]
struct Last {
    ended: Instant,
    failure: Option<Error>,
}

impl Last {
    /// It is time for the next one.
    fn is_past(&self) -> bool {
        let pause = if self.failure.is_some() { BETWEEN_RELOADS } else { BETWEEN_LOADS };
        self.ended.elapsed() >= pause
    }
}

impl Keys {
    pub(crate) fn of_ring(ring: KeyRing) -> Self {
        Self {
            source: None,
            current: RwLock::new(Some(Arc::new(Ring::new(ring)))),
            loads: Flights::default(),
            last: Mutex::default(),
            sought: Mutex::default(),
        }
    }

    pub(crate) fn of_source(source: Arc<dyn KeySource>) -> Self {
        Self {
            source: Some(source),
            current: RwLock::default(),
            loads: Flights::default(),
            last: Mutex::default(),
            sought: Mutex::default(),
        }
    }

    /// The ring, loaded if it is not yet. If it is old, it is loaded again: behind the call, or
    /// before it if there was no call for long.
    pub(crate) async fn ring(self: &Arc<Self>) -> Result<Arc<Ring>, Error> {
        let (ring, last) = (self.loaded(), self.last());
        match (ring, last) {
            (Some(ring), _) if self.source.is_none() => Ok(ring),
            // A failure is that old only where there was no call since.
            (Some(ring), Some(last)) if last.ended.elapsed() >= OLDEST => {
                Ok(self.load().await.unwrap_or(ring))
            }
            (Some(ring), Some(last)) => {
                if last.is_past() {
                    drop(self.start());
                }
                Ok(ring)
            }
            (None, Some(Last { ended, failure: Some(error) }))
                if ended.elapsed() < AFTER_A_FAILURE =>
            {
                Err(error)
            }
            _ => self.load().await,
        }
    }

    /// The ring, loaded again if it does not have the key and was not loaded lately.
    pub(crate) async fn ring_with(self: &Arc<Self>, key_id: KeyId) -> Result<Arc<Ring>, Error> {
        let ring = self.ring().await?;
        if ring.opening(key_id).is_some() {
            return Ok(ring);
        }
        let sought = || self.sought.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = sought().is_some_and(|at| at.elapsed() < BETWEEN_RELOADS);
        let ring = match self.source.is_none() || is_recent && !self.loads.is_any() {
            true => self.loaded().unwrap_or(ring),
            // What failed here is that the key is not known.
            false => {
                let loaded = self.load().await.unwrap_or(ring);
                *sought() = Some(Instant::now());
                loaded
            }
        };
        match ring.opening(key_id) {
            Some(_) => Ok(ring),
            None => Err(Error::KeyUnknown { key_id }),
        }
    }

    pub(crate) fn loaded(&self) -> Option<Arc<Ring>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ring that the source has. One load for all that wait.
    async fn load(self: &Arc<Self>) -> Result<Arc<Ring>, Error> {
        brought(self.start()).await
    }

    /// The ring that the source has now, and not that of a load that began before.
    pub(crate) async fn load_now(self: &Arc<Self>) -> Result<Arc<Ring>, Error> {
        let joined = self.start();
        let is_of_now = joined.is_first;
        match (brought(joined).await, is_of_now) {
            (loaded, true) => loaded,
            _ => self.load().await,
        }
    }

    /// Begins a load, or joins the one under way. A caller that does not wait does not end it.
    fn start(self: &Arc<Self>) -> Joined<Result<Arc<Ring>, Error>> {
        let keys = Arc::clone(self);
        let load = async move {
            let loaded = keys.ask().await;
            if let Err(error) = &loaded
                && keys.loaded().is_some()
            {
                tracing::warn!(target: TARGET, %error, "the old keys stay in use");
            }
            let failure = loaded.as_ref().err().cloned();
            let last = Last { ended: Instant::now(), failure };
            *keys.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
            loaded
        };
        self.loads.join((), || load)
    }

    async fn ask(&self) -> Result<Arc<Ring>, Error> {
        let Some(source) = &self.source else {
            return self.loaded().ok_or_else(|| unavailable(None));
        };
        let new = match timeout(LONGEST_LOAD, source.load()).await {
            Ok(Ok(ring)) => ring,
            Ok(Err(error)) => return Err(unavailable(Some(error))),
            Err(_) => return Err(unavailable(Some("it did not answer within 5 s".into()))),
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = &*current
            && old.ring.naming().expose() != new.naming().expose()
        {
            let what = "its naming key changed, which would sign all users out";
            return Err(unavailable(Some(what.into())));
        }
        let new = Arc::new(Ring::new(new));
        *current = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.loaded();
        f.debug_struct("Keys").field("ring", &ring.as_deref().map(|ring| &ring.ring)).finish()
    }
}

async fn brought(load: Joined<Result<Arc<Ring>, Error>>) -> Result<Arc<Ring>, Error> {
    match load.outcome().await {
        Some(loaded) => loaded,
        None => Err(unavailable(Some("the source of the key ring panicked".into()))),
    }
}

fn unavailable(source: Option<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::KeysUnavailable { retry_after: AFTER_A_FAILURE, source: source.map(Arc::from) }
}

const LONGEST_LOAD: Duration = Duration::from_secs(5);
const BETWEEN_LOADS: Duration = Duration::from_secs(300);
/// A node seals with no ring that is older, unless the source fails.
const OLDEST: Duration = Duration::from_secs(600);
/// After a load that failed, or that did not bring the key of a value.
const BETWEEN_RELOADS: Duration = Duration::from_secs(30);
/// For so long the first load is not tried again after it failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);
