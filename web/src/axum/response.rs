//! Errors as responses.

use std::{error::Error as _, time::Duration};

use axum_core::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::Error;

/// The response has the status of [`Error::status`] and a short text that says nothing of the
/// cause:
///
/// | status | when | header fields |
/// |---|---|---|
/// | 401 | the user has to sign in | `WWW-Authenticate`, with the claims if the provider named some |
/// | 503 | the same request may succeed later | `Retry-After`, in seconds |
/// | 500 | otherwise | |
///
/// The cause of 503 and 500 is logged (target `tokenkeep_web`, levels WARN and ERROR). The error is
/// in the extensions of the response, for a middleware that makes another response of it, such as
/// a redirect to the sign-in. No response may be stored by a cache.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = match self.status() {
            401 => self.unauthorized(),
            503 => self.unavailable(),
            _ => self.internal(),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}

impl Error {
    fn unauthorized(&self) -> Response {
        let claims = match self {
            Self::SignInNeeded { claims, .. } => claims.as_deref(),
            _ => None,
        };
        unauthorized(claims)
    }

    fn unavailable(&self) -> Response {
        let cause = self.source().map(tracing::field::display);
        tracing::warn!(target: "tokenkeep_web", cause, next_step = self.next_step(), "{self}");
        let after = self.retry_after().map_or(1, whole_seconds);
        let fields = [(RETRY_AFTER, HeaderValue::from(after))];
        (StatusCode::SERVICE_UNAVAILABLE, fields, "Try again later.\n").into_response()
    }

    fn internal(&self) -> Response {
        let cause = self.source().map(tracing::field::display);
        tracing::error!(target: "tokenkeep_web", cause, next_step = self.next_step(), "{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, "The server failed.\n").into_response()
    }
}

/// The response to who has to sign in (RFC 9110, section 15.5.2; RFC 6750, section 3). A browser
/// shows no dialog for this scheme.
pub(super) fn unauthorized(claims: Option<&str>) -> Response {
    let challenge = match claims {
        // As Microsoft's APIs ask for claims. In base64, because JSON may have any character.
        Some(claims) => {
            format!(r#"Bearer error="insufficient_claims", claims="{}""#, STANDARD.encode(claims))
        }
        None => r#"Bearer error="invalid_token""#.to_owned(),
    };
    let challenge = HeaderValue::try_from(challenge).expect("base64 is visible ASCII");
    let fields = [(WWW_AUTHENTICATE, challenge)];
    (StatusCode::UNAUTHORIZED, fields, "Sign in first.\n").into_response()
}

/// Rounded up, because a client that comes too early comes in vain.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
