//! What is left of the time to wait, and whom to tell.

use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{LockError, Wait, pace::Pace};

/// What is left of the time to wait for one lock.
pub(super) struct Patience<'a> {
    path: &'a Path,
    wait: &'a Wait<'a>,
    began: Option<Instant>,
    notified: bool,
    pub(super) pace: Pace,
}

impl<'a> Patience<'a> {
    pub(super) fn new(path: &'a Path, wait: &'a Wait<'a>) -> Self {
        let pace = Pace::new(RandomState::new().hash_one(0));
        Self { path, wait, began: None, notified: false, pace }
    }

    /// Whether there was any reason to wait so far.
    pub(super) fn has_waited(&self) -> bool {
        self.began.is_some()
    }

    pub(super) fn pause(
        &mut self,
        pause: Duration,
        holder: impl Fn() -> Option<String>,
    ) -> Result<(), LockError> {
        let waited = self.began.get_or_insert_with(Instant::now).elapsed();
        if waited >= self.wait.timeout {
            let (path, holder) = (self.path.to_owned(), holder());
            return Err(LockError::TimedOut { path, waited, holder });
        }
        if let Some(notify) = self.wait.notify
            && waited >= self.wait.notify_after
            && !self.notified
        {
            self.notified = true;
            notify(holder().as_deref(), waited);
        }
        thread::sleep(pause.min(self.wait.timeout - waited));
        Ok(())
    }
}
