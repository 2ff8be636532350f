//! A file that is open for reading and was checked.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{FileError, opened::Opened, os, os::FileStamp};

/// A regular file that passed the checks of its [`Folder`](super::Folder).
///
/// Reads come from this very file, even if another file has taken its name since.
#[derive(Debug)]
pub struct OpenFile {
    path: PathBuf,
    file: Arc<File>,
    stamp: FileStamp,
    readable_by_others: bool,
}

impl OpenFile {
    pub(super) fn new(path: PathBuf, opened: Opened) -> Self {
        let Opened { file, stamp, readable_by_others } = opened;
        Self { path, file, stamp, readable_by_others }
    }

    /// The path that the file was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's stamp when it was opened, taken before any byte was read.
    ///
    /// On Unix the stamp keeps the descriptor open, so no later file can have the same stamp.
    #[must_use]
    pub fn stamp(&self) -> FileStamp {
        self.stamp.clone()
    }

    /// The size in bytes when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.stamp.size()
    }

    /// Whether the file was empty when it was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether its mode or its access list lets other users read it. Only possible in a shared
    /// place.
    #[must_use]
    pub fn readable_by_others(&self) -> bool {
        self.readable_by_others
    }

    /// Reads the first `max` bytes, or the whole file if it is shorter.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] if reading fails.
    pub fn read_head(&self, max: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let size = usize::try_from(self.len()).unwrap_or(usize::MAX).min(max);
        let mut bytes = Zeroizing::new(vec![0; size]);
        let read = self.fill(&mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Reads the whole file if it has at most `limit` bytes.
    ///
    /// The content may be torn if another program writes the file in place. A file that is replaced
    /// is never torn.
    ///
    /// # Errors
    ///
    /// [`FileError::TooLarge`] before anything is allocated; [`FileError::Io`] if reading fails.
    pub fn read_all(&self, limit: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let mut size = self.len();
        loop {
            let too_large = || FileError::TooLarge { path: self.path.clone(), size, limit };
            if size > limit {
                return Err(too_large());
            }
            let expected = usize::try_from(size).map_err(|_| too_large())?;
            // One spare byte detects a file that has grown since the size was taken.
            let mut bytes = Zeroizing::new(vec![0; expected.checked_add(1).ok_or_else(too_large)?]);
            let read = self.fill(&mut bytes)?;
            if read <= expected {
                bytes.truncate(read);
                return Ok(bytes);
            }
            let now = self.file.metadata().map_err(|source| self.error(source))?.len();
            // At least one byte more than before, so that a stale size cannot loop forever.
            size = now.max(size + 1);
        }
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<usize, FileError> {
        let mut read = 0;
        while read < bytes.len() {
            // At an offset: clones of the file in other threads share its position.
            match os::read_at(&self.file, &mut bytes[read..], read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(read)
    }

    fn error(&self, source: io::Error) -> FileError {
        FileError::from_io("read", &self.path, source)
    }
}
