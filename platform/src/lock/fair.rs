//! The fair lock, on files that are never deleted.
//!
//! There are three files. `NAME.lock` is the lock. `NAME.queue` is a turnstile in front of it.
//! `NAME.holder` names the last holder and the process at the head of the queue.
//!
//! A process first locks the queue, then waits for the lock, then unlocks the queue for the next.
//! So only one waiter polls the lock, and the process that releases it cannot take it again before
//! a waiter had a chance. With plain retrying some of 64 processes get no turn for seconds. A
//! waiter that stands still at the head of the queue is passed by.
//!
//! Only the lock excludes. The queue only provides fairness.

use std::{
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    Holder, LockError,
    backoff::{Deadline, Obstacle},
    files::{Attempt, Files, Names},
    notes::Note,
    standstill::Standstill,
};
use crate::file::FileError;

#[derive(Debug)]
pub(super) struct Fair {
    names: Names,
    idle: Mutex<Vec<Files>>,
}

/// The held lock.
#[derive(Debug)]
pub(super) struct Held {
    lock: Arc<Fair>,
    files: Option<Files>,
}

impl Fair {
    pub(super) fn new(folder: PathBuf, name: &str) -> Self {
        Self { names: Names::new(folder, name), idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.names.lock
    }

    pub(super) fn acquire(self: &Arc<Self>, deadline: Deadline<'_>) -> Result<Held, LockError> {
        let files = pass(&self.names, self.take_idle(), deadline)?;
        Ok(Held { lock: Arc::clone(self), files: Some(files) })
    }

    /// Takes files that this process opened and that are idle. Does not wait for the mutex: it may
    /// have been held by another thread when this process was forked, and then it is never
    /// released.
    fn take_idle(&self) -> Option<Files> {
        let mut idle = self.idle.try_lock().ok()?;
        let pid = process::id();
        // In a forked child the rest are the parent's, and dropping them leaves its locks alone.
        idle.retain(|files| files.pid() == pid);
        idle.pop()
    }

    fn put_idle(&self, files: Files) {
        if let Ok(mut idle) = self.idle.try_lock()
            && idle.len() < MAX_IDLE
        {
            idle.push(files);
        }
    }
}

impl Held {
    pub(super) fn is_intact(&self) -> Result<bool, FileError> {
        match &self.files {
            Some(files) if files.pid() == process::id() => files.lock.is_at(&self.lock.names.lock),
            _ => Ok(false),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(files) = self.files.take() else { return };
        // If unlocking fails, the files are dropped and closed, which unlocks them too.
        if files.pid() == process::id() && files.lock.unlock().is_ok() {
            self.lock.put_idle(files);
        }
    }
}

/// How many descriptor sets are kept: threads that often use one lock at the same time.
const MAX_IDLE: usize = 4;

/// Returns files with the lock held and the queue unlocked for the next process.
fn pass(
    names: &Names,
    mut idle: Option<Files>,
    mut deadline: Deadline<'_>,
) -> Result<Files, LockError> {
    loop {
        let files = idle.take().map_or_else(|| Files::open(names), Ok)?;
        match enter(names, &files, &mut deadline)? {
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
        // Unlocks and closes the files that were replaced.
        drop(files);
        let pause = deadline.backoff.in_queue();
        let unknown = || Obstacle { path: names.lock.clone(), holder: Holder::default() };
        deadline.pause(pause, unknown)?;
    }
}

enum Entered {
    InTurn,
    PastQueue,
    /// One of the files was replaced and must be opened again.
    Not,
}

fn enter(names: &Names, files: &Files, deadline: &mut Deadline<'_>) -> Result<Entered, LockError> {
    let mut standstill = Standstill::default();
    loop {
        match files.queue.attempt(&names.queue)? {
            Attempt::Locked => match at_head(names, files, deadline)? {
                // If it cannot be unlocked, all files are closed and opened again: nobody must wait
                // behind it.
                Some(Attempt::Locked) if files.queue.unlock().is_ok() => {
                    return Ok(Entered::InTurn);
                }
                Some(_) => return Ok(Entered::Not),
                // The callback may never return. No waiter may be stuck behind it.
                None if files.queue.unlock().is_err() => return Ok(Entered::Not),
                None => deadline.call(|| at_lock(names, files))?,
            },
            Attempt::Replaced => return Ok(Entered::Not),
            Attempt::Held => {
                match pass_by(names, files, &mut standstill)? {
                    Some(Attempt::Locked) => return Ok(Entered::PastQueue),
                    Some(Attempt::Replaced) => return Ok(Entered::Not),
                    _ => {}
                }
                if deadline.is_to_call() {
                    deadline.call(|| in_the_way(names, files))?;
                }
                let pause = deadline.backoff.in_queue();
                deadline.pause(pause, || in_the_way(names, files))?;
            }
        }
    }
}

/// Waits for the lock with the queue held. Returns `None` when a callback is due.
fn at_head(
    names: &Names,
    files: &Files,
    deadline: &mut Deadline<'_>,
) -> Result<Option<Attempt>, LockError> {
    let began = Instant::now();
    let mut note = None;
    loop {
        match files.lock.attempt(&names.lock)? {
            Attempt::Held if deadline.is_to_call() => return Ok(None),
            Attempt::Held => {}
            done => return Ok(Some(done)),
        }
        if note.is_none() && began.elapsed() >= NOTED_AFTER {
            note = Some(AtHead::noted(files));
        }
        let pause = deadline.backoff.at_head();
        deadline.pause(pause, || at_lock(names, files))?;
    }
}

/// Takes the lock past the head of the queue if the head stands still.
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
    // Free only once so far: the head may be about to take it.
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

/// What blocks a waiter behind the head: the lock, or the head if the lock is free.
fn in_the_way(names: &Names, files: &Files) -> Obstacle {
    match files.lock.attempt(&names.lock) {
        Ok(Attempt::Locked | Attempt::Replaced) => {
            // If unlocking fails here, closing the file unlocks it too.
            files.lock.unlock().ok();
            Obstacle { path: names.queue.clone(), holder: files.queue_holder() }
        }
        _ => at_lock(names, files),
    }
}

/// Records in the notes that this process is at the head of the queue. Erased on drop.
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

/// Most waiters are through sooner. A note makes the next sync on this file system slower.
const NOTED_AFTER: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::Wait, *};
    use crate::file::{Folder, Parents};

    fn lock() -> (tempfile::TempDir, Arc<Fair>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        Folder::create(&path, Parents::Require).unwrap();
        (folder, Arc::new(Fair::new(path, "s")))
    }

    fn acquire(lock: &Arc<Fair>, wait: &Wait<'_>) -> Result<Held, LockError> {
        lock.acquire(Deadline::new(wait, &|| false))
    }

    /// A second descriptor of a locked file stands for a forked child.
    #[test]
    fn a_forked_child_does_not_release_its_parents_lock() {
        let (_folder, lock) = lock();
        let once = Wait::at_most(Duration::ZERO);
        let mut child = acquire(&lock, &once).unwrap();
        let parent = child.files.as_ref().unwrap().lock.share().unwrap();
        child.files.as_mut().unwrap().pretend_forked();
        assert!(!child.is_intact().unwrap(), "the lock is not the child's");
        drop(child);
        assert!(acquire(&lock, &once).is_err(), "the child released its parent's lock");
        drop(parent);
        drop(acquire(&lock, &once).unwrap());
    }

    #[test]
    fn a_parent_releases_its_lock_while_a_forked_child_has_its_descriptor() {
        let (_folder, lock) = lock();
        let once = Wait::at_most(Duration::ZERO);
        let parent = acquire(&lock, &once).unwrap();
        let _child = parent.files.as_ref().unwrap().lock.share().unwrap();
        drop(parent);
        let other = Fair::new(lock.names.folder.clone(), "s");
        drop(acquire(&Arc::new(other), &once).unwrap());
    }

    #[test]
    fn a_forked_child_opens_descriptors_of_its_own() {
        let (_folder, lock) = lock();
        drop(acquire(&lock, &Wait::default()).unwrap());
        lock.idle.lock().unwrap()[0].pretend_forked();
        assert!(lock.take_idle().is_none(), "the parent's descriptors were used");
    }
}
