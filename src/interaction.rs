//! Whether a user may be asked.

use std::time::Duration;

/// Whether a vault may ask the user something, such as the keyring's password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interaction {
    /// Prompts are allowed; a call waits at most `deadline` for an answer. No lock is held
    /// meanwhile. 120 s is a usual choice.
    Allow {
        /// How long one call to the vault may take; opening a cache makes one, a first save a few.
        deadline: Duration,
    },
    /// Nothing is asked. A locked vault is [`Error::VaultLocked`](crate::Error::VaultLocked), and
    /// every call to a vault ends within 3 s; a first save makes a few of them.
    #[default]
    Never,
}
