//! What a vault can answer instead of a result.

use std::error::Error;
use std::time::Duration;

use crate::text::shown;

/// Why a vault did not do what it was asked. No text holds a secret; `source()` is what the system
/// said.
///
/// Absence is not here: a read of an item that does not exist is `Ok(None)`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault is there and refuses this program.
    #[error("the vault refused access to this program; allow it in the vault's settings")]
    AccessDenied {
        /// What the vault said.
        source: Source,
    },
    /// Several items have the attributes asked for, so none of them can be chosen.
    #[error("several vault items have the same attributes; delete all but one of them")]
    Ambiguous,
    /// An item with these attributes is already there. `create` never replaces.
    #[error("the vault already holds an item with these attributes; delete it first")]
    Exists,
    /// The vault answered something that has no name of its own here.
    #[error("the vault call failed; see the cause")]
    Failed {
        /// What went wrong.
        source: Source,
    },
    /// The item or its collection is locked and prompts are not allowed. Never reported as absence.
    #[error("the vault is locked; unlock it, or allow a prompt")]
    Locked {
        /// What the vault said, if it said anything.
        source: Option<Source>,
    },
    /// There is no such vault or collection for this user; `reason` says what is missing and what
    /// to do.
    #[error("{}", shown(reason))]
    Missing {
        /// What is missing, and what to do.
        reason: String,
        /// What the system said, if it said anything.
        source: Option<Source>,
    },
    /// This build has no vault for this operating system.
    #[error("this build has no vault for this system; choose another source for the key")]
    NotBuilt,
    /// The caller stopped waiting while a write was under way, or the connection broke then, or its
    /// answer made no sense.
    #[error(
        "the vault did not confirm a write within {waited:?}; it may have happened, read again"
    )]
    OutcomeUnknown {
        /// How long the caller waited.
        waited: Duration,
        /// What broke meanwhile; none if only time passed.
        source: Option<Source>,
    },
    /// The user closed the vault's prompt.
    #[error("the vault's prompt was dismissed; try again and answer it")]
    PromptDismissed {
        /// What the vault said, if it said anything.
        source: Option<Source>,
    },
    /// The vault's service, or the bus that leads to it, does not run, or the bus belongs to
    /// another user; `reason` names it and how to start it.
    #[error("{}", shown(reason))]
    ServiceMissing {
        /// What does not run, and what to do.
        reason: String,
        /// What the system said, if it said anything.
        source: Option<Source>,
    },
    /// No answer in time, and nothing was written. `waited` is zero when the call failed at once
    /// because the vault had just been silent.
    #[error(
        "the vault did not answer within {waited:?}; see whether a prompt is open, then try again"
    )]
    TimedOut {
        /// How long the caller waited.
        waited: Duration,
    },
    /// The secret is larger than the vault takes. Found before any call.
    #[error(
        "the secret has {size} bytes and the vault takes {limit}; keep a key in the vault instead"
    )]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The item is there and empty: its creation was cut off. Nothing of ours is ever stored empty.
    #[error("the vault item is empty, its creation was cut off; delete it and create it again")]
    Unfinished,
}

/// What the operating system or the vault said.
pub type Source = Box<dyn Error + Send + Sync>;

impl VaultError {
    pub(super) fn failed(source: impl Into<Source>) -> Self {
        Self::Failed { source: source.into() }
    }

    /// The same for a call that has written before: that nothing was written since does not take
    /// that back.
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
