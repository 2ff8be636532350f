//! Pauses of a waiter, its deadline, and its wait notification.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{Holder, LockError, Wait};
use crate::interrupt;

/// The deadline of one acquisition, and its state so far.
pub(super) struct Deadline<'a> {
    wait: &'a Wait<'a>,
    /// Whether this thread holds the lock already.
    is_nested: &'a dyn Fn() -> bool,
    began: Option<Instant>,
    notified: bool,
    /// When the caller was last asked whether to stop.
    asked: Option<Instant>,
    pub(super) backoff: Backoff,
}

/// The file that is held, and its holder.
pub(super) struct Obstacle {
    pub(super) path: PathBuf,
    pub(super) holder: Holder,
}

impl<'a> Deadline<'a> {
    pub(super) fn new(wait: &'a Wait<'a>, is_nested: &'a dyn Fn() -> bool) -> Self {
        // Random enough for pauses, without asking the system: the keys of the hash are random.
        let backoff = Backoff::new(RandomState::new().hash_one(0));
        Self { wait, is_nested, began: None, notified: false, asked: None, backoff }
    }

    /// Whether the lock has not been free at each attempt so far.
    pub(super) fn has_waited(&self) -> bool {
        self.began.is_some()
    }

    /// Whether a callback of the caller is due. It may block, so no lock may be held during it.
    pub(super) fn is_to_call(&self) -> bool {
        self.is_to_notify() || self.is_to_ask()
    }

    fn is_to_notify(&self) -> bool {
        let waited = self.began.map(|began| began.elapsed());
        !self.notified
            && self.wait.notify.is_some()
            && waited.is_some_and(|waited| waited >= self.wait.notify_after)
    }

    fn is_to_ask(&self) -> bool {
        let last = self.asked.or(self.began);
        self.has_stop() && last.is_some_and(|last| last.elapsed() >= interrupt::BETWEEN_QUESTIONS)
    }

    fn has_stop(&self) -> bool {
        self.wait.stop.is_some() || interrupt::is_set()
    }

    fn is_to_stop(&self) -> bool {
        self.wait.stop.is_some_and(|stop| stop()) || interrupt::is_requested()
    }

    /// Sleeps for `gap`, or as long as the caller waits, before the first attempt. It does not
    /// count as a wait.
    pub(super) fn leave_free(&self, gap: Duration, path: &Path) -> Result<(), LockError> {
        let end = Instant::now() + gap.min(self.wait.timeout);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(interrupt::BETWEEN_QUESTIONS));
            if self.has_stop() && Instant::now() < end && self.is_to_stop() {
                return Err(LockError::Stopped { path: path.to_owned() });
            }
        }
    }

    /// Makes the calls that are due.
    pub(super) fn call(&mut self, obstacle: impl Fn() -> Obstacle) -> Result<(), LockError> {
        if let (true, Some(notify), Some(began)) =
            (self.is_to_notify(), self.wait.notify, self.began)
        {
            self.notified = true;
            notify(obstacle().holder.shown().as_deref(), began.elapsed());
        }
        if self.is_to_ask() {
            let is_over = self.is_to_stop();
            // After the call, so that a slow one does not take all the time.
            self.asked = Some(Instant::now());
            if is_over {
                return Err(LockError::Stopped { path: obstacle().path });
            }
        }
        Ok(())
    }

    pub(super) fn pause(
        &mut self,
        pause: Duration,
        obstacle: impl FnOnce() -> Obstacle,
    ) -> Result<(), LockError> {
        let is_first = self.began.is_none();
        let waited = self.began.get_or_insert_with(Instant::now).elapsed();
        if waited >= self.wait.timeout {
            let Obstacle { path, holder } = obstacle();
            return Err(LockError::TimedOut { path, waited, holder: holder.shown() });
        }
        if is_first && (self.is_nested)() {
            return Err(LockError::Nested { path: obstacle().path });
        }
        let mut pause = pause.min(self.wait.timeout - waited);
        if self.has_stop() {
            let asked = self.asked.map_or(waited, |asked| asked.elapsed());
            // A pause must not delay the next question.
            pause = pause.min(interrupt::BETWEEN_QUESTIONS.saturating_sub(asked));
        }
        thread::sleep(pause);
        Ok(())
    }
}

/// Pauses between two attempts, with jitter so that waiters do not retry in step.
#[derive(Debug)]
pub(super) struct Backoff {
    random: u64,
    head: Duration,
}

impl Backoff {
    /// The seed determines the jitter.
    pub(super) fn new(seed: u64) -> Self {
        // The generator never leaves zero.
        Self { random: seed | 1, head: HEAD_FIRST }
    }

    /// The pause of a waiter in the queue. It does not grow with the time waited, because that
    /// would favour newcomers.
    pub(super) fn in_queue(&mut self) -> Duration {
        self.jitter(IN_QUEUE)
    }

    /// The pause of the waiter at the head of the queue, which has no competitors.
    pub(super) fn at_head(&mut self) -> Duration {
        let pause = self.jitter(self.head);
        // A short hold is noticed at once; a long one is not polled at this rate.
        self.head = (self.head * 5 / 4).min(HEAD_LAST);
        pause
    }

    /// The pause of a waiter for a lock shared with other programs. They poll far less often, so
    /// this is enough.
    pub(super) fn among_peers(&mut self) -> Duration {
        self.jitter(AMONG_PEERS)
    }

    /// How long a lock that was just released is left to the peers, which cannot queue.
    pub(super) fn for_peers(&mut self) -> Duration {
        self.jitter(FOR_PEERS)
    }

    /// A random time between 0.5 and 1.5 of the mean. The generator is Marsaglia's xorshift64.
    fn jitter(&mut self, mean: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // 53 bits are what an `f64` holds exactly.
        mean.mul_f64(0.5 + (self.random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Windows creates a timer for each pause, so many waiters with short pauses would slow the holder.
const IN_QUEUE: Duration = Duration::from_millis(if cfg!(windows) { 10 } else { 2 });
const HEAD_FIRST: Duration = Duration::from_micros(30);
const HEAD_LAST: Duration = Duration::from_millis(1);
const AMONG_PEERS: Duration = Duration::from_millis(20);
const FOR_PEERS: Duration = Duration::from_millis(6);
