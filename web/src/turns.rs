//! How many calls of one node are at the store at once.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::store::StoreError;

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
    pub(crate) async fn read(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        turn(&self.reads).await
    }

    /// The turn of a write.
    pub(crate) async fn write(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        turn(&self.writes).await
    }
}

/// A turn. The wait ends, because a lease goes on meanwhile.
async fn turn(turns: &Semaphore) -> Result<SemaphorePermit<'_>, StoreError> {
    match timeout(LONGEST, turns.acquire()).await {
        Ok(turn) => Ok(turn.expect("it is never closed")),
        Err(_) => Err(StoreError::Unreachable { retry_after: RETRY_AFTER, source: None }),
    }
}

const AT_ONCE: usize = 64;
const LONGEST: Duration = Duration::from_millis(500);
const RETRY_AFTER: Duration = Duration::from_secs(1);
