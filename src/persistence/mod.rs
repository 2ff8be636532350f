//! Where the bytes of a cache are stored: sealed, in the shared store of msal-extensions, in plain
//! text, in memory, or in a store of your own.

mod key_source;
mod location;
mod memory;
mod msal_extensions;
mod opaque;
mod plaintext;
mod protection;
mod recognise;
mod reservation;
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
pub use opaque::OpaqueStore;
pub use plaintext::PlaintextPersistence;
pub use protection::Protection;
pub use reservation::Reservation;
pub use sealed::{SealedPersistence, SealedPersistenceBuilder};
pub use stamp::Stamp;

use crate::{
    Error, Secret,
    lock::{CrossProcessLock, LockGuard},
};

/// The largest cache that is read or written unless the program sets another limit: 16 MiB.
pub(crate) const DEFAULT_SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// A place that stores one cache. An implementation of your own needs four methods: `load`, `save`,
/// `delete` and `stamp`. The others have defaults.
///
/// [`PersistedTokenCache`](crate::PersistedTokenCache) calls them in this order: `prepare`, then
/// (for a write) it acquires the lock, then `load`, then `save` or `delete`. Reads call `stamp`,
/// and `load` only if the stamp changed.
///
/// An implementation must guarantee:
/// - `save` is atomic: a reader sees the old content or the new, never a part.
/// - Content that cannot be read is an error, never [`Loaded::Absent`].
/// - No method but `prepare` asks a user for anything or waits for one.
/// - No method uses the cache that it serves; such a call is [`Error::Nested`] at once. No method
///   waits for another thread that uses it.
pub trait Persistence: fmt::Debug + Send + Sync {
    /// Does everything that may prompt or take long, before any lock is held.
    ///
    /// # Errors
    /// Any error that would keep the coming `load` or `save` from working: the vault is locked or
    /// missing, the place is not safe.
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        let _ = intent;
        Ok(())
    }

    /// Reads what is kept. Returns [`Loaded::Unchanged`] only if the stored bytes are proven to be
    /// those that came with `known`. A file's times and size are not a proof.
    ///
    /// # Errors
    /// Any error of reading the content. The bytes stay as they are.
    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error>;

    /// Replaces what is kept with `content`, atomically. The caller holds the lock. `base` is what
    /// its `load` under that lock found; `None` if nothing. If another thread does the write, it
    /// must keep a clone of `guard`, so that the lock outlives the write.
    ///
    /// # Errors
    /// Any error that kept the content from being written. The old content is intact.
    fn save(&self, content: &[u8], base: Option<&Stamp>, guard: &LockGuard)
    -> Result<Saved, Error>;

    /// Whether other programs write here in place. A `load` without the lock may then find nothing
    /// yet, or a part. Content that cannot be parsed is loaded again under the lock before a reader
    /// gets the error.
    fn is_written_in_place(&self) -> bool {
        false
    }

    /// Makes durable what `load` found under the lock, before a caller relies on it. Its writer may
    /// have been killed before that.
    ///
    /// # Errors
    /// [`Error::DurabilityUnknown`].
    fn confirm(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Removes what is kept, with its keys, temporary files and what was set aside. Succeeds if
    /// nothing is there. The caller holds the lock. `base` is what its `load` under that lock
    /// found; `None` if nothing.
    ///
    /// # Errors
    /// Any error that kept something from being removed. Either nothing was removed, or the error
    /// says what is left.
    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error>;

    /// Examines content of this place that no cache could be read from. If it belongs to another
    /// program, the error of this method replaces [`Error::Corrupt`].
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
    /// Any error of looking at the place.
    fn stamp(&self) -> Result<Option<Stamp>, Error>;

    /// What protects the bytes.
    fn protection(&self) -> Protection {
        Protection::Other
    }

    /// The lock that every writer of this store takes. If the store has none, only one value may
    /// write it.
    fn lock(&self) -> Option<CrossProcessLock> {
        None
    }

    /// The folder in which processes agree on who renews a token of this store. It may hold other
    /// files, and is created if it is missing. `None` if no other process has this store. The
    /// default is a folder in the user's data folder, named after [`lock`](Self::lock).
    ///
    /// # Errors
    /// Any error of finding the folder.
    fn lease_folder(&self) -> Result<Option<std::path::PathBuf>, Error> {
        self.lock().map(|lock| location::lease_folder_of(lock.path())).transpose()
    }

    /// Reserves room for the next save, or at least proves that there is room now. Called before
    /// something is asked for that could not be got again if it could not be saved. The caller has
    /// called `prepare` with [`Intent::Write`] and holds no lock. `tag` tells apart what is
    /// reserved at the same time. Must not prompt.
    ///
    /// # Errors
    /// Any error that would keep the save from working.
    fn reserve(&self, tag: &str) -> Result<Reservation, Error> {
        let _ = tag;
        Ok(Reservation::none())
    }

    /// Proves that the place can be written now, on data of its own that it removes again. The
    /// caller has called `prepare` with [`Intent::Verify`] and holds the lock, so this must not
    /// prompt.
    ///
    /// # Errors
    /// The error of the check that failed.
    fn verify(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Removes what is kept even if it cannot be read. The caller holds the lock.
    ///
    /// # Errors
    /// Any error that kept something from being removed.
    fn reset(&self, guard: &LockGuard) -> Result<(), Error> {
        self.delete(None, guard)
    }

    /// Renames what is kept to another name, and returns that name. The caller holds the lock.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the place cannot do that.
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
    /// Check whether it could be written. The place is created and nothing else, and the key source
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
    /// Something is kept and it is empty: its creation was interrupted, or is under way. Under the
    /// lock this counts as absent. Without the lock, a reader looks again under the lock if
    /// [`is_written_in_place`](Persistence::is_written_in_place) returns `true`.
    Empty,
    /// The content, and the stamp of exactly these bytes.
    Content(Secret, Stamp),
    /// The content changed since `prepare`. Reading it needs another `prepare` without the lock.
    NeedsPrepare,
    /// Still the content of the known stamp. Compare with this stamp from now on.
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
    /// Nothing was written: `prepare` must be repeated without the lock.
    NeedsPrepare,
}
