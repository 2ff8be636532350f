//! Descriptors as Unix has them.
#![allow(unsafe_code, reason = "a number is turned into a descriptor")]

use std::{
    fs::File,
    io::{self, ErrorKind, IsTerminal, Read},
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{FileType, OFlags, fcntl_getfl, fstat},
    io::{Errno, fcntl_dupfd_cloexec, retry_on_intr},
};
use zeroize::Zeroizing;

use super::DescriptorError;

/// A duplicate of the descriptor that was named.
pub(super) struct Descriptor(File);

impl Descriptor {
    pub(super) fn open(number: u32) -> Result<Self, DescriptorError> {
        let number = i32::try_from(number).map_err(|_| DescriptorError::Closed)?;
        // SAFETY: the number is not -1. If nothing is open under it, the one call that gets it says
        // so and does nothing; what it gives is a descriptor of its own.
        let named = unsafe { BorrowedFd::borrow_raw(number) };
        // Standard input, output and error keep their numbers to themselves.
        let own: OwnedFd = match fcntl_dupfd_cloexec(named, 3) {
            Ok(own) => own,
            Err(Errno::BADF) => return Err(DescriptorError::Closed),
            Err(error) => return Err(failed(error)),
        };
        let kind = FileType::from_raw_mode(fstat(&own).map_err(failed)?.st_mode);
        let mode = fcntl_getfl(&own).map_err(failed)? & OFlags::RWMODE;
        match kind {
            FileType::Directory => Err(DescriptorError::Folder),
            _ if own.is_terminal() => Err(DescriptorError::Terminal),
            _ if mode == OFlags::WRONLY => Err(DescriptorError::WriteOnly),
            _ => Ok(Self(own.into())),
        }
    }

    /// Blocks until the end.
    pub(super) fn read(mut self, limit: usize) -> Result<Zeroizing<Vec<u8>>, DescriptorError> {
        // One byte more tells that there is more.
        let mut text = Zeroizing::new(vec![0; limit + 1]);
        let mut length = 0;
        while length <= limit {
            match self.0.read(&mut text[length..]) {
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

    /// Whoever opened it may have said that nobody waits for it.
    fn wait(&self) -> Result<(), DescriptorError> {
        let ready = || poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None);
        retry_on_intr(ready).map(drop).map_err(failed)
    }
}

fn failed(error: Errno) -> DescriptorError {
    DescriptorError::Failed { source: io::Error::from(error) }
}
