//! The value and the lease of one key.

use std::time::Duration;

use crate::store::{Lease, LeaseRequest, Loaded, Mark, Note, Owner, Put, PutOutcome};

/// The value and the lease of one key. Times are those of the store's clock.
#[derive(Default)]
pub(super) struct Entry {
    value: Option<Kept>,
    lease: Option<Held>,
}

struct Kept {
    bytes: Vec<u8>,
    mark: Mark,
    until: Duration,
}

struct Held {
    by: Holder,
    until: Duration,
}

enum Holder {
    Owner(Owner),
    Note(Note),
}

impl Entry {
    pub(super) fn load(&self, known: Option<&Mark>, now: Duration) -> Loaded {
        match self.value(now) {
            None => Loaded::Absent,
            Some(kept) if known == Some(&kept.mark) => Loaded::Unchanged,
            Some(kept) => Loaded::Value(kept.bytes.clone()),
        }
    }

    pub(super) fn put(&mut self, put: &Put<'_>, mark: Mark, now: Duration) -> PutOutcome {
        let current = self.value(now).map(|kept| &kept.mark);
        if current != put.expect && current != Some(&mark) {
            return PutOutcome::Conflict(self.load(None, now));
        }
        let until = now.saturating_add(put.keep_for);
        self.value = Some(Kept { bytes: put.value.to_vec(), mark, until });
        if let Some(owner) = put.release {
            self.release(owner, None, now);
        }
        PutOutcome::Stored
    }

    pub(super) fn lease(&mut self, request: &LeaseRequest<'_>, now: Duration) -> Lease {
        match self.held(now) {
            Some(Held { by: Holder::Owner(owner), until }) if *owner != request.owner => {
                return Lease::Other { ends_in: *until - now };
            }
            Some(Held { by: Holder::Note(note), until }) if request.instead_of != Some(note) => {
                return Lease::Failed { note: note.clone(), ends_in: *until - now };
            }
            _ => {}
        }
        let until = now.saturating_add(request.ttl);
        self.lease = Some(Held { by: Holder::Owner(request.owner), until });
        Lease::Mine
    }

    pub(super) fn release(
        &mut self,
        owner: Owner,
        failed: Option<(&Note, Duration)>,
        now: Duration,
    ) {
        let is_owners = matches!(
            self.held(now),
            Some(Held { by: Holder::Owner(holder), .. }) if *holder == owner
        );
        if is_owners {
            self.lease = failed.map(|(note, pause)| Held {
                by: Holder::Note(note.clone()),
                until: now.saturating_add(pause),
            });
        }
    }

    pub(super) fn has_value(&self, now: Duration) -> bool {
        self.value(now).is_some()
    }

    /// Whether neither a value nor a lease is left.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        !self.has_value(now) && self.held(now).is_none()
    }

    fn value(&self, now: Duration) -> Option<&Kept> {
        self.value.as_ref().filter(|kept| now < kept.until)
    }

    fn held(&self, now: Duration) -> Option<&Held> {
        self.lease.as_ref().filter(|held| now < held.until)
    }
}
