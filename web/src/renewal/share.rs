//! How many renewals a node begins.

use std::time::Duration;

use tokio::{sync::SemaphorePermit, time::timeout_at};

use super::{Job, WAIT};
use crate::{Error, inner::Inner, store::StoreError};

impl Inner {
    /// Waits until this node can expect to save what a renewal brings. Those that have begun are
    /// few enough for that, and the store takes what they brought.
    pub(super) async fn may_spend(&self, job: &Job) -> Result<Option<SemaphorePermit<'_>>, Error> {
        if !job.partition.kind().has_refresh_tokens() {
            return Ok(None);
        }
        // One that waits itself is saved by this renewal.
        if self.unsaved.len() >= MOST_UNSAVED && self.unsaved.pending(&job.partition.id()).is_none()
        {
            return Err(StoreError::Unreachable {
                retry_after: RETRY_AFTER,
                source: Some("it has not taken the tokens of many other renewals yet".into()),
            }
            .into());
        }
        let share = if self.turns.is_slow() { MOST_SPENDING / MOST_AT_SLOW_STORE } else { 1 };
        match timeout_at(job.until, self.spending.acquire_many(share)).await {
            Ok(permit) => Ok(Some(permit.expect("it is never closed"))),
            Err(_) => Err(Error::RefreshInProgress { waited: WAIT }),
        }
    }
}

/// How many renewals of one node spend refresh tokens at once.
pub(crate) const MOST_SPENDING: u32 = 64;
/// The same where the store answers slowly: it has to take what they bring before a lease ends.
const MOST_AT_SLOW_STORE: u32 = 8;
/// With so many partitions that the store has not taken, no other renewal begins.
const MOST_UNSAVED: usize = 1_000;
const RETRY_AFTER: Duration = Duration::from_secs(1);
