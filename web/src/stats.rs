//! The numbers of a cache.

use crate::{
    WebTokenCache,
    counts::{Counted, Outcome},
};

/// What happened at this node since the cache was built, and what it holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tokens from this node's memory.
    pub from_memory: u64,
    /// Tokens from the store.
    pub from_store: u64,
    /// Tokens that the provider issued for the call.
    pub refreshed: u64,
    /// Tokens of a renewal that another call of this node began.
    pub joined: u64,
    /// Tokens that are still valid and should be refreshed.
    pub aging: u64,
    /// Calls without a token.
    pub errors: u64,
    /// Requests to the provider.
    pub exchanges: u64,
    /// Writes that came after another node's.
    pub put_conflicts: u64,
    /// Refresh tokens that the provider refused.
    pub refused: u64,
    /// Values that the store had lost a later save of.
    pub rolled_back: u64,
    /// Writes and leases that a full store did not take.
    pub store_full: u64,
    /// Values that were sealed with a key that is not in the key ring.
    pub key_unknown: u64,
    /// Partitions whose tokens the store has not taken yet.
    pub unsaved: usize,
    /// Responses that were given up because the store did not take them.
    pub unsaved_dropped: u64,
    /// Renewals and writes that are under way.
    pub under_way: usize,
    /// Values in this node's memory.
    pub memory_values: u64,
    /// Their bytes, as they are counted against the limit.
    pub memory_bytes: u64,
    /// Values that left this node's memory for want of room or use.
    pub memory_evictions: u64,
}

impl WebTokenCache {
    /// The numbers of this node.
    pub fn stats(&self) -> Stats {
        let (inner, counts) = (&self.inner, &self.inner.counts);
        let (memory_values, memory_bytes, memory_evictions) = inner.l1.usage();
        Stats {
            from_memory: counts.tokens(Outcome::Memory),
            from_store: counts.tokens(Outcome::Store),
            refreshed: counts.tokens(Outcome::Refreshed),
            joined: counts.tokens(Outcome::Joined),
            aging: counts.tokens(Outcome::Aging),
            errors: counts.tokens(Outcome::Error),
            exchanges: counts.get(Counted::Exchanges),
            put_conflicts: counts.get(Counted::PutConflicts),
            refused: counts.get(Counted::Refused),
            rolled_back: counts.get(Counted::RolledBack),
            store_full: counts.get(Counted::StoreFull),
            key_unknown: counts.get(Counted::KeyUnknown),
            unsaved: inner.unsaved.len(),
            unsaved_dropped: counts.get(Counted::UnsavedDropped),
            under_way: inner.flights.count() + inner.writes.count(),
            memory_values,
            memory_bytes,
            memory_evictions,
        }
    }
}
