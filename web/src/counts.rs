//! What happened, in numbers: for [`Stats`](crate::Stats), and for the facade `metrics`.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::partition::Kind;

/// Counts of one cache since it was built.
#[derive(Default)]
pub(crate) struct Counts {
    tokens: [AtomicU64; Outcome::ALL.len()],
    counted: [AtomicU64; Counted::ALL.len()],
}

/// Where a token came from, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Memory,
    Store,
    Refreshed,
    Joined,
    Aging,
    Error,
}

impl Outcome {
    const ALL: [Self; 6] =
        [Self::Memory, Self::Store, Self::Refreshed, Self::Joined, Self::Aging, Self::Error];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "l1",
            Self::Store => "l2",
            Self::Refreshed => "refreshed",
            Self::Joined => "joined",
            Self::Aging => "aging",
            Self::Error => "error",
        }
    }
}

/// What is counted without a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Exchanges,
    PutConflicts,
    UnsavedDropped,
    RolledBack,
    Refused,
    StoreFull,
    KeyUnknown,
}

impl Counted {
    const ALL: [Self; 7] = [
        Self::Exchanges,
        Self::PutConflicts,
        Self::UnsavedDropped,
        Self::RolledBack,
        Self::Refused,
        Self::StoreFull,
        Self::KeyUnknown,
    ];

    /// The name at the facade. Exchanges are counted there with labels.
    #[cfg(feature = "metrics")]
    fn metric(self) -> Option<&'static str> {
        match self {
            Self::Exchanges => None,
            Self::PutConflicts => Some("tokenkeep_web_put_conflicts_total"),
            Self::UnsavedDropped => Some("tokenkeep_web_unsaved_dropped_total"),
            Self::RolledBack => Some("tokenkeep_web_rolled_back_total"),
            Self::Refused => Some("tokenkeep_web_refused_total"),
            Self::StoreFull => Some("tokenkeep_web_store_full_total"),
            Self::KeyUnknown => Some("tokenkeep_web_key_unknown_total"),
        }
    }
}

impl Counts {
    pub(crate) fn add(&self, what: Counted, more: usize) {
        self.counted[what as usize].fetch_add(more as u64, Relaxed);
        #[cfg(feature = "metrics")]
        if let Some(name) = what.metric() {
            metrics::counter!(name).increment(more as u64);
        }
    }

    pub(crate) fn get(&self, what: Counted) -> u64 {
        self.counted[what as usize].load(Relaxed)
    }

    pub(crate) fn token(&self, kind: Kind, outcome: Outcome) {
        self.tokens[outcome as usize].fetch_add(1, Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "tokenkeep_web_tokens_total",
            "kind" => kind.as_str(),
            "outcome" => outcome.as_str()
        )
        .increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = kind;
    }

    pub(crate) fn tokens(&self, outcome: Outcome) -> u64 {
        self.tokens[outcome as usize].load(Relaxed)
    }

    pub(crate) fn exchange(&self, grant: &'static str, outcome: &'static str) {
        self.add(Counted::Exchanges, 1);
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "tokenkeep_web_exchanges_total",
            "grant" => grant,
            "outcome" => outcome
        )
        .increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = (grant, outcome);
    }
}

/// The time of one step at the store.
pub(crate) fn store_step(op: &'static str, outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("tokenkeep_web_store_seconds", "op" => op, "outcome" => outcome)
        .record(took);
    #[cfg(not(feature = "metrics"))]
    let _ = (op, outcome, took);
}

/// How long a renewal waited for the lease, from the first look to the last.
pub(crate) fn lease_wait(waited: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("tokenkeep_web_lease_wait_seconds").record(waited);
    #[cfg(not(feature = "metrics"))]
    let _ = waited;
}

/// How many partitions wait for the store.
pub(crate) fn unsaved(count: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("tokenkeep_web_unsaved").set(count as f64);
    #[cfg(not(feature = "metrics"))]
    let _ = count;
}

/// The bytes of this node's memory.
pub(crate) fn memory(bytes: u64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("tokenkeep_web_l1_bytes").set(bytes as f64);
    #[cfg(not(feature = "metrics"))]
    let _ = bytes;
}

pub(crate) fn evicted() {
    #[cfg(feature = "metrics")]
    metrics::counter!("tokenkeep_web_l1_evictions_total").increment(1);
}
