//! The operating system's vaults, all behind one interface.
//!
//! # The contract of every vault module
//!
//! - It exports `NAME`, the vault's name for users, and `open()`, which does no I/O and returns its
//!   `Backend`.
//! - Locked is `Locked`, never "not found". `Ok(None)` means that the vault was asked and has no
//!   such item. If the vault cannot tell for certain, the result is an error.
//! - Several items may share the same names in some vaults. There `read` and `write` use the same
//!   one of them, `read_all` uses all of them, and `delete` and `delete_if` use those that have no
//!   other names.
//! - `create` never replaces: an item that is found by the same names is `Exists`. Two simultaneous
//!   creations may both succeed if the vault has no exclusive create. So an item that must be
//!   unique has a random name.
//! - `create` reads the secret back before it returns. An item of this crate is never empty. One
//!   that is found empty is `Unfinished`.
//! - `write` replaces the secret of the item that is found, and creates one if there is none. The
//!   write itself is its last step.
//! - `delete` of an absent item is `Ok(false)`.
//! - A prompt opens only if the call allows it, and only `unlock` opens one by itself.
//! - A secret larger than the vault allows is `TooLarge` before any call.
//! - The `Turn` is checked before each step of a chain. After the deadline no step starts, except
//!   the removal of a half-created item. A write is marked and waited for until it returns. It ends
//!   with `OutcomeUnknown` if the vault disappeared during it.

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
mod provider;
mod store;
mod stored;
mod turn;
mod worker;

use zeroize::Zeroizing;

pub use call::Call;
pub use error::{Source, VaultError};
pub use handle::Vault;
pub use item::{Collection, Item, Listed};
pub use probe::Probe;
pub use provider::Provider;
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

/// Whether the operating system's vault identifies an item by its attributes instead of its service
/// and account.
pub const FINDS_BY_ATTRIBUTES: bool = os::FINDS_BY_ATTRIBUTES;

/// A secret in a buffer that is zeroized on drop.
pub type Secret = Zeroizing<Vec<u8>>;

/// The item, collection and deadline of a call.
#[derive(Clone, Copy)]
struct Asked<'a> {
    collection: &'a Collection,
    item: &'a Item,
    turn: &'a Turn,
}

/// Decides by its secret whether an item may be deleted.
type IsOurs<'a> = &'a dyn Fn(&[u8]) -> bool;

/// The interface of a vault module. Every call runs on the vault's own thread.
trait Backend {
    fn read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, VaultError>;

    /// The default for a vault whose names are unique.
    fn read_all(&mut self, asked: Asked<'_>) -> Result<Vec<Secret>, VaultError> {
        Ok(self.read(asked)?.into_iter().collect())
    }

    fn create(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError>;
    fn write(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError>;
    fn delete(&mut self, asked: Asked<'_>) -> Result<bool, VaultError>;

    /// The default for a vault whose names are unique.
    fn delete_if(&mut self, asked: Asked<'_>, is_ours: IsOurs<'_>) -> Result<bool, VaultError> {
        match self.read(asked)? {
            Some(secret) if is_ours(&secret) => self.delete(asked),
            _ => Ok(false),
        }
    }

    /// Whether `delete_if` would delete anything, by the same checks. Deletes nothing. The default
    /// is for a vault whose names are unique.
    fn would_delete_if(
        &mut self,
        asked: Asked<'_>,
        is_ours: IsOurs<'_>,
    ) -> Result<bool, VaultError> {
        Ok(self.read(asked)?.is_some_and(|secret| is_ours(&secret)))
    }

    /// The default for a vault that cannot list.
    fn list(&mut self, asked: Asked<'_>) -> Result<Option<Vec<Listed>>, VaultError> {
        let _ = asked;
        Ok(None)
    }

    fn unlock(&mut self, collection: &Collection, turn: &Turn) -> Result<(), VaultError>;

    /// The default for a vault that finds items only in the collection where they are created.
    fn unlock_for(&mut self, asked: Asked<'_>) -> Result<(), VaultError> {
        self.unlock(asked.collection, asked.turn)
    }
}

const KERNEL_KEYRING: &str = "kernel keyring";
static OS: Worker = Worker::of(os::open);
static KERNEL: Worker = Worker::of(kernel::open);
