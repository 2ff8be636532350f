//! Where the bytes of a cache are stored: sealed, where msal-extensions has them, in plain text, in
//! memory, or in a store of your own.

mod key_source;
mod location;
mod memory;
mod msal_extensions;
mod plaintext;
mod protection;
mod recognise;
mod sealed;
mod set_aside;
mod stamp;

use std::fmt;

pub use key_source::{
    CredentialStore, KernelKeyring, KeyCallback, KeyRequest, KeySource, LeftOverKey, Passphrase,
};
pub use memory::MemoryPersistence;
pub use msal_extensions::{
    ItemEncoding, MsalExtensionsItem, MsalExtensionsLocation, MsalExtensionsPersistence,
    build_encrypted_persistence,
};
pub use plaintext::PlaintextPersistence;
pub use protection::Protection;
pub use sealed::{SealedPersistence, SealedPersistenceBuilder};
pub use stamp::Stamp;

use crate::{
    Error, Secret,
    lock::{CrossProcessLock, LockGuard},
};

/// The largest cache that is read or written unless the program says otherwise: 16 MiB.
pub(crate) const DEFAULT_SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// A place that keeps one cache. Write your own with four calls: `load`, `save`, `delete` and
/// `stamp`; the others have defaults.
///
/// [`PersistedTokenCache`](crate::PersistedTokenCache) calls them in this order: `prepare`, then
/// (for a write) it takes the lock, then `load`, then `save` or `delete`. Reads call `stamp`, and
/// `load` only if the stamp moved.
///
/// What an implementation must hold to:
/// - `save` is atomic: a reader sees the old content or the new, never a part.
/// - What cannot be read is an error, never [`Loaded::Absent`].
/// - No call but `prepare` may ask a user for anything or wait for one.
/// - No call uses the cache that it serves, which is [`Error::Nested`] at once, or waits for
///   another thread that does.
pub trait Persistence: fmt::Debug + Send + Sync {
    /// Does everything that may prompt or take long, before any lock is held.
    ///
    /// # Errors
    /// Whatever keeps the coming `load` or `save` from working: the vault is locked or missing, the
    /// place is not safe.
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        let _ = intent;
        Ok(())
    }

    /// Reads what is kept. [`Loaded::Unchanged`] only if the kept bytes are proven to be those that
    /// came with `known`; a file's times and size alone are no proof.
    ///
    /// # Errors
    /// Whatever cannot be read. The bytes stay as they are.
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error>;

    /// Replaces what is kept by `content`, atomically. The caller holds the lock; `base` is what
    /// its `load` under that lock found, `None` if nothing. A write that is handed to another
    /// thread keeps a clone of `guard`, so that the lock outlives the write.
    ///
    /// # Errors
    /// Whatever kept the content from being written; the old content is intact.
    fn save(&self, content: &[u8], base: Option<&Stamp>, guard: &LockGuard)
    -> Result<Saved, Error>;

    /// Whether other programs write here in place, so that a `load` without the lock may find
    /// nothing yet or a part. What cannot be parsed is then loaded once more under the lock before
    /// a reader is told.
    fn is_written_in_place(&self) -> bool {
        false
    }

    /// Makes durable what `load` found under the lock, before somebody relies on it: its writer may
    /// have been killed before it could.
    ///
    /// # Errors
    /// [`Error::DurabilityUnknown`].
    fn confirm(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Removes what is kept, with its keys, temporary files and what was set aside. Nothing there
    /// is no error. The caller holds the lock; `base` is what its `load` under that lock found,
    /// `None` if nothing.
    ///
    /// # Errors
    /// Whatever could not be removed; nothing is removed then, or the error says what is left.
    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error>;

    /// Looks at content of this place that no cache could be read from. Where it is another
    /// program's, that is the error of the call, and not [`Error::Corrupt`].
    ///
    /// # Errors
    /// [`Error::OtherBackend`].
    fn check_unreadable(&self, content: &[u8]) -> Result<(), Error> {
        let _ = content;
        Ok(())
    }

    /// A cheap mark of what is kept now; `None` if nothing is. Equal stamps mean that a reader need
    /// not load again.
    ///
    /// # Errors
    /// Whatever keeps the place from being looked at.
    fn stamp(&self) -> Result<Option<Stamp>, Error>;

    /// What guards the bytes.
    fn protection(&self) -> Protection {
        Protection::Other
    }

    /// The lock that every writer of this store takes, if the store has one of its own; else only
    /// one value may write it.
    fn lock(&self) -> Option<CrossProcessLock> {
        None
    }

    /// Proves that the place can be written now, on material of its own that it removes again. The
    /// caller has called `prepare` with [`Intent::Verify`] and holds the lock, so nothing may
    /// prompt.
    ///
    /// # Errors
    /// Whatever failed.
    fn verify(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Removes what is kept even if it cannot be read. The caller holds the lock.
    ///
    /// # Errors
    /// Whatever could not be removed.
    fn reset(&self, guard: &LockGuard) -> Result<(), Error> {
        self.delete(None, guard)
    }

    /// Sets what is kept aside under another name, and says which. The caller holds the lock.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the place cannot do that.
    fn quarantine(&self, guard: &LockGuard) -> Result<Option<std::path::PathBuf>, Error> {
        #[expect(clippy::let_underscore_must_use, reason = "nothing is done")]
        let _ = guard;
        Err(Error::Unsupported { detail: "this persistence cannot set a cache aside".into() })
    }
}

/// What a caller of [`Persistence::prepare`] is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Intent {
    /// Only read: nothing may be created.
    Read,
    /// See whether it could be written: the place is made and nothing else, and the source of keys
    /// proves that it works.
    Verify,
    /// Read, change and save.
    Write,
}

/// What [`Persistence::load`] found. `Debug` shows no content.
#[non_exhaustive]
pub enum Loaded {
    /// Nothing is kept here.
    Absent,
    /// Something is kept and it is empty: its creation was cut off, or is under way. Under the lock
    /// it is as good as absent; where [`is_written_in_place`](Persistence::is_written_in_place)
    /// says so a reader looks again under the lock.
    Empty,
    /// The content, and the stamp of exactly these bytes.
    Content(Secret, Stamp),
    /// It changed since `prepare`, and reading it needs another `prepare` without the lock.
    NeedsPrepare,
    /// Still the content of the known stamp; the stamp to compare with from now on.
    Unchanged(Stamp),
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Content(..) => "Content(..)",
            Self::Empty => "Empty",
            Self::NeedsPrepare => "NeedsPrepare",
            Self::Unchanged(_) => "Unchanged(..)",
        })
    }
}

/// What [`Persistence::save`] did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Saved {
    /// The content is kept, under this stamp.
    Done(Stamp),
    /// Nothing was written: `prepare` has to be repeated without the lock.
    NeedsPrepare,
}
