//! Unix: the file is created exclusively and locked. Its inode stays the same while it is watched.

use std::{fs::File, io};

use super::super::{Holder, flock};
use crate::file::{FileError, Folder, Identity, read_at, write_at};

/// The lock file, created or taken over, and locked.
#[derive(Debug)]
pub(super) struct Locked {
    file: File,
    identity: Identity,
}

/// The lock file of another process. Its descriptor stays open, so no later file can have its
/// identity.
#[derive(Debug)]
pub(super) struct Sight {
    file: File,
    identity: Identity,
}

impl Locked {
    /// Returns `None` if the name is taken, or if another process locked the new file first. Then
    /// the lock is theirs.
    pub(super) fn create(folder: &Folder, name: &str) -> Result<Option<Self>, FileError> {
        let Some(file) = folder.create_presence_file(name)? else { return Ok(None) };
        let path = folder.path().join(name);
        let failed = |operation| move |source| FileError::from_io(operation, &path, source);
        match flock::try_lock(&file) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                folder.remove_presence_file(name);
                return Err(failed("lock")(error));
            }
        }
        // From here on an error leaves the file: it may be another process's, which replaced ours
        // before it was locked. One that nobody locks is taken over.
        let identity = Identity::of(&file).map_err(failed("look at"))?;
        let there = folder.identity_at(name)? == Some(identity);
        Ok(there.then_some(Self { file, identity }))
    }

    /// The content is only a hint, so an error is ignored.
    pub(super) fn write(&self, content: &[u8]) {
        self.file.set_len(0).and_then(|()| write_at(&self.file, content, 0)).ok();
    }

    pub(super) fn is_at(&self, folder: &Folder, name: &str) -> Result<bool, FileError> {
        Ok(folder.identity_at(name)? == Some(self.identity))
    }

    /// Removes the file while it is locked. A process that locks it next sees that its name is
    /// gone.
    pub(super) fn release(self, folder: &Folder, name: &str) {
        // A peer that took the lock from this process has a file of its own there.
        if self.is_at(folder, name).unwrap_or(false) {
            folder.remove_presence_file(name);
        }
        flock::unlock(&self.file).ok();
    }
}

#[cfg(test)]
impl Locked {
    pub(super) fn share(&self) -> File {
        self.file.try_clone().expect("a descriptor is left")
    }
}

impl Sight {
    /// Returns `None` if the file does not exist.
    pub(super) fn open(folder: &Folder, name: &str) -> Result<Option<Self>, FileError> {
        let Some(file) = folder.open_presence_file(name)? else { return Ok(None) };
        let path = folder.path().join(name);
        let identity =
            Identity::of(&file).map_err(|source| FileError::from_io("look at", &path, source))?;
        Ok(Some(Self { file, identity }))
    }

    pub(super) fn is_there(&self, folder: &Folder, name: &str) -> Result<bool, FileError> {
        Ok(folder.identity_at(name)? == Some(self.identity))
    }

    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; CONTENT_BYTES];
        let read = read_at(&self.file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The process that `content` names, or else the one that has the file locked.
    pub(super) fn holder(&self, content: &[u8]) -> Holder {
        let noted = Holder::noted(content);
        if !noted.is_gone {
            return noted;
        }
        let locked = Holder::of_locked(&self.file, content);
        if locked.is_gone { noted } else { locked }
    }

    pub(super) fn lock(&mut self) -> io::Result<bool> {
        flock::try_lock(&self.file)
    }

    pub(super) fn unlock(&mut self) -> io::Result<()> {
        flock::unlock(&self.file)
    }

    pub(super) fn into_locked(self) -> Option<Locked> {
        Some(Locked { file: self.file, identity: self.identity })
    }
}

/// More than any peer writes, except for a program with a very long path.
const CONTENT_BYTES: usize = 1024;
