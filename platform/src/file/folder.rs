//! A folder that a store lives in, and the steps of a durable write.

use std::{
    fs::File,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use super::{FileError, FileStamp, Identity, OpenFile, Parents, SignalFile, Trust, os, signal};

/// A folder that was opened and found safe.
///
/// All names are relative to the folder that was opened, even if another takes its path later; on
/// Windows they are relative to its path.
///
/// A mode of 0700 or 0600 means on Windows: a protected access list for this user, SYSTEM and
/// Administrators alone. Those two may also own what is opened.
///
/// Whoever writes holds the store's lock: the temporary file of `NAME` is `NAME.tmp`, and one that
/// is there already was left by a writer that was killed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    place: Trust,
    directory: os::Directory,
}

impl Folder {
    /// Opens a store's own folder; `None` where it does not exist.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] where it is not a folder, is a link, belongs to somebody else or can
    /// be entered by others; [`FileError::PermissionDenied`] and [`FileError::Io`] from the system.
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

    /// Opens a store's own folder and creates it where it is missing, 0700 from the first moment.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`FileError::MissingParent`] where `parents` must exist and do not.
    pub fn create(path: &Path, parents: Parents) -> Result<Self, FileError> {
        Self::create_in(path, parents, Trust::Private)
    }

    /// Opens a folder that other programs use too and creates it where it is missing, as 0700.
    ///
    /// # Errors
    ///
    /// As [`open_shared`](Self::open_shared); [`FileError::MissingParent`] where `parents` must
    /// exist and do not.
    pub fn create_shared(path: &Path, parents: Parents) -> Result<Self, FileError> {
        Self::create_in(path, parents, Trust::Shared)
    }

    /// Opens the folder by the rules of `place`; `None` where it does not exist.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_in(path: &Path, place: Trust) -> Result<Option<Self>, FileError> {
        let path = without_trailing_slash(path);
        let directory = os::Directory::open(&path, place)?;
        Ok(directory.map(|directory| Self { path, place, directory }))
    }

    /// Opens the folder by the rules of `place` and creates it where it is missing.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_in(path: &Path, parents: Parents, place: Trust) -> Result<Self, FileError> {
        let path = without_trailing_slash(path);
        let directory = os::Directory::create(&path, parents, place)?;
        Ok(Self { path, place, directory })
    }

    /// The path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file for reading; `None` where it does not exist. Never waits, not even for a FIFO.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] where it is not a regular file of this user's alone (see [`Trust`]);
    /// [`FileError::PermissionDenied`] and [`FileError::Io`] from the system.
    pub fn open_file(&self, name: &str) -> Result<Option<OpenFile>, FileError> {
        let path = self.path_of(name)?;
        let opened = self.directory.open_file(&path, name, self.place)?;
        Ok(opened.map(|opened| OpenFile::new(path, opened)))
    }

    /// Replaces or creates a file, 0600 from the first moment. When this returns `Ok`, the bytes
    /// are on the disk; a reader, or a power cut at any moment, finds the old content or the new,
    /// whole.
    ///
    /// Returns the stamp of the new file. A sync that failed is never tried again on the same file.
    /// In a [shared](Trust::Shared) folder the file is touched once more under its name, so that
    /// programs which wait for that, or compare its time with the clock's, see the change.
    ///
    /// # Errors
    ///
    /// [`FileError::NotDurable`] after the new content became visible. With every other error the
    /// old content is intact and no temporary file is left: [`FileError::NoSpace`],
    /// [`FileError::ReadOnly`], [`FileError::PermissionDenied`], [`FileError::Unsafe`] where
    /// anything but a file of this user's lies there, [`FileError::MissingParent`] where the folder
    /// was removed, [`FileError::Io`].
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<FileStamp, FileError> {
        let path = self.path_of(name)?;
        let existed = self.directory.check(&path, name, self.place)?;
        let temporary = self.write_temporary(name, bytes)?;
        let kept = temporary.rename_over(name, &path)?;
        self.settle(&path, existed)?;
        if self.place == Trust::Shared {
            self.tell(name, kept.as_ref());
        }
        FileStamp::of_renamed(&path, kept).map_err(|source| FileError::NotDurable { path, source })
    }

    /// Creates a file as [`replace`](Self::replace) does, but never replaces one: `false` where
    /// something lies there already. That file's name is durable then, too.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace).
    pub fn create_new(&self, name: &str, bytes: &[u8]) -> Result<bool, FileError> {
        let path = self.path_of(name)?;
        let created = !self.directory.check(&path, name, self.place)?
            && self.write_temporary(name, bytes)?.rename_new(name, &path)?;
        // One that lies there already may come from a creator that was killed before its sync.
        self.settle(&path, false)?;
        Ok(created)
    }

    /// Removes a file durably; `false` where it does not exist.
    ///
    /// # Errors
    ///
    /// [`FileError::Unsafe`] where it is not a regular file of this user's;
    /// [`FileError::NotDurable`] after it was removed; [`FileError::ReadOnly`],
    /// [`FileError::PermissionDenied`], [`FileError::Io`].
    pub fn remove(&self, name: &str) -> Result<bool, FileError> {
        let path = self.path_of(name)?;
        let removed = self.unlink(name, &path)?;
        // A remover that was killed may have left the removal unconfirmed.
        self.settle(&path, true)?;
        Ok(removed)
    }

    /// Whether a file of this name lies here, and could be removed as far as that can be told.
    /// Nothing changes.
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

    /// The names of what lies here, in no order; those that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// [`FileError::PermissionDenied`] and [`FileError::Io`] from the system.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let names = self.directory.names();
        names.map_err(|source| FileError::from_io("list", &self.path, source))
    }

    /// Renames a file within the folder, durably, and never replaces one.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] whose source is `AlreadyExists` or `NotFound`; [`FileError::Unsafe`] where
    /// it is not a regular file of this user's; else as [`remove`](Self::remove).
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (path, target) = (self.path_of(from)?, self.path_of(to)?);
        self.directory.check_removable(&path, from)?;
        self.directory
            .rename_new(from, to)
            .map_err(|source| FileError::from_io("rename", &path, source))?;
        self.settle(&target, true)
    }

    /// Removes what a killed writer of `name` left behind.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove), without the promise of durability.
    pub fn sweep(&self, name: &str) -> Result<(), FileError> {
        let temporary = temporary_name(name);
        let path = self.path_of(&temporary)?;
        self.unlink(&temporary, &path).map(drop)
    }

    /// Proves that a file of this name could be written: writes and syncs its temporary file, and
    /// removes it again. The temporary file is 64 KiB larger than the file, at most 64 MiB, so that
    /// a disk without room for the next save is found full.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace), and as [`open_file`](Self::open_file).
    pub fn probe(&self, name: &str) -> Result<(), FileError> {
        let now = self.open_file(name)?.map_or(0, |file| file.len());
        let size = now.saturating_add(PROBE_GROWTH).min(PROBE_LIMIT);
        self.write_temporary(name, &vec![0; size as usize]).map(drop)
    }

    /// Opens a file to touch it later. Where it is missing it is created empty, 0600 from the first
    /// moment; what it holds is neither read nor changed.
    ///
    /// # Errors
    ///
    /// As [`open_file`](Self::open_file); [`FileError::ReadOnly`].
    pub fn signal(&self, name: &str) -> Result<SignalFile, FileError> {
        let path = self.path_of(name)?;
        let file = self.directory.open_or_create(&path, name, self.place)?;
        Ok(SignalFile::new(path, file))
    }

    /// Makes durable what the folder shows: a writer that was killed may have left a name
    /// unconfirmed.
    ///
    /// # Errors
    ///
    /// [`FileError::NotDurable`].
    pub fn confirm(&self) -> Result<(), FileError> {
        self.settle(&self.path, true)
    }

    /// Opens or creates a file for locking, for reading and writing, without truncation.
    pub(crate) fn open_lock_file(&self, name: &str) -> Result<File, FileError> {
        let path = self.path_of(name)?;
        self.directory.open_or_create(&path, name, Trust::Private)
    }

    /// Creates a file that lies there while a lock is held; `None` where something has the name.
    pub(crate) fn create_presence_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name)?;
        self.directory.create_presence_file(&path, name)
    }

    /// An error where what lies there is no regular file of this user's, whatever its mode.
    #[cfg(windows)]
    pub(crate) fn check_presence_file(&self, name: &str) -> Result<(), FileError> {
        let path = self.path_of(name)?;
        self.directory.check_removable(&path, name)
    }

    /// Opens a file that lies there while a lock is held, whoever made it, for reading and writing;
    /// `None` where nothing lies there.
    #[cfg(unix)]
    pub(crate) fn open_presence_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name)?;
        self.directory.open_presence_file(&path, name)
    }

    /// Opens such a file so that nobody else can write or remove it; `None` where it is in use or
    /// gone.
    #[cfg(windows)]
    pub(crate) fn claim_presence_file(&self, name: &str) -> Result<Option<File>, FileError> {
        let path = self.path_of(name)?;
        self.directory.claim_presence_file(&path)
    }

    /// Removes a lock file. What fails is left for others to find stale.
    #[cfg(unix)]
    pub(crate) fn remove_presence_file(&self, name: &str) {
        self.directory.unlink(name).ok();
    }

    /// Which file has the name, if any has.
    pub(crate) fn identity_at(&self, name: &str) -> Result<Option<Identity>, FileError> {
        let path = self.path_of(name)?;
        self.directory
            .identity_at(name)
            .map_err(|source| FileError::from_io("look at", &path, source))
    }

    fn path_of(&self, name: &str) -> Result<PathBuf, FileError> {
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
        let mut temporary = Temporary { folder: self, name, file: Some(file) };
        temporary.fill(bytes, &path)?;
        Ok(temporary)
    }

    /// The file got its times before it got its name, and from a clock that may stand still for
    /// milliseconds. Where this fails, other programs may see the change later, and nothing else is
    /// amiss.
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

    /// Makes a change of names durable. With the first file of a name the folder's own name too,
    /// for whoever created the folder may have been killed before that.
    fn settle(&self, path: &Path, existed: bool) -> Result<(), FileError> {
        let synced = self.directory.sync().and_then(|()| match existed {
            true => Ok(()),
            false => os::sync_parent(&self.path),
        });
        synced.map_err(|source| FileError::NotDurable { path: path.to_owned(), source })
    }
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

    /// Returns the file where the operating system lets it stay open.
    fn rename_over(mut self, name: &str, path: &Path) -> Result<Option<File>, FileError> {
        let kept = os::keep_open(self.file.take());
        match self.folder.directory.rename_over(&self.name, name) {
            Ok(()) => {
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
        self.file = None;
        if !self.name.is_empty() {
            // The error that led here is the one to report; litter is swept by the next writer.
            self.folder.directory.unlink(&self.name).ok();
        }
    }
}

/// A trailing slash or dot would make the system follow a link that must be seen.
fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

fn temporary_name(name: &str) -> String {
    format!("{name}.tmp")
}

/// A sign-in takes about 7 KiB; several fit.
const PROBE_GROWTH: u64 = 64 * 1024;

/// Bounds the memory for the probe of a file of any size.
const PROBE_LIMIT: u64 = 64 * 1024 * 1024;
