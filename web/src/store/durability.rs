//! What has to have a write before it counts.

use std::time::Duration;

/// When a value counts as stored, or a lease as taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the server that takes the write says so. It waits for no replica.
    #[default]
    Local,
    /// When replicas have it too. So a failover to one of them does not lose it.
    Replicated {
        /// How many replicas.
        replicas: u8,
        /// How long to wait for them.
        timeout: Duration,
    },
}

impl Durability {
    /// How long replicas may take.
    #[cfg(feature = "postgres")]
    pub(crate) fn patience(self) -> Duration {
        match self {
            Self::Local => Duration::ZERO,
            Self::Replicated { timeout, .. } => timeout,
        }
    }
}
