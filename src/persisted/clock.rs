//! The time that a cache goes by.

use std::sync::Arc;

use tokenkeep_platform::clock;

/// Unix seconds: the system's, or what the program says.
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
