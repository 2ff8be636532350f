//! Who calls the store now, and who waits.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{
    bound::{Bound, Place},
    store::StoreError,
};

/// Bounds the calls of one node at the store. Each call has to end in a short time, so thousands at
/// once would let each other fail.
///
/// A token that replaces a spent one never waits for calls that only want to know something, and a
/// lease that keeps other nodes from the spent one does not wait for writes that hang.
#[derive(Default)]
pub(crate) struct Turns {
    calls: Bound,
    renewals: Bound,
    saves: Bound,
    leases: Bound,
}

/// For which turn a call waits, and until when.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    kind: Kind,
    until: Instant,
}

#[derive(Clone, Copy)]
enum Kind {
    Call,
    Renewal,
    Save,
    Lease,
}

impl Wait {
    /// A read.
    pub(crate) fn call(until: Instant) -> Self {
        Self { kind: Kind::Call, until }
    }

    /// A lease to begin a renewal with. It does not wait for reads, because a renewal that may
    /// begin keeps others from that.
    pub(crate) fn renewal(until: Instant) -> Self {
        Self { kind: Kind::Renewal, until }
    }

    /// A write or a removal. `until` may be over: it waits a moment.
    pub(crate) fn save(until: Instant) -> Self {
        Self { kind: Kind::Save, until: until.max(Instant::now() + MOMENT) }
    }

    /// As [`save`](Self::save), where nothing says how long.
    pub(crate) fn save_soon() -> Self {
        Self::save(Instant::now())
    }

    /// Whether nothing is lost if it is not made.
    pub(crate) fn is_call(self) -> bool {
        matches!(self.kind, Kind::Call | Kind::Renewal)
    }

    /// What keeps a lease that this node has, or gives it back.
    pub(crate) fn lease() -> Self {
        Self { kind: Kind::Lease, until: Instant::now() + MOMENT }
    }
}

impl Turns {
    /// Whether the store answers slowly, so that it may not take many tokens at once.
    pub(crate) fn is_slow(&self) -> bool {
        self.renewals.is_slow() || self.saves.is_slow()
    }

    /// Waits for a turn. The wait is not the store's time.
    pub(crate) async fn turn(&self, wait: Wait) -> Result<Place<'_>, StoreError> {
        let bound = match wait.kind {
            Kind::Call => &self.calls,
            Kind::Renewal => &self.renewals,
            Kind::Save => &self.saves,
            Kind::Lease => &self.leases,
        };
        timeout_at(wait.until, bound.place()).await.map_err(|_| StoreError::Unreachable {
            retry_after: RETRY_AFTER,
            source: Some("all turns at the store were taken; it answers too slowly".into()),
        })
    }
}

/// How long a call waits that can do without the store, or is made again soon.
pub(crate) const MOMENT: Duration = Duration::from_millis(500);
const RETRY_AFTER: Duration = Duration::from_secs(1);
