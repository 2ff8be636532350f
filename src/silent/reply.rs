//! What an HTTP client brought back from a token endpoint.

use std::{error::Error as StdError, fmt};

use crate::Secret;

/// The HTTP response of a token endpoint: its status, its body, and when to ask again.
///
/// The body is wiped when the value is dropped. `Debug` does not show it.
#[derive(Clone)]
#[must_use]
pub struct TokenReply {
    pub(super) status: u16,
    pub(super) body: Secret,
    pub(super) retry_after: Option<String>,
}

impl TokenReply {
    /// A response with this status code and body, whatever they are. At most 1 MiB of the body is
    /// needed.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: Secret::new(body), retry_after: None }
    }

    /// The `Retry-After` header as it was received, if there was one.
    pub fn retry_after(mut self, header: Option<&str>) -> Self {
        self.retry_after = header.map(str::to_owned);
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    pub fn body(&self) -> &Secret {
        &self.body
    }
}

impl fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no response of a token endpoint.
///
/// The difference decides whether a refresh token may have been spent, so a doubt is
/// [`Unknown`](Self::Unknown).
#[derive(Debug)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The request certainly did not leave this machine: the name was not found, the connection was
    /// refused or timed out, or the certificate was not accepted.
    NotSent(Source),
    /// The request may have been received: the connection broke, or the response did not come in
    /// time.
    Unknown(Source),
}

type Source = Box<dyn StdError + Send + Sync>;

impl ExchangeError {
    /// [`NotSent`](Self::NotSent) because of this error.
    pub fn not_sent(source: impl Into<Source>) -> Self {
        Self::NotSent(source.into())
    }

    /// [`Unknown`](Self::Unknown) because of this error.
    pub fn unknown(source: impl Into<Source>) -> Self {
        Self::Unknown(source.into())
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent(_) => "the request was not sent",
            Self::Unknown(_) => "the request was sent, and no response came",
        })
    }
}

impl StdError for ExchangeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotSent(source) | Self::Unknown(source) => Some(&**source),
        }
    }
}
