//! What all clones of a cache share.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokenkeep::{AccessToken, AccessTokenRef, TokenCache, TokenRequest};
use tokio::{sync::Semaphore, task::AbortHandle};

use crate::{
    Error,
    client::Client,
    counts::Counts,
    flight::Flights,
    keys::Keys,
    l1::{Content, L1, Slot},
    lane::Lanes,
    options::Options,
    partition::{Partition, seal_name},
    provider::Provider,
    renewal::Waits,
    store::Store,
    turns::Turns,
    unsaved::Unsaved,
    value::{self, Kept},
};

pub(crate) struct Inner {
    pub(crate) app: Arc<str>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) client: Option<Client>,
    pub(crate) options: Options,
    pub(crate) l1: L1,
    pub(crate) lanes: Lanes,
    /// The queues of changes by the application.
    pub(crate) changes: Lanes,
    pub(crate) flights: Flights<([u8; 16], TokenRequest), Result<AccessToken, Error>>,
    pub(crate) writes: Flights<u64, Result<AccessToken, Error>>,
    pub(crate) unsaved: Unsaved,
    pub(crate) early: Arc<Semaphore>,
    pub(crate) turns: Arc<Turns>,
    /// The renewals that may have spent a refresh token.
    pub(crate) spending: Semaphore,
    pub(crate) waits: Waits,
    pub(crate) counts: Counts,
    /// From -1 to 1: the nodes do not all refresh early at one moment.
    pub(crate) node: f64,
    pub(crate) background: Mutex<Background>,
}

/// Tasks that live as long as the cache.
#[derive(Default)]
pub(crate) struct Background {
    pub(crate) listener: Option<AbortHandle>,
    pub(crate) saver: Option<AbortHandle>,
}

/// A token that answers a request.
pub(crate) struct Found {
    pub(crate) token: AccessToken,
    /// It should be refreshed early.
    pub(crate) is_due: bool,
}

impl Inner {
    pub(crate) fn now(&self) -> u64 {
        (self.options.clock)()
    }

    /// The token of a cache for a request.
    pub(crate) fn find(
        &self,
        cache: &TokenCache,
        request: &TokenRequest,
    ) -> Result<Option<Found>, Error> {
        let now = self.now();
        let Some(found) = cache.find_access_token(request, now)? else { return Ok(None) };
        let is_due = found.is_aging() || self.is_due(&found, now);
        Ok(Some(Found { token: found.to_owned(), is_due }))
    }

    /// A token that has not expired yet, whatever the margin. For when there is no other.
    pub(crate) fn find_any(
        &self,
        cache: &TokenCache,
        request: &TokenRequest,
    ) -> Option<AccessToken> {
        let request = request.clone().margin(Duration::ZERO);
        Some(cache.find_access_token(&request, self.now()).ok()??.to_owned())
    }

    /// The token has lived for 80 % of its time, or until the provider asks for its refresh.
    fn is_due(&self, found: &AccessTokenRef<'_>, now: u64) -> bool {
        let Some(from) = found.cached_at() else { return false };
        let life = found.expires_on().saturating_sub(from) as f64;
        let share = match found.refresh_on() {
            Some(refresh_on) => refresh_on.saturating_sub(from) as f64,
            None => 0.8 * life,
        };
        now.saturating_sub(from) as f64 >= share + 0.05 * life * self.node
    }

    /// What this node has of a partition: the tokens, and the slot of L1 if they are from there.
    pub(crate) fn local(&self, partition: &Partition) -> Option<Local> {
        let slot = self.l1.get(&partition.id());
        if let Some(over) = self.unsaved.over(&partition.id()) {
            return Some(Local { cache: LocalCache::Unsaved(over), slot });
        }
        let slot = slot?;
        let cache = match &slot.content {
            Content::Parsed(kept) => Arc::clone(kept),
            Content::Sealed(_) => self.opened(partition, &slot)?,
        };
        let cache = LocalCache::Stored(cache);
        Some(Local { cache, slot: Some(slot) })
    }

    /// The value of a slot. `None` if the key is gone, so that the store has to be asked.
    pub(crate) fn opened(&self, partition: &Partition, slot: &Slot) -> Option<Arc<Kept>> {
        match &slot.content {
            Content::Parsed(kept) => Some(Arc::clone(kept)),
            Content::Sealed(value) => {
                let ring = self.keys.loaded()?;
                let opened = value::open_with(&ring, &seal_name(partition.key()), value.clone());
                let seen = slot.generation;
                opened.ok().map(|kept| Arc::new(Kept { mark: slot.mark, seen, ..kept }))
            }
        }
    }

    pub(crate) fn is_fresh(&self, slot: &Slot) -> bool {
        // What the store does not have cannot be compared with it.
        !self.l1.is_in_doubt(slot)
            && (slot.mark.is_none() || self.l1.age(slot) < self.options.staleness.limit())
    }

    pub(crate) fn provider(&self) -> Result<&Arc<dyn Provider>, Error> {
        let client = self.client.as_ref().ok_or_else(|| {
            Error::invalid("no provider is set; name one in the builder with `provider`")
        })?;
        Ok(&client.provider)
    }

    /// Revokes refresh tokens that nobody will use, behind the call.
    pub(crate) fn revoke(&self, tokens: impl IntoIterator<Item = tokenkeep::Secret>) {
        let Ok(provider) = self.provider() else { return };
        for token in tokens {
            let provider = Arc::clone(provider);
            drop(tokio::spawn(async move {
                let revoked = tokio::time::timeout(REVOCATION, provider.revoke(&token)).await;
                if !matches!(revoked, Ok(Ok(()))) {
                    tracing::warn!(target: crate::TARGET, "a refresh token was not revoked");
                }
            }));
        }
    }
}

/// What this node has of a partition.
pub(crate) struct Local {
    pub(crate) cache: LocalCache,
    pub(crate) slot: Option<Arc<Slot>>,
}

/// Tokens that the store has, or those with what it has not taken yet.
pub(crate) enum LocalCache {
    Stored(Arc<Kept>),
    Unsaved(Arc<TokenCache>),
}

impl Deref for LocalCache {
    type Target = TokenCache;

    fn deref(&self) -> &TokenCache {
        match self {
            Self::Stored(kept) => &kept.cache,
            Self::Unsaved(cache) => cache,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let background = self.background.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in [&background.listener, &background.saver].into_iter().flatten() {
            task.abort();
        }
    }
}

const REVOCATION: Duration = Duration::from_secs(5);
