//! The three files of a lock, opened by one process and used by one thread at a time.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process,
};

use super::{
    Holder, flock,
    notes::{Note, Notes},
};
use crate::file::{FileError, Folder, Identity};

/// The paths of the files of one lock.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) folder: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) queue: PathBuf,
    pub(super) name: String,
}

/// The descriptors, valid in the process that opened them. A forked child opens its own.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) lock: LockFile,
    pub(super) queue: LockFile,
    pub(super) notes: Notes,
    pid: u32,
}

/// An open file and its identity when it was opened.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    identity: Identity,
}

/// The result of trying to lock a file.
pub(super) enum Attempt {
    Locked,
    Held,
    /// Locked, but the path now leads to another file, so this lock excludes nobody.
    Replaced,
}

impl Names {
    pub(super) fn new(folder: PathBuf, name: &str) -> Self {
        Self {
            lock: folder.join(format!("{name}.lock")),
            queue: folder.join(format!("{name}.queue")),
            name: name.to_owned(),
            folder,
        }
    }
}

impl Files {
    pub(super) fn open(names: &Names) -> Result<Self, FileError> {
        let missing = || FileError::MissingParent { path: names.folder.clone() };
        let folder = Folder::open(&names.folder)?.ok_or_else(missing)?;
        let open = |path: &Path, suffix: &str| LockFile::open(&folder, path, &names.name, suffix);
        Ok(Self {
            lock: open(&names.lock, "lock")?,
            queue: open(&names.queue, "queue")?,
            notes: Notes::new(folder.open_lock_file(&format!("{}.holder", names.name))?),
            pid: process::id(),
        })
    }

    /// The process that opened the files.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    #[cfg(test)]
    pub(super) fn pretend_forked(&mut self) {
        self.pid += 1;
    }

    /// The current holder of the lock.
    pub(super) fn lock_holder(&self) -> Holder {
        Holder::of_locked(&self.lock.file, &self.notes.read(Note::Lock))
    }

    /// The process at the head of the queue.
    pub(super) fn queue_holder(&self) -> Holder {
        Holder::of_locked(&self.queue.file, &self.notes.read(Note::Queue))
    }
}

impl Drop for Files {
    /// Unlocks before closing, because otherwise a forked child would keep the locks. In a forked
    /// child it does nothing: the locks are the parent's.
    fn drop(&mut self) {
        if self.pid == process::id() {
            self.lock.unlock().ok();
            self.queue.unlock().ok();
        }
    }
}

impl LockFile {
    fn open(folder: &Folder, path: &Path, name: &str, suffix: &str) -> Result<Self, FileError> {
        let file = folder.open_lock_file(&format!("{name}.{suffix}"))?;
        let identity =
            Identity::of(&file).map_err(|source| FileError::from_io("look at", path, source))?;
        Ok(Self { file, identity })
    }

    pub(super) fn attempt(&self, path: &Path) -> Result<Attempt, FileError> {
        let locked = flock::try_lock(&self.file);
        if !locked.map_err(|source| FileError::from_io("lock", path, source))? {
            return Ok(Attempt::Held);
        }
        // Only now: until the lock was held, the file could be replaced.
        Ok(if self.is_at(path)? { Attempt::Locked } else { Attempt::Replaced })
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_at(&self, path: &Path) -> Result<bool, FileError> {
        let now =
            Identity::at(path).map_err(|source| FileError::from_io("look at", path, source))?;
        Ok(now == Some(self.identity))
    }

    /// Releases the lock immediately, even if a forked child shares the descriptor.
    pub(super) fn unlock(&self) -> io::Result<()> {
        flock::unlock(&self.file)
    }
}

#[cfg(test)]
impl LockFile {
    pub(super) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}
