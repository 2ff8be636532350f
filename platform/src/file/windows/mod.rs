//! Windows: paths instead of an open folder, and patience with whoever has a file open.
//!
//! A virus scanner or an indexer that looks at a file makes a rename or an open fail for a moment; such
//! failures are tried again for up to two seconds. A file is never deleted to make room for its
//! successor. A folder cannot be synced, so names are changed by calls that write through.
//! Files and folders inherit the access list of the user's profile, so no mode is checked.

mod native;
mod stamp;

use std::{
    fs::{self, File, Metadata, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io::{self, ErrorKind},
    os::windows::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use windows_sys::Win32::{
    Foundation::{ERROR_ACCESS_DENIED, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION},
    Storage::FileSystem::{
        FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_READ, FILE_SHARE_WRITE,
    },
};

use self::native::Replace;
pub use self::stamp::FileStamp;
pub(crate) use self::stamp::Identity;
use super::{FileError, Parents, Place, open_file::Opened};

/// A folder that was found safe.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
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
        place: Place,
    ) -> Result<Option<Opened>, FileError> {
        let failed = |source| FileError::from_io("open", path, source);
        let mut options = OpenOptions::new();
        // A folder, which is opened only so, is told at once from a file that is in use.
        options.read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
        let file = match patiently(|| options.open(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(unexpected(path, &metadata));
        }
        let information = native::information(&file).map_err(failed)?;
        if place == Place::Private && information.nNumberOfLinks > 1 {
            return Err(linked(path, information.nNumberOfLinks));
        }
        let stamp = FileStamp::new(&information);
        Ok(Some(Opened { file: Arc::new(file), stamp, readable_by_others: false }))
    }

    /// Opens a file of ours to lock it. While it is open nobody can delete or rename it, for it is not
    /// shared for deletion.
    pub(crate) fn open_lock_file(&self, path: &Path, _name: &str) -> Result<File, FileError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
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

    /// Where a reader has the file open, the plain call is refused. The standard library then renames
    /// with POSIX semantics, which readers that share the file for deletion do not hinder; that call
    /// cannot be told to write through.
    pub(crate) fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        patiently(|| match native::rename(&from, &to, Replace::Yes) {
            Err(error) if has_code(&error, ERROR_ACCESS_DENIED) => fs::rename(&from, &to),
            done => done,
        })
    }

    /// Fails with `AlreadyExists` where the name is taken.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        patiently(|| native::rename(&from, &to, Replace::No))
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

fn linked(path: &Path, links: u32) -> FileError {
    let mend = format!("copy `{0}` to a new file and put that in its place", path.display());
    FileError::Unsafe { path: path.to_owned(), found: format!("has {links} hard links"), mend }
}

/// Tries again while another program has the file open. The pauses begin short, for most have it open for
/// an instant only, and have jitter, so that two who wait for each other do not move in step.
fn patiently<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let (mut began, mut mean) = (None, FIRST_PAUSE);
    loop {
        match call() {
            Err(error) if is_in_use(&error) => {
                if began.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return Err(error);
                }
                let jitter = RandomState::new().hash_one(0) % 1024;
                thread::sleep(mean.mul_f64(0.5 + jitter as f64 / 1024.0));
                mean = (mean * 3 / 2).min(LAST_PAUSE);
            }
            result => return result,
        }
    }
}

fn is_in_use(error: &io::Error) -> bool {
    [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION]
        .iter()
        .any(|code| has_code(error, *code))
}

fn has_code(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().is_some_and(|raw| raw.cast_unsigned() == code)
}

const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LAST_PAUSE: Duration = Duration::from_millis(10);
