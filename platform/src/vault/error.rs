//! Errors of vault calls.

use std::error::Error;
use std::time::Duration;

use crate::text::shown;

/// A vault call that failed. No message contains a secret. `source()` is the error of the system.
///
/// Absence is not an error: reading an item that does not exist returns `Ok(None)`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault denies this program access.
    #[error("the vault refused access to this program; allow it in the vault's settings")]
    AccessDenied {
        /// The vault's error.
        source: Source,
    },
    /// Several items have the requested attributes, so none can be chosen.
    #[error("several vault items have the same attributes; delete all but one of them")]
    Ambiguous,
    /// An item with these attributes exists. `create` never replaces.
    #[error("the vault already holds an item with these attributes; delete it first")]
    Exists,
    /// Any other error of the vault.
    #[error("the vault call failed; see the cause")]
    Failed {
        /// The cause.
        source: Source,
    },
    /// The item or its collection is locked, and prompts are not allowed. Never reported as
    /// absence.
    #[error("the vault is locked; unlock it, or allow a prompt")]
    Locked {
        /// The vault's error, if there is one.
        source: Option<Source>,
    },
    /// This user has no such vault or collection.
    #[error("{}", shown(reason))]
    Missing {
        /// Which part is missing, without a remedy.
        reason: String,
        /// The system's error, if there is one.
        source: Option<Source>,
    },
    /// This build has no vault for this operating system.
    #[error("this build has no vault for this system; choose another source for the key")]
    NotBuilt,
    /// A write may or may not have happened. The caller stopped waiting during it, the connection
    /// broke, or the answer could not be parsed.
    #[error(
        "the vault did not confirm a write within {waited:?}; it may have happened, read again"
    )]
    OutcomeUnknown {
        /// How long the caller waited.
        waited: Duration,
        /// The cause. `None` if only time passed.
        source: Option<Source>,
    },
    /// The user closed the vault's prompt.
    #[error("the vault's prompt was dismissed; try again and answer it")]
    PromptDismissed {
        /// The vault's error, if there is one.
        source: Option<Source>,
    },
    /// The vault's service or the bus to it is not running, or the bus belongs to another user.
    #[error("{}", shown(reason))]
    ServiceMissing {
        /// What is not running, or whose bus it is, without a remedy.
        reason: String,
        /// The system's error, if there is one.
        source: Option<Source>,
    },
    /// The caller stopped the wait, and nothing was written.
    #[error("the wait for the vault was stopped; try again")]
    Stopped,
    /// There was no answer in time, and nothing was written. `waited` is zero if the call failed
    /// immediately because the vault had just been unresponsive.
    #[error(
        "the vault did not answer within {waited:?}; see whether a prompt is open, then try again"
    )]
    TimedOut {
        /// How long the caller waited.
        waited: Duration,
    },
    /// The secret is larger than the vault allows. Detected before any call.
    #[error(
        "the secret has {size} bytes and the vault takes {limit}; keep a key in the vault instead"
    )]
    TooLarge {
        /// The size of the secret in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The item exists but is empty, because its creation was interrupted. This crate never stores
    /// an empty secret.
    #[error("the vault item is empty, its creation was cut off; delete it and create it again")]
    Unfinished,
}

/// The error of the operating system or the vault.
pub type Source = Box<dyn Error + Send + Sync>;

impl VaultError {
    pub(super) fn failed(source: impl Into<Source>) -> Self {
        Self::Failed { source: source.into() }
    }

    /// The error of a call that has already written. A timeout after the write does not undo it.
    #[cfg_attr(
        any(windows, target_vendor = "apple", target_os = "android"),
        expect(dead_code, reason = "only the Secret Service has calls of several writes")
    )]
    pub(super) fn after_a_write(self) -> Self {
        match self {
            Self::TimedOut { waited } => Self::OutcomeUnknown { waited, source: None },
            error => error,
        }
    }
}
