//! The clock of a cache.

use std::sync::Arc;

use tokenkeep_platform::clock;

/// Unix seconds, from the system's clock or from a function of the program.
#[derive(Clone, Default)]
pub(super) struct Clock(Option<Arc<dyn Fn() -> u64 + Send + Sync>>);

impl Clock {
    pub(super) fn of(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    pub(super) fn now(&self) -> u64 {
        self.0.as_ref().map_or_else(clock::unix_seconds, |now| now())
    }
}
