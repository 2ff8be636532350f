//! What the engine's errors mean.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::{address::Address, limits::RETRY_AFTER};
use crate::store::StoreError;

/// Why a server did not do what it was asked.
pub(super) enum Failure {
    /// Another node of the Cluster has the slot.
    Moved(Address),
    /// Another node of the Cluster is about to have the slot, and has the key.
    Asked(Address),
    /// Not all keys are on one node while their slot moves. Each alone can be reached.
    Split,
    /// Anything else.
    Store(StoreError),
}

impl Failure {
    pub(super) fn of(error: RedisError, stage: Stage) -> Self {
        let address = || error.redirect_node().and_then(|(node, _)| Address::parse(node));
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::TryAgain) => return Self::Split,
            // A node that does not know the other's address says none.
            ErrorKind::Server(ServerErrorKind::Moved) => {
                return address().map_or_else(|| unreachable(Some(error)).into(), Self::Moved);
            }
            ErrorKind::Server(ServerErrorKind::Ask) => {
                return address().map_or_else(|| unreachable(Some(error)).into(), Self::Asked);
            }
            _ => {}
        }
        Self::Store(meaning(error, stage))
    }

    /// What it means where there is no other node.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Split => unreachable(None),
            Self::Moved(_) | Self::Asked(_) => {
                let what = "this is a node of a Cluster; connect as to one".into();
                StoreError::Refused { what, source: None }
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How far a call came that failed.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// There was no connection.
    Connecting,
    /// The command was sent this long after the call's start.
    Sent(Duration),
}

/// What the engine's errors mean for a caller.
pub(super) fn meaning(error: RedisError, stage: Stage) -> StoreError {
    let code = code(&error);
    let what = match (error.kind(), code.as_str()) {
        (_, "OOM" | "MISCONF") => return StoreError::Full { source: Some(error.into()) },
        (_, "NOREPLICAS") => {
            return StoreError::NotReplicated { reached: 0, wanted: 1, written: false };
        }
        (_, code) if is_away(code) => return unreachable(Some(error)),
        (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS") => {
            "the user name or the password is wrong"
        }
        (_, "NOAUTH") => "a user name or a password is missing",
        (_, "NOPERM") => "the user has no right to a command, a key or a channel",
        (_, "DENIED") => "Redis is in protected mode",
        (ErrorKind::RESP3NotSupported, _) => "Redis 6.2 or later is needed",
        (ErrorKind::InvalidClientConfig, _) => {
            "the address or a certificate cannot be used, or there is no provider of rustls"
        }
        (ErrorKind::MasterNameNotFoundBySentinel, _) => "no Sentinel knows a primary of this name",
        (ErrorKind::Io, _) if is_of_tls(&error) => "the TLS connection is not accepted",
        (ErrorKind::Server(_), _) if matches!(stage, Stage::Connecting) => {
            if error.to_string().contains("max number of clients") {
                return unreachable(Some(error));
            }
            "the user has no right to this database, or there is none"
        }
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => {
            return StoreError::Other {
                what: "Redis answered with an error".into(),
                source: Some(error.into()),
            };
        }
        _ => {
            return match stage {
                Stage::Connecting => unreachable(Some(error)),
                Stage::Sent(after) => StoreError::Timeout { after, source: Some(error.into()) },
            };
        }
    };
    StoreError::Refused { what: what.into(), source: Some(error.into()) }
}

/// The engine cannot be reached.
pub(super) fn unreachable(source: Option<RedisError>) -> StoreError {
    StoreError::Unreachable { retry_after: RETRY_AFTER, source: source.map(Into::into) }
}

/// An answer that is none of the expected ones.
pub(super) fn unexpected() -> StoreError {
    let what = "Redis answered with a value of another type".into();
    StoreError::Other { what, source: None }
}

/// Whether the engine is away, and the breaker has to know.
pub(super) fn counts(error: &Failure) -> bool {
    matches!(error, Failure::Store(StoreError::Unreachable { .. } | StoreError::Timeout { .. }))
}

/// Whether the connection leads to a server that is not the right one any more, or to none.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client)
        || is_read_only(error)
}

/// Whether the server is no primary any more.
pub(super) fn is_read_only(error: &RedisError) -> bool {
    code(error) == "READONLY"
}

/// Whether a script has to be sent as a text.
pub(super) fn is_no_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Whether the connection broke after the command was sent.
pub(super) fn is_broken(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client)
        && !error.is_timeout()
}

fn is_away(code: &str) -> bool {
    const AWAY: [&str; 7] =
        ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN", "UNBLOCKED"];
    AWAY.contains(&code)
}

/// The error's code. Redis before 7 hides the code of what a script called in the text.
fn code(error: &RedisError) -> String {
    let code = error.code().unwrap_or_default();
    // Redis 7.0 says so of a command, a key or a channel that a script may not use.
    if code == "ERR" && error.detail().unwrap_or_default().contains("The user executing the script")
    {
        return "NOPERM".to_owned();
    }
    // A server that was the primary says so to the wait for replicas.
    if code == "ERR" && error.detail().unwrap_or_default().starts_with("WAIT cannot be used with") {
        return "READONLY".to_owned();
    }
    if code == "ERR"
        && let Some((_, inner)) = error.detail().unwrap_or_default().rsplit_once(": -")
    {
        return inner.split(' ').next().unwrap_or_default().to_owned();
    }
    code.to_owned()
}

/// The client tells an error of TLS from another of the network by its text alone.
fn is_of_tls(error: &RedisError) -> bool {
    let text = error.to_string();
    ["peer certificate", "received fatal alert"].iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, detail: &str) -> StoreError {
        let error = redis::make_extension_error(code.into(), Some(detail.into()));
        meaning(error, Stage::Sent(Duration::ZERO))
    }

    #[test]
    fn codes_of_an_engine_that_is_away_mean_that_nothing_was_done() {
        for code in ["LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "BUSY"] {
            assert!(matches!(of(code, "text"), StoreError::Unreachable { .. }), "{code}");
        }
    }

    #[test]
    fn a_code_inside_a_script_s_text_counts() {
        let text = "Error running script (call to f_1): @user_script:5: @user_script: 5: -OOM \
                    command not allowed when used memory > 'maxmemory'.";
        assert!(matches!(of("ERR", text), StoreError::Full { .. }));
        let text = "The user executing the script can't run this command or subcommand script: f_1";
        assert!(matches!(of("ERR", text), StoreError::Refused { .. }));
        assert!(matches!(of("ERR", "unknown: -dash"), StoreError::Other { .. }));
    }

    #[test]
    fn what_the_text_of_a_refusal_says_is_not_the_engine_s() {
        let error = of("WRONGPASS", "\x1b[2J s3cret");
        assert!(matches!(&error, StoreError::Refused { .. }), "{error:?}");
        assert!(!error.to_string().contains("s3cret"));
    }
}
