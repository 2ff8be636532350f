//! What the reply of a token endpoint means.

use std::time::{Duration, SystemTime};

use super::reply::TokenReply;
use crate::{Error, cache::SignInEvent, error::Refusal};

/// What a [`TokenReply`] means.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The provider issued tokens: the body is for
    /// [`add_renewal`](crate::TokenCache::add_renewal) or
    /// [`add_response`](crate::TokenCache::add_response).
    Tokens,
    /// The provider refuses, and will refuse the same request again.
    Refused(Refusal),
    /// The provider is overloaded or broken. The same request may succeed later.
    Unavailable {
        /// The status code.
        status: u16,
        /// When the provider wants to be asked again, at most an hour. `None` if it does not say.
        retry_after: Option<Duration>,
        /// What the provider said, if it said so as OAuth has it.
        refusal: Option<Refusal>,
    },
    /// It is no response of a token endpoint: a page of a proxy, a redirect, or cut off.
    Unusable {
        /// What is wrong with it, without the content.
        detail: String,
    },
}

impl TokenReply {
    /// What the reply means. `now` is the time in Unix seconds, for a `Retry-After` that is a date.
    pub fn read(&self, now: u64) -> Answer {
        Answer::of(self, now)
    }
}

impl Answer {
    fn of(reply: &TokenReply, now: u64) -> Self {
        let status = reply.status;
        let unavailable = |refusal| Self::Unavailable {
            status,
            retry_after: reply.retry_after.as_deref().and_then(|header| delay(header, now)),
            refusal,
        };
        let is_busy = status == TOO_MANY_REQUESTS || status >= 500;
        if reply.body.expose().len() > LARGEST {
            return match is_busy {
                true => unavailable(None),
                false => Self::Unusable { detail: "it has more than 1 MiB".into() },
            };
        }
        match SignInEvent::refusal(reply.body.expose()) {
            // Some providers answer a refusal with 200, so the status does not decide.
            Ok(Some(refusal)) if is_busy && !is_final(&refusal) => unavailable(Some(refusal)),
            Ok(Some(refusal)) if refusal.is_temporary() => unavailable(Some(refusal)),
            Ok(Some(refusal)) => Self::Refused(refusal),
            Ok(None) if (200..300).contains(&status) => Self::Tokens,
            _ if is_busy => unavailable(None),
            Ok(None) => Self::Unusable { detail: format!("its status is {status}") },
            Err(Error::Invalid { detail }) => {
                Self::Unusable { detail: format!("{detail}; its status is {status}") }
            }
            Err(_) => Self::Unusable { detail: format!("its status is {status}") },
        }
    }
}

/// Whether a refusal stands although the provider says that it is overloaded or broken.
fn is_final(refusal: &Refusal) -> bool {
    let codes =
        ["bad_refresh_token", "invalid_grant", "invalid_refresh_token", "refresh_token_reused"];
    codes.contains(&refusal.code())
}

/// The seconds of a `Retry-After` header, or the time until its date (RFC 9110, section 10.2.3).
/// `None` if it is neither.
fn delay(header: &str, now: u64) -> Option<Duration> {
    let header = header.trim();
    let delay = match header.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(now))?;
            // A date that has passed means now.
            httpdate::parse_http_date(header).ok()?.duration_since(now).unwrap_or_default()
        }
    };
    Some(delay.min(LONGEST))
}

const TOO_MANY_REQUESTS: u16 = 429;
/// A token endpoint's response has a few KiB.
pub(super) const LARGEST: usize = 1 << 20;
/// A provider's mistake must not sign a user out for days.
const LONGEST: Duration = Duration::from_secs(3600);
