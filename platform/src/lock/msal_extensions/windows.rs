//! Windows: the lock is an open handle with a share mode that lets others only read.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use super::super::Holder;
use crate::file::{
    FileError, FileStamp, Folder, Identity, delete_when_closed, read_at, stamp, write_at,
};

/// The lock file, created or taken over, and open.
#[derive(Debug)]
pub(super) struct Locked {
    file: File,
    identity: Identity,
    taken_over: bool,
}

/// The lock file of another process. It is not kept open, because that would block its holder. A
/// later file with the same identity has another write time.
#[derive(Debug)]
pub(super) struct Sight {
    folder: Folder,
    name: String,
    path: PathBuf,
    stamp: FileStamp,
    identity: Identity,
    claim: Option<File>,
}

impl Locked {
    /// Returns `None` if the name is taken.
    pub(super) fn create(folder: &Folder, name: &str) -> Result<Option<Self>, FileError> {
        let Some(file) = folder.create_presence_file(name)? else { return Ok(None) };
        let path = folder.path().join(name);
        let identity =
            Identity::of(&file).map_err(|source| FileError::from_io("look at", &path, source))?;
        Ok(Some(Self { file, identity, taken_over: false }))
    }

    /// The content is only a hint, so an error is ignored.
    pub(super) fn write(&self, content: &[u8]) {
        self.file.set_len(0).and_then(|()| write_at(&self.file, content, 0)).ok();
    }

    pub(super) fn is_at(&self, folder: &Folder, name: &str) -> Result<bool, FileError> {
        Ok(folder.identity_at(name)? == Some(self.identity))
    }

    /// A created file is deleted by the system when its handle closes. A file that was taken over
    /// must be marked for deletion first.
    pub(super) fn release(self, _folder: &Folder, _name: &str) {
        if self.taken_over {
            delete_when_closed(&self.file).ok();
        }
    }
}

impl Sight {
    /// Returns `None` if the file does not exist.
    pub(super) fn open(folder: &Folder, name: &str) -> Result<Option<Self>, FileError> {
        folder.check_presence_file(name)?;
        let path = folder.path().join(name);
        let Some(stamp) = stamp(&path)? else { return Ok(None) };
        let Some(identity) = folder.identity_at(name)? else { return Ok(None) };
        // A folder of its own, because a watch outlives the call that begins it.
        let Some(folder) = Folder::open_shared(folder.path())? else { return Ok(None) };
        Ok(Some(Self { folder, name: name.to_owned(), path, stamp, identity, claim: None }))
    }

    pub(super) fn is_there(&self, _folder: &Folder, _name: &str) -> Result<bool, FileError> {
        Ok(stamp(&self.path)?.as_ref() == Some(&self.stamp))
    }

    /// The content. Empty if the process that has the file open does not let others read it.
    #[expect(clippy::unnecessary_wraps, reason = "it fails on Unix")]
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        let Some(claim) = &self.claim else { return Ok(fs::read(&self.path).unwrap_or_default()) };
        let mut bytes = vec![0; CONTENT_BYTES];
        let read = read_at(claim, &mut bytes, 0).unwrap_or(0);
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The process that `content` names.
    #[expect(clippy::unused_self, reason = "Unix asks the flock, too")]
    pub(super) fn holder(&self, content: &[u8]) -> Holder {
        Holder::noted(content)
    }

    pub(super) fn lock(&mut self) -> io::Result<bool> {
        let claim = self.folder.claim_presence_file(&self.name).map_err(io::Error::other)?;
        // A file with another identity was created after the look.
        let same = |file: &File| Identity::of(file).is_ok_and(|found| found == self.identity);
        self.claim = claim.filter(same);
        Ok(self.claim.is_some())
    }

    #[expect(clippy::unnecessary_wraps, reason = "it fails on Unix")]
    pub(super) fn unlock(&mut self) -> io::Result<()> {
        self.claim = None;
        Ok(())
    }

    pub(super) fn into_locked(self) -> Option<Locked> {
        let identity = self.identity;
        self.claim.map(|file| Locked { file, identity, taken_over: true })
    }
}

/// More than any peer writes, except for a program with a very long path.
const CONTENT_BYTES: usize = 1024;
