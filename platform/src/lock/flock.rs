//! The kernel's lock on an open file: flock(2), on Windows `LockFileEx`.
//!
//! All methods of [`fs4::FileExt`] are called by their full path, because the standard library has
//! methods with the same names.

use std::{fs::File, io};

use fs4::TryLockError;

/// Tries to lock the file without waiting. Returns `false` if another open file has it locked.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        match fs4::FileExt::try_lock(file) {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Releases the lock immediately, even if a forked child shares the descriptor.
pub(super) fn unlock(file: &File) -> io::Result<()> {
    loop {
        match fs4::FileExt::unlock(file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
