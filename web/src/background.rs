//! Tasks of a cache that no call waits for: news of removals, and what is still to be saved.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use tokenkeep::silent::Refreshed;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    inner::Inner,
    partition::Partition,
    store::{LeaseRequest, Removal},
    turns::Wait,
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
                let request = LeaseRequest::new(owner, UNSAVED_LEASE);
                match self.lease(partition, request, None, Wait::lease()).await {
                    Ok(leased) => {
                        self.unsaved.held(&id);
                        leased.read
                    }
                    Err(error) => {
                        if error.is_silence() {
                            self.unsaved.cut_off();
                        }
                        Err(error)
                    }
                }
            }
            None => self.load(partition, None, Wait::lease()).await,
        };
        let Ok(base) = read else { return };
        // Writes may hang while leases can be renewed. Those of all that waits come first.
        let turn = timeout(TURN, self.unsaved.writes.acquire()).await;
        let Ok(Ok(_write_turn)) = turn else { return };
        // What the write finds pending is all that is to be written.
        let mut cache = base.as_ref().map(|base| base.cache.clone()).unwrap_or_default();
        let outcomes = pending.add_to(&mut cache);
        let response = pending.newest().map(|newest| &**newest);
        let write =
            Write { partition, base, owner: pending.owner, response, wait: Wait::save_soon() };
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
    let mut tasks = JoinSet::new();
    loop {
        let Some(inner) = weak.upgrade() else { return };
        inner.drop_unsaved(inner.unsaved.take_expired());
        let (due, next) = inner.unsaved.due(AT_ONCE.saturating_sub(tasks.len()));
        for partition in due {
            let inner = Arc::clone(&inner);
            tasks.spawn(async move { inner.save_pending(&partition).await });
        }
        let changed = Arc::clone(&inner.unsaved.changed);
        // Waits for nothing with the cache in its hands.
        drop(inner);
        if tasks.len() >= AT_ONCE {
            tasks.join_next().await;
            continue;
        }
        // What is new may be due before that.
        let news = async {
            tokio::select! {
                () = changed.notified() => {}
                Some(_) = tasks.join_next() => {}
            }
        };
        match next {
            Some(next) => {
                let next = next.max(Instant::now() + LEAST_PAUSE);
                timeout_at(next, news).await.ok();
            }
            None => news.await,
        }
    }
}

/// How many partitions are tried at once.
const AT_ONCE: usize = 32;
/// How long a try whose lease is renewed waits for other writes of this task.
const TURN: Duration = Duration::from_millis(100);
/// The lease of what is not saved. Longer than the longest pause between two tries.
pub(crate) const UNSAVED_LEASE: Duration = Duration::from_secs(15);
const LEAST_PAUSE: Duration = Duration::from_millis(10);
