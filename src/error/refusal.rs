//! Why a provider gave no token.

use std::fmt;

use tokenkeep_platform::text::shown;

/// The error that a token endpoint answered with (RFC 6749, section 5.2).
///
/// Some providers answer with an object, or with a name of their own. `code` is what they use as
/// the name. The texts are the provider's, so escape them before they reach a terminal. They hold
/// no token of the same response.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    pub(crate) code: String,
    pub(crate) suberror: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) claims: Option<String>,
    pub(crate) correlation_id: Option<String>,
}

impl Refusal {
    /// What a redirect says (RFC 6749, section 4.1.2.1).
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn new(code: &str, description: Option<&str>) -> Self {
        let short = |text: &str| text.chars().take(200).collect();
        Self { code: short(code), description: description.map(short), ..Self::default() }
    }

    /// The `error`, for instance `invalid_grant`. Empty if it cannot be shown.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What Microsoft says more exactly, for instance `bad_token`. MSAL calls it the
    /// classification.
    pub fn suberror(&self) -> Option<&str> {
        self.suberror.as_deref()
    }

    /// The provider's sentence about it, at most 200 characters.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The claims that a sign-in has to ask for (OpenID Connect Core, section 5.5), as JSON text.
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    /// The id by which the provider finds this request in its logs.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// Without the texts that repeat one of these secrets. A provider may quote the request.
    pub(crate) fn without(mut self, secrets: &[&str]) -> Self {
        let repeats =
            |text: &str| secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret));
        if repeats(&self.code) {
            self.code.clear();
        }
        let others =
            [&mut self.suberror, &mut self.description, &mut self.claims, &mut self.correlation_id];
        for text in others {
            text.take_if(|text| repeats(text));
        }
        self
    }

    /// Whether a sign-in of the user solves it.
    pub fn is_sign_in_needed(&self) -> bool {
        SOLVED_BY_A_SIGN_IN.contains(&self.code.as_str())
    }

    /// Whether the refresh token itself was refused, so that another one may do.
    pub fn is_of_the_token(&self) -> bool {
        let suberror = self.suberror.as_deref();
        OF_THE_TOKEN.contains(&self.code.as_str())
            && self.claims.is_none()
            && suberror.is_none_or(|suberror| PLAIN.contains(&suberror))
    }

    /// Whether the refresh token is of a family that the client is not in.
    #[cfg(feature = "desktop")]
    pub(crate) fn is_of_another_client(&self) -> bool {
        self.suberror.as_deref() == Some(CLIENT_MISMATCH)
    }

    /// Whether it is about the scopes, the resource or the claims of the request, so that another
    /// request with the same refresh token may succeed.
    pub fn is_about_the_request(&self) -> bool {
        ABOUT_THE_REQUEST.contains(&self.code.as_str()) || self.claims.is_some()
    }

    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        TEMPORARY.contains(&self.code.as_str())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("code", &shown(&self.code))
            .field("suberror", &self.suberror.as_deref().map(shown))
            .field("correlation_id", &self.correlation_id.as_deref().map(shown))
            .finish_non_exhaustive()
    }
}

/// Of OAuth (RFC 6749, sections 4.1.2.1 and 5.2; RFC 6750, section 3.1), of device codes (RFC 8628,
/// section 3.5), of OpenID Connect (Core, section 3.1.2.6), of Microsoft, GitHub, Slack and OpenAI.
const SOLVED_BY_A_SIGN_IN: [&str; 13] = [
    "access_denied",
    "authorization_declined",
    "bad_refresh_token",
    "bad_verification_code",
    "consent_required",
    "expired_token",
    "interaction_required",
    "invalid_grant",
    "invalid_refresh_token",
    "invalid_token",
    "login_required",
    "refresh_token_reused",
    "token_expired",
];

/// Those of a refresh token that is spent, revoked or of somebody else.
const OF_THE_TOKEN: [&str; 6] = [
    "bad_refresh_token",
    "invalid_grant",
    "invalid_refresh_token",
    "invalid_token",
    "refresh_token_reused",
    "token_expired",
];

/// Suberrors of Microsoft that say no more than that the token is not accepted. MSAL treats them
/// like an error without a suberror.
const PLAIN: [&str; 5] = [
    "bad_token",
    CLIENT_MISMATCH,
    "device_authentication_failed",
    "protection_policy_required",
    "token_expired",
];

/// The suberror for a refresh token of a family that the client is not in.
pub(crate) const CLIENT_MISMATCH: &str = "client_mismatch";

const ABOUT_THE_REQUEST: [&str; 3] = ["consent_required", "invalid_scope", "invalid_target"];

const TEMPORARY: [&str; 6] = [
    "authorization_pending",
    "rate_limited",
    "ratelimited",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
];
