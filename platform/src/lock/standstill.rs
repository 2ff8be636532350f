//! Detects a queue that stands still: its head does not take a lock that is free.

use std::time::{Duration, Instant};

/// What one waiter behind the head has seen of the lock.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    next_look: Option<Instant>,
    first_free: Option<Instant>,
    holder: Option<LastHolder>,
}

/// The last holder of the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastHolder {
    pub(super) note: Vec<u8>,
    /// Whether it took the lock past the head of the queue.
    pub(super) is_past_queue: bool,
}

impl Standstill {
    /// Whether it is time to look at the lock. The first look is delayed, because most waiters get
    /// through before it.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let pause = if self.stands(now) { WHERE_IT_STANDS } else { BETWEEN_LOOKS };
        let due = *self.next_look.get_or_insert(now + pause) <= now;
        if due {
            self.next_look = Some(now + pause);
        }
        due
    }

    /// Records the last holder. A new holder that came through the queue proves that the queue
    /// moves.
    pub(super) fn saw(&mut self, holder: LastHolder) {
        let is_another = self.holder.as_ref().is_some_and(|known| known.note != holder.note);
        if is_another && !holder.is_past_queue {
            self.first_free = None;
        }
        self.holder = Some(holder);
    }

    /// Records that the lock is free now. Returns whether it was also free so long ago that the
    /// head would have taken it since.
    pub(super) fn was_free(&mut self, now: Instant) -> bool {
        self.first_free.get_or_insert(now);
        self.stands(now)
    }

    fn stands(&self, now: Instant) -> bool {
        self.first_free.is_some_and(|free| now.saturating_duration_since(free) >= APART)
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// Short, because other waiters also try to pass the head.
const WHERE_IT_STANDS: Duration = Duration::from_millis(10);
const APART: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_stands_still_if_the_lock_was_free_twice_a_second_apart() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let mut seen = Standstill::default();
        assert!(!seen.is_due(at(0)) && !seen.is_due(at(240)));
        assert!(seen.is_due(at(250)) && !seen.is_due(at(260)));
        assert!(!seen.was_free(at(250)));
        assert!(seen.is_due(at(510)));
        assert!(!seen.was_free(at(1240)));
        assert!(seen.was_free(at(1250)));
    }

    #[test]
    fn a_queue_that_lets_others_through_moves_however_often_the_lock_is_free() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let holder = |note: &str, is_past_queue| LastHolder { note: note.into(), is_past_queue };
        let mut seen = Standstill::default();
        seen.saw(holder("1", false));
        assert!(!seen.was_free(at(0)));
        seen.saw(holder("2", false));
        assert!(!seen.was_free(at(1000)), "2 came through the queue");
        seen.saw(holder("3", true));
        seen.saw(holder("3", true));
        assert!(!seen.was_free(at(1900)));
        assert!(seen.was_free(at(2000)), "3 passed by, as this one may");
        seen.saw(holder("1", false));
        assert!(!seen.was_free(at(3000)), "it moves again");
    }
}
