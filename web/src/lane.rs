//! The queue of one partition in this process: its renewals, or its changes, run one after the
//! other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    time::Instant,
};

use crate::Error;

/// The queues of all partitions that have one.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<[u8; 16], Arc<Lane>>>);

#[derive(Default)]
struct Lane {
    turn: Arc<AsyncMutex<()>>,
    /// When the store last failed one of them, and how.
    failure: Mutex<Option<(Instant, Error)>>,
}

/// The turn of one renewal or change.
pub(crate) struct Turn<'l> {
    lanes: &'l Lanes,
    id: [u8; 16],
    lane: Arc<Lane>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Lanes {
    /// Waits for the turn. Those that waited while the store failed share its failure, so that they
    /// do not wait for the same store one after the other.
    pub(crate) async fn turn(&self, id: [u8; 16]) -> Result<Turn<'_>, Error> {
        let since = Instant::now();
        let lane = Arc::clone(self.lock().entry(id).or_default());
        let mut turn = Turn { lanes: self, id, lane, guard: None };
        turn.guard = Some(Arc::clone(&turn.lane.turn).lock_owned().await);
        let failed = lock(&turn.lane.failure).clone();
        match failed {
            Some((ended, error)) if ended > since => Err(error),
            _ => Ok(turn),
        }
    }

    /// The turn, if nobody has it.
    pub(crate) fn try_turn(&self, id: [u8; 16]) -> Option<Turn<'_>> {
        let lane = Arc::clone(self.lock().entry(id).or_default());
        let mut turn = Turn { lanes: self, id, lane, guard: None };
        turn.guard = Some(Arc::clone(&turn.lane.turn).try_lock_owned().ok()?);
        Some(turn)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 16], Arc<Lane>>> {
        lock(&self.0)
    }
}

impl Turn<'_> {
    /// The store failed.
    pub(crate) fn failed(&self, error: &Error) {
        *lock(&self.lane.failure) = Some((Instant::now(), error.clone()));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut lanes = self.lanes.lock();
        // The map's and this one: nobody waits, and nobody comes while the map is locked.
        if Arc::strong_count(&self.lane) == 2 {
            lanes.remove(&self.id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
