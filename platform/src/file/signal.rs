//! A file whose modification time tells other programs that something changed.

use std::{
    fs::{File, FileTimes},
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::FileError;

/// An open file that can be touched.
#[derive(Debug)]
pub struct SignalFile {
    path: PathBuf,
    file: File,
}

impl SignalFile {
    pub(super) fn new(path: PathBuf, file: File) -> Self {
        Self { path, file }
    }

    /// Moves the modification time forward: to now, or to one millisecond after the old time,
    /// whichever is later. If the file system has coarser times, the step is two seconds. So every
    /// program that compares the time sees a change, even within one clock tick or after the clock
    /// was set back.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`] or [`FileError::PermissionDenied`] if the time cannot be set or does not
    /// move.
    pub fn touch(&self) -> Result<(), FileError> {
        touch(&self.file).map_err(|source| FileError::from_io("touch", &self.path, source))
    }
}

/// Implements [`SignalFile::touch`].
pub(super) fn touch(file: &File) -> io::Result<()> {
    touch_at(file, SystemTime::now())
}

fn touch_at(file: &File, now: SystemTime) -> io::Result<()> {
    let before = file.metadata()?.modified()?;
    for step in [FINE, COARSE] {
        let next = before.checked_add(step).map_or(now, |next| next.max(now));
        file.set_times(FileTimes::new().set_accessed(now).set_modified(next))?;
        // The file system may have rounded the time down to the old one.
        if file.metadata()?.modified()? > before {
            return Ok(());
        }
    }
    Err(io::Error::other("the time of the last write does not move"))
}

/// Some programs compare whole milliseconds.
const FINE: Duration = Duration::from_millis(1);
/// FAT stores times in steps of two seconds.
const COARSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use crate::file::{Folder, Parents, stamp};

    #[test]
    fn every_touch_moves_the_time_by_a_millisecond_even_when_the_clock_stands_still_or_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared");
        let folder = Folder::create_shared(&path, Parents::Require).unwrap();
        let (signal, file) = (folder.signal("signal").unwrap(), path.join("signal"));
        let now = SystemTime::now();
        let time = || file.metadata().unwrap().modified().unwrap();
        let mut before = (time(), stamp(&file).unwrap());
        for now in [now, now, now, now - super::COARSE, SystemTime::UNIX_EPOCH] {
            super::touch_at(&signal.file, now).unwrap();
            let after = (time(), stamp(&file).unwrap());
            assert!(after.0 >= before.0 + super::FINE, "{:?} after {:?}", after.0, before.0);
            assert_ne!(after.1, before.1);
            before = after;
        }
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
