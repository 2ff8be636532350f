//! A folder that stores files, and the steps of a durable write.

use std::{
    fs::File,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use super::{FileError, FileStamp, Identity, OpenFile, Parents, SignalFile, Trust, os, signal};

/// A folder that was opened and found safe.
///
/// On Unix all names are relative to the open folder, even if another folder takes its path later.
/// On Windows names are relative to the path.
///
/// On Windows a mode of 0700 or 0600 means a protected access list that grants only this user,
/// SYSTEM and Administrators. Those two may also own what is opened.
///
/// A writer must hold the store's lock. The temporary file of `NAME` is `NAME.tmp`; an existing one
/// was left by a writer that was killed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    place: Trust,
    directory: os::Directory,
}

impl Folder {
    /// Opens a store's own folder. Returns `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] if it is not a folder, is a link, belongs to another user or can be
    /// entered by others; [`FileError::PermissionDenied`] and [`FileError::Io`] from the system.
    pub fn open(path: &Path) -> Result<Option<Self>, FileError> {
        Self::open_in(path, Trust::Private)
    }

    /// Opens a folder that other programs use too; see [`Trust::Shared`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but only a folder that others may change is [`FileError::Unsafe`].
    pub fn open_shared(path: &Path) -> Result<Option<Self>, FileError> {
        Self::open_in(path, Trust::Shared)
    }

    /// Opens a store's own folder. Creates it if it is missing, with mode 0700 from the first
    /// moment.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`FileError::MissingParent`] if `parents` must exist and do not.
    pub fn create(path: &Path, parents: Parents) -> Result<Self, FileError> {
        Self::create_in(path, parents, Trust::Private)
    }

    /// Opens a folder that other programs use too. Creates it with mode 0700 if it is missing.
    ///
    /// # Errors
    ///
    /// As [`open_shared`](Self::open_shared); [`FileError::MissingParent`] if `parents` must exist
    /// and do not.
    pub fn create_shared(path: &Path, parents: Parents) -> Result<Self, FileError> {
        Self::create_in(path, parents, Trust::Shared)
    }

    /// Opens the folder by the rules of `place`. Returns `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_in(path: &Path, place: Trust) -> Result<Option<Self>, FileError> {
        let path = without_trailing_slash(path);
        let directory = os::Directory::open(&path, place)?;
        Ok(directory.map(|directory| Self { path, place, directory }))
    }

    /// Opens the folder by the rules of `place`. Creates it if it is missing.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_in(path: &Path, parents: Parents, place: Trust) -> Result<Self, FileError> {
        let path = without_trailing_slash(path);
        let directory = os::Directory::create(&path, parents, place)?;
        Ok(Self { path, place, directory })
    }

    /// The path that the folder was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file for reading. Returns `None` if it does not exist. Never blocks, not even on a
    /// FIFO.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] if it is not a regular file that only this user may use (see
    /// [`Trust`]); [`FileError::PermissionDenied`] and [`FileError::Io`] from the system.
    pub fn open_file(&self, name: &str) -> Result<Option<OpenFile>, FileError> {
        let path = self.path_of(name)?;
        let opened = self.directory.open_file(&path, name, self.place)?;
        Ok(opened.map(|opened| OpenFile::new(path, opened)))
    }

    /// Replaces or creates a file, with mode 0600 from the first moment. When this returns `Ok`,
    /// the bytes are on the disk. A reader finds either the complete old or the complete new
    /// content, even after a power cut at any moment.
    ///
    /// Returns the stamp of the new file. A failed sync is never retried on the same file. In a
    /// [shared](Trust::Shared) folder the file is touched once more under its final name. So
    /// programs that watch for that, or compare its time with the clock, see the change.
    ///
    /// # Errors
    ///
    /// [`FileError::NotDurable`] after the new content became visible. With every other error the
    /// old content is intact and no temporary file is left: [`FileError::NoSpace`],
    /// [`FileError::ReadOnly`], [`FileError::PermissionDenied`], [`FileError::Unsafe`] if the name
    /// is taken by anything but a file of this user, [`FileError::MissingParent`] if the folder was
    /// removed, [`FileError::Io`].
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<FileStamp, FileError> {
        let path = self.path_of(name)?;
        let existed = self.directory.check(&path, name, self.place)?;
        let temporary = self.write_temporary(name, bytes)?;
        let kept = temporary.rename_over(name, &path)?;
        self.settle(&path, existed)?;
        if self.place == Trust::Shared {
            // Before the stamp below is taken, because this changes the file's times.
            self.tell(name, kept.as_ref());
        }
        FileStamp::of_renamed(&path, kept).map_err(|source| FileError::NotDurable { path, source })
    }

    /// Overwrites a small file in place, and creates it if it is missing. It is not durable, and
    /// after a kill it may hold a part. Only who holds a lock for it may read or write it.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] if the name is taken by anything but a file of this user;
    /// [`FileError::NoSpace`], [`FileError::ReadOnly`], [`FileError::PermissionDenied`],
    /// [`FileError::MissingParent`], [`FileError::Io`].
    pub fn overwrite(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.path_of(name)?;
        let mut file = self.open_lock_file(name)?;
        // Cut afterwards: a file that is emptied first is written to the disk at once by some file
        // systems.
        file.write_all(bytes)
            .and_then(|()| file.set_len(bytes.len() as u64))
            .map_err(|source| FileError::from_io("write", &path, source))
    }

    /// Creates a file as [`replace`](Self::replace) does, but never replaces one. Returns `false`
    /// if the name is taken. In that case, too, the name is durable afterwards.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace).
    pub fn create_new(&self, name: &str, bytes: &[u8]) -> Result<bool, FileError> {
        let path = self.path_of(name)?;
        let created = !self.directory.check(&path, name, self.place)?
            && self.write_temporary(name, bytes)?.rename_new(name, &path)?;
        // An existing file may come from a creator that was killed before its sync.
        self.settle(&path, false)?;
        Ok(created)
    }

    /// Removes a file durably. Returns `false` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] if it is not a regular file of this user; [`FileError::NotDurable`]
    /// after it was removed; [`FileError::ReadOnly`], [`FileError::PermissionDenied`],
    /// [`FileError::Io`].
    pub fn remove(&self, name: &str) -> Result<bool, FileError> {
        let path = self.path_of(name)?;
        let removed = self.unlink(name, &path)?;
        // A killed remover may have left its removal unconfirmed, so sync in any case.
        self.settle(&path, true)?;
        Ok(removed)
    }

    /// Whether a file of this name exists and, as far as can be told, could be removed. Changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub fn check_removal(&self, name: &str) -> Result<bool, FileError> {
        let path = self.path_of(name)?;
        self.directory.check_removable(&path, name)?;
        let checked = self.directory.check_unlink(name);
        checked.map_err(|source| FileError::from_io("remove", &path, source))
    }

    /// The names in the folder, unordered. Names that are not UTF-8 are omitted.
    ///
    /// # Errors
    ///
    /// [`FileError::PermissionDenied`] and [`FileError::Io`] from the system.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let names = self.directory.names();
        names.map_err(|source| FileError::from_io("list", &self.path, source))
    }

    /// Renames a file within the folder, durably. Never replaces one.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] whose source is `AlreadyExists` or `NotFound`; [`FileError::Unsafe`] if it
    /// is not a regular file of this user; otherwise as [`remove`](Self::remove).
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (path, target) = (self.path_of(from)?, self.path_of(to)?);
        self.directory.check_removable(&path, from)?;
        self.directory
            .rename_new(from, to)
            .map_err(|source| FileError::from_io("rename", &path, source))?;
        self.settle(&target, true)
    }

    /// Removes the temporary file that a killed writer of `name` left behind.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove), without the promise of durability.
    pub fn sweep(&self, name: &str) -> Result<(), FileError> {
        self.discard(&temporary_name(name))
    }

    /// Removes a file that holds nothing of value.
    pub(super) fn discard(&self, name: &str) -> Result<(), FileError> {
        let path = self.path_of(name)?;
        self.unlink(name, &path).map(drop)
    }

    /// Proves that a file of this name could be written: writes and syncs its temporary file, then
    /// removes it. The temporary file is 64 KiB larger than the file, at most 64 MiB. So a disk
    /// without room for the next save is reported as full.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace), and as [`open_file`](Self::open_file).
    pub fn probe(&self, name: &str) -> Result<(), FileError> {
        let size = size_of_next(self.open_file(name)?.as_ref());
        // Dropped once it is on the disk, which removes it.
        self.write_temporary(name, &vec![0; size]).map(drop)
    }

    /// Opens a file to touch it later. Creates it empty if it is missing, with mode 0600 from the
    /// first moment. Its content is neither read nor changed.
    ///
    /// # Errors
    ///
    /// As [`open_file`](Self::open_file); [`FileError::ReadOnly`].
    pub fn signal(&self, name: &str) -> Result<SignalFile, FileError> {
        let path = self.path_of(name)?;
        let file = self.directory.open_or_create(&path, name, self.place)?;
        Ok(SignalFile::new(path, file))
    }

    /// Makes the current names in the folder durable: a killed writer may have left one
    /// unconfirmed.
    ///
    /// # Errors
    ///
    /// [`FileError::NotDurable`].
    pub fn confirm(&self) -> Result<(), FileError> {
        self.settle(&self.path, true)
    }

    /// Opens or creates a file for locking, read-write, without truncating it.
    pub(crate) fn open_lock_file(&self, name: &str) -> Result<File, FileError> {
        let path = self.path_of(name)?;
        self.directory.open_or_create(&path, name, Trust::Private)
    }

    /// Creates a file whose existence is a lock. Returns `None` if the name is taken.
    pub(crate) fn create_presence_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name)?;
        self.directory.create_presence_file(&path, name)
    }

    /// Fails if the name is taken by anything but a regular file of this user, whatever its access
    /// list.
    #[cfg(windows)]
    pub(crate) fn check_presence_file(&self, name: &str) -> Result<(), FileError> {
        let path = self.path_of(name)?;
        self.directory.check_removable(&path, name)
    }

    /// Opens a file whose existence is a lock, whichever program made it, read-write. Returns
    /// `None` if it does not exist.
    #[cfg(unix)]
    pub(crate) fn open_presence_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name)?;
        self.directory.open_presence_file(&path, name)
    }

    /// Opens such a file so that no other process can write or remove it. Returns `None` if it is
    /// in use or gone.
    #[cfg(windows)]
    pub(crate) fn claim_presence_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name)?;
        self.directory.claim_presence_file(&path)
    }

    /// Removes a lock file. On failure it is left for other programs to find stale.
    #[cfg(unix)]
    pub(crate) fn remove_presence_file(&self, name: &str) {
        self.directory.unlink(name).ok();
    }

    /// The identity of the file with this name, or `None` if there is none.
    pub(crate) fn identity_at(&self, name: &str) -> Result<Option<Identity>, FileError> {
        let path = self.path_of(name)?;
        self.directory
            .identity_at(name)
            .map_err(|source| FileError::from_io("look at", &path, source))
    }

    fn path_of(&self, name: &str) -> Result<PathBuf, FileError> {
        // A name with a separator or `..` could lead out of the folder that was checked.
        let path = self.path.join(name);
        if path.parent() == Some(self.path.as_path()) && path.file_name() == Some(name.as_ref()) {
            return Ok(path);
        }
        let source = io::Error::new(ErrorKind::InvalidInput, "not a plain file name");
        Err(FileError::Io { operation: "use the name", path, source })
    }

    fn write_temporary(&self, name: &str, bytes: &[u8]) -> Result<Temporary<'_>, FileError> {
        let name = temporary_name(name);
        let path = self.path_of(&name)?;
        let created = match self.directory.create_file(&name) {
            // Left by a killed writer. The caller holds the lock, so no other writer is using it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.unlink(&name, &path)?;
                self.directory.create_file(&name)
            }
            created => created,
        };
        let file = created.map_err(|source| match source.kind() {
            ErrorKind::NotFound => FileError::MissingParent { path: self.path.clone() },
            _ => FileError::from_io("create", &path, source),
        })?;
        // From here on every error removes the file.
        let mut temporary = Temporary { folder: self, name, file: Some(file) };
        temporary.fill(bytes, &path)?;
        Ok(temporary)
    }

    /// Touches the file: its times were set before the rename, and from a clock that may stand
    /// still for milliseconds. If this fails, other programs may see the change later; nothing else
    /// is affected.
    fn tell(&self, name: &str, kept: Option<&File>) {
        match kept {
            Some(file) => signal::touch(file).ok(),
            None => self.signal(name).and_then(|file| file.touch()).ok(),
        };
    }

    fn unlink(&self, name: &str, path: &Path) -> Result<bool, FileError> {
        self.directory.check_removable(path, name)?;
        match self.directory.unlink(name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FileError::from_io("remove", path, source)),
        }
    }

    /// Makes a change of names durable. If the name is new, also syncs the folder's own name,
    /// because the creator of the folder may have been killed before it could.
    fn settle(&self, path: &Path, existed: bool) -> Result<(), FileError> {
        let synced = self.directory.sync().and_then(|()| match existed {
            true => Ok(()),
            false => os::sync_parent(&self.path),
        });
        synced.map_err(|source| FileError::NotDurable { path: path.to_owned(), source })
    }
}

/// The size of the next write of a file that has this content, generously.
pub(super) fn size_of_next(file: Option<&OpenFile>) -> usize {
    let now = file.map_or(0, OpenFile::len);
    now.saturating_add(PROBE_GROWTH).min(PROBE_LIMIT) as usize
}

/// A temporary file that is removed unless it was renamed.
struct Temporary<'a> {
    folder: &'a Folder,
    name: String,
    file: Option<File>,
}

impl Temporary<'_> {
    fn fill(&mut self, bytes: &[u8], path: &Path) -> Result<(), FileError> {
        let file = self.file.as_mut().expect("the file is taken by a rename only");
        file.write_all(bytes).map_err(|source| FileError::from_io("write", path, source))?;
        os::sync_file(file).map_err(|source| FileError::from_io("sync", path, source))
    }

    /// Returns the file if the operating system lets it stay open across a rename.
    fn rename_over(mut self, name: &str, path: &Path) -> Result<Option<File>, FileError> {
        let kept = os::keep_open(self.file.take());
        match self.folder.directory.rename_over(&self.name, name) {
            Ok(()) => {
                // An empty name tells `drop` that there is nothing left to remove.
                self.name.clear();
                Ok(kept)
            }
            Err(source) => Err(FileError::from_io("replace", path, source)),
        }
    }

    fn rename_new(mut self, name: &str, path: &Path) -> Result<bool, FileError> {
        let _kept = os::keep_open(self.file.take());
        match self.folder.directory.rename_new(&self.name, name) {
            Ok(()) => {
                self.name.clear();
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(source) => Err(FileError::from_io("create", path, source)),
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // Closed first: Windows may keep the name of an open file.
        self.file = None;
        if !self.name.is_empty() {
            // Report the first error. A leftover file is removed by the next writer.
            self.folder.directory.unlink(&self.name).ok();
        }
    }
}

/// Drops a trailing slash or dot, which would make the system follow a link that must be detected.
fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

fn temporary_name(name: &str) -> String {
    format!("{name}.tmp")
}

/// A sign-in takes about 7 KiB, so several fit.
const PROBE_GROWTH: u64 = 64 * 1024;

/// Bounds the memory that the probe of a large file takes.
const PROBE_LIMIT: u64 = 64 * 1024 * 1024;
