//! The way through the queue to the lock.
//!
//! Exclusion is by the lock alone. The queue only gives everybody a turn, so whoever stands still
//! at its head is passed by.

use std::time::{Duration, Instant};

use super::{
    Holder, LockError, Wait,
    files::{Attempt, Files},
    notes::Note,
    own::Names,
    patience::{Obstacle, Patience},
    standstill::Standstill,
};
use crate::file::FileError;

/// Returns files whose lock is held and whose queue is free for the next.
pub(super) fn pass(
    names: &Names,
    idle: Option<Files>,
    wait: &Wait<'_>,
) -> Result<Files, LockError> {
    let mut patience = Patience::new(wait);
    let mut idle = idle;
    loop {
        let files = idle.take().map_or_else(|| Files::open(names), Ok)?;
        match enter(names, &files, &mut patience)? {
            Entered::InTurn => {
                files.notes.write(Note::Lock);
                return Ok(files);
            }
            Entered::PastQueue => {
                files.notes.write_past_queue();
                return Ok(files);
            }
            Entered::Not => {}
        }
        // Releases what was locked of files that mean nothing any more.
        drop(files);
        let pause = patience.pace.in_queue();
        let unknown = || Obstacle { path: names.lock.clone(), holder: Holder::default() };
        patience.pause(pause, unknown)?;
    }
}

enum Entered {
    InTurn,
    PastQueue,
    /// Somebody replaced one of the files, which must be opened again.
    Not,
}

fn enter(names: &Names, files: &Files, patience: &mut Patience<'_>) -> Result<Entered, LockError> {
    let mut standstill = Standstill::default();
    loop {
        match files.queue.attempt(&names.queue)? {
            Attempt::Locked => match at_head(names, files, patience)? {
                Some(Attempt::Locked) if files.queue.unlock().is_ok() => {
                    return Ok(Entered::InTurn);
                }
                Some(_) => return Ok(Entered::Not),
                // Whom it tells may never come back: nobody is to wait behind that.
                None if files.queue.unlock().is_err() => return Ok(Entered::Not),
                None => patience.tell(at_lock(names, files)),
            },
            Attempt::Replaced => return Ok(Entered::Not),
            Attempt::Held => {
                match pass_by(names, files, &mut standstill)? {
                    Some(Attempt::Locked) => return Ok(Entered::PastQueue),
                    Some(Attempt::Replaced) => return Ok(Entered::Not),
                    _ => {}
                }
                if patience.is_to_tell() {
                    patience.tell(in_the_way(names, files));
                }
                let pause = patience.pace.in_queue();
                patience.pause(pause, || in_the_way(names, files))?;
            }
        }
    }
}

/// Waits for the lock with the queue held; `None` when somebody has to be told of the wait.
fn at_head(
    names: &Names,
    files: &Files,
    patience: &mut Patience<'_>,
) -> Result<Option<Attempt>, LockError> {
    let began = Instant::now();
    let mut note = None;
    loop {
        match files.lock.attempt(&names.lock)? {
            Attempt::Held if patience.is_to_tell() => return Ok(None),
            Attempt::Held => {}
            done => return Ok(Some(done)),
        }
        if note.is_none() && began.elapsed() >= NOTED_AFTER {
            note = Some(AtHead::noted(files));
        }
        let pause = patience.pace.at_head();
        patience.pause(pause, || at_lock(names, files))?;
    }
}

/// The lock, past the head of the queue, if that stands still.
fn pass_by(
    names: &Names,
    files: &Files,
    standstill: &mut Standstill,
) -> Result<Option<Attempt>, FileError> {
    if !standstill.is_due(Instant::now()) {
        return Ok(None);
    }
    standstill.saw(files.notes.last_holder());
    let attempt = files.lock.attempt(&names.lock)?;
    if matches!(attempt, Attempt::Locked) && !standstill.was_free(Instant::now()) {
        let unlocked = files.lock.unlock();
        unlocked.map_err(|source| FileError::from_io("unlock", &names.lock, source))?;
        return Ok(None);
    }
    Ok(Some(attempt))
}

fn at_lock(names: &Names, files: &Files) -> Obstacle {
    Obstacle { path: names.lock.clone(), holder: files.lock_holder() }
}

/// From behind the queue's head it is the lock that is in the way, or if that is free, the head.
fn in_the_way(names: &Names, files: &Files) -> Obstacle {
    match files.lock.attempt(&names.lock) {
        Ok(Attempt::Locked | Attempt::Replaced) => {
            // Closing would unlock it, too.
            files.lock.unlock().ok();
            Obstacle { path: names.queue.clone(), holder: files.queue_holder() }
        }
        _ => at_lock(names, files),
    }
}

/// Notes who is at the head of the queue for as long as it is.
struct AtHead<'a>(&'a Files);

impl<'a> AtHead<'a> {
    fn noted(files: &'a Files) -> Self {
        files.notes.write(Note::Queue);
        Self(files)
    }
}

impl Drop for AtHead<'_> {
    fn drop(&mut self) {
        self.0.notes.erase(Note::Queue);
    }
}

/// Most are through before; a note makes the next sync on this file system dearer.
const NOTED_AFTER: Duration = Duration::from_millis(20);
