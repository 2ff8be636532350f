//! Why a call of the cache gave no token.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use tokenkeep::envelope::{EnvelopeError, KeyId};

use crate::store::StoreError;

/// Why a call of the cache did not do what it was asked.
///
/// No text contains a token, a key, or anything by which a user is known. A clone is cheap: all
/// callers that waited for one renewal get the same error.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user has to sign in.
    #[error("the user has to sign in: {reason}{}", in_brackets(code.as_deref()))]
    SignInNeeded {
        /// Why.
        reason: SignInReason,
        /// The provider's error code, for instance `invalid_grant`, if the provider refused.
        code: Option<String>,
        /// The claims that the sign-in has to ask for, as JSON text, if the provider named some.
        claims: Option<String>,
    },
    /// The provider gave no token, for a reason that a sign-in does not solve.
    #[error(
        "the provider gave no token{}{}: {what}",
        in_brackets(status.map(|status| status.to_string()).as_deref()),
        in_brackets(code.as_deref())
    )]
    Provider {
        /// What happened.
        what: &'static str,
        /// The status of the response, if there was one.
        status: Option<u16>,
        /// The provider's error code, if it sent one.
        code: Option<String>,
        /// When the same request may succeed. `None` if it will not.
        retry_after: Option<Duration>,
        /// What the HTTP client said, if there was no response.
        source: Option<Source>,
    },
    /// The store cannot be reached or does not answer. The user is still signed in.
    #[error("the store of tokens cannot be reached")]
    StoreUnavailable {
        /// When to try again.
        retry_after: Duration,
        /// What the store said.
        source: Option<Source>,
    },
    /// The store refuses: a right, a password, a table or a setting is missing.
    #[error("the store of tokens refuses: {what}")]
    StoreRefused {
        /// What is missing.
        what: String,
        /// What the store said.
        source: Option<Source>,
    },
    /// The store has no room, so no token is spent whose successor could not be kept.
    #[error("the store of tokens is full")]
    StoreFull {
        /// What the store said.
        source: Option<Source>,
    },
    /// Others changed the value at each of the attempts.
    #[error("others changed the tokens at each of {attempts} attempts")]
    Contended {
        /// How many attempts there were.
        attempts: u32,
    },
    /// The call's time is up, and a renewal for it is still under way, here or at another node.
    #[error("a renewal was still under way after {} ms", waited.as_millis())]
    RefreshInProgress {
        /// How long this call waited.
        waited: Duration,
    },
    /// The value was sealed with a key that is not in the key ring. It was left as it is.
    #[error("the tokens are sealed with the key {key_id}, which is not in the key ring")]
    KeyUnknown {
        /// The id of the key.
        key_id: KeyId,
    },
    /// The source of the key ring failed or did not answer.
    #[error("the key ring could not be loaded")]
    KeysUnavailable {
        /// When to try again.
        retry_after: Duration,
        /// What the source said.
        source: Option<Source>,
    },
    /// The value was altered or cut off, or is no sealed value. It was left as it is.
    #[error("the stored tokens are corrupt: {detail}")]
    Corrupt {
        /// What is wrong, without the content.
        detail: String,
    },
    /// The value was sealed for another user, kind or application. It was left as it is.
    #[error("the stored tokens belong to another partition")]
    OtherPartition,
    /// The tokens of one partition do not fit. Nothing was written.
    #[error("the {entries} entries of one partition have {size} bytes, the limit is {limit}")]
    TooLarge {
        /// How many entries there are.
        entries: usize,
        /// Their size, sealed, in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The call cannot be used as it is.
    #[error("{detail}")]
    Invalid {
        /// What is wrong, and what is expected.
        detail: String,
    },
    /// The token cache refuses the request or the change.
    #[error("the token cache refuses")]
    Cache(#[source] Arc<tokenkeep::Error>),
}

/// What another part said.
pub(crate) type Source = Arc<dyn StdError + Send + Sync>;

/// Why a user has to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInReason {
    /// The store has nothing of the user: the user never signed in, signed out, or the store lost
    /// or evicted it.
    Absent,
    /// There is no refresh token for this client and authority, and no access token that is valid.
    NoRefreshToken,
    /// The provider does not accept the refresh token, or wants the user to do something.
    Refused,
    /// The user signed out while the provider was asked.
    SignedOut,
}

impl std::fmt::Display for SignInReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "the store has nothing of this user",
            Self::NoRefreshToken => "there is no refresh token for this request",
            Self::Refused => "the provider does not accept the sign-in",
            Self::SignedOut => "the user signed out meanwhile",
        })
    }
}

impl Error {
    /// Whether the user has to sign in.
    pub fn is_sign_in_needed(&self) -> bool {
        matches!(self, Self::SignInNeeded { .. })
    }

    /// Whether the same call may succeed a little later, without any other action.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Provider { retry_after, .. } => retry_after.is_some(),
            Self::StoreUnavailable { .. }
            | Self::StoreFull { .. }
            | Self::Contended { .. }
            | Self::RefreshInProgress { .. }
            | Self::KeyUnknown { .. }
            | Self::KeysUnavailable { .. } => true,
            _ => false,
        }
    }

    /// When to try again, if the same call may succeed later.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider { retry_after, .. } => *retry_after,
            Self::StoreUnavailable { retry_after, .. }
            | Self::KeysUnavailable { retry_after, .. } => Some(*retry_after),
            Self::StoreFull { .. } | Self::KeyUnknown { .. } => Some(LATER),
            Self::Contended { .. } | Self::RefreshInProgress { .. } => Some(SOON),
            _ => None,
        }
    }

    /// The next step, in one line.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::SignInNeeded { .. } => "send the user to the sign-in",
            Self::Provider { retry_after: Some(_), .. } => "try again later",
            Self::Provider { .. } => {
                "correct the client id, the client's secret, the scopes or the registration at the \
                 provider"
            }
            Self::StoreUnavailable { .. } => "try again later, and look at the store's server",
            Self::StoreRefused { .. } => {
                "give the application the right, the password, the table or the setting that the \
                 store's error names"
            }
            Self::StoreFull { .. } => "make room in the store, then try again",
            Self::Contended { .. } | Self::RefreshInProgress { .. } => "try again",
            Self::KeyUnknown { .. } => "add this key to the key ring of all nodes",
            Self::KeysUnavailable { .. } => "look at the source of the key ring, then try again",
            Self::Corrupt { .. } | Self::OtherPartition => {
                "find out who else writes to the store; a removal and a new sign-in replace the \
                 value"
            }
            Self::TooLarge { .. } => "request fewer different scopes, or ask for smaller tokens",
            Self::Invalid { .. } => "correct the call",
            Self::Cache(_) => "look at the source of the error",
        }
    }

    /// The status code for an HTTP response: 401 if the user has to sign in, 503 if the same
    /// request may succeed later, else 500.
    pub fn status(&self) -> u16 {
        match self {
            _ if self.is_sign_in_needed() => 401,
            _ if self.is_retryable() => 503,
            _ => 500,
        }
    }

    pub(crate) fn sign_in(reason: SignInReason) -> Self {
        Self::SignInNeeded { reason, code: None, claims: None }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid { detail: detail.into() }
    }

    /// Whether the store did not do its part.
    pub(crate) fn is_of_the_store(&self) -> bool {
        matches!(
            self,
            Self::StoreUnavailable { .. } | Self::StoreRefused { .. } | Self::StoreFull { .. }
        )
    }

    /// Whether the store did not answer, so that another call would wait for it in vain.
    pub(crate) fn is_silence(&self) -> bool {
        let Self::StoreUnavailable { source: Some(source), .. } = self else { return false };
        matches!(
            source.downcast_ref(),
            Some(StoreError::Unreachable { .. } | StoreError::Timeout { .. })
        )
    }

    /// Whether the value is there and cannot be opened.
    pub(crate) fn is_of_the_value(&self) -> bool {
        matches!(
            self,
            Self::KeyUnknown { .. }
                | Self::KeysUnavailable { .. }
                | Self::Corrupt { .. }
                | Self::OtherPartition
        )
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreachable { retry_after, .. } => {
                Self::StoreUnavailable { retry_after, source: Some(Arc::new(error)) }
            }
            StoreError::Full { .. } => Self::StoreFull { source: Some(Arc::new(error)) },
            StoreError::Refused { ref what, .. } => {
                Self::StoreRefused { what: what.clone(), source: Some(Arc::new(error)) }
            }
            other => Self::StoreUnavailable { retry_after: SOON, source: Some(Arc::new(other)) },
        }
    }
}

impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::OtherStore => Self::OtherPartition,
            EnvelopeError::Corrupt { detail } => Self::Corrupt { detail },
            EnvelopeError::NotSealed => Self::Corrupt { detail: "it is not sealed".into() },
            EnvelopeError::WrongKey => {
                Self::Corrupt { detail: "it was sealed with another key of the same id".into() }
            }
            EnvelopeError::Random { source } => {
                Self::KeysUnavailable { retry_after: SOON, source: Some(Arc::from(source)) }
            }
            other => Self::Corrupt { detail: other.to_string() },
        }
    }
}

impl From<tokenkeep::Error> for Error {
    fn from(error: tokenkeep::Error) -> Self {
        match error {
            tokenkeep::Error::SignInNeeded { refusal, .. } => Self::SignInNeeded {
                reason: SignInReason::Refused,
                code: Some(clean(refusal.code())),
                claims: refusal.claims().map(clean),
            },
            tokenkeep::Error::Refused { refusal } => Self::Provider {
                what: "it refuses the request",
                status: None,
                code: Some(clean(refusal.code())),
                retry_after: refusal.is_temporary().then_some(SOON),
                source: None,
            },
            // Its text has the names of the users.
            tokenkeep::Error::AccountAmbiguous { .. } => {
                Self::invalid("the partition has several accounts; name one in the request")
            }
            error => Self::Cache(Arc::new(error)),
        }
    }
}

/// Without what a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn in_brackets(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(" ({text})"))
}

const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);
