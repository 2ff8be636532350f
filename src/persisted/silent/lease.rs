//! The lease: the right to spend a refresh token, which one thread of one process has at a time.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use tokenkeep_platform::{
    file::{Folder, Parents},
    sync::ForkLock,
};

use super::note::{Notes, digest};
use crate::{
    Error,
    lock::{CrossProcessLock, LockGuard, Wait},
    persisted::exclusive::{Exclusive, Refused, Turn},
};

/// The leases of one store in this process.
#[derive(Debug, Default)]
pub(in crate::persisted) struct Leases {
    /// A lease's bucket is named by a digest of what it is for. Two leases of one bucket only wait
    /// for each other.
    buckets: [Arc<Bucket>; 16],
}

#[derive(Debug, Default)]
struct Bucket {
    /// One thread of a process waits for other processes; the rest wait for it.
    turn: Exclusive,
    /// The notes of a store that no other process has.
    notes: ForkLock<Notes>,
}

/// The held lease.
#[derive(Debug)]
pub(in crate::persisted) struct Lease {
    bucket: Arc<Bucket>,
    files: Option<Files>,
    /// The bucket's name: a hexadecimal digit.
    tag: String,
    pid: u32,
    guard: LockGuard,
    turn: Turn,
}

/// The files of a bucket: a lock and the notes.
#[derive(Debug)]
struct Files {
    folder: Folder,
    notes: String,
}

/// Why there is no lease.
pub(in crate::persisted) enum Without<T> {
    /// What a look at the cache found meanwhile.
    Found(T),
    /// Others had it for this long.
    Busy { waited: Duration, holder: Option<String> },
}

impl Leases {
    /// Waits for the lease of `spender` until `until`. About every 50 ms of the wait it calls
    /// `look`, and ends with what that finds.
    pub(super) fn acquire<T>(
        &self,
        folder: Option<&Path>,
        spender: &str,
        until: Instant,
        look: impl Fn() -> Result<Option<T>, Error>,
    ) -> Result<Result<Lease, Without<T>>, Error> {
        let tag = digest(spender)[..1].to_owned();
        let number = usize::from_str_radix(&tag, 16).unwrap_or_default();
        let bucket = Arc::clone(&self.buckets[number]);
        let found = RefCell::new(None);
        let stop = || {
            *found.borrow_mut() = look().transpose();
            found.borrow().is_some()
        };
        let begun = Instant::now();
        let turn = loop {
            match bucket.turn.acquire(until.saturating_duration_since(Instant::now()).min(LOOK)) {
                Ok(turn) => break turn,
                Err(Refused::Own) => return Err(Error::Nested),
                Err(Refused::Failed(error)) => return Err(error),
                Err(Refused::Stopped) => return Err(Error::wait_canceled(&in_memory())),
                Err(Refused::TimedOut(_)) => {}
            }
            if stop()
                && let Some(found) = found.take()
            {
                return found.map(|found| Err(Without::Found(found)));
            }
            if Instant::now() >= until {
                let holder = Some("another thread of this program".to_owned());
                return Ok(Err(Without::Busy { waited: begun.elapsed(), holder }));
            }
        };
        let (files, guard) = match folder {
            None => (None, LockGuard::none()),
            Some(path) => {
                let folder = Folder::create(path, Parents::Create)?;
                let lock = CrossProcessLock::new(path, &format!("renewal-{tag}"));
                // One wait for the whole time: the lock gives way to others by how long each of
                // its waits has lasted.
                let left = until.saturating_duration_since(Instant::now());
                let guard = match lock.acquire(&Wait::at_most(left).until(&stop)) {
                    Ok(guard) => guard,
                    Err(error) => match (found.take(), error) {
                        (Some(found), _) => return found.map(|found| Err(Without::Found(found))),
                        (None, Error::LockTimeout { holder, .. }) => {
                            return Ok(Err(Without::Busy { waited: begun.elapsed(), holder }));
                        }
                        (None, error) => return Err(error),
                    },
                };
                (Some(Files { folder, notes: format!("renewal-{tag}.note") }), guard)
            }
        };
        Ok(Ok(Lease { bucket, files, tag, pid: process::id(), guard, turn }))
    }
}

/// Whether a process has ever taken the lease of `spender` there.
pub(super) fn was_taken(folder: &Path, spender: &str) -> bool {
    let files = format!("renewal-{}.", &digest(spender)[..1]);
    let folder = Folder::open(folder).ok().flatten();
    let names = folder.and_then(|folder| folder.names().ok()).unwrap_or_default();
    names.iter().any(|name| name.starts_with(&files))
}

impl Lease {
    /// The bucket's name.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// Makes it the lease of no thread, so that it may be handed to another one.
    pub(super) fn hand_over(&mut self) {
        self.turn.hand_over();
        // A clone is the guard of no thread.
        self.guard = self.guard.clone();
    }

    /// Whether the lease still excludes others, and is this process's and not its parent's.
    pub(super) fn is_intact(&self) -> Result<bool, Error> {
        Ok(self.pid == process::id() && self.guard.is_intact()?)
    }

    /// The notes that earlier holders left. None if they cannot be read.
    pub(super) fn notes(&self) -> Notes {
        match &self.files {
            None => self.bucket.notes.read().clone(),
            Some(files) => {
                let file = files.folder.open_file(&files.notes).ok().flatten();
                let bytes = file.and_then(|file| file.read_all(LARGEST_NOTES).ok());
                bytes.map(|bytes| Notes::read(&bytes)).unwrap_or_default()
            }
        }
    }

    /// Replaces the notes. They are a help for others, so an error is ignored.
    pub(super) fn write(&self, notes: &Notes) {
        match &self.files {
            None => *self.bucket.notes.write() = notes.clone(),
            Some(files) => {
                files.folder.overwrite(&files.notes, &notes.to_bytes()).ok();
            }
        }
    }
}

/// The place of a lease between threads, for messages.
pub(super) fn in_memory() -> PathBuf {
    PathBuf::from("(memory)")
}

/// How often a waiting thread looks at the cache.
const LOOK: Duration = Duration::from_millis(50);
const LARGEST_NOTES: u64 = 64 << 10;
/// Longer limits would overflow the arithmetic of some systems.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
