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
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

pub use self::ring::KeyRing;
use crate::{Error, TARGET, flight::Flights, store::BoxFuture};

/// Where the key ring comes from: a key management service, for instance, that unwraps it.
///
/// A node asks it for the ring at the first call, and every 5 min from then on, so that a rotation
/// needs no restart. It also asks when a value is met that was sealed with a key the ring does not
/// have, at most once in 30 s, and when [`rewrap_all`](crate::WebTokenCache::rewrap_all) begins. If
/// it fails, the ring that was loaded before stays in use.
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
    follower: Mutex<Option<AbortHandle>>,
}

/// The last load from the source.
#[derive(Clone)]
struct Last {
    ended: Instant,
    failure: Option<Error>,
}

impl Keys {
    pub(crate) fn of_ring(ring: KeyRing) -> Self {
        Self {
            source: None,
            current: RwLock::new(Some(Arc::new(Ring::new(ring)))),
            loads: Flights::default(),
            last: Mutex::default(),
            follower: Mutex::default(),
        }
    }

    pub(crate) fn of_source(source: Arc<dyn KeySource>) -> Self {
        Self {
            source: Some(source),
            current: RwLock::default(),
            loads: Flights::default(),
            last: Mutex::default(),
            follower: Mutex::default(),
        }
    }

    /// The ring, loaded if it is not yet.
    pub(crate) async fn ring(self: &Arc<Self>) -> Result<Arc<Ring>, Error> {
        self.follow();
        match self.loaded() {
            Some(ring) => Ok(ring),
            None => {
                if let Some(Last { ended, failure: Some(error) }) = self.last()
                    && ended.elapsed() < AFTER_A_FAILURE
                {
                    return Err(error);
                }
                self.load().await
            }
        }
    }

    /// The ring, loaded again if it does not have the key and was not loaded lately.
    pub(crate) async fn ring_with(self: &Arc<Self>, key_id: KeyId) -> Result<Arc<Ring>, Error> {
        let ring = self.ring().await?;
        if ring.opening(key_id).is_some() {
            return Ok(ring);
        }
        let is_recent = self.last().is_some_and(|last| last.ended.elapsed() < BETWEEN_RELOADS);
        let ring = match self.source.is_none() || is_recent && !self.loads.is_any() {
            true => self.loaded().unwrap_or(ring),
            // What failed here is that the key is not known.
            false => self.load().await.unwrap_or(ring),
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

    /// Starts the task that asks the source again, if there is none.
    fn follow(self: &Arc<Self>) {
        if self.source.is_none() {
            return;
        }
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        // Its runtime may have ended.
        if follower.as_ref().is_none_or(AbortHandle::is_finished) {
            let keys = Arc::downgrade(self);
            let task = tokio::spawn(async move {
                let mut pause = BETWEEN_LOADS;
                loop {
                    sleep(pause).await;
                    let Some(keys) = keys.upgrade() else { return };
                    pause = match keys.load().await {
                        Ok(_) => BETWEEN_LOADS,
                        Err(error) => {
                            tracing::warn!(target: TARGET, %error, "the old keys stay in use");
                            BETWEEN_RELOADS
                        }
                    };
                }
            });
            *follower = Some(task.abort_handle());
        }
    }

    /// The ring that the source has now. One load for all that wait. A caller that does not wait
    /// any longer does not end it.
    pub(crate) async fn load(self: &Arc<Self>) -> Result<Arc<Ring>, Error> {
        let keys = Arc::clone(self);
        let load = async move {
            let loaded = keys.ask().await;
            let failure = loaded.as_ref().err().cloned();
            let last = Last { ended: Instant::now(), failure };
            *keys.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
            loaded
        };
        match self.loads.join((), || load).outcome().await {
            Some(loaded) => loaded,
            None => Err(unavailable(Some("the source of the key ring panicked".into()))),
        }
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

impl Drop for Keys {
    fn drop(&mut self) {
        let follower = self.follower.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = follower {
            task.abort();
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.loaded();
        f.debug_struct("Keys").field("ring", &ring.as_deref().map(|ring| &ring.ring)).finish()
    }
}

fn unavailable(source: Option<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::KeysUnavailable { retry_after: AFTER_A_FAILURE, source: source.map(Arc::from) }
}

const LONGEST_LOAD: Duration = Duration::from_secs(5);
/// A rotation reaches all nodes within this time.
const BETWEEN_LOADS: Duration = Duration::from_secs(300);
/// After a load that failed, or that did not bring the key of a value.
const BETWEEN_RELOADS: Duration = Duration::from_secs(30);
/// For so long the first load is not tried again after it failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);
