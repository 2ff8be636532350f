//! How many calls of one node are at the store at once.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bounds the calls at the store. Each call has to end in a short time, so thousands at once would
/// let each other fail. Writes have turns of their own: a token that was issued must not wait for
/// reads.
pub(crate) struct Turns {
    reads: Semaphore,
    writes: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { reads: Semaphore::new(AT_ONCE), writes: Semaphore::new(AT_ONCE) }
    }
}

impl Turns {
    /// The turn of a read or a lease.
    pub(crate) async fn read(&self) -> SemaphorePermit<'_> {
        self.reads.acquire().await.expect("it is never closed")
    }

    /// The turn of a write.
    pub(crate) async fn write(&self) -> SemaphorePermit<'_> {
        self.writes.acquire().await.expect("it is never closed")
    }
}

const AT_ONCE: usize = 64;
