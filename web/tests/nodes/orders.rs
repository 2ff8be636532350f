//! What a test and its nodes say to each other, one line of JSON each.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::load::{Ack, Load};

/// How a node reaches what it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) engine: EngineAt,
    pub(crate) provider: String,
    /// The ring, or the path of a file that has it.
    pub(crate) ring: String,
    /// So many replicas have a value before it counts as stored.
    pub(crate) replicas: u8,
    /// What a call at the store may take, if not the usual.
    pub(crate) store_timeout: Option<Duration>,
    /// Where spans, events and metrics are written.
    pub(crate) log: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum EngineAt {
    Redis(String),
    Sentinels(Vec<String>),
    Cluster(Vec<String>),
    Postgres(String),
}

/// What a node does. It begins when it is told to go.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// All calls at once.
    Calls(Vec<Call>),
    /// Adds one to a number that the user's tokens carry, `each` times by each of the workers.
    Updates { user: String, workers: usize, each: usize },
    /// Goes on until the word to end.
    Load(Load),
    /// Waits until all is saved.
    Close,
    /// Closes and drops the cache, and makes a system call that nothing else makes: `linkat`.
    Drop,
}

/// Calls for one user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) user: String,
    pub(crate) does: Does,
    /// So many callers.
    pub(crate) callers: usize,
    /// So many microseconds after the others.
    pub(crate) after: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Does {
    Token,
    /// As `Token`, again as long as an error says that it may help.
    Insist,
    /// As `Token`, and says nothing of the token.
    Look,
    SignOut,
}

/// What a node answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It waits for an order, or for the word to go.
    Ready,
    Calls(Vec<Called>),
    /// It is said at any time during a load.
    Ack(Ack),
    Loaded,
    Updates {
        done: usize,
        attempts: usize,
        conflicts: u64,
        gave_up: usize,
    },
    /// What was not saved.
    Closed(Option<String>),
}

/// What one caller got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Called {
    pub(crate) user: String,
    pub(crate) does: Does,
    /// How often it asked.
    pub(crate) tries: usize,
    /// From the word to go, in microseconds.
    pub(crate) took: u64,
    pub(crate) got: Got,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Got {
    Token { secret: String, is_stored: bool },
    SignedOut,
    SignInNeeded(String),
    Error(String),
}
