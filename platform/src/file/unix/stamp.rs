//! Stamps that tell whether a file is still the one that was read.

use std::{
    fs::File,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::Stat,
    io::{Errno, retry_on_intr},
};

use crate::file::recent::is_recent;

/// The state of a file at one moment. If two stamps differ, the file was changed.
///
/// The stamp of an open file keeps its descriptor open. So the inode cannot be reused, and no later
/// file has the same stamp. The descriptor is ignored in comparisons.
#[derive(Clone, Debug)]
pub struct FileStamp {
    identity: Identity,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    _pin: Option<Arc<File>>,
}

impl FileStamp {
    /// Whether the file was written so recently that a later change may get the same time. An equal
    /// stamp then does not prove that a file which programs change in place is still the same.
    #[must_use]
    pub fn is_recent(&self) -> bool {
        let (seconds, nanoseconds) = self.modified;
        let [Ok(seconds), Ok(nanoseconds)] = [seconds, nanoseconds].map(u64::try_from) else {
            return false;
        };
        let since = Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
        is_recent(UNIX_EPOCH + since, SystemTime::now())
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    #[expect(clippy::allow_attributes, reason = "which casts are needed differs by system")]
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    pub(super) fn new(stat: &Stat, pin: Option<Arc<File>>) -> Self {
        Self {
            identity: Identity::new(stat),
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            _pin: pin,
        }
    }

    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match retry_on_intr(|| rustix::fs::lstat(path)) {
            // Nothing is open, so nothing keeps the inode; it is only compared with a stamp that
            // does.
            Ok(stat) => Ok(Some(Self::new(&stat, None))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The stamp of a file after its rename to `path`, which changed its ctime.
    pub(crate) fn of_renamed(_path: &Path, file: Option<File>) -> io::Result<Self> {
        let file = Arc::new(file.ok_or(Errno::BADF)?);
        let stat = retry_on_intr(|| rustix::fs::fstat(&file))?;
        Ok(Self::new(&stat, Some(file)))
    }
}

impl PartialEq for FileStamp {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
            && self.size == other.size
            && self.modified == other.modified
            && self.changed == other.changed
    }
}

impl Eq for FileStamp {}

/// Identifies a file, independent of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    #[expect(clippy::allow_attributes, reason = "which casts are needed differs by system")]
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    pub(super) fn new(stat: &Stat) -> Self {
        Self { device: stat.st_dev as u64, inode: stat.st_ino as u64 }
    }

    /// The identity of an open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::new(&retry_on_intr(|| rustix::fs::fstat(file))?))
    }

    /// The identity of the file at `path`, or `None` if nothing exists there.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(FileStamp::at(path)?.map(|stamp| stamp.identity))
    }
}
