//! Whether one file time may cover more than one change.

use std::time::{Duration, SystemTime};

/// Whether a change just after `now` may get the same time as the last change, `written`. This
/// happens if the file system's clock does not advance between them.
pub(super) fn is_recent(written: SystemTime, now: SystemTime) -> bool {
    // A file server's clock may be ahead of this one, so a time in the future counts by its
    // distance.
    let apart = now.duration_since(written).unwrap_or_else(|ahead| ahead.duration());
    apart < TICK
}

/// Longer than the granularity of any file system clock: 10 ms on Linux before 6.13, 16 ms on
/// Windows.
const TICK: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_recent_for_some_ticks_and_so_is_one_a_little_ahead() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (apart, recent) in [(0, true), (49, true), (50, false), (1000, false)] {
            let apart = Duration::from_millis(apart);
            assert_eq!(is_recent(now - apart, now), recent, "{apart:?} ago");
            assert_eq!(is_recent(now + apart, now), recent, "{apart:?} ahead");
        }
    }
}
