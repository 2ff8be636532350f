//! One trip to the server.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_postgres::Client;

/// Statements that are sent together. Each of them may run twice: the answer to the first may have
/// been lost.
pub(super) trait Step: Send + Sync {
    /// What the answer says.
    type Answer: Send;

    /// Whether the step changes anything.
    const WRITES: bool;

    /// Sends the statements and reads the answers, which should be here at `end`.
    fn run(
        &self,
        client: &Client,
        end: Instant,
    ) -> impl Future<Output = Result<Self::Answer, Trouble>> + Send;

    /// How long the answer may take beyond the limit of every call.
    fn extra(&self) -> Duration {
        Duration::ZERO
    }
}

/// Why a step has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What the client or the server says.
    Engine(tokio_postgres::Error),
    /// The server does not answer.
    Silence,
    /// It is written, and too few standby servers confirmed it in time.
    Unconfirmed {
        /// How many did.
        reached: u8,
        /// How many had to.
        wanted: u8,
        /// The server's process that waits for them still, if one does.
        waiting: Option<Waiting>,
    },
    /// What the step needs is missing, as this says.
    Refused(&'static str),
}

/// A process of the server that waits for standby servers. It would wait on, with its locks, when
/// the caller has given up and the connection is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) pid: i32,
    /// When its transaction began, which tells it from others of the same process.
    pub(super) since: SystemTime,
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Engine(error)
    }
}
