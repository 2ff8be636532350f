//! A change of a partition: applied to what the store has, until the store takes it.

use std::{sync::Arc, time::Duration};

use tokenkeep::TokenCache;

use crate::{
    Error,
    counts::Counted,
    inner::Inner,
    lifetime,
    partition::Partition,
    received::Received,
    store::{Owner, Put, PutOutcome, StoreError},
    turns::Wait,
    value::{self, Kept},
};

/// What became of a change.
pub(crate) enum Written<R> {
    /// The store has it, or there was nothing to write.
    Stored(R),
    /// The store did not take it.
    Failed {
        outcome: R,
        error: Error,
        /// What the store had when it was last read.
        base: Option<Arc<Kept>>,
    },
}

/// What a change needs besides itself.
pub(crate) struct Write<'a> {
    pub(crate) partition: &'a Partition,
    /// What the store has, as it was just read.
    pub(crate) base: Option<Arc<Kept>>,
    /// Whose lease is released with it.
    pub(crate) owner: Option<Owner>,
    /// The response that must not be lost if the value becomes too large.
    pub(crate) response: Option<&'a Received>,
    pub(crate) wait: Wait,
}

impl Inner {
    /// Applies `change` to what the store has and saves it, again if others were faster.
    ///
    /// # Errors
    ///
    /// Those of `change`, and those of a value that cannot be opened. Nothing was written then.
    pub(crate) async fn write<R>(
        &self,
        write: Write<'_>,
        mut change: impl FnMut(&mut TokenCache) -> Result<R, Error>,
    ) -> Result<Written<R>, Error> {
        let Write { partition, mut base, owner, response, wait } = write;
        let (id, kind) = (partition.id(), partition.kind());
        for attempt in 1.. {
            let epoch = self.l1.epoch(&id);
            let pending = self.unsaved.pending(&id);
            // What waits is saved too, so its lease has done its work, unless a renewal has it.
            let held = match owner {
                Some(_) => None,
                None => pending.as_ref().and_then(|pending| pending.owner),
            };
            let held = held.and_then(|held| Some((held, self.lanes.try_turn(id)?)));
            let release = owner.or(held.as_ref().map(|(held, _)| *held));
            let before = base.as_ref().map(|base| base.cache.clone()).unwrap_or_default();
            let mut cache = before.clone();
            if let Some(pending) = &pending {
                pending.add_to(&mut cache);
            }
            let outcome = change(&mut cache)?;
            lifetime::prune(kind, &mut cache, self.now())?;
            let is_nothing = base.is_none() && cache.is_empty();
            if is_nothing || pending.is_none() && cache.has_same_content(&before) {
                if let Some(pending) = pending {
                    self.unsaved.saved(&id, &pending, None);
                }
                if let Some(owner) = release {
                    self.release_later(partition, owner);
                }
                return Ok(Written::Stored(outcome));
            }
            let sealed = self.seal_fitting(partition, cache, base.as_deref(), response).await;
            let (kept, value) = match sealed {
                Ok(sealed) => sealed,
                Err(error) => return Ok(Written::Failed { outcome, error, base }),
            };
            // An empty value is a removal that compares first. It ends at once.
            let keep_for = match kept.cache.is_empty() {
                true => EMPTY,
                false => {
                    let default = self.options.keep_for;
                    lifetime::keep_for(partition.key(), &kept.cache, self.now(), default)
                }
            };
            let expect = base.as_ref().and_then(|base| base.mark);
            let put = Put::new(expect.as_ref(), &value, keep_for)
                .release(release)
                .durability(self.options.durability);
            let (done, is_unsure) = self.put(partition, put, wait).await;
            let loaded = match done {
                Ok(PutOutcome::Stored) => {
                    let kept = Arc::new(kept);
                    match kept.cache.is_empty() {
                        true => self.l1.remove(&id),
                        false => self.keep(partition, &kept, epoch),
                    }
                    if let Some(pending) = pending
                        && !self.unsaved.saved(&id, &pending, Some(&kept))
                        && expect.is_none()
                    {
                        // The user signed out during the write. Over a value it would have been a
                        // conflict.
                        self.undo(partition, &kept).await;
                    }
                    return Ok(Written::Stored(outcome));
                }
                // Others wrote since, so it may have been written before. A response may be added
                // twice, which is once. What a program changes may not.
                Ok(PutOutcome::Conflict(_)) if is_unsure && response.is_none() => {
                    let after = std::time::Duration::ZERO;
                    let error = StoreError::Timeout { after, source: None }.into();
                    return Ok(Written::Failed { outcome, error, base });
                }
                Ok(PutOutcome::Conflict(loaded)) => loaded,
                Err(error) => {
                    return Ok(Written::Failed { outcome, error: error.into(), base });
                }
            };
            self.counts.add(Counted::PutConflicts, 1);
            base = self.read(partition, loaded, base.as_ref(), epoch).await?;
            if attempt >= ATTEMPTS {
                let error = Error::Contended { attempts: attempt };
                return Ok(Written::Failed { outcome, error, base });
            }
            // What a conflict brought is new. After a pause it is not.
            if attempt > 1 {
                let pause = CONFLICT_PAUSE.mul_f64(f64::from(attempt) * lifetime::spread());
                tokio::time::sleep(pause).await;
                // If the store fails here, the next put says so.
                if let Ok(loaded) = self.load(partition, base.as_ref(), wait).await {
                    base = loaded;
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Removes what was just stored, unless others wrote since.
    async fn undo(&self, partition: &Partition, kept: &Kept) {
        let Ok(ring) = self.keys.ring().await else { return };
        let empty = value::seal(&ring, partition.key(), TokenCache::new(), Some(kept));
        let Ok((_, value)) = empty else { return };
        let put = Put::new(kept.mark.as_ref(), &value, EMPTY).durability(self.options.durability);
        if let (Err(error), _) = self.put(partition, put, Wait::save_soon()).await {
            tracing::warn!(target: crate::TARGET, %error, "a sign-in outlived its sign-out");
        }
        self.l1.remove(&partition.id());
    }

    /// Seals a cache. If it is too large, it is made smaller without the loss of the response's
    /// refresh token.
    async fn seal_fitting(
        &self,
        partition: &Partition,
        mut cache: TokenCache,
        base: Option<&Kept>,
        response: Option<&Received>,
    ) -> Result<(Kept, Vec<u8>), Error> {
        let ring = self.keys.ring().await?;
        for step in 0.. {
            let sealed = value::seal(&ring, partition.key(), cache.clone(), base);
            match (sealed, response) {
                (Err(Error::TooLarge { .. }), Some(response))
                    if response.shrink(&mut cache, step)? => {}
                (sealed, _) => return sealed,
            }
        }
        unreachable!("there are few steps")
    }
}

const ATTEMPTS: u32 = 8;
const CONFLICT_PAUSE: Duration = Duration::from_millis(10);
/// How long the store keeps an empty value.
const EMPTY: Duration = Duration::from_millis(1);
