//! Whether the queue stands still: whoever is at its head does not take a lock that is free.

use std::time::{Duration, Instant};

/// What one waiter has seen of a lock from behind the queue's head.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    next_look: Option<Instant>,
    first_free: Option<Instant>,
}

impl Standstill {
    /// Whether it is time to look at the lock. The first look is put off, for nearly everybody gets
    /// through before.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = *self.next_look.get_or_insert(now + BETWEEN_LOOKS) <= now;
        if due {
            self.next_look = Some(now + BETWEEN_LOOKS);
        }
        due
    }

    /// The lock was free just now. Whether it was that long ago, too, so that the head of the queue
    /// would have taken it meanwhile. Should it have taken it and let others in, this waiter has
    /// waited longer than they, and may go first all the same.
    pub(super) fn was_free(&mut self, now: Instant) -> bool {
        now.saturating_duration_since(*self.first_free.get_or_insert(now)) >= APART
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
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
}
