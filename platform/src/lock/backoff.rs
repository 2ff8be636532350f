//! How often a waiter looks again, until when, and whom it tells.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{Holder, LockError, Wait};

/// What is left of the time to wait for one lock.
pub(super) struct Deadline<'a> {
    wait: &'a Wait<'a>,
    began: Option<Instant>,
    notified: bool,
    pub(super) backoff: Backoff,
}

/// Which file is held, and by whom.
pub(super) struct Obstacle {
    pub(super) path: PathBuf,
    pub(super) holder: Holder,
}

impl<'a> Deadline<'a> {
    pub(super) fn new(wait: &'a Wait<'a>) -> Self {
        let backoff = Backoff::new(RandomState::new().hash_one(0));
        Self { wait, began: None, notified: false, backoff }
    }

    /// Whether there was any reason to wait so far.
    pub(super) fn has_waited(&self) -> bool {
        self.began.is_some()
    }

    /// Whether somebody has to be told of the wait. They may take their time, so nothing may be
    /// held then.
    pub(super) fn is_to_tell(&self) -> bool {
        let waited = self.began.map(|began| began.elapsed());
        !self.notified
            && self.wait.notify.is_some()
            && waited.is_some_and(|waited| waited >= self.wait.notify_after)
    }

    pub(super) fn tell(&mut self, obstacle: Obstacle) {
        self.notified = true;
        if let (Some(notify), Some(began)) = (self.wait.notify, self.began) {
            notify(obstacle.holder.shown().as_deref(), began.elapsed());
        }
    }

    pub(super) fn pause(
        &mut self,
        pause: Duration,
        obstacle: impl FnOnce() -> Obstacle,
    ) -> Result<(), LockError> {
        let waited = self.began.get_or_insert_with(Instant::now).elapsed();
        if waited >= self.wait.timeout {
            let Obstacle { path, holder } = obstacle();
            return Err(LockError::TimedOut { path, waited, holder: holder.shown() });
        }
        thread::sleep(pause.min(self.wait.timeout - waited));
        Ok(())
    }
}

/// Pauses between two looks, with jitter so that waiters do not move in step.
#[derive(Debug)]
pub(super) struct Backoff {
    random: u64,
    head: Duration,
}

impl Backoff {
    /// The seed decides the jitter.
    pub(super) fn new(seed: u64) -> Self {
        Self { random: seed | 1, head: HEAD_FIRST }
    }

    /// For those in the queue. It does not depend on how long they have waited: a pause that grew
    /// would give newcomers an advantage.
    pub(super) fn in_queue(&mut self) -> Duration {
        self.jitter(IN_QUEUE)
    }

    /// For the one at the head of the queue, who has nobody to compete with.
    pub(super) fn at_head(&mut self) -> Duration {
        let pause = self.jitter(self.head);
        self.head = (self.head * 5 / 4).min(HEAD_LAST);
        pause
    }

    /// For those who wait for a lock that other programs use too. They look at it far less often,
    /// so this does as well.
    pub(super) fn among_peers(&mut self) -> Duration {
        self.jitter(AMONG_PEERS)
    }

    /// How long a lock that was just released is left to the peers, who cannot queue.
    pub(super) fn for_peers(&mut self) -> Duration {
        self.jitter(FOR_PEERS)
    }

    /// Between a half and one and a half of the mean. The generator is Marsaglia's xorshift64.
    fn jitter(&mut self, mean: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        mean.mul_f64(0.5 + (self.random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Windows makes and drops a timer for each pause, so many waiters that look often would hinder the
/// holder.
const IN_QUEUE: Duration = Duration::from_millis(if cfg!(windows) { 10 } else { 2 });
const HEAD_FIRST: Duration = Duration::from_micros(30);
const HEAD_LAST: Duration = Duration::from_millis(1);
const AMONG_PEERS: Duration = Duration::from_millis(20);
const FOR_PEERS: Duration = Duration::from_millis(6);
