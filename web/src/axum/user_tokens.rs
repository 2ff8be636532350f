//! The tokens of the user who sent a request.

use std::{convert::Infallible, error::Error as StdError, fmt};

use axum_core::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header::CACHE_CONTROL, request::Parts};

use super::response::unauthorized;
use crate::{Tokens, UserId, WebTokenCache};

/// The tokens of the user who sent the request: an extractor for handlers of axum.
///
/// The user is the [`UserId`] in the request's extensions, where a middleware of yours has put it
/// after it found the session. The cache comes from the state. Without a `UserId` the response is
/// 401; a handler for everybody takes `Option<UserTokens>`.
///
/// ```
/// use axum::{Router, routing::get};
/// use tokenkeep_web::{Error, UserTokens, WebTokenCache};
///
/// async fn mail(UserTokens(tokens): UserTokens) -> Result<String, Error> {
///     let token = tokens.token(["Mail.Read"]).await?;
///     Ok(get_mail(token.secret()).await)
/// }
/// # async fn get_mail(_: &str) -> String { String::new() }
///
/// let app: Router<WebTokenCache> = Router::new().route("/mail", get(mail));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct UserTokens(pub Tokens);

impl<S> FromRequestParts<S> for UserTokens
where
    S: Send + Sync,
    WebTokenCache: FromRef<S>,
{
    type Rejection = UserTokensRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Self::find(parts, state).ok_or(UserTokensRejection(()))
    }
}

impl<S> OptionalFromRequestParts<S> for UserTokens
where
    S: Send + Sync,
    WebTokenCache: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(Self::find(parts, state))
    }
}

impl UserTokens {
    fn find<S>(parts: &Parts, state: &S) -> Option<Self>
    where
        WebTokenCache: FromRef<S>,
    {
        let user: &UserId = parts.extensions.get()?;
        Some(Self(WebTokenCache::from_ref(state).user(user)))
    }
}

/// The request's extensions have no [`UserId`]: nobody is signed in. The response is 401.
#[derive(Clone, Debug)]
pub struct UserTokensRejection(());

impl fmt::Display for UserTokensRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is signed in: the request's extensions have no user id")
    }
}

impl StdError for UserTokensRejection {}

impl IntoResponse for UserTokensRejection {
    fn into_response(self) -> Response {
        let mut response = unauthorized(None);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
