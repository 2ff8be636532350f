//! A circuit breaker: while an engine fails, calls end at once.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Opens after 5 failures in a row, or when half of at least 20 calls of the last 10 s failed.
/// Open, it refuses every call for 1 s, then lets one through as a probe. A probe that fails opens
/// it for another second: leases that are held for tokens that are not saved yet end in a few
/// seconds, and have to be renewed once the engine answers.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_a_row: u32,
    /// The calls of the last 10 s: when they ended, and whether they failed.
    recent: VecDeque<(Instant, bool)>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    /// Since when a probe is under way.
    probe: Option<Instant>,
}

/// A call that was let through. Dropped without a word it counts for nothing, and a probe that is
/// dropped lets the next call probe.
#[derive(Debug)]
#[must_use]
pub(crate) struct Admitted<'b> {
    breaker: &'b Breaker,
    is_probe: bool,
    is_over: bool,
}

impl Breaker {
    /// Lets a call through, or says how long none will be.
    pub(crate) fn admit(&self, now: Instant) -> Result<Admitted<'_>, Duration> {
        let mut state = self.lock();
        let is_probe = match &mut state.open {
            None => false,
            Some(open) if now < open.until => return Err(open.until - now),
            Some(Open { probe: Some(_), .. }) => return Err(BETWEEN_LOOKS),
            Some(open) => {
                open.probe = Some(now);
                true
            }
        };
        Ok(Admitted { breaker: self, is_probe, is_over: false })
    }

    /// Lets calls through again, because the engine was seen to answer.
    #[cfg(feature = "redis")]
    pub(crate) fn close(&self) {
        *self.lock() = State::default();
    }

    /// Whether calls are refused.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().open.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic between two fields leaves nothing worse than a wrong count.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted<'_> {
    /// The engine answered, whatever it said.
    pub(crate) fn answered(mut self, now: Instant) {
        self.is_over = true;
        let mut state = self.breaker.lock();
        if self.is_probe {
            *state = State::default();
        } else {
            state.in_a_row = 0;
            state.note(now, false);
        }
    }

    /// The engine did not answer.
    pub(crate) fn failed(mut self, now: Instant) {
        self.is_over = true;
        let mut state = self.breaker.lock();
        if self.is_probe {
            state.open(now);
            return;
        }
        state.in_a_row += 1;
        state.note(now, true);
        // A call from before the break does not lengthen it.
        if state.open.is_none() && state.has_to_open() {
            state.open(now);
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && !self.is_over
            && let Some(open) = &mut self.breaker.lock().open
        {
            open.probe = None;
        }
    }
}

impl State {
    fn note(&mut self, now: Instant, failed: bool) {
        self.recent.push_back((now, failed));
        while self.recent.len() > MOST_NOTED
            || self.recent.front().is_some_and(|(then, _)| *then + WINDOW < now)
        {
            self.recent.pop_front();
        }
    }

    fn has_to_open(&self) -> bool {
        let failed = self.recent.iter().filter(|(_, failed)| *failed).count();
        self.in_a_row >= MOST_IN_A_ROW
            || (self.recent.len() >= LEAST_CALLS && failed * 2 >= self.recent.len())
    }

    fn open(&mut self, now: Instant) {
        self.in_a_row = 0;
        self.recent.clear();
        self.open = Some(Open { until: now + PAUSE, probe: None });
    }
}

const MOST_IN_A_ROW: u32 = 5;
const LEAST_CALLS: usize = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// Bounds the memory; a share of this many calls is as good as one of all.
const MOST_NOTED: usize = 1_000;
const PAUSE: Duration = Duration::from_secs(1);
/// When to look again while a probe is under way.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_a_probe_closes_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.admit(start).expect("closed").failed(start);
        }
        assert_eq!(breaker.admit(start).expect_err("open"), PAUSE);
        let later = start + PAUSE;
        let probe = breaker.admit(later).expect("one probe");
        breaker.admit(later).expect_err("one probe at a time");
        probe.answered(later);
        assert!(!breaker.is_open());
    }

    #[test]
    fn it_probes_each_second() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.admit(now).expect("closed").failed(now);
        }
        for _ in 0..10 {
            assert_eq!(breaker.admit(now).expect_err("open"), Duration::from_secs(1));
            now += Duration::from_secs(1);
            breaker.admit(now).expect("a probe").failed(now);
        }
    }

    #[test]
    fn half_of_twenty_calls_open_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for nth in 0..20 {
            assert!(!breaker.is_open(), "{nth}");
            let admitted = breaker.admit(now).expect("closed");
            if nth % 2 == 0 { admitted.answered(now) } else { admitted.failed(now) }
        }
        assert!(breaker.is_open());
    }

    #[test]
    fn old_failures_do_not_count() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..100 {
            breaker.admit(now).expect("closed").failed(now);
            breaker.admit(now).expect("closed").answered(now);
            now += WINDOW / 5;
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_dropped_probe_lets_the_next_call_probe() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..5 {
            breaker.admit(start).expect("closed").failed(start);
        }
        drop(breaker.admit(start + PAUSE).expect("a probe"));
        breaker.admit(start + PAUSE).expect("a probe").answered(start + PAUSE);
        assert!(!breaker.is_open());
    }
}
