//! How long this process leaves a lock that it released to others before it takes it again.

use std::time::{Duration, Instant};

/// The recent use of one lock by this process.
#[derive(Debug, Default)]
pub(super) struct Yield {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    released: Instant,
    held: Duration,
    waited: bool,
    busy_since: Instant,
}

impl Yield {
    /// How much longer the lock should stay free. Peers poll every 10 to 250 ms, and some give up
    /// after 5 s. So a process that uses the lock continuously must leave it free for part of the
    /// time.
    pub(super) fn gap(&self, now: Instant) -> Duration {
        let Some(last) = &self.last else { return Duration::ZERO };
        let busy = last.released.saturating_duration_since(last.busy_since);
        let gap = if last.waited {
            // A third of the time held leaves the lock free for a quarter of all time.
            FOR_THOSE_WHO_WAIT.max(last.held / 3)
        } else if busy >= LONG {
            last.held / 3
        } else {
            Duration::ZERO
        };
        gap.min(LONGEST).saturating_sub(now.saturating_duration_since(last.released))
    }

    pub(super) fn released(&mut self, began: Instant, now: Instant, waited: bool) {
        let goes_on = |last: &&Last| began.saturating_duration_since(last.released) < PAUSE;
        let busy_since = self.last.as_ref().filter(goes_on).map_or(began, |last| last.busy_since);
        let held = now.saturating_duration_since(began);
        self.last = Some(Last { released: now, held, waited, busy_since });
    }
}

const FOR_THOSE_WHO_WAIT: Duration = Duration::from_millis(6);
const LONGEST: Duration = Duration::from_millis(100);
/// After this time of continuous use a peer may be waiting.
const LONG: Duration = Duration::from_secs(1);
/// A pause that ends continuous use.
const PAUSE: Duration = Duration::from_millis(150);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_lock_that_others_wait_for_is_left_to_them_for_a_moment() {
        let began = Instant::now();
        let mut yielding = Yield::default();
        assert_eq!(yielding.gap(began), Duration::ZERO);
        yielding.released(began, began + 3 * MS, false);
        assert_eq!(yielding.gap(began + 3 * MS), Duration::ZERO, "nobody is known to wait");
        yielding.released(began, began + 3 * MS, true);
        assert_eq!(yielding.gap(began + 5 * MS), 4 * MS);
        assert_eq!(yielding.gap(began + 20 * MS), Duration::ZERO);
        yielding.released(began, began + 9000 * MS, true);
        assert_eq!(yielding.gap(began + 9000 * MS), LONGEST);
    }

    #[test]
    fn who_uses_it_without_end_leaves_it_free_for_a_quarter_of_the_time() {
        let mut now = Instant::now();
        let mut yielding = Yield::default();
        for _ in 0..100 {
            yielding.released(now, now + 12 * MS, false);
            now += 12 * MS;
        }
        assert_eq!(yielding.gap(now), 4 * MS);
        now += 200 * MS;
        yielding.released(now, now + 12 * MS, false);
        assert_eq!(yielding.gap(now + 12 * MS), Duration::ZERO, "a pause ends the busy time");
    }
}
