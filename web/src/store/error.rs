//! Why a store did not do what it was asked.

use std::{error::Error as StdError, time::Duration};

/// Why a store did not do what it was asked. No text of it contains a key or a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The engine cannot be reached, and nothing was done.
    #[error("the store cannot be reached")]
    Unreachable {
        /// When to try again. Until then a call ends at once.
        retry_after: Duration,
        /// What the client of the engine said.
        source: Option<Source>,
    },
    /// The engine did not answer in time. Whether the step was done is not known.
    #[error("the store did not answer within {} ms", after.as_millis())]
    Timeout {
        /// How long the call took.
        after: Duration,
        /// What the client of the engine said.
        source: Option<Source>,
    },
    /// The engine has no room for the value. Nothing was written; reads go on.
    #[error("the store is full")]
    Full {
        /// What the engine said.
        source: Option<Source>,
    },
    /// Too few replicas confirmed the value or the lease.
    ///
    /// It may be lost when the engine fails over. A `put` of the same value, or a `lease` for the
    /// same owner, asks again.
    #[error("the write reached {reached} replicas, {wanted} were wanted")]
    NotReplicated {
        /// How many replicas confirmed it.
        reached: u8,
        /// How many were wanted.
        wanted: u8,
        /// Whether the engine has it. `false` if it refused it for want of replicas.
        written: bool,
    },
    /// The engine refuses the call: a right, a password, a table or a setting is missing. Trying
    /// again does not help.
    #[error("the store refuses: {what}")]
    Refused {
        /// What is missing, with control characters escaped.
        what: String,
        /// What the engine said.
        source: Option<Source>,
    },
    /// Anything else.
    #[error("the store failed: {what}")]
    Other {
        /// What happened, with control characters escaped.
        what: String,
        /// What the engine said.
        source: Option<Source>,
    },
}

type Source = Box<dyn StdError + Send + Sync>;

impl StoreError {
    /// What it means where an earlier try of the same step may have been done: nobody knows.
    pub(crate) fn of_second_try(self, after: Duration) -> Self {
        match self {
            Self::NotReplicated { written: true, .. } => self,
            error => Self::Timeout { after, source: Some(error.into()) },
        }
    }
}
