//! The end of a node.

use std::time::Duration;

use tokio::time::timeout;

use crate::WebTokenCache;

/// A node ended before the store had taken all tokens. Their users have to sign in again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{partitions} partitions have tokens that the store has not taken, {under_way} calls were under way"
)]
#[non_exhaustive]
pub struct Unsaved {
    /// How many partitions have tokens that the store has not taken.
    pub partitions: usize,
    /// How many renewals and writes were still under way.
    pub under_way: usize,
}

impl WebTokenCache {
    /// Waits until no renewal is under way and the store has taken all tokens. To be called when
    /// the node ends, after its last request.
    ///
    /// # Errors
    ///
    /// [`Unsaved`] if that is not so within `deadline`.
    pub async fn close(&self, deadline: Duration) -> Result<(), Unsaved> {
        let inner = &self.inner;
        let done = async {
            loop {
                inner.flights.all_ended().await;
                inner.writes.all_ended().await;
                inner.unsaved.all_saved().await;
                if !inner.flights.is_any() && !inner.writes.is_any() {
                    return;
                }
            }
        };
        // The last try is for this moment, and not for when its pause is over.
        inner.unsaved.try_now();
        timeout(deadline, done).await.map_err(|_| Unsaved {
            partitions: inner.unsaved.len(),
            under_way: inner.flights.count() + inner.writes.count(),
        })
    }
}
