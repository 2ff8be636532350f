//! File descriptors on Unix.
#![allow(unsafe_code, reason = "a number is turned into a descriptor")]

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal, Read},
    os::fd::{FromRawFd as _, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{FileType, OFlags, fcntl_getfl, fstat},
    io::{Errno, retry_on_intr},
};
use zeroize::Zeroizing;

use super::DescriptorError;

/// A duplicate of the given descriptor.
#[derive(Clone, Debug)]
pub(super) struct Descriptor(Arc<File>);

impl Descriptor {
    pub(super) fn open(number: u32) -> Result<Self, DescriptorError> {
        let number = i32::try_from(number).map_err(|_| DescriptorError::Closed)?;
        let own = duplicate(number)?;
        let kind = FileType::from_raw_mode(fstat(&own).map_err(failed)?.st_mode);
        let mode = fcntl_getfl(&own).map_err(failed)? & OFlags::RWMODE;
        match kind {
            FileType::Directory => Err(DescriptorError::Folder),
            _ if own.is_terminal() => Err(DescriptorError::Terminal),
            _ if mode == OFlags::WRONLY => Err(DescriptorError::WriteOnly),
            _ => Ok(Self(Arc::new(own.into()))),
        }
    }

    /// Reads to the end. Blocks.
    pub(super) fn read(&self, limit: usize) -> Result<Zeroizing<Vec<u8>>, DescriptorError> {
        // One spare byte detects that there is more than `limit`.
        let mut text = Zeroizing::new(vec![0; limit + 1]);
        let mut length = 0;
        while length <= limit {
            match (&*self.0).read(&mut text[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait()?,
                Err(source) => return Err(DescriptorError::Failed { source }),
            }
        }
        if length > limit {
            return Err(DescriptorError::TooLong { limit });
        }
        text.truncate(length);
        Ok(text)
    }

    /// Waits for data: the program that opened the descriptor may have made it non-blocking.
    fn wait(&self) -> Result<(), DescriptorError> {
        let ready = || poll(&mut [PollFd::new(&*self.0, PollFlags::IN)], None);
        retry_on_intr(ready).map(drop).map_err(failed)
    }
}

/// Does not use rustix, which accepts only descriptors that are known to be open.
fn duplicate(number: i32) -> Result<OwnedFd, DescriptorError> {
    loop {
        // Standard input, output and error keep their numbers to themselves.
        // SAFETY: this call of fcntl(2) takes numbers alone and reads or writes no memory of this
        // process. Of a number that nothing is open under it says so.
        let own = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        if own != -1 {
            // SAFETY: the kernel has just given this number to the new descriptor, and nobody else
            // has been told of it.
            return Ok(unsafe { OwnedFd::from_raw_fd(own) });
        }
        match io::Error::last_os_error() {
            error if error.kind() == ErrorKind::Interrupted => {}
            error if error.raw_os_error() == Some(libc::EBADF) => {
                return Err(DescriptorError::Closed);
            }
            source => return Err(DescriptorError::Failed { source }),
        }
    }
}

fn failed(error: Errno) -> DescriptorError {
    DescriptorError::Failed { source: io::Error::from(error) }
}
