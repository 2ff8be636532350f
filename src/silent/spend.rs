//! What a program sends to a token endpoint.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::claims::sent_claims;
use crate::{Entry, Error, TokenRequest, cache::spent_secret};

/// One request to a token endpoint: a form for an HTTP POST, and the time until which it may take.
///
/// A clone is cheap. `Debug` shows no secret. The form is of RFC 6749 with what providers need
/// besides: Microsoft's clouds are asked for `client_info`, by which all programs find the account.
/// A provider's client secret or assertion of the client is for the program to add, and for a token
/// that is bound to a key what proves it.
#[derive(Clone)]
pub struct Spend {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    grant: Grant,
    request: TokenRequest,
    form: Vec<(Cow<'static, str>, Zeroizing<String>)>,
    deadline: Instant,
    attempt: u32,
}

/// The grant that a request to a token endpoint uses, by its `grant_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// `refresh_token` (RFC 6749, section 6).
    RefreshToken,
    /// `client_credentials` (RFC 6749, section 4.4).
    ClientCredentials,
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523), in Microsoft's clouds on behalf of
    /// a user.
    JwtBearer,
}

impl Grant {
    /// The value of `grant_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

impl Spend {
    /// Spends `token`, one of [`refresh_tokens`](crate::TokenCache::refresh_tokens), for `request`.
    ///
    /// In Microsoft's clouds the form asks for the scopes of the request. Elsewhere it asks for
    /// those that the refresh token was issued for, if the request needs no others: a provider that
    /// gives fewer would be asked again for the next request.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `token` is no refresh token for the request's authority, or the request
    /// cannot be used.
    pub fn of_refresh_token(
        request: &TokenRequest,
        token: &Entry,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let secret = spent_secret(token, request)?;
        let scopes = match request.is_for_known_cloud()? {
            true => with_standard_scopes(request.scopes()),
            false => original_scopes(request, token),
        };
        let more = [("refresh_token", secret)];
        Self::new(Grant::RefreshToken, request, more, &scopes, deadline)
    }

    /// Asks for a token of the application itself. The program adds the client's secret or
    /// assertion.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the request cannot be used.
    pub fn of_client(request: &TokenRequest, deadline: Instant) -> Result<Self, Error> {
        Self::new(Grant::ClientCredentials, request, [], request.scopes(), deadline)
    }

    /// Asks for a token on behalf of the user whose access token `assertion` is. The program adds
    /// the client's secret or assertion.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the request cannot be used.
    pub fn on_behalf_of(
        request: &TokenRequest,
        assertion: &str,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let scopes = match request.is_for_known_cloud()? {
            true => with_standard_scopes(request.scopes()),
            false => request.scopes().to_vec(),
        };
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let more =
            [("assertion", secret(assertion)), ("requested_token_use", secret("on_behalf_of"))];
        Self::new(Grant::JwtBearer, request, more, &scopes, deadline)
    }

    fn new<const N: usize>(
        grant: Grant,
        request: &TokenRequest,
        more: [(&'static str, Zeroizing<String>); N],
        scopes: &[String],
        deadline: Instant,
    ) -> Result<Self, Error> {
        let is_known_cloud = request.is_for_known_cloud()?;
        let text = |text: &str| Zeroizing::new(text.to_owned());
        let mut form = vec![
            ("grant_type".into(), text(grant.as_str())),
            ("client_id".into(), text(request.client_id())),
        ];
        form.extend(more.map(|(name, value)| (name.into(), value)));
        if !scopes.is_empty() {
            form.push(("scope".into(), text(&scopes.join(" "))));
        }
        if let Some(claims) = sent_claims(request)? {
            form.push(("claims".into(), text(&claims)));
        }
        if let Some(resource) = request.requested_resource() {
            form.push(("resource".into(), text(resource)));
        }
        for (name, value) in request.further_parameters()? {
            form.push((name.clone().into(), text(value)));
        }
        // An application is no user, so there is nothing to be said of one.
        if is_known_cloud && grant != Grant::ClientCredentials {
            form.push(("client_info".into(), text("1")));
        }
        let inner = Inner { grant, request: request.clone(), form, deadline, attempt: 1 };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The same request without `scope`, so that the refresh token keeps its own.
    #[cfg(feature = "desktop")]
    pub(crate) fn without_scope(self) -> Self {
        let form = self.inner.form.iter().filter(|(name, _)| *name != "scope").cloned().collect();
        self.with(|inner| inner.form = form)
    }

    /// The same request as the `number`th for its call.
    #[cfg(feature = "desktop")]
    pub(crate) fn for_attempt(self, number: u32) -> Self {
        self.with(|inner| inner.attempt = number)
    }

    #[cfg(feature = "desktop")]
    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner::clone(&self.inner);
        change(&mut inner);
        Self { inner: Arc::new(inner) }
    }

    /// The grant.
    pub fn grant(&self) -> Grant {
        self.inner.grant
    }

    /// The names and values of the form, in the order in which to send them. Encode them as
    /// `application/x-www-form-urlencoded`.
    pub fn form(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.inner.form.iter().map(|(name, value)| (&**name, value.as_str()))
    }

    /// The refresh token that is spent.
    pub fn refresh_token(&self) -> Option<&str> {
        self.value("refresh_token")
    }

    /// The token of the user on whose behalf the request is made.
    pub fn assertion(&self) -> Option<&str> {
        self.value("assertion")
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        self.inner.request.client_id()
    }

    /// The authority of the request, as it was given.
    pub fn authority(&self) -> &str {
        self.inner.request.authority()
    }

    /// The scopes that the form asks for, separated by spaces. `None` if it asks for none.
    pub fn scope(&self) -> Option<&str> {
        self.value("scope")
    }

    /// Until when a response counts, on the monotonic clock.
    pub fn deadline(&self) -> Instant {
        self.inner.deadline
    }

    /// The time that is left, for the timeout of an HTTP client. Zero if none is.
    pub fn left(&self) -> Duration {
        self.inner.deadline.saturating_duration_since(Instant::now())
    }

    /// Which request for the same token this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.form().find(|(given, _)| *given == name).map(|(_, value)| value)
    }
}

impl fmt::Debug for Spend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spend")
            .field("grant", &self.inner.grant)
            .field("request", &self.inner.request)
            .field("attempt", &self.inner.attempt)
            .finish_non_exhaustive()
    }
}

/// The scopes with those that MSAL adds, so that the answer has an ID token and a refresh token.
fn with_standard_scopes(scopes: &[String]) -> Vec<String> {
    let mut all = scopes.to_vec();
    let added = ["openid", "profile", "offline_access"];
    all.extend(added.iter().filter(|name| !scopes.iter().any(|s| s == *name)).map(|&s| s.into()));
    all
}

/// The scopes of the refresh token if they have all of the request, else those of the request.
fn original_scopes(request: &TokenRequest, token: &Entry) -> Vec<String> {
    let original = token.scopes();
    match request.scopes().iter().all(|scope| original.contains(scope)) {
        true => original,
        false => request.scopes().to_vec(),
    }
}
