//! The steps at the store, and what they mean for this node's memory.

use std::sync::Arc;

use tokenkeep::TokenCache;

use crate::{
    Error,
    counts::Counted,
    inner::Inner,
    l1::Epoch,
    observed::store_step,
    options::MemoryPolicy,
    partition::Partition,
    store::{Durability, Lease, LeaseRequest, Loaded, Note, Owner, Put, PutOutcome, StoreError},
    value::{self, Kept},
};
use std::time::Duration;

impl Inner {
    /// Reads what the store has of a partition. `None` if it has nothing.
    pub(crate) async fn load(
        &self,
        partition: &Partition,
        known: Option<&Arc<Kept>>,
    ) -> Result<Option<Arc<Kept>>, Error> {
        let epoch = self.l1.epoch(&partition.id());
        let mark = known.and_then(|known| known.mark);
        let turn = self.turns.read().await?;
        let loaded = store_step("load", self.store.load(partition.key(), mark.as_ref())).await?;
        drop(turn);
        self.read(partition, loaded, known, epoch).await
    }

    /// Takes the lease, and reads what the store has after that.
    pub(crate) async fn lease(
        &self,
        partition: &Partition,
        request: LeaseRequest<'_>,
        known: Option<&Arc<Kept>>,
    ) -> Result<(Lease, Result<Option<Arc<Kept>>, Error>), Error> {
        // Where a refresh token may be spent twice, a lost lease harms nobody.
        let is_needed = partition.kind().has_refresh_tokens() && !self.options.spend_without_store;
        let request = match self.options.durability {
            durability @ Durability::Replicated { .. } if is_needed => {
                LeaseRequest { ttl: OVER_A_FAILOVER, durability, ..request }
            }
            _ => request,
        };
        let leased = self.hold(partition, request, known).await;
        let is_unsure =
            matches!(leased, Err(StoreError::Timeout { .. } | StoreError::NotReplicated { .. }));
        if is_unsure && !self.is_held(partition, request.owner) {
            // It may have been given; nobody should have to wait for its end.
            self.release_later(partition, request.owner);
        }
        Ok(leased?)
    }

    /// As [`lease`](Self::lease), for a lease that this node may have. Whatever the store says, it
    /// is not given back. The lease lasts from when it is asked for at the store, at the earliest.
    pub(crate) async fn hold(
        &self,
        partition: &Partition,
        request: LeaseRequest<'_>,
        known: Option<&Arc<Kept>>,
    ) -> Result<(Lease, Result<Option<Arc<Kept>>, Error>), StoreError> {
        let epoch = self.l1.epoch(&partition.id());
        let mark = known.and_then(|known| known.mark);
        let request = request.known(mark.as_ref());
        let turn = self.turns.read().await?;
        let leased = store_step("lease", self.store.lease(partition.key(), request)).await;
        drop(turn);
        let (lease, loaded) = leased?;
        Ok((lease, self.read(partition, loaded, known, epoch).await))
    }

    /// Puts a value, and says whether an earlier try may have stored it.
    pub(crate) async fn put(
        &self,
        partition: &Partition,
        put: Put<'_>,
    ) -> (Result<PutOutcome, StoreError>, bool) {
        let _turn = match self.turns.write().await {
            Ok(turn) => turn,
            Err(error) => return (Err(error), false),
        };
        match store_step("put", self.store.put(partition.key(), put)).await {
            // Whether it was written is not known. If it was, this one says so.
            Err(StoreError::Timeout { .. }) => {
                (store_step("put", self.store.put(partition.key(), put)).await, true)
            }
            outcome => (outcome, false),
        }
    }

    /// Gives the lease back, with a note if the renewal failed. What the store says to that changes
    /// nothing: the lease ends by itself.
    pub(crate) async fn release(
        &self,
        partition: &Partition,
        owner: Owner,
        failed: Option<(&Note, Duration)>,
    ) {
        let release = self.store.release(partition.key(), owner, failed);
        if let Err(error) = store_step("release", release).await {
            tracing::debug!(target: crate::TARGET, %error, "a lease was not released");
        }
    }

    /// Whether the store has a refresh token that was spent with this lease. Then the lease keeps the
    /// other nodes from it.
    pub(crate) fn is_held(&self, partition: &Partition, owner: Owner) -> bool {
        let pending = self.unsaved.pending(&partition.id());
        pending.is_some_and(|pending| pending.owner == Some(owner))
    }

    pub(crate) fn release_later(&self, partition: &Partition, owner: Owner) {
        let (store, key) = (Arc::clone(&self.store), partition.key().clone());
        drop(tokio::spawn(async move {
            store.release(&key, owner, None).await.ok();
        }));
    }

    /// Opens what the store answered, and keeps it in memory.
    pub(crate) async fn read(
        &self,
        partition: &Partition,
        loaded: Loaded,
        known: Option<&Arc<Kept>>,
        epoch: Epoch,
    ) -> Result<Option<Arc<Kept>>, Error> {
        let id = partition.id();
        let value = match (loaded, known) {
            (Loaded::Unchanged, Some(known)) => {
                match self.l1.get(&id) {
                    Some(slot) if slot.mark == known.mark => self.l1.confirm(&slot, epoch),
                    _ => self.keep(partition, known, epoch),
                }
                return Ok(Some(Arc::clone(known)));
            }
            (Loaded::Value(value), _) => value,
            (Loaded::Absent | Loaded::Unchanged, _) => {
                // A token of its own that the store never had stays.
                if self.l1.get(&id).is_some_and(|slot| slot.mark.is_some()) {
                    self.l1.remove(&id);
                }
                return Ok(None);
            }
        };
        let opened = value::open(&self.keys, partition.key(), value).await;
        let mut kept = opened.inspect_err(|error| {
            if let Error::KeyUnknown { .. } = error {
                self.counts.add(Counted::KeyUnknown, 1);
            }
        })?;
        let earlier = match known {
            Some(known) => Some(Arc::clone(known)),
            None => self.l1.get(&id).and_then(|slot| self.opened(partition, &slot)),
        };
        if let Some(earlier) = earlier.filter(|earlier| earlier.is_later_than(&kept)) {
            let restored = kept.cache.restore_refresh_tokens(&earlier.cache, self.now());
            kept.seen = earlier.seen;
            self.counts.add(Counted::RolledBack, 1);
            tracing::error!(
                target: crate::TARGET,
                seen = earlier.seen,
                found = kept.generation,
                restored,
                "the store lost saves that it had acknowledged"
            );
        }
        let kept = Arc::new(kept);
        self.keep(partition, &kept, epoch);
        Ok(Some(kept))
    }

    /// Keeps a value in memory, in the form that the options name.
    pub(crate) fn keep(&self, partition: &Partition, kept: &Arc<Kept>, epoch: Epoch) {
        let sealed = match self.options.memory {
            MemoryPolicy::Parsed => None,
            MemoryPolicy::Sealed => {
                let sealed = self.keys.loaded().and_then(|ring| {
                    value::seal(&ring, partition.key(), kept.cache.clone(), Some(kept)).ok()
                });
                // Without a key there is nothing to keep.
                let Some((_, value)) = sealed else { return };
                Some(value)
            }
        };
        self.l1.insert(partition.id(), kept, sealed, epoch);
    }

    /// What the store has, with what it has not taken yet.
    pub(crate) fn with_unsaved(
        &self,
        partition: &Partition,
        base: Option<&Arc<Kept>>,
    ) -> TokenCache {
        let mut cache = base.map(|base| base.cache.clone()).unwrap_or_default();
        if let Some(pending) = self.unsaved.pending(&partition.id()) {
            pending.add_to(&mut cache);
        }
        cache
    }
}

/// How long a lease lasts that replicas have. It has to be there after a failover, until its holder
/// has saved what it could not save meanwhile.
const OVER_A_FAILOVER: Duration = Duration::from_secs(30);
