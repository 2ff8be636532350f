//! What an error of the server or of its client means.

use std::{error::Error as StdError, fmt, io, time::Duration};

use tokio_postgres::{
    Error,
    error::{DbError, SqlState},
};

use crate::store::StoreError;

pub(super) type Source = Box<dyn StdError + Send + Sync>;

/// What an error means for the step that it ended.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Another transaction was in the way. Nothing was done.
    Again(Source),
    /// The connection is gone. What was done is not known.
    Lost(Source),
    /// The server only reads now: another one is the primary. Nothing was done.
    ReadOnly(Source),
    /// The server ended the statement for its time.
    Slow(Source),
    /// The connection is of use again.
    Final(StoreError),
}

/// What an error at a statement means.
pub(super) fn at_statement(error: Error) -> Verdict {
    let Some(said) = error.as_db_error() else {
        let is_lost =
            error.is_closed() || error.source().is_none_or(|source| source.is::<io::Error>());
        return if is_lost {
            Verdict::Lost(Box::new(error))
        } else {
            Verdict::Final(StoreError::Other {
                what: "the client of PostgreSQL does not understand the server's answer".into(),
                source: Some(Box::new(error)),
            })
        };
    };
    let source: Source = Box::new(Said::new(said));
    let code = said.code();
    if let Some(what) = refusal(code) {
        return Verdict::Final(StoreError::Refused { what, source: Some(source) });
    }
    match code.code() {
        "40001" | "40P01" => Verdict::Again(source),
        "25006" => Verdict::ReadOnly(source),
        // Timeouts for a statement, a lock or a transaction, and cancellation by an operator.
        "57014" | "55P03" | "25P03" | "25P04" => Verdict::Slow(source),
        "53100" => Verdict::Final(StoreError::Full { source: Some(source) }),
        "53300" | "53200" | "57P01" | "57P02" | "57P03" | "57P05" => Verdict::Lost(source),
        code if code.starts_with("08") => Verdict::Lost(source),
        code => Verdict::Final(StoreError::Other {
            what: format!("PostgreSQL answered with the error {code}"),
            source: Some(source),
        }),
    }
}

/// What an error while connecting means. Nothing was sent yet.
pub(super) fn at_connect(error: Error) -> StoreError {
    let refused = |source| StoreError::Refused {
        what: "no connection can be set up: look at TLS, the password and the settings of the \
               client"
            .into(),
        source,
    };
    if is_of_tls(&error) {
        return refused(Some(Box::new(error)));
    }
    match at_statement(error) {
        Verdict::Final(StoreError::Other { source, .. }) => refused(source),
        Verdict::Final(error) => error,
        Verdict::Again(source)
        | Verdict::Lost(source)
        | Verdict::ReadOnly(source)
        | Verdict::Slow(source) => unreachable(Some(source)),
    }
}

/// Whether the connector for TLS does not accept what the server sent, such as its certificate.
fn is_of_tls(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::InvalidData)
}

/// Nothing was done, and the server may be back in a second.
pub(super) fn unreachable(source: Option<Source>) -> StoreError {
    StoreError::Unreachable { retry_after: RETRY_AFTER, source }
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is missing, and what to do. `None` if nothing is.
fn refusal(code: &SqlState) -> Option<String> {
    let what = match code.code() {
        "42P01" => {
            "the table tokenkeep_web or tokenkeep_web_lease is missing; apply the text \
             tokenkeep_web::postgres::SCHEMA, in a schema of the role's search_path"
        }
        "42703" | "42P10" | "42804" => {
            "the table tokenkeep_web or tokenkeep_web_lease has other columns or no primary key; \
             compare it with the text tokenkeep_web::postgres::SCHEMA"
        }
        "42501" => {
            "a right is missing; grant SELECT, INSERT, UPDATE and DELETE on tokenkeep_web and \
             tokenkeep_web_lease to the role"
        }
        "28P01" | "28000" => {
            "the server does not let this role in; look at the password, the role and pg_hba.conf"
        }
        "3D000" => "there is no database of this name; look at the connection string",
        _ => return None,
    };
    Some(format!("{what} ({})", code.code()))
}

/// What the server said, without the details: those may hold the content of a row.
#[derive(Debug)]
struct Said {
    code: String,
    message: String,
}

impl Said {
    fn new(error: &DbError) -> Self {
        let message = error.message().chars().take(MOST_CHARS).collect();
        Self { code: error.code().code().to_owned(), message }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL says {}: {}", self.code.escape_debug(), self.message.escape_debug())
    }
}

impl StdError for Said {}

const MOST_CHARS: usize = 500;
