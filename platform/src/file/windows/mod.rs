//! Windows: uses paths instead of an open folder, and retries while another program has a file
//! open.
//!
//! A virus scanner or an indexer that opens a file makes a rename or an open fail for a moment.
//! Such failures are retried for up to two seconds. A file is never deleted to make room for its
//! successor. A folder cannot be synced, so names are changed by write-through calls.
//!
//! New files and folders get an access list for only the user, the system and administrators, from
//! the first moment. Existing ones are checked for owner and list. A program in an AppContainer has
//! an identity different from its user, so it is refused files that it created itself.

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
use super::{FileError, Parents, Trust, access_list::Kind, opened::Opened};

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
        // A folder in a shared place may be reached through a link, but not through a dangling one.
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
        // The flag also opens a folder, which is then reported as one instead of as a file in use.
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

    /// Opens or creates a file for locking or touching it. While it is open it cannot be deleted or
    /// renamed, because it is not shared for deletion.
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

    /// Creates a file whose existence as an open file is a lock. Returns `None` if the name is
    /// taken, or its deletion is still pending. The system deletes the file when it is closed,
    /// however the process ends. The share mode is that of MSAL.NET: others may read.
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
                // For a file whose deletion is pending the system reports access denied, the same
                // as for a folder that this user may not write to.
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

    /// Opens a lock file that any program created, so that no other process can write or remove it.
    /// Returns `None` if another program has it open, or it does not exist.
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

    /// The identity of the file with this name, or `None` if there is none.
    pub(crate) fn identity_at(&self, name: &str) -> io::Result<Option<Identity>> {
        Identity::at(&self.path.join(name))
    }

    /// Whether the name is taken. Fails if this user may not remove it. Removes nothing.
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

    /// The names in the folder that are valid Unicode.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    /// Creates a new file for only this user, whatever its folder would pass on.
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

    /// Whether the name is taken. Fails if the file with that name must not be replaced.
    pub(crate) fn check(&self, path: &Path, _name: &str, place: Trust) -> Result<bool, FileError> {
        match Found::at(path, Links::Seen)? {
            Some(found) => found.check_file(path, place).map(|_| true),
            None => Ok(false),
        }
    }

    /// Fails if the name is taken by anything but a file of this user, whatever its access list.
    pub(crate) fn check_removable(&self, path: &Path, _name: &str) -> Result<(), FileError> {
        let found = Found::at(path, Links::Seen)?;
        found.map_or(Ok(()), |found| found.check_ours(path, Kind::File))
    }

    pub(crate) fn unlink(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        patiently(|| fs::remove_file(&path))
    }

    /// Renames over an existing file. The write-through call is refused while a reader has the file
    /// open. Then the standard library renames with POSIX semantics, which is not blocked by
    /// readers that share the file for deletion. That call cannot write through.
    pub(crate) fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        patiently(|| match native::rename(&from, &to, Replace::Yes) {
            Err(error) if has_code(&error, ERROR_ACCESS_DENIED) => fs::rename(&from, &to),
            done => done,
        })
    }

    /// Renames without replacing. Fails with `AlreadyExists` if the name is taken.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path.join(from), self.path.join(to));
        patiently(|| native::rename(&from, &to, Replace::No))
    }

    // Nothing to do: each change of names has already been written through.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes the system delete an open file when it is closed.
pub(crate) fn delete_when_closed(file: &File) -> io::Result<()> {
    native::delete_when_closed(file)
}

/// Not checked on Windows.
pub(crate) fn check_above(_path: &Path) -> Result<(), FileError> {
    Ok(())
}

/// Always true: the system itself reports missing rights.
pub(crate) fn may_make(_path: &Path) -> bool {
    true
}

/// Opens the file at `path` to read a few bytes. Follows no link.
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

/// Closes the file, because an open file cannot be renamed.
pub(crate) fn keep_open(file: Option<File>) -> Option<File> {
    drop(file);
    None
}

/// Creates a folder and, if requested, its parents. Another process may have created it first.
fn make_folder(path: &Path, parents: Parents) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(path);
    match access::create_folder(path) {
        // A parent is missing, and is made below if that was requested.
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

/// Retries `call` while another program has the file open. The pauses start short, because most
/// programs have it open only for an instant. They have jitter so that two waiting programs do not
/// retry in step.
fn patiently<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let (mut began, mut mean) = (None, FIRST_PAUSE);
    loop {
        match call() {
            Err(error) if is_in_use(&error) => {
                if began.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return Err(error);
                }
                // Random enough for a pause, without asking the system: the keys of the hash are
                // random.
                let jitter = RandomState::new().hash_one(0) % 1024;
                // The factor is between 0.5 and 1.5.
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

/// Attempts before the refusal counts as real. A pending deletion completes between two of them.
const REFUSALS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LAST_PAUSE: Duration = Duration::from_millis(10);
