//! What is left of the time to wait, and whom to tell.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{Holder, LockError, Wait, pace::Pace};

/// What is left of the time to wait for one lock.
pub(super) struct Patience<'a> {
    wait: &'a Wait<'a>,
    began: Option<Instant>,
    notified: bool,
    pub(super) pace: Pace,
}

/// Which file is held, and by whom.
pub(super) struct Obstacle {
    pub(super) path: PathBuf,
    pub(super) holder: Holder,
}

impl<'a> Patience<'a> {
    pub(super) fn new(wait: &'a Wait<'a>) -> Self {
        let pace = Pace::new(RandomState::new().hash_one(0));
        Self { wait, began: None, notified: false, pace }
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
