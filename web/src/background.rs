//! Tasks of a cache that no call waits for: news of removals, and what is still to be saved.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use tokenkeep::silent::Refreshed;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout_at},
};

use crate::{
    Error,
    inner::Inner,
    partition::Partition,
    store::{LeaseRequest, Removal},
    write::{Write, Written},
};

impl Inner {
    /// Starts the listener for removals, if there is none.
    pub(crate) fn listen(self: &Arc<Self>) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        // Its runtime may have ended.
        if background.listener.as_ref().is_none_or(AbortHandle::is_finished) {
            let mut removals = self.store.removals(&self.app);
            let inner = Arc::downgrade(self);
            let task = tokio::spawn(async move {
                loop {
                    let removal = removals.next().await;
                    let Some(inner) = inner.upgrade() else { return };
                    inner.removed(&removal);
                }
            });
            background.listener = Some(task.abort_handle());
        }
    }

    fn removed(&self, removal: &Removal) {
        match removal {
            Removal::One(key) if key.app() == &*self.app => {
                self.l1.remove(key.as_bytes());
                let gone = self.unsaved.removed(key.as_bytes());
                self.revoke(gone.iter().filter_map(|one| one.refresh_token()));
            }
            Removal::One(_) => {}
            // What is not saved is compared with the store when it is saved.
            Removal::Unsure => self.l1.doubt_all(),
        }
    }

    /// Starts the task that saves what the store did not take, if there is none.
    pub(crate) fn save_later(self: &Arc<Self>) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if background.saver.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(save_all(Arc::downgrade(self)));
            background.saver = Some(task.abort_handle());
        }
    }

    /// Tries to save what waits for one partition.
    async fn save_pending(&self, partition: &Partition) {
        let id = partition.id();
        // A renewal under way writes what waits, and has the same lease.
        let Some(_turn) = self.lanes.try_turn(id) else { return self.unsaved.soon(&id) };
        let Some(pending) = self.unsaved.pending(&id) else { return };
        let read = match pending.owner {
            // While it is held, no other node spends the token that was spent.
            Some(owner) => {
                let request = LeaseRequest::new(owner, LEASE);
                let held = self.hold(partition, request, None).await;
                held.map_err(Error::from).and_then(|(_, read)| read)
            }
            None => self.load(partition, None).await,
        };
        let Ok(base) = read else { return };
        // What the write finds pending is all that is to be written.
        let mut cache = base.as_ref().map(|base| base.cache.clone()).unwrap_or_default();
        let outcomes = pending.add_to(&mut cache);
        let response = pending.newest().map(|newest| &**newest);
        let write = Write { partition, base, owner: pending.owner, response };
        match self.write(write, |_| Ok(())).await {
            Ok(Written::Stored(())) => {
                for refreshed in outcomes {
                    if let Refreshed::SignedOut(_, renewed) = refreshed {
                        self.revoke(renewed);
                    }
                }
            }
            Ok(Written::Failed { error, .. }) | Err(error) => {
                tracing::debug!(target: crate::TARGET, %error, "tokens are still not stored");
            }
        }
    }
}

async fn save_all(weak: Weak<Inner>) {
    loop {
        let Some(inner) = weak.upgrade() else { return };
        inner.drop_unsaved(inner.unsaved.take_expired());
        let (due, next) = inner.unsaved.due();
        let mut tasks = JoinSet::new();
        for partition in due {
            let inner = Arc::clone(&inner);
            tasks.spawn(async move { inner.save_pending(&partition).await });
        }
        let changed = Arc::clone(&inner.unsaved.changed);
        // Waits for nothing with the cache in its hands.
        drop(inner);
        if !tasks.is_empty() {
            while tasks.join_next().await.is_some() {}
            continue;
        }
        match next {
            Some(next) => {
                let next = next.max(Instant::now() + LEAST_PAUSE);
                // What is new may be due before that.
                timeout_at(next, changed.notified()).await.ok();
            }
            None => changed.notified().await,
        }
    }
}

/// Longer than the longest pause between two tries.
const LEASE: Duration = Duration::from_secs(15);
const LEAST_PAUSE: Duration = Duration::from_millis(10);
