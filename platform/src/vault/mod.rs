//! The operating system's vaults, each reached through the same few names.
//!
//! # The contract every vault file fulfils
//!
//! - It exports `NAME`, what people call the vault, and `open()`, which does no I/O and returns its `Backend`.
//! - What is locked is `Locked`, never "not found". `Ok(None)` means that the vault was asked and has no such
//!   item; when it cannot say that for certain, the answer is an error.
//! - Several matches are `Ambiguous`: none is chosen, and none is deleted.
//! - `create` never replaces: an item with the same attributes is `Exists`. Two creations at the same moment may both
//!   succeed where the vault itself has no exclusive create; reads are `Ambiguous` from then on, so an item that must be
//!   unique carries a random attribute.
//! - `create` reads the secret back before it returns. An item of ours is never empty; one that is found empty is
//!   `Unfinished`.
//! - `delete` of an absent item is `Ok(false)`.
//! - Only `unlock` prompts, and only when the call allows it.
//! - Before each step of a chain the `Turn` is asked; after the deadline no step starts, but that a half-made item is
//!   removed. A write is marked, waited for until it has returned, and ends with `OutcomeUnknown` if the vault
//!   went away meanwhile.

mod call;
mod error;
mod memory;
mod probe;
#[cfg_attr(
    not(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android")))),
    expect(dead_code, reason = "only a vault with a chain of steps asks its turn")
)]
mod worker;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use call::{Call, Collection, Interaction, Item, Place, Session};
pub use error::{Source, VaultError};
pub use probe::Probe;
use worker::{Turn, Worker};

cfg_if::cfg_if! {
    if #[cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))] {
        mod secret_service;
        use secret_service as os;
    } else {
        mod unsupported;
        use unsupported as os;
    }
}

/// A vault: where the operating system keeps small secrets for this person.
///
/// A handle is cheap, and making one does no I/O. All handles of a process share the vault's one worker thread and
/// its connection; in a forked child the first call makes new ones. Every call returns within its deadline and
/// a small grace (5 %, at most 250 ms). After a call that got no answer, calls fail at once for as long as
/// that call's deadline, at most 3 s, and as long as the worker is stuck.
#[derive(Clone)]
pub struct Vault(Kind);

#[derive(Clone)]
enum Kind {
    Os(Arc<Place>),
    Memory(memory::Items),
}

impl Vault {
    /// The operating system's vault, default collection.
    pub fn os() -> Self {
        Self::os_at(Place::default())
    }

    /// The operating system's vault, at a place of the caller's choice.
    pub fn os_at(place: Place) -> Self {
        Self(Kind::Os(Arc::new(place)))
    }

    /// A vault of its own in this process's memory. Clones share it.
    pub fn memory() -> Self {
        Self(Kind::Memory(memory::Items::default()))
    }

    /// What people call this vault.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Os(_) => os::NAME,
            Kind::Memory(_) => memory::NAME,
        }
    }

    /// The secret of `item`, `None` if the vault has no such item.
    ///
    /// On the Secret Service the place of an item is remembered: from the second read on, a read is one call over the bus.
    ///
    /// # Errors
    /// `Locked`, `Ambiguous`, `Missing`, `TimedOut`, `Unfinished` and the others of [`VaultError`].
    pub fn read(&self, item: &Item, call: &Call) -> Result<Option<Secret>, VaultError> {
        match &self.0 {
            Kind::Os(place) => {
                let (place, item) = (Arc::clone(place), item.clone());
                OS.call(call, None, move |vault, turn| vault.read(&place, &item, turn))
            }
            Kind::Memory(items) => items.read(item),
        }
    }

    /// Stores a new item and reads it back. Never replaces: an item with these attributes is `Exists`.
    ///
    /// # Errors
    /// `Exists`, `Locked`, `OutcomeUnknown` and the others of [`VaultError`]; an empty secret is `Failed`.
    pub fn create(&self, item: &Item, secret: &[u8], call: &Call) -> Result<(), VaultError> {
        if secret.is_empty() {
            return Err(VaultError::failed("an empty secret would look like an unfinished item"));
        }
        match &self.0 {
            Kind::Os(place) => {
                let (place, item) = (Arc::clone(place), item.clone());
                let secret = Zeroizing::new(secret.to_vec());
                OS.call(call, None, move |vault, turn| vault.create(&place, &item, &secret, turn))
            }
            Kind::Memory(items) => items.create(item, secret),
        }
    }

    /// Deletes `item`; `false` if there was none. An unfinished item is deleted too.
    ///
    /// `hold`, the guard of a file lock for instance, is dropped when the write has returned, not when the caller stops
    /// waiting: a late delete cannot meet the next holder's work. A vault that hangs for ever keeps it until the process ends.
    ///
    /// # Errors
    /// `Ambiguous`, `Locked`, `OutcomeUnknown` and the others of [`VaultError`].
    pub fn delete(
        &self,
        item: &Item,
        call: &Call,
        hold: Option<Box<dyn Send>>,
    ) -> Result<bool, VaultError> {
        match &self.0 {
            Kind::Os(place) => {
                let (place, item) = (Arc::clone(place), item.clone());
                OS.call(call, hold, move |vault, turn| vault.delete(&place, &item, turn))
            }
            Kind::Memory(items) => items.delete(item),
        }
    }

    /// Connects, finds the collection and unlocks it: what must precede a lock, because only this call may prompt.
    ///
    /// # Errors
    /// `Locked` when it is locked and the call allows no prompt, `PromptDismissed`, `Missing`, `TimedOut`.
    pub fn unlock(&self, call: &Call) -> Result<(), VaultError> {
        match &self.0 {
            Kind::Os(place) => {
                let place = Arc::clone(place);
                OS.call(call, None, move |vault, turn| vault.unlock(&place, turn))
            }
            Kind::Memory(_) => Ok(()),
        }
    }

    /// A round trip on a random item of its own that is removed again whatever happens, and how long each step took.
    ///
    /// All steps share the call's deadline; removing the item may take one deadline more.
    ///
    /// # Errors
    /// That of the first step that failed.
    pub fn probe(&self, call: &Call) -> Result<Probe, VaultError> {
        probe::round_trip(self, call)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.name()).finish()
    }
}

/// A secret in a buffer that is wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// What a vault file implements; every call runs on the vault's own thread.
trait Backend {
    fn read(
        &mut self,
        place: &Place,
        item: &Item,
        turn: &Turn,
    ) -> Result<Option<Secret>, VaultError>;
    fn create(
        &mut self,
        place: &Place,
        item: &Item,
        secret: &[u8],
        turn: &Turn,
    ) -> Result<(), VaultError>;
    fn delete(&mut self, place: &Place, item: &Item, turn: &Turn) -> Result<bool, VaultError>;
    fn unlock(&mut self, place: &Place, turn: &Turn) -> Result<(), VaultError>;
}

static OS: Worker = Worker::new(os::open);
