//! Reads data that another program passes in an inherited file descriptor, given by its number.

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

/// Why a descriptor was not read. The message continues "file descriptor N".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The number is not open.
    #[error("is not open; hand it over where this program is started")]
    Closed,
    /// It is a folder.
    #[error("is a folder; hand over a file or a pipe")]
    Folder,
    /// An operating system call failed.
    #[error("could not be read")]
    Failed {
        /// The operating system's error.
        source: io::Error,
    },
    /// It is a terminal, which would show the typed secret.
    #[error("is a terminal; hand over a file or a pipe")]
    Terminal,
    /// It has more data than the limit.
    #[error("has more than {limit} bytes; is it the right one?")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// It did not reach its end in time.
    #[error("did not end within {waited:?}; the program that writes to it has to close it")]
    TimedOut {
        /// How long this process waited.
        waited: Duration,
    },
    /// This operating system does not pass descriptors by number.
    #[error("cannot be handed over on this system; name a file or an environment variable")]
    Unsupported,
    /// It is open only for writing.
    #[error("is open for writing alone; hand over the end that can be read")]
    WriteOnly,
}

/// A duplicate of an inherited descriptor, made when its number was given.
///
/// Opening or closing something under the number later has no effect on it. Child processes do not
/// inherit it.
///
/// It is duplicated, not reopened by path: another user may have opened it, and then that user's
/// rights count. Reading consumes the data of a pipe, and moves the shared position of a file.
#[derive(Clone, Debug)]
pub struct Descriptor(system::Descriptor);

impl Descriptor {
    /// Duplicates the descriptor `number`. Nothing is read.
    ///
    /// A number that this process itself has opened cannot be distinguished from an inherited one.
    /// So call this before the process opens files.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] says why it cannot be read.
    pub fn open(number: u32) -> Result<Self, DescriptorError> {
        system::Descriptor::open(number).map(Self)
    }

    /// Reads to the end: at most `limit` bytes, for at most `patience`.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] says what is wrong, without any of the content. After a timeout a thread
    /// keeps waiting for the descriptor, at most until the process ends.
    pub fn read(
        &self,
        limit: usize,
        patience: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, DescriptorError> {
        let descriptor = self.0.clone();
        let (sender, answer) = mpsc::channel();
        // A blocking read cannot be cancelled, so it runs on a thread of its own.
        let reader = move || drop(sender.send(leave_no_traces(|| descriptor.read(limit))));
        let started = thread::Builder::new().name("descriptor".into()).spawn(reader);
        started.map_err(|source| DescriptorError::Failed { source })?;
        answer.recv_timeout(patience).unwrap_or(Err(DescriptorError::TimedOut { waited: patience }))
    }
}
