//! The steps at the store, and what they mean for this node's memory.

use std::{sync::Arc, time::Duration};

use tokenkeep::TokenCache;
use tokio::time::Instant;

use crate::{
    Error,
    bound::Place,
    counts::Counted,
    inner::Inner,
    l1::Epoch,
    observed::store_step,
    options::MemoryPolicy,
    partition::Partition,
    store::{Durability, Lease, LeaseRequest, Loaded, Note, Owner, Put, PutOutcome, StoreError},
    turns::Wait,
    value::{self, Kept},
};

/// What the store said to a node that wants a lease.
pub(crate) struct Leased {
    pub(crate) lease: Lease,
    /// When the store was asked. The lease began then or later.
    pub(crate) from: Instant,
    /// What the store has.
    pub(crate) read: Result<Option<Arc<Kept>>, Error>,
}

impl Inner {
    /// A turn at the store. While it takes no lease for tokens that are not saved, it gets no other
    /// calls: they would take the few answers that there are from those.
    async fn turn(&self, wait: Wait) -> Result<Place<'_>, StoreError> {
        if wait.is_call() && self.unsaved.is_cut_off() {
            return Err(StoreError::Unreachable {
                retry_after: Duration::from_secs(1),
                source: Some("tokens that it has not taken come first".into()),
            });
        }
        self.turns.turn(wait).await
    }

    /// Reads what the store has of a partition. `None` if it has nothing.
    pub(crate) async fn load(
        &self,
        partition: &Partition,
        known: Option<&Arc<Kept>>,
        wait: Wait,
    ) -> Result<Option<Arc<Kept>>, Error> {
        let turn = self.turn(wait).await?;
        let epoch = self.l1.epoch(&partition.id());
        let mark = known.and_then(|known| known.mark);
        let loaded = store_step("load", self.store.load(partition.key(), mark.as_ref())).await?;
        drop(turn);
        self.read(partition, loaded, known, epoch).await
    }

    /// The request for a lease that a renewal spends with, so that it is as lasting as values are.
    pub(crate) fn lasting<'r>(
        &self,
        partition: &Partition,
        request: LeaseRequest<'r>,
    ) -> LeaseRequest<'r> {
        // Where a refresh token may be spent twice, a lost lease harms nobody.
        let is_needed = partition.kind().has_refresh_tokens() && !self.options.spend_without_store;
        match self.options.durability {
            durability @ Durability::Replicated { .. } if is_needed => {
                LeaseRequest { ttl: OVER_A_FAILOVER, durability, ..request }
            }
            _ => request,
        }
    }

    /// Takes the lease, or renews it, and reads what the store has after that.
    pub(crate) async fn lease(
        &self,
        partition: &Partition,
        request: LeaseRequest<'_>,
        known: Option<&Arc<Kept>>,
        wait: Wait,
    ) -> Result<Leased, Error> {
        let turn = self.turn(wait).await?;
        let epoch = self.l1.epoch(&partition.id());
        let mark = known.and_then(|known| known.mark);
        let from = Instant::now();
        let request = request.known(mark.as_ref());
        let leased = store_step("lease", self.store.lease(partition.key(), request)).await;
        drop(turn);
        let is_unsure =
            matches!(leased, Err(StoreError::Timeout { .. } | StoreError::NotReplicated { .. }));
        if is_unsure && !self.unsaved.is_held(&partition.id(), request.owner) {
            // It may have been given; nobody should have to wait for its end.
            self.release_later(partition, request.owner);
        }
        let (lease, loaded) = self.counted(leased)?;
        Ok(Leased { lease, from, read: self.read(partition, loaded, known, epoch).await })
    }

    /// Puts a value, and says whether an earlier try may have stored it.
    pub(crate) async fn put(
        &self,
        partition: &Partition,
        put: Put<'_>,
        wait: Wait,
    ) -> (Result<PutOutcome, StoreError>, bool) {
        let _turn = match self.turns.turn(wait).await {
            Ok(turn) => turn,
            Err(error) => return (Err(error), false),
        };
        let start = Instant::now();
        let try_once = || store_step("put", self.store.put(partition.key(), put));
        match self.counted(try_once().await) {
            // Whether it was written is not known. If it was, this one says so.
            Err(StoreError::Timeout { .. }) => {
                let second = self.counted(try_once().await);
                (second.map_err(|error| error.of_second_try(start.elapsed())), true)
            }
            outcome => (outcome, false),
        }
    }

    /// What a full store does not take is counted.
    fn counted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Full { .. }) = outcome {
            self.counts.add(Counted::StoreFull, 1);
        }
        outcome
    }

    /// Gives the lease back, with a note if the renewal failed. What the store says to that changes
    /// nothing: the lease ends by itself.
    pub(crate) async fn release(
        &self,
        partition: &Partition,
        owner: Owner,
        failed: Option<(&Note, Duration)>,
    ) {
        let released = async {
            let _turn = self.turns.turn(Wait::lease()).await?;
            store_step("release", self.store.release(partition.key(), owner, failed)).await
        };
        if let Err(error) = released.await {
            tracing::debug!(target: crate::TARGET, %error, "a lease was not released");
        }
    }

    pub(crate) fn release_later(&self, partition: &Partition, owner: Owner) {
        let (store, key) = (Arc::clone(&self.store), partition.key().clone());
        let turns = Arc::clone(&self.turns);
        drop(tokio::spawn(async move {
            let Ok(_turn) = turns.turn(Wait::lease()).await else { return };
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
