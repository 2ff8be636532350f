//! Windows: paths instead of an open folder, and patience with whoever has a file open.
//!
//! A virus scanner or an indexer that looks at a file makes a rename or an open fail for a moment; such
//! failures are tried again for up to two seconds. A file is never deleted to make room for its
//! successor. The entry of a folder cannot be synced; it is as durable as the file system's journal.
//! Files and folders inherit the access list of the user's profile, so no mode is checked.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io::{self, ErrorKind},
    os::windows::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{FileError, Parents, Place};

/// A folder that was found safe.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

/// A file that passed the checks.
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    pub(crate) stamp: FileStamp,
    pub(crate) readable_by_others: bool,
}

impl Directory {
    pub(crate) fn open(path: &Path, place: Place) -> Result<Option<Self>, FileError> {
        let Some(found) = look_at(path)? else { return Ok(None) };
        let found = match place {
            Place::Shared if found.is_symlink() => {
                fs::metadata(path).map_err(|source| FileError::from_io("open", path, source))?
            }
            _ => found,
        };
        if !found.is_dir() {
            return Err(unexpected(path, &found));
        }
        Ok(Some(Self { path: path.to_owned() }))
    }

    pub(crate) fn create(path: &Path, parents: Parents, place: Place) -> Result<Self, FileError> {
        if let Some(directory) = Self::open(path, place)? {
            return Ok(directory);
        }
        let made = match parents {
            Parents::Create => fs::create_dir_all(path),
            Parents::Require => fs::create_dir(path),
        };
        match made {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(path).to_owned();
                return Err(FileError::MissingParent { path: parent });
            }
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(FileError::from_io("create", path, error));
            }
            _ => {}
        }
        Self::open(path, place)?.ok_or_else(|| FileError::MissingParent { path: path.to_owned() })
    }

    pub(crate) fn open_file(
        &self,
        path: &Path,
        _name: &str,
        _place: Place,
    ) -> Result<Option<Opened>, FileError> {
        let failed = |source| FileError::from_io("open", path, source);
        let open = || OpenOptions::new().read(true).custom_flags(OPEN_LINK_ITSELF).open(path);
        let file = match patiently(open) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(match look_at(path) {
                    Ok(Some(found)) if !found.is_file() => unexpected(path, &found),
                    _ => failed(source),
                });
            }
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(unexpected(path, &metadata));
        }
        let stamp = FileStamp::new(&metadata);
        Ok(Some(Opened { file: Arc::new(file), stamp, readable_by_others: false }))
    }

    /// Opens a file of ours to lock it. While it is open nobody can delete or rename it, for it is not
    /// shared for deletion.
    pub(crate) fn open_lock_file(&self, path: &Path, _name: &str) -> Result<File, FileError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.share_mode(SHARE_READ | SHARE_WRITE).custom_flags(OPEN_LINK_ITSELF);
        let file = patiently(|| options.open(path)).map_err(|source| match source.kind() {
            ErrorKind::NotFound => FileError::MissingParent { path: self.path.clone() },
            _ => FileError::from_io("open", path, source),
        })?;
        let metadata =
            file.metadata().map_err(|source| FileError::from_io("look at", path, source))?;
        if !metadata.is_file() {
            return Err(unexpected(path, &metadata));
        }
        Ok(file)
    }

    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        let path = self.path.join(name);
        patiently(|| OpenOptions::new().write(true).create_new(true).open(&path))
    }

    /// Whether the name is taken; an error where what has it must not be replaced.
    pub(crate) fn check(&self, path: &Path, _name: &str, _place: Place) -> Result<bool, FileError> {
        match look_at(path)? {
            Some(found) if !found.is_file() => Err(unexpected(path, &found)),
            found => Ok(found.is_some()),
        }
    }

    pub(crate) fn check_removable(&self, path: &Path, name: &str) -> Result<(), FileError> {
        self.check(path, name, Place::Private).map(drop)
    }

    pub(crate) fn unlink(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        patiently(|| fs::remove_file(&path))
    }

    /// The standard library renames with POSIX semantics where the system has them, so readers that
    /// share the file for deletion do not hinder it.
    pub(crate) fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        patiently(|| fs::rename(&from, &to))
    }

    /// Fails with `AlreadyExists` where the name is taken.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (source, target) = (self.path.join(from), self.path.join(to));
        match patiently(|| fs::hard_link(&source, &target)) {
            Ok(()) => patiently(|| fs::remove_file(&source)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // A file system without hard links; the store's lock keeps the two steps together.
            Err(_) => match fs::symlink_metadata(&target) {
                Ok(_) => Err(ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == ErrorKind::NotFound => self.rename_over(from, to),
                Err(error) => Err(error),
            },
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(bytes, offset)
}

pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}

/// A file must be closed before it is renamed.
pub(crate) fn keep_open(file: Option<File>) -> Option<File> {
    drop(file);
    None
}

/// What a file was at one moment: its size, creation and write time. No handle is kept, for an
/// open handle stops every writer.
///
/// Two stamps that differ mean that the file was changed. The times have a resolution of 100 ns, so two
/// replacements of equal size within that time look the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp {
    size: u64,
    created: u64,
    written: u64,
}

impl FileStamp {
    /// The size of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Whether the file was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match patiently(|| fs::symlink_metadata(path)) {
            Ok(metadata) => Ok(Some(Self::new(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The stamp of a file after it was renamed to `path`.
    pub(crate) fn of_renamed(path: &Path, _file: Option<File>) -> io::Result<Self> {
        Self::at(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn new(metadata: &Metadata) -> Self {
        Self {
            size: metadata.file_size(),
            created: metadata.creation_time(),
            written: metadata.last_write_time(),
        }
    }
}

/// Which file it is. A lock file keeps its path while it is open here, so all are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity;

impl Identity {
    pub(crate) fn of(_file: &File) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn at(_path: &Path) -> io::Result<Option<Self>> {
        Ok(Some(Self))
    }
}

fn look_at(path: &Path) -> Result<Option<Metadata>, FileError> {
    match patiently(|| fs::symlink_metadata(path)) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::from_io("look at", path, source)),
    }
}

fn unexpected(path: &Path, found: &Metadata) -> FileError {
    let found = if found.is_symlink() {
        "is a symbolic link"
    } else if found.is_dir() {
        "is a directory"
    } else {
        "is a file, not a folder"
    };
    let mend = format!("move `{}` away, or name another place", path.display());
    FileError::Unsafe { path: path.to_owned(), found: found.to_owned(), mend }
}

/// Tries again while another program has the file open.
fn patiently<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut began = None;
    loop {
        match call() {
            Err(error) if is_in_use(&error) => {
                if began.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return Err(error);
                }
                let jitter = RandomState::new().hash_one(0) % 15;
                thread::sleep(Duration::from_millis(1 + jitter));
            }
            result => return result,
        }
    }
}

/// `ERROR_ACCESS_DENIED`, `ERROR_SHARING_VIOLATION` and `ERROR_LOCK_VIOLATION` of winerror.h.
fn is_in_use(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(5 | 32 | 33))
}

const PATIENCE: Duration = Duration::from_secs(2);

/// `FILE_FLAG_OPEN_REPARSE_POINT` of winbase.h.
const OPEN_LINK_ITSELF: u32 = 0x0020_0000;

/// `FILE_SHARE_READ` and `FILE_SHARE_WRITE` of winnt.h.
const SHARE_READ: u32 = 1;
const SHARE_WRITE: u32 = 2;
