//! The way through the queue to the lock.

use std::{
    hash::{BuildHasher as _, RandomState},
    thread,
    time::{Duration, Instant},
};

use super::{
    LockError, Names, Wait,
    files::{Attempt, Files},
    pace::Pace,
};

/// Returns files whose lock is held and whose queue is free for the next.
pub(super) fn pass(
    names: &Names,
    idle: Option<Files>,
    wait: &Wait<'_>,
) -> Result<Files, LockError> {
    let mut patience = Patience::new(names, wait);
    let mut idle = idle;
    loop {
        let files = idle.take().map_or_else(|| Files::open(names), Ok)?;
        if let Some(files) = enter(names, files, &mut patience)? {
            files.write_note();
            return Ok(files);
        }
        patience.pause_in_queue(None)?;
    }
}

/// `None` where somebody replaced one of the files, which must then be opened anew. Dropping the
/// files releases what was locked.
fn enter(
    names: &Names,
    files: Files,
    patience: &mut Patience<'_>,
) -> Result<Option<Files>, LockError> {
    loop {
        match files.queue.attempt(&names.queue)? {
            Attempt::Locked => break,
            Attempt::Held => patience.pause_in_queue(Some(&files))?,
            Attempt::Replaced => return Ok(None),
        }
    }
    loop {
        match files.lock.attempt(&names.lock)? {
            Attempt::Locked => break,
            Attempt::Held => patience.pause_at_head(&files)?,
            Attempt::Replaced => return Ok(None),
        }
    }
    match files.queue.unlock() {
        Ok(()) => Ok(Some(files)),
        Err(_) => Ok(None),
    }
}

/// What is left of the time to wait.
struct Patience<'a> {
    names: &'a Names,
    wait: &'a Wait<'a>,
    began: Option<Instant>,
    notified: bool,
    pace: Pace,
}

impl<'a> Patience<'a> {
    fn new(names: &'a Names, wait: &'a Wait<'a>) -> Self {
        let pace = Pace::new(RandomState::new().hash_one(0));
        Self { names, wait, began: None, notified: false, pace }
    }

    fn pause_in_queue(&mut self, files: Option<&Files>) -> Result<(), LockError> {
        let pause = self.pace.in_queue();
        self.pause(pause, files)
    }

    fn pause_at_head(&mut self, files: &Files) -> Result<(), LockError> {
        let pause = self.pace.at_head();
        self.pause(pause, Some(files))
    }

    fn pause(&mut self, pause: Duration, files: Option<&Files>) -> Result<(), LockError> {
        let waited = self.began.get_or_insert_with(Instant::now).elapsed();
        let holder = || files.and_then(Files::read_note);
        if waited >= self.wait.timeout {
            let (path, holder) = (self.names.lock.clone(), holder());
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
