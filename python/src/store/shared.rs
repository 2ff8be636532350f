//! A sealed persistence that a token cache and a store of bytes have in common.

use std::{path::PathBuf, sync::Arc};

use tokenkeep::{
    Error, Protection,
    lock::{CrossProcessLock, LockGuard},
    persistence::{Intent, Loaded, Persistence, Reservation, Saved, SealedPersistence, Stamp},
};

/// The persistence, for a token cache, which wants one of its own. Both then ask for its key once.
#[derive(Debug)]
pub(super) struct Shared(Arc<SealedPersistence>);

impl Shared {
    pub(super) fn new(persistence: Arc<SealedPersistence>) -> Self {
        Self(persistence)
    }
}

// Every method, because a default would replace what the persistence does.
impl Persistence for Shared {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        self.0.prepare(intent)
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        self.0.load(known)
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        self.0.save(content, base, guard)
    }

    fn is_written_in_place(&self) -> bool {
        self.0.is_written_in_place()
    }

    fn confirm(&self) -> Result<(), Error> {
        self.0.confirm()
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        self.0.delete(base, guard)
    }

    fn check_unreadable(&self, content: &[u8]) -> Result<(), Error> {
        self.0.check_unreadable(content)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        self.0.stamp()
    }

    fn protection(&self) -> Protection {
        self.0.protection()
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        self.0.lock()
    }

    fn lease_folder(&self) -> Result<Option<PathBuf>, Error> {
        self.0.lease_folder()
    }

    fn reserve(&self, tag: &str) -> Result<Reservation, Error> {
        self.0.reserve(tag)
    }

    fn verify(&self) -> Result<(), Error> {
        self.0.verify()
    }

    fn reset(&self, guard: &LockGuard) -> Result<(), Error> {
        self.0.reset(guard)
    }

    fn quarantine(&self, guard: &LockGuard) -> Result<Option<PathBuf>, Error> {
        self.0.quarantine(guard)
    }
}
