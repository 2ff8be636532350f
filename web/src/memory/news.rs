//! Who listens for removals.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::MemoryStore;
use crate::store::{BoxFuture, Removal, Removals, StoreKey};

/// A listener for one application's removals.
pub(super) struct News {
    /// Keeps the sender of the news.
    store: MemoryStore,
    app: Arc<str>,
    removed: Option<broadcast::Receiver<[u8; 16]>>,
}

impl News {
    pub(super) fn new(store: MemoryStore, app: Arc<str>) -> Self {
        Self { store, app, removed: None }
    }
}

impl Removals for News {
    fn next(&mut self) -> BoxFuture<'_, Removal> {
        Box::pin(async {
            let Some(removed) = &mut self.removed else {
                self.removed = Some(self.store.lock().apps.subscribe(&self.app));
                return Removal::Unsure;
            };
            match removed.recv().await {
                Ok(id) => Removal::One(StoreKey::new(self.app.clone(), id)),
                // More removals came than wait for a listener.
                Err(_) => Removal::Unsure,
            }
        })
    }
}
