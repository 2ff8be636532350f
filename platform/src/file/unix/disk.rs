//! The differences between Unix systems: how a sync reaches the disk, and how to rename without
//! replacing.

use std::{fs::File, io};

use rustix::{
    fd::{AsFd, BorrowedFd},
    io::Errno,
};

/// Writes a file's bytes to the disk. Never retried, not even after `EINTR`: after a failed sync
/// the kernel may have marked pages as clean that were never written.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    Ok(sync(file.as_fd())?)
}

/// Writes a folder's names to the disk. File systems that cannot sync a folder report that; the
/// error is ignored.
pub(super) fn sync_folder(folder: impl AsFd) -> Result<(), Errno> {
    match sync(folder.as_fd()) {
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        result => result,
    }
}

cfg_if::cfg_if! {
    if #[cfg(target_vendor = "apple")] {
        /// On Apple systems `fsync` leaves the bytes in the drive's cache; see fcntl(2),
        /// `F_FULLFSYNC`.
        fn sync(file: BorrowedFd<'_>) -> Result<(), Errno> {
            match rustix::fs::fcntl_fullfsync(file) {
                // Network and some other file systems do not support `F_FULLFSYNC`.
                Err(Errno::NOTSUP | Errno::INVAL | Errno::NOTTY) => rustix::fs::fsync(file),
                result => result,
            }
        }
    } else {
        fn sync(file: BorrowedFd<'_>) -> Result<(), Errno> {
            rustix::fs::fsync(file)
        }
    }
}

cfg_if::cfg_if! {
    if #[cfg(any(target_vendor = "apple", target_os = "linux", target_os = "android"))] {
        pub(super) fn rename_no_replace(
            folder: impl AsFd,
            from: &str,
            to: &str,
        ) -> Result<(), Errno> {
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(folder.as_fd(), from, folder.as_fd(), to, flags)
        }
    } else {
        pub(super) fn rename_no_replace(
            _folder: impl AsFd,
            _from: &str,
            _to: &str,
        ) -> Result<(), Errno> {
            Err(Errno::NOSYS)
        }
    }
}
