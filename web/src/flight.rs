//! Work that is done once for all callers that want its outcome.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Tasks under way, by what they bring. A task goes on if all its callers are gone.
pub(crate) struct Flights<K, T> {
    shared: Arc<Shared<K, T>>,
}

struct Shared<K, T> {
    under_way: Mutex<HashMap<K, watch::Receiver<Option<T>>>>,
    count: watch::Sender<usize>,
}

/// A task that a caller waits for.
pub(crate) struct Joined<T> {
    receiver: watch::Receiver<Option<T>>,
    /// Whether this caller started it.
    pub(crate) is_first: bool,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        let count = watch::Sender::new(0);
        Self { shared: Arc::new(Shared { under_way: Mutex::default(), count }) }
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins the task for `key`, or starts the one that `make` returns.
    pub(crate) fn join<F>(&self, key: K, make: impl FnOnce() -> F) -> Joined<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self.shared.lock();
        if let Some(receiver) = under_way.get(&key) {
            return Joined { receiver: receiver.clone(), is_first: false };
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        self.shared.count.send_modify(|count| *count += 1);
        let landing = Landing { shared: Arc::clone(&self.shared), key: Some(key) };
        let task = make();
        // A runtime that ends drops the task at once, and that needs the lock.
        drop(under_way);
        // Detached: nobody has to wait for it.
        drop(tokio::spawn(async move {
            let outcome = task.await;
            // First, so that who calls after the outcome starts a new task.
            drop(landing);
            sender.send_replace(Some(outcome));
        }));
        Joined { receiver, is_first: true }
    }

    pub(crate) fn is_any(&self) -> bool {
        *self.shared.count.borrow() > 0
    }

    pub(crate) fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Waits until no task is under way.
    pub(crate) async fn all_ended(&self) {
        // The sender is in `self`.
        self.shared.count.subscribe().wait_for(|count| *count == 0).await.ok();
    }
}

impl<T: Clone> Joined<T> {
    /// The outcome. `None` if the task panicked or its runtime ended.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        self.receiver.wait_for(Option::is_some).await.ok()?.clone()
    }
}

impl<K, T> Shared<K, T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, watch::Receiver<Option<T>>>> {
        // Nothing panics while it is held.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the task, also when it panics.
struct Landing<K: Eq + Hash, T> {
    shared: Arc<Shared<K, T>>,
    key: Option<K>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.shared.lock().remove(&key);
            self.shared.count.send_modify(|count| *count -= 1);
        }
    }
}
