//! The lock that the MSAL libraries of several languages share: one file next to the cache.
//!
//! There are two kinds of peers. For some the file's existence is the lock, for others the kernel's
//! lock on the file. A process that creates the file exclusively and also locks it excludes both.

mod watch;
mod yielding;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
    time::Instant,
};

use self::{
    os::{Locked, Sight},
    watch::Watch,
    yielding::Yield,
};
use super::{
    Holder, LockError,
    backoff::{Deadline, Obstacle},
    content::Here,
};
use crate::file::{FileError, Folder, Trust};

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        #[path = "unix.rs"]
        mod os;
    } else if #[cfg(windows)] {
        #[path = "windows.rs"]
        mod os;
    }
}

#[derive(Debug)]
pub(super) struct MsalExtensions {
    folder: PathBuf,
    name: String,
    path: PathBuf,
    yielding: Mutex<Yield>,
}

/// The held lock.
#[derive(Debug)]
pub(super) struct Held {
    lock: Arc<MsalExtensions>,
    folder: Folder,
    locked: Option<Locked>,
    pid: u32,
    began: Instant,
    waited: bool,
}

/// The result of one look.
enum Look {
    Entered(Locked),
    Held,
    /// The holder has just released it.
    Released,
}

impl MsalExtensions {
    pub(super) fn new(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self { path, folder, name, yielding: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn holder(&self) -> Result<Option<Holder>, FileError> {
        let Some(folder) = Folder::open_in(&self.folder, Trust::Shared)? else { return Ok(None) };
        let Some(sight) = Sight::open(&folder, &self.name)? else { return Ok(None) };
        let content = sight.content();
        let content = content.map_err(|source| FileError::from_io("read", &self.path, source))?;
        Ok(Some(sight.holder(&content)))
    }

    pub(super) fn acquire(self: &Arc<Self>, mut deadline: Deadline<'_>) -> Result<Held, LockError> {
        if self.path.file_name() != Some(self.name.as_ref()) {
            // The lossy name is another file, and a lock on that would exclude nobody.
            let source = ErrorKind::InvalidFilename.into();
            let (operation, path) = ("use a name that is no Unicode", self.path.clone());
            return Err(FileError::Io { operation, path, source }.into());
        }
        let missing = || FileError::MissingParent { path: self.folder.clone() };
        let folder = Folder::open_in(&self.folder, Trust::Shared)?.ok_or_else(missing)?;
        // Not waited for: in a forked child this mutex may stay locked for ever.
        let gap = self.yielding.try_lock().map(|yielding| yielding.gap(Instant::now()));
        // Leaves the lock to peers first if this process has used it often; see `Yield`.
        if let Ok(gap) = gap {
            deadline.leave_free(gap, &self.path)?;
        }
        let here = Here::find();
        let mut watch = None;
        loop {
            let pause = match self.look(&folder, &here, &mut watch, Instant::now())? {
                Look::Entered(locked) => {
                    locked.write(here.content().as_bytes());
                    return Ok(Held {
                        lock: Arc::clone(self),
                        folder,
                        locked: Some(locked),
                        pid: process::id(),
                        began: Instant::now(),
                        waited: deadline.has_waited(),
                    });
                }
                Look::Held => deadline.backoff.among_peers(),
                Look::Released => deadline.backoff.for_peers(),
            };
            let obstacle = || Obstacle {
                path: self.path.clone(),
                holder: watch.as_ref().map(Watch::holder).unwrap_or_default(),
            };
            if deadline.is_to_call() {
                deadline.call(obstacle)?;
            }
            deadline.pause(pause, obstacle)?;
        }
    }

    /// Looks once. `watch` tracks the file across looks. A lock that was released since the last
    /// look is left to the peers for a moment.
    fn look(
        &self,
        folder: &Folder,
        here: &Here,
        watch: &mut Option<Watch>,
        now: Instant,
    ) -> Result<Look, FileError> {
        let Some(mut watched) = watch.take() else {
            if let Some(locked) = Locked::create(folder, &self.name)? {
                return Ok(Look::Entered(locked));
            }
            *watch = Sight::open(folder, &self.name)?.map(|sight| Watch::new(sight, now));
            return Ok(Look::Held);
        };
        if !watched.is_there(folder, &self.name)? {
            // `watch` stays empty, so the next look tries to create the file.
            return Ok(Look::Released);
        }
        let stale = watched.is_stale(here, now);
        if !stale.map_err(|source| FileError::from_io("lock", &self.path, source))? {
            *watch = Some(watched);
            return Ok(Look::Held);
        }
        // The file is locked now, so no process that asks for the lock will replace it. Check the
        // path again: it may have changed before.
        let there = watched.is_there(folder, &self.name)?;
        Ok(watched.take_over().filter(|_| there).map_or(Look::Released, Look::Entered))
    }
}

impl Held {
    pub(super) fn is_intact(&self) -> Result<bool, FileError> {
        match &self.locked {
            Some(locked) if self.pid == process::id() => {
                locked.is_at(&self.folder, &self.lock.name)
            }
            _ => Ok(false),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(locked) = self.locked.take() else { return };
        // A forked child must not release the lock of its parent.
        if self.pid != process::id() {
            return;
        }
        locked.release(&self.folder, &self.lock.name);
        if let Ok(mut yielding) = self.lock.yielding.try_lock() {
            yielding.released(self.began, Instant::now(), self.waited);
        }
    }
}

#[cfg(test)]
mod tests;
