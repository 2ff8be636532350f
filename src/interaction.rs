//! Whether a person may be asked.

use std::time::Duration;

/// Whether a vault may ask the person something, such as the keyring's password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interaction {
    /// Prompts are allowed; a call waits at most `deadline` for an answer. No lock is held
    /// meanwhile. 120 s is a usual choice.
    Allow {
        /// How long a call may take in all.
        deadline: Duration,
    },
    /// Nothing is asked. A locked vault is [`Error::VaultLocked`](crate::Error::VaultLocked), and
    /// every call ends within 3 s.
    #[default]
    Never,
}
