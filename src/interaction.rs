//! Whether a vault may prompt the user.

use std::time::Duration;

/// Whether a vault may prompt the user, for example for the keyring's password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interaction {
    /// Prompts are allowed. A call waits at most `deadline` for an answer, and holds no lock while
    /// it waits. 120 s is a usual choice.
    Allow {
        /// How long one call to the vault may take. Opening a cache makes one call, a first save a
        /// few.
        deadline: Duration,
    },
    /// Prompts are not allowed. A locked vault is
    /// [`Error::VaultLocked`](crate::Error::VaultLocked). Every call to a vault ends within 3 s. A
    /// first save makes a few calls.
    #[default]
    Never,
}
