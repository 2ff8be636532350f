//! The store that the suite looks at.

use std::{sync::Arc, time::Duration};

use crate::store::Store;

/// The store that the suite looks at, and what is known of it.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) store: Arc<dyn Store>,
    pub(super) other: Arc<dyn Store>,
    pub(super) keeps_longer: bool,
    pub(super) limit: Duration,
}

impl Setup {
    /// This store plays both nodes.
    pub fn new(store: impl Store) -> Self {
        let store: Arc<dyn Store> = Arc::new(store);
        Self { other: store.clone(), store, keeps_longer: false, limit: Duration::from_secs(60) }
    }

    /// Another node: a second store on the same engine.
    pub fn other_node(self, store: impl Store) -> Self {
        Self { other: Arc::new(store), ..self }
    }

    /// The store keeps values longer than it was asked to, so no check waits for their end.
    pub fn keeps_values_longer(self) -> Self {
        Self { keeps_longer: true, ..self }
    }

    /// How long a check may take. 60 s if it is not given.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}
