//! The notes beside a lease: what became of the last renewals. They share failures between
//! processes.

use std::{error::Error as StdError, io, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokenkeep_platform::text::hexadecimal;

use crate::{Error, TokenRequest, error::Refusal};

/// One note for each token, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes(Vec<Note>);

/// What the holder of a lease did with a token. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// A part of a digest of the refresh token.
    spent: String,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    /// It was sent, and the note was not replaced: its holder was ended.
    Spending,
    Failed {
        /// When it failed, in Unix seconds.
        at: u64,
        failure: Failure,
        /// Before this time nobody asks again, in Unix seconds.
        retry_at: u64,
        /// Whether an earlier holder was ended after it had sent the token.
        is_orphan: bool,
        /// Whose failure it is.
        #[serde(flatten)]
        of: Asked,
    },
    /// An access token came for these claims.
    Answered { access_token: String, asked: String },
}

/// What is asked for with a token, as digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The client and the authority.
    client: String,
    /// Everything that a provider may refuse although it accepts the token. `None` in a note that
    /// is not about that.
    all: Option<String>,
}

/// A failure that others would meet too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Failure {
    Unreachable { reason: Option<String> },
    Unavailable { status: Option<u16> },
    Unusable { detail: String },
    Refused { code: String, suberror: Option<String>, claims: Option<String>, is_orphan: bool },
}

/// A failure that another caller met, and the time after which it may be asked again.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) failure: Failure,
    pub(super) retry_in: Duration,
}

impl Asked {
    pub(super) fn of(request: &TokenRequest) -> Self {
        let client = format!("{}\0{}", request.client_id(), request.authority());
        let all = digest(&format!("{client}\0{}", request.asked()));
        Self { client: digest(&client), all: Some(all) }
    }

    /// The same client, whatever it asks for.
    fn whatever(&self) -> Self {
        Self { all: None, ..self.clone() }
    }

    /// Whether a note about this is about `asked` too.
    fn is_about(&self, asked: &Self) -> bool {
        self.client == asked.client && (self.all.is_none() || self.all == asked.all)
    }
}

impl Notes {
    /// What cannot be read says nothing.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(serde_json::from_slice(bytes).unwrap_or_default())
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    fn of(&self, token: &str) -> Option<&State> {
        let spent = digest(token);
        Some(&self.0.iter().find(|note| note.spent == spent)?.state)
    }

    fn set(&mut self, token: &str, state: State) {
        self.remove(token);
        self.0.push(Note { spent: digest(token), state });
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    pub(super) fn remove(&mut self, token: &str) {
        let spent = digest(token);
        self.0.retain(|note| note.spent != spent);
    }

    pub(super) fn spending(&mut self, token: &str) {
        self.set(token, State::Spending);
    }

    /// `at` is the time of the failure in Unix seconds.
    pub(super) fn failed(
        &mut self,
        token: &str,
        at: u64,
        failure: Failure,
        retry_in: Duration,
        (asked, is_orphan): (&Asked, bool),
    ) {
        let of = if failure.is_about_what_is_asked() { asked.clone() } else { asked.whatever() };
        let retry_at = at.saturating_add(retry_in.as_secs());
        self.set(token, State::Failed { at, failure, retry_at, is_orphan, of });
    }

    /// This access token came for the refresh token `token`.
    pub(super) fn answered(&mut self, token: &str, access_token: &str, asked: &Asked) {
        if let Some(asked) = asked.all.clone() {
            let access_token = digest(access_token);
            self.set(token, State::Answered { access_token, asked });
        }
    }

    /// Whether a process that spent this token was ended before it could store the answer.
    pub(super) fn is_orphan(&self, token: &str) -> bool {
        match self.of(token) {
            Some(State::Spending) => true,
            Some(State::Failed { is_orphan, .. }) => *is_orphan,
            _ => false,
        }
    }

    /// The failure that a caller shares: its call began at `start` before the failure, or the
    /// provider is not to be asked again yet, or the failure is younger than `patience`.
    pub(super) fn shared_failure(
        &self,
        token: &str,
        (start, now): (u64, u64),
        patience: Duration,
        asked: &Asked,
    ) -> Option<Shared> {
        let State::Failed { at, failure, retry_at, of, .. } = self.of(token)? else { return None };
        let retry_at = (*retry_at).max(at.saturating_add(patience.as_secs()));
        let retry_at = retry_at.min(at.saturating_add(LONGEST));
        // A time in the future is from before the clock was set back.
        let is_void = *at > now.saturating_add(60);
        let is_shared = of.is_about(asked) && !is_void && (*at >= start || now < retry_at);
        let retry_in = Duration::from_secs(retry_at.saturating_sub(now));
        is_shared.then(|| Shared { failure: failure.clone(), retry_in })
    }

    /// Whether this access token was issued for the scopes and claims that are asked for.
    pub(super) fn has_answered(&self, token: &str, wanted: &Asked) -> bool {
        let token = digest(token);
        self.0.iter().any(|note| match &note.state {
            State::Answered { access_token, asked } => {
                *access_token == token && Some(asked) == wanted.all.as_ref()
            }
            _ => false,
        })
    }
}

impl Failure {
    pub(super) fn refused(refusal: &Refusal, is_orphan: bool) -> Self {
        let Refusal { code, suberror, claims, .. } = refusal.clone();
        let claims = claims.filter(|claims| claims.len() <= LONGEST_CLAIMS);
        Self::Refused { code, suberror, claims, is_orphan }
    }

    /// What the operating system said, and nothing of an HTTP client, whose text may repeat what it
    /// sent.
    pub(super) fn unreachable(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Self::Unreachable { reason: Some(error.kind().to_string()) };
            }
            cause = error.source();
        }
        Self::Unreachable { reason: None }
    }

    /// Whether the token itself was refused, so that another one may do.
    pub(super) fn is_of_the_token(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.is_of_the_token())
    }

    /// Whether the client is not in the token's family.
    pub(super) fn is_of_another_client(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.is_of_another_client())
    }

    fn is_about_what_is_asked(&self) -> bool {
        self.refusal().is_some_and(|refusal| !refusal.is_of_the_token())
    }

    fn refusal(&self) -> Option<Refusal> {
        let Self::Refused { code, suberror, claims, .. } = self.clone() else { return None };
        Some(Refusal { code, suberror, claims, ..Refusal::default() })
    }
}

impl Shared {
    pub(super) fn into_error(self) -> Error {
        let refusal = self.failure.refusal();
        match self.failure {
            Failure::Unreachable { reason } => Error::ProviderUnreachable {
                source: reason.unwrap_or_else(|| "another call could not reach it".into()).into(),
            },
            Failure::Unavailable { status } => {
                Error::ProviderUnavailable { status, retry_in: Some(self.retry_in), source: None }
            }
            Failure::Unusable { detail } => Error::ProviderAnswer { detail },
            Failure::Refused { is_orphan, .. } => {
                Error::refused(refusal.unwrap_or_default()).after_orphan(is_orphan)
            }
        }
    }
}

/// Half of a SHA-256 digest in hexadecimal: enough to tell tokens apart, and nothing to guess a
/// token from.
pub(super) fn digest(text: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(b"tokenkeep renewal\0");
    digest.update(text.as_bytes());
    hexadecimal(&digest.finalize()[..16])
}

/// How many tokens of one bucket are remembered.
const MOST: usize = 16;
/// Longer claims are not shared: the notes of a bucket must stay small.
const LONGEST_CLAIMS: usize = 2048;
/// A provider's mistake must not sign a user out for days.
const LONGEST: u64 = 3600;
