//! Stamps of files, taken without a handle that stays open.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::windows::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES,
};

use super::{native, patiently};
use crate::file::recent::is_recent;

/// The state of a file at one moment: its volume and file id, its size and its write time. No
/// handle is kept, because an open handle blocks every writer.
///
/// If two stamps differ, the file was changed. NTFS never reuses the id of a file. On a file system
/// that does, a file that was replaced twice within the resolution of its clock may get the same
/// stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp {
    identity: Identity,
    size: u64,
    written: u64,
}

impl FileStamp {
    /// Whether the file was written so recently that a later change may get the same time. An equal
    /// stamp then does not prove that a file which programs change in place is still the same.
    #[must_use]
    pub fn is_recent(&self) -> bool {
        let Some(since_1970) = self.written.checked_sub(FROM_1601_TO_1970) else { return false };
        let since = Duration::from_micros(since_1970 / 10);
        is_recent(UNIX_EPOCH + since, SystemTime::now())
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match patiently(|| look_at(path)) {
            Ok(file) => Ok(Some(Self::new(&native::information(&file)?))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The stamp of a file after its rename to `path`.
    pub(crate) fn of_renamed(path: &Path, _file: Option<File>) -> io::Result<Self> {
        Self::at(path)?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn new(found: &BY_HANDLE_FILE_INFORMATION) -> Self {
        let written = found.ftLastWriteTime;
        Self {
            identity: Identity::new(found),
            size: joined(found.nFileSizeHigh, found.nFileSizeLow),
            written: joined(written.dwHighDateTime, written.dwLowDateTime),
        }
    }
}

/// Identifies a file: the volume's serial number and the file's id on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    volume: u32,
    file: u64,
}

impl Identity {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::new(&native::information(file)?))
    }

    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(FileStamp::at(path)?.map(|stamp| stamp.identity))
    }

    fn new(found: &BY_HANDLE_FILE_INFORMATION) -> Self {
        let file = joined(found.nFileIndexHigh, found.nFileIndexLow);
        Self { volume: found.dwVolumeSerialNumber, file }
    }
}

/// Opens whatever is at `path`, including a link itself, without conflicting with other handles.
fn look_at(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.access_mode(FILE_READ_ATTRIBUTES);
    // Windows opens a folder only with `BACKUP_SEMANTICS`.
    options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
    options.open(path)
}

fn joined(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// In units of 100 ns, as FILETIME counts them:
/// <https://learn.microsoft.com/windows/win32/api/minwinbase/ns-minwinbase-filetime>.
const FROM_1601_TO_1970: u64 = 11_644_473_600 * 10_000_000;
