//! Reading what another program hands over in an inherited file descriptor, named by its number.

use std::{io, sync::mpsc, thread, time::Duration};

use zeroize::Zeroizing;

use crate::wipe::leave_no_traces;

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        #[path = "unix.rs"]
        mod system;
    } else {
        #[path = "unsupported.rs"]
        mod system;
    }
}

/// Why a descriptor was not read. The text goes on from "file descriptor N".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// Nothing is open under the number.
    #[error("is not open; hand it over where this program is started")]
    Closed,
    /// It is a folder.
    #[error("is a folder; hand over a file or a pipe")]
    Folder,
    /// The operating system refused.
    #[error("could not be read")]
    Failed {
        /// What the operating system said.
        source: io::Error,
    },
    /// It is a terminal, which would show what is typed.
    #[error("is a terminal; hand over a file or a pipe")]
    Terminal,
    /// More than the limit came.
    #[error("has more than {limit} bytes; is it the right one?")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It did not end in time.
    #[error("did not end within {waited:?}; the program that writes to it has to close it")]
    TimedOut {
        /// How long this process waited.
        waited: Duration,
    },
    /// This operating system hands over no descriptors by number.
    #[error("cannot be handed over on this system; name a file or an environment variable")]
    Unsupported,
    /// It can be written to alone.
    #[error("is open for writing alone; hand over the end that can be read")]
    WriteOnly,
}

/// A duplicate of a descriptor that was handed over, made when its number was named.
///
/// What is opened later under the number, or closed, changes nothing. A program that is started
/// does not inherit it.
///
/// It is duplicated, not opened again under a path: another user may have opened it, and that one's
/// rights count. What is read is gone from a pipe, and from a file's common position.
#[derive(Clone, Debug)]
pub struct Descriptor(system::Descriptor);

impl Descriptor {
    /// Duplicates the descriptor `number`. Nothing is read.
    ///
    /// What this process itself opened under a number is not told from what was handed over, so
    /// call it before that.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] says why it is not one to read.
    pub fn open(number: u32) -> Result<Self, DescriptorError> {
        system::Descriptor::open(number).map(Self)
    }

    /// Reads to the end, at most `limit` bytes, for at most `patience`.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] says what is wrong with it, without any of its content. After a time-out
    /// a thread still waits for it, and ends with the process at the latest.
    pub fn read(
        &self,
        limit: usize,
        patience: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, DescriptorError> {
        let descriptor = self.0.clone();
        let (sender, answer) = mpsc::channel();
        let reader = move || drop(sender.send(leave_no_traces(|| descriptor.read(limit))));
        let started = thread::Builder::new().name("descriptor".into()).spawn(reader);
        started.map_err(|source| DescriptorError::Failed { source })?;
        answer.recv_timeout(patience).unwrap_or(Err(DescriptorError::TimedOut { waited: patience }))
    }
}
