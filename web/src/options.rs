//! How a cache works.

use std::{sync::Arc, time::Duration};

use crate::store::Durability;

/// How old a value in this node's memory may be before the store is asked whether it is still the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Staleness {
    /// The store is asked at every call.
    Always,
    /// The store is asked if it was not asked within this time.
    Within(Duration),
}

impl Staleness {
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Always => Duration::ZERO,
            Self::Within(limit) => limit,
        }
    }
}

impl Default for Staleness {
    fn default() -> Self {
        Self::Within(Duration::from_secs(30))
    }
}

/// How values are kept in this node's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryPolicy {
    /// Ready for use.
    #[default]
    Parsed,
    /// Sealed as in the store. A token from memory costs about thirty times as much then.
    Sealed,
}

/// Where the time in Unix seconds comes from.
pub(crate) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) clock: Clock,
    pub(crate) staleness: Staleness,
    pub(crate) memory: MemoryPolicy,
    pub(crate) max_bytes: u64,
    pub(crate) idle: Duration,
    pub(crate) keep_for: Duration,
    pub(crate) durability: Durability,
    pub(crate) spend_without_store: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(system_time),
            staleness: Staleness::default(),
            memory: MemoryPolicy::default(),
            max_bytes: 256 << 20,
            idle: Duration::from_secs(600),
            keep_for: Duration::from_secs(90 * 86_400),
            durability: Durability::default(),
            spend_without_store: false,
        }
    }
}

fn system_time() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
