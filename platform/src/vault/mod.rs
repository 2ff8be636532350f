//! The operating system's vaults, each reached through the same few names.
//!
//! # The contract every vault file fulfils
//!
//! - It exports `NAME`, what people call the vault, and `open()`, which does no I/O and returns its
//!   `Backend`.
//! - What is locked is `Locked`, never "not found". `Ok(None)` means that the vault was asked and
//!   has no such item; when it cannot say that for certain, the answer is an error.
//! - Names that several items may share are no names of one item. Where a vault has such items,
//!   `read` and `write` are about the same one of them, `read_all` is about each, and `delete` and
//!   `delete_if` are about those that have no other names.
//! - `create` never replaces: an item that is found by the same names is `Exists`. Two creations at
//!   the same moment may both succeed where the vault itself has no exclusive create, so an item
//!   that must be unique carries a random name.
//! - `create` reads the secret back before it returns. An item of ours is never empty; one that is
//!   found empty is `Unfinished`.
//! - `write` replaces the secret of the item that is found, and creates one where there is none.
//!   The write itself is its last step.
//! - `delete` of an absent item is `Ok(false)`.
//! - A prompt opens only when the call allows it, and only `unlock` opens one by itself.
//! - A secret that is larger than the vault takes is `TooLarge` before any call.
//! - Before each step of a chain the `Turn` is asked; after the deadline no step starts, but that a
//!   half-made item is removed. A write is marked, waited for until it has returned, and ends with
//!   `OutcomeUnknown` if the vault went away meanwhile.

mod call;
#[cfg(any(windows, test))]
mod credential_manager_status;
mod error;
mod handle;
mod item;
#[cfg(any(target_os = "macos", test))]
mod keychain_status;
mod memory;
mod probe;
mod store;
mod stored;
mod turn;
mod worker;

use zeroize::Zeroizing;

pub use call::Call;
pub use error::{Source, VaultError};
pub use handle::{Provider, Vault};
pub use item::{Collection, Item, Listed, Place, Session};
pub use probe::Probe;
use turn::Turn;
use worker::Worker;

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        mod credential_manager;
        use credential_manager as os;
    } else if #[cfg(target_os = "macos")] {
        mod keychain;
        use keychain as os;
    } else if #[cfg(all(unix, not(any(target_os = "ios", target_os = "android"))))] {
        mod secret_service;
        use secret_service as os;
    } else {
        use unsupported as os;
    }
}

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod kernel_keyring;
        use kernel_keyring as kernel;
    } else {
        mod unsupported;
        use unsupported as kernel;
    }
}

/// Whether the operating system's vault finds an item by its attributes, and not by its service and
/// account.
pub const FINDS_BY_ATTRIBUTES: bool = os::FINDS_BY_ATTRIBUTES;

/// A secret in a buffer that is wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// What a call on an item is about, and its right to go on.
#[derive(Clone, Copy)]
struct Asked<'a> {
    place: &'a Place,
    item: &'a Item,
    turn: &'a Turn,
}

/// Whether a secret is that of the item which may be deleted.
type IsOurs<'a> = &'a dyn Fn(&[u8]) -> bool;

/// What a vault file implements; every call runs on the vault's own thread.
trait Backend {
    fn read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, VaultError>;

    /// For a vault whose names are unique.
    fn read_all(&mut self, asked: Asked<'_>) -> Result<Vec<Secret>, VaultError> {
        Ok(self.read(asked)?.into_iter().collect())
    }

    fn create(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError>;
    fn write(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError>;
    fn delete(&mut self, asked: Asked<'_>) -> Result<bool, VaultError>;

    /// For a vault whose names are unique.
    fn delete_if(&mut self, asked: Asked<'_>, is_ours: IsOurs<'_>) -> Result<bool, VaultError> {
        match self.read(asked)? {
            Some(secret) if is_ours(&secret) => self.delete(asked),
            _ => Ok(false),
        }
    }

    /// Whether `delete_if` would delete anything: looked at as there, and nothing is. For a vault
    /// whose names are unique.
    fn would_delete_if(
        &mut self,
        asked: Asked<'_>,
        is_ours: IsOurs<'_>,
    ) -> Result<bool, VaultError> {
        Ok(self.read(asked)?.is_some_and(|secret| is_ours(&secret)))
    }

    /// For a vault that cannot list.
    fn list(&mut self, asked: Asked<'_>) -> Result<Option<Vec<Listed>>, VaultError> {
        let _ = asked;
        Ok(None)
    }

    fn unlock(&mut self, place: &Place, turn: &Turn) -> Result<(), VaultError>;

    /// For a vault whose items lie where they are made.
    fn unlock_for(&mut self, asked: Asked<'_>) -> Result<(), VaultError> {
        self.unlock(asked.place, asked.turn)
    }
}

const KERNEL_KEYRING: &str = "kernel keyring";
static OS: Worker = Worker::of(os::open);
static KERNEL: Worker = Worker::of(kernel::open);
