//! A bound of calls at once that follows how fast they are answered.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

/// How many calls are under way at most. It grows while all places are taken and answers are quick,
/// and shrinks when answers take long. So the nodes of an application share a store without a word
/// to each other, and none needs to know how much the store can do.
pub(crate) struct Bound {
    places: Semaphore,
    state: Mutex<State>,
}

struct State {
    limit: usize,
    /// Places that are taken away when their calls end.
    excess: usize,
    /// Quick answers since the limit last grew.
    quick: usize,
    /// What began before says nothing of the limit since.
    shrunk: Instant,
    /// The quickest answer, which grows slowly, because the way to the store may change.
    least: Duration,
}

/// The place of one call, from its beginning to its end.
pub(crate) struct Place<'b> {
    bound: &'b Bound,
    permit: Option<SemaphorePermit<'b>>,
    since: Instant,
}

impl Default for Bound {
    fn default() -> Self {
        let state =
            State { limit: AT_FIRST, excess: 0, quick: 0, shrunk: Instant::now(), least: SLOW };
        Self { places: Semaphore::new(AT_FIRST), state: Mutex::new(state) }
    }
}

impl Bound {
    /// Waits for a place.
    pub(crate) async fn place(&self) -> Place<'_> {
        let permit = self.places.acquire().await.expect("it is never closed");
        Place { bound: self, permit: Some(permit), since: Instant::now() }
    }

    /// Whether answers took so long that it has less than in the beginning.
    pub(crate) fn is_slow(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).limit < AT_FIRST
    }

    fn ended(&self, permit: SemaphorePermit<'_>, since: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let took = now - since;
        let is_slow = took > SLOW.max(state.least * 4);
        state.least = took.min(state.least + state.least / 64);
        if is_slow && since > state.shrunk {
            let limit = (state.limit * 3 / 4).max(LEAST);
            state.excess += state.limit - limit;
            (state.limit, state.quick, state.shrunk) = (limit, 0, now);
        } else if !is_slow && self.places.available_permits() == 0 {
            state.quick += 1;
            if state.quick >= state.limit && state.limit < MOST {
                (state.limit, state.quick) = (state.limit + 1, 0);
                match state.excess {
                    0 => self.places.add_permits(1),
                    _ => state.excess -= 1,
                }
            }
        }
        if state.excess > 0 {
            state.excess -= 1;
            permit.forget();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.bound.ended(permit, self.since);
        }
    }
}

const AT_FIRST: usize = 4;
const LEAST: usize = 2;
const MOST: usize = 64;
/// A fifth of the longest call.
const SLOW: Duration = Duration::from_millis(100);
