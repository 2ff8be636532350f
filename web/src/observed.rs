//! Steps at the store that can be seen: as spans, and in the metrics.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, Span, debug_span, field::Empty};

use crate::{TARGET, counts, store::StoreError};

/// One step at the store.
pub(crate) async fn store_step<T>(
    op: &'static str,
    step: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let span = debug_span!(target: TARGET, "store", op, outcome = Empty);
    let started = Instant::now();
    let done = step.instrument(span.clone()).await;
    let outcome = match &done {
        Ok(_) => "ok",
        Err(StoreError::Unreachable { .. }) => "unreachable",
        Err(StoreError::Timeout { .. }) => "timeout",
        Err(StoreError::Full { .. }) => "full",
        Err(StoreError::NotReplicated { .. }) => "not_replicated",
        Err(StoreError::Refused { .. }) => "refused",
        Err(_) => "other",
    };
    span.record("outcome", outcome);
    counts::store_step(op, outcome, started.elapsed());
    done
}

/// How long one renewal waits for a lease.
pub(crate) struct LeaseWait {
    pub(crate) span: Span,
    since: Option<Instant>,
}

impl LeaseWait {
    pub(crate) fn new() -> Self {
        Self { span: debug_span!(target: TARGET, "lease", waited_ms = Empty), since: None }
    }

    /// Another node has it.
    pub(crate) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }
}

/// One wait, whatever it was made of.
impl Drop for LeaseWait {
    fn drop(&mut self) {
        let waited = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.span.record("waited_ms", u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        if self.since.is_some() {
            counts::lease_wait(waited);
        }
    }
}
