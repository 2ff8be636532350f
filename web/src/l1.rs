//! Values in the memory of this node. They answer access tokens and nothing else.

use std::{
    array,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use moka::{notification::RemovalCause, sync::Cache};
use tokio::time::Instant;

use crate::{counts, store::Mark, value::Kept};

/// Values by the id of their partition.
pub(crate) struct L1 {
    slots: Cache<[u8; 16], Arc<Slot>>,
    /// Counts removals. An answer of the store from before a removal must not be kept after it.
    removals: [Mutex<u64>; SHARDS],
    /// Counts how often news of removals may have been lost.
    doubts: AtomicU64,
    counts: Arc<Counts>,
    start: Instant,
}

#[derive(Default)]
struct Counts {
    bytes: AtomicU64,
    evictions: AtomicU64,
}

/// What is kept of one partition.
pub(crate) struct Slot {
    pub(crate) content: Content,
    pub(crate) mark: Option<Mark>,
    identity: [u8; 16],
    pub(crate) generation: u64,
    bytes: u32,
    /// When the store last confirmed it, in ms since the start.
    read_at: AtomicU64,
    /// The count of doubts when the store was asked for it.
    doubts: AtomicU64,
    /// Before this time, in ms since the start, no early refresh is tried again.
    early_from: AtomicU64,
}

/// Parsed, or sealed as in the store.
pub(crate) enum Content {
    Parsed(Arc<Kept>),
    Sealed(Vec<u8>),
}

/// A moment in the order of removals and doubts.
#[derive(Clone, Copy)]
pub(crate) struct Epoch {
    removals: u64,
    doubts: u64,
}

impl L1 {
    pub(crate) fn new(max_bytes: u64, idle: Duration) -> Self {
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let slots = Cache::builder()
            .weigher(|_, slot: &Arc<Slot>| slot.bytes)
            .max_capacity(max_bytes)
            .time_to_idle(idle)
            .eviction_listener(move |_, slot: Arc<Slot>, cause| {
                let bytes = counted.bytes.fetch_sub(slot.bytes.into(), Relaxed);
                counts::memory(bytes - u64::from(slot.bytes));
                if matches!(cause, RemovalCause::Size | RemovalCause::Expired) {
                    counted.evictions.fetch_add(1, Relaxed);
                    counts::evicted();
                }
            })
            .build();
        let removals = array::from_fn(|_| Mutex::new(0));
        Self { slots, removals, doubts: AtomicU64::new(0), counts, start: Instant::now() }
    }

    pub(crate) fn get(&self, id: &[u8; 16]) -> Option<Arc<Slot>> {
        self.slots.get(id)
    }

    /// To be asked before the store is.
    pub(crate) fn epoch(&self, id: &[u8; 16]) -> Epoch {
        Epoch { removals: *self.shard(id), doubts: self.doubts.load(Relaxed) }
    }

    /// Keeps what the store answered after `epoch`, if nothing was removed since. `value` is the
    /// sealed value, if that is to be kept.
    pub(crate) fn insert(
        &self,
        id: [u8; 16],
        kept: &Arc<Kept>,
        value: Option<Vec<u8>>,
        epoch: Epoch,
    ) {
        let removals = self.shard(&id);
        if *removals != epoch.removals {
            return;
        }
        if let Some(slot) = self.slots.get(&id)
            && slot.identity == kept.identity
            && slot.generation > kept.seen
        {
            return;
        }
        let (content, len) = match value {
            Some(value) => {
                let len = value.len();
                (Content::Sealed(value), len)
            }
            // Measured: the index of a parsed cache adds half of its text.
            None => (Content::Parsed(Arc::clone(kept)), kept.len + kept.len / 2),
        };
        let bytes = u32::try_from(len + OVERHEAD).unwrap_or(u32::MAX);
        let before = self.counts.bytes.fetch_add(bytes.into(), Relaxed);
        counts::memory(before + u64::from(bytes));
        let slot = Slot {
            content,
            mark: kept.mark,
            identity: kept.identity,
            generation: kept.seen,
            bytes,
            read_at: AtomicU64::new(self.now()),
            doubts: AtomicU64::new(epoch.doubts),
            early_from: AtomicU64::new(0),
        };
        self.slots.insert(id, Arc::new(slot));
    }

    /// Drops a value, and what the store answered before.
    pub(crate) fn remove(&self, id: &[u8; 16]) {
        let mut removals = self.shard(id);
        *removals += 1;
        self.slots.invalidate(id);
    }

    /// Any value may have been removed from the store: it is asked again before the next use. While
    /// it does not answer, they are of use as those are whose time is over.
    pub(crate) fn doubt_all(&self) {
        self.doubts.fetch_add(1, Relaxed);
    }

    /// The store, asked at `epoch`, has it.
    pub(crate) fn confirm(&self, slot: &Slot, epoch: Epoch) {
        slot.read_at.store(self.now(), Relaxed);
        slot.doubts.store(epoch.doubts, Relaxed);
    }

    /// Whether it may have been removed since the store was asked.
    pub(crate) fn is_in_doubt(&self, slot: &Slot) -> bool {
        slot.doubts.load(Relaxed) != self.doubts.load(Relaxed)
    }

    /// How long ago the store confirmed it.
    pub(crate) fn age(&self, slot: &Slot) -> Duration {
        Duration::from_millis(self.now().saturating_sub(slot.read_at.load(Relaxed)))
    }

    pub(crate) fn may_refresh_early(&self, slot: &Slot) -> bool {
        self.now() >= slot.early_from.load(Relaxed)
    }

    pub(crate) fn no_early_refresh_for(&self, id: &[u8; 16], pause: Duration) {
        if let Some(slot) = self.get(id) {
            let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            slot.early_from.store(self.now().saturating_add(pause), Relaxed);
        }
    }

    /// The bytes of all values, and how many were dropped for want of room or use.
    pub(crate) fn usage(&self) -> (u64, u64, u64) {
        self.slots.run_pending_tasks();
        let bytes = self.counts.bytes.load(Relaxed);
        (self.slots.entry_count(), bytes, self.counts.evictions.load(Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn shard(&self, id: &[u8; 16]) -> MutexGuard<'_, u64> {
        lock(&self.removals[usize::from(id[0]) % SHARDS])
    }
}

fn lock(mutex: &Mutex<u64>) -> MutexGuard<'_, u64> {
    // A number is never half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 64;
/// What a slot has besides its content.
const OVERHEAD: usize = 200;
