//! The deadline and state of one call, and its result if the caller stops waiting.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::{Call, Source, VaultError};
use crate::interrupt;

/// Permission for one call to continue. Checked before each step of its chain.
pub(crate) struct Turn {
    started: Instant,
    /// No step may start after this time.
    pub(super) until: Instant,
    pub(super) deadline: Duration,
    may_prompt: bool,
    may_stop: bool,
    phase: AtomicU8,
    answered_late: AtomicBool,
}

impl Turn {
    pub(super) fn new(call: &Call) -> Self {
        let started = Instant::now();
        let deadline = call.deadline.min(MAX_DEADLINE);
        Self {
            started,
            until: started + deadline,
            deadline,
            may_prompt: call.may_prompt,
            may_stop: interrupt::is_set(),
            phase: AtomicU8::new(READING),
            answered_late: AtomicBool::new(false),
        }
    }

    /// Whether the caller may stop its wait early.
    #[allow(dead_code, reason = "other vaults than the Secret Service cannot be left early")]
    pub(crate) fn may_stop(&self) -> bool {
        self.may_stop
    }

    /// Whether this call may prompt.
    #[cfg_attr(windows, expect(dead_code, reason = "nothing prompts there"))]
    pub(crate) fn may_prompt(&self) -> bool {
        self.may_prompt
    }

    pub(crate) fn waited(&self) -> Duration {
        self.started.elapsed()
    }

    /// The time left before the deadline.
    ///
    /// # Errors
    /// `TimedOut` if no time is left, so that the next step of a chain does not start.
    pub(crate) fn remaining(&self) -> Result<Duration, VaultError> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || self.is_abandoned() {
            return Err(VaultError::TimedOut { waited: self.waited() });
        }
        Ok(left)
    }

    /// Runs a step that writes. A caller that stops waiting during it gets `OutcomeUnknown`.
    pub(crate) fn write<T, E: From<VaultError>>(
        &self,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin_write()?;
        let result = step();
        self.end_write();
        result
    }

    fn begin_write(&self) -> Result<(), VaultError> {
        self.remaining()?;
        // Atomic: the caller may give up at the same moment.
        let begin = |phase| (phase != ABANDONED).then_some(WRITING);
        match self.phase.fetch_update(Ordering::SeqCst, Ordering::SeqCst, begin) {
            Ok(_) => Ok(()),
            Err(_) => Err(VaultError::TimedOut { waited: self.waited() }),
        }
    }

    fn end_write(&self) {
        self.phase.store(WRITTEN, Ordering::SeqCst);
        self.answered_late.store(self.until <= Instant::now(), Ordering::SeqCst);
    }

    /// The caller no longer waits, because the time is up.
    pub(super) fn abandon(&self) -> VaultError {
        self.end(VaultError::TimedOut { waited: self.waited() })
    }

    /// The caller no longer waits, because it was told to stop.
    pub(super) fn stop(&self) -> VaultError {
        self.end(VaultError::Stopped)
    }

    fn end(&self, unwritten: VaultError) -> VaultError {
        let end = |phase| (phase != WRITING).then_some(ABANDONED);
        match self.phase.fetch_update(Ordering::SeqCst, Ordering::SeqCst, end) {
            Ok(READING) => unwritten,
            _ => VaultError::OutcomeUnknown { waited: self.waited(), source: None },
        }
    }

    /// Whether the caller no longer waits.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == ABANDONED
    }

    /// The result of a call whose chain was interrupted by `source`.
    pub(super) fn broken_off(&self, source: Source) -> VaultError {
        match self.phase.load(Ordering::SeqCst) {
            WRITING | WRITTEN => {
                VaultError::OutcomeUnknown { waited: self.waited(), source: Some(source) }
            }
            _ => VaultError::Failed { source },
        }
    }

    /// Whether the deadline passed without an answer since. A connection that broke earlier says
    /// nothing about the next call.
    pub(super) fn heard_nothing(&self) -> bool {
        self.until <= Instant::now() && !self.answered_late.load(Ordering::SeqCst)
    }
}

const READING: u8 = 0;
const WRITING: u8 = 1;
/// Reading again after a write.
const WRITTEN: u8 = 2;
const ABANDONED: u8 = 3;

/// Longer deadlines would overflow `Instant` arithmetic on some systems.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_after_a_write_is_unknown_and_before_one_it_is_not() {
        let turn = Turn::new(&Call::quiet());
        assert!(matches!(turn.abandon(), VaultError::TimedOut { .. }));
        assert!(turn.write(|| Ok::<_, VaultError>(())).is_err(), "a write began after the end");

        let turn = Turn::new(&Call::quiet());
        turn.write(|| Ok::<_, VaultError>(())).unwrap();
        assert!(matches!(turn.abandon(), VaultError::OutcomeUnknown { .. }));
    }

    #[test]
    fn what_was_stopped_is_unknown_after_a_write_too() {
        let turn = Turn::new(&Call::quiet());
        assert!(matches!(turn.stop(), VaultError::Stopped));
        assert!(turn.is_abandoned() && turn.remaining().is_err(), "its steps go on");

        let turn = Turn::new(&Call::quiet());
        turn.write(|| {
            assert!(matches!(turn.stop(), VaultError::OutcomeUnknown { .. }));
            Ok::<_, VaultError>(())
        })
        .unwrap();
        assert!(matches!(turn.stop(), VaultError::OutcomeUnknown { .. }));
    }
}
