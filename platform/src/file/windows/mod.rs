//! Windows: paths instead of an open folder, and patience with whoever has a file open.
//!
//! A virus scanner or an indexer that looks at a file makes a rename or an open fail for a moment;
//! such failures are tried again for up to two seconds. A file is never deleted to make room for
//! its successor. A folder cannot be synced, so names are changed by calls that write through. What
//! is created has an access list for its user, the system and administrators alone from its first
//! moment; what is there is checked for owner and list. A program in an AppContainer is another
//! identity than its user, so it is refused what it made itself.

mod access;
mod check;
mod native;
mod stamp;

use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io::{self, ErrorKind},
    os::windows::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use windows_sys::Win32::{
    Foundation::{
        ERROR_ACCESS_DENIED, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION, GENERIC_READ,
        GENERIC_WRITE,
    },
    Storage::FileSystem::{
        CREATE_NEW, DELETE, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_DELETE_ON_CLOSE,
        FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
        OPEN_ALWAYS, OPEN_EXISTING,
    },
};

pub use self::stamp::FileStamp;
pub(crate) use self::stamp::Identity;
use self::{
    access::Opening,
    check::{Found, Links},
    native::Replace,
};
use super::{FileError, Parents, Trust, access_list::Kind, open_file::Opened};

/// A folder that was found safe.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn open(path: &Path, place: Trust) -> Result<Option<Self>, FileError> {
        let links = match place {
            Trust::Private => Links::Seen,
            Trust::Shared => Links::Followed,
        };
        if let Some(found) = Found::at(path, links)? {
            found.check_folder(path, place)?;
            return Ok(Some(Self { path: path.to_owned() }));
        }
        // A folder in a shared place may be reached through a link, but not through one that leads
        // nowhere.
        match Found::at(path, Links::Seen)? {
            Some(link) if place == Trust::Shared => {
                Err(link.check_folder(path, place).err().unwrap_or_else(|| missing(path)))
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn create(path: &Path, parents: Parents, place: Trust) -> Result<Self, FileError> {
        if let Some(directory) = Self::open(path, place)? {
            return Ok(directory);
        }
        make_folder(path, parents)?;
        Self::open(path, place)?.ok_or_else(|| missing(path))
    }

    pub(crate) fn open_file(
        &self,
        path: &Path,
        _name: &str,
        place: Trust,
    ) -> Result<Option<Opened>, FileError> {
        let mut options = OpenOptions::new();
        // A folder, which is opened only so, is told at once from a file that is in use.
        options.read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS);
        let file = match patiently(|| options.open(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(check::explain("open", path, source, Kind::File)),
        };
        let found = Found::of(&file).map_err(|source| FileError::from_io("open", path, source))?;
        let readable_by_others = found.check_file(path, place)?;
        let stamp = FileStamp::new(&found.information);
        Ok(Some(Opened { file: Arc::new(file), stamp, readable_by_others }))
    }

    /// Opens or creates a file to lock or to touch it. While it is open nobody can delete or rename
    /// it, for it is not shared for deletion.
    pub(crate) fn open_or_create(
        &self,
        path: &Path,
        _name: &str,
        place: Trust,
    ) -> Result<File, FileError> {
        let opening = Opening {
            access: GENERIC_READ | GENERIC_WRITE,
            share: FILE_SHARE_READ | FILE_SHARE_WRITE,
            disposition: OPEN_ALWAYS,
            flags: FILE_FLAG_OPEN_REPARSE_POINT,
        };
        let file =
            patiently(|| access::open(path, opening)).map_err(|source| match source.kind() {
                ErrorKind::NotFound => missing(&self.path),
                _ => check::explain("open", path, source, Kind::File),
            })?;
        let found =
            Found::of(&file).map_err(|source| FileError::from_io("look at", path, source))?;
        found.check_file(path, place)?;
        Ok(file)
    }

    /// Creates a file that is a lock by being there and open; `None` where something has the name,
    /// or had it and is not gone yet. The system deletes it when it is closed, however its process
    /// ends. Shared as MSAL.NET shares its own: others may read it.
    pub(crate) fn create_presence_file(
        &self,
        path: &Path,
        _name: &str,
    ) -> Result<Option<File>, FileError> {
        let opening = Opening {
            access: GENERIC_READ | GENERIC_WRITE | DELETE,
            share: FILE_SHARE_READ,
            disposition: CREATE_NEW,
            flags: FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_DELETE_ON_CLOSE,
        };
        let mut refused = 0;
        loop {
            match access::open(path, opening) {
                Ok(file) => return Ok(Some(file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(missing(&self.path));
                }
                // Of a file whose deletion is pending the system says that access is denied, as of
                // a folder that this user may not write to.
                Err(error) if is_in_use(&error) => {
                    if !matches!(Identity::at(path), Ok(None)) {
                        return Ok(None);
                    }
                    refused += 1;
                    if refused == REFUSALS {
                        return Err(FileError::from_io("create", path, error));
                    }
                }
                Err(error) => return Err(check::explain("create", path, error, Kind::File)),
            }
        }
    }

    /// Opens a lock file that some program made, so that nobody else can write to it or remove it;
    /// `None` where another program has it open, or nothing lies there.
    pub(crate) fn claim_presence_file(&self, path: &Path) -> Result<Option<File>, FileError> {
        let opening = Opening {
            access: GENERIC_READ | GENERIC_WRITE | DELETE,
            share: FILE_SHARE_READ,
            disposition: OPEN_EXISTING,
            flags: FILE_FLAG_OPEN_REPARSE_POINT,
        };
        match access::open(path, opening) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_in_use(&error) || error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(check::explain("open", path, error, Kind::File)),
        }
    }

    /// Which file has the name, if any has.
    pub(crate) fn identity_at(&self, name: &str) -> io::Result<Option<Identity>> {
        Identity::at(&self.path.join(name))
    }

    /// Whether the name is taken; an error where this user may not take it away. It is not taken
    /// away.
    pub(crate) fn check_unlink(&self, name: &str) -> io::Result<bool> {
        let opening = Opening {
            access: DELETE,
            share: FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            disposition: OPEN_EXISTING,
            flags: FILE_FLAG_OPEN_REPARSE_POINT,
        };
        let path = self.path.join(name);
        match patiently(|| access::open(&path, opening)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The names in the folder that are text.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    /// Creates a file that nobody had, for this user alone whatever its folder hands down.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        let opening = Opening {
            access: GENERIC_WRITE,
            share: FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            disposition: CREATE_NEW,
            flags: FILE_FLAG_OPEN_REPARSE_POINT,
        };
        let path = self.path.join(name);
        patiently(|| access::open(&path, opening))
    }

    /// Whether the name is taken; an error where what has it must not be replaced.
    pub(crate) fn check(&self, path: &Path, _name: &str, place: Trust) -> Result<bool, FileError> {
        match Found::at(path, Links::Seen)? {
            Some(found) => found.check_file(path, place).map(|_| true),
            None => Ok(false),
        }
    }

    /// An error where what has the name is not a file of ours, whoever else may use it.
    pub(crate) fn check_removable(&self, path: &Path, _name: &str) -> Result<(), FileError> {
        let found = Found::at(path, Links::Seen)?;
        found.map_or(Ok(()), |found| found.check_ours(path, Kind::File))
    }

    pub(crate) fn unlink(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        patiently(|| fs::remove_file(&path))
    }

    /// Where a reader has the file open, the plain call is refused. The standard library then
    /// renames with POSIX semantics, which readers that share the file for deletion do not hinder;
    /// that call cannot be told to write through.
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

/// Has the system delete an open file when it is closed.
pub(crate) fn delete_when_closed(file: &File) -> io::Result<()> {
    native::delete_when_closed(file)
}

/// Who may rename what lies above a place is not looked at.
pub(crate) fn check_above(_path: &Path) -> Result<(), FileError> {
    Ok(())
}

/// Who may not is told so by the system.
pub(crate) fn may_make(_path: &Path) -> bool {
    true
}

/// Opens what lies at `path` to read a few bytes of it, and follows no link.
pub(crate) fn open_to_look(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)
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

/// Creates a folder and, if wanted, those above it. It may be there: another process is as quick.
fn make_folder(path: &Path, parents: Parents) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(path);
    match access::create_folder(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        made => return made_or_there(path, made),
    }
    if parents == Parents::Require || parent == path || parent.as_os_str().is_empty() {
        return Err(missing(parent));
    }
    make_folder(parent, parents)?;
    made_or_there(path, access::create_folder(path))
}

fn made_or_there(path: &Path, made: io::Result<()>) -> Result<(), FileError> {
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(FileError::from_io("create", path, error))
        }
        _ => Ok(()),
    }
}

fn missing(path: &Path) -> FileError {
    FileError::MissingParent { path: path.to_owned() }
}

/// Tries again while another program has the file open. The pauses begin short, for most have it
/// open for an instant only, and have jitter, so that two who wait for each other do not move in
/// step.
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

/// Between two of them a file whose deletion was pending is gone.
const REFUSALS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LAST_PAUSE: Duration = Duration::from_millis(10);
