//! What an event says.

use std::time::Duration;

use crate::cache::event::SignInEvent;

impl SignInEvent {
    /// The home account id of the sign-in: that of the provider's response, or if it has none, that
    /// of the request or of [`account`](Self::account). Returns `None` if nothing says who signed
    /// in. The account that a cache stores may be another one that stands for the same user.
    pub fn home_account_id(&self) -> Option<&str> {
        self.identity.home_account_id.as_deref().filter(|home| !home.is_empty())
    }

    /// The host of the authority. Returns `None` if the event names none.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// How long the refresh token of the response is valid: `refresh_token_expires_in`, or if it is
    /// absent, `refresh_expires_in`.
    ///
    /// Returns `None` if the response does not say. Also if it says 0 seconds or less: Keycloak
    /// says so of an offline token, which does not end.
    pub fn refresh_token_lifetime(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.response.refresh_token_expires_in?).ok()?;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// The claim `iss` of the ID token: the provider that issued it. Returns `None` if there is no
    /// ID token, or if it does not say. The token is decoded, not validated.
    pub fn id_token_issuer(&self) -> Option<&str> {
        self.identity.issuer.as_deref()
    }

    /// The claim `sub` of the ID token: the user's id at its issuer. Returns `None` if there is no
    /// ID token, or if it does not say. The token is decoded, not validated.
    pub fn id_token_subject(&self) -> Option<&str> {
        self.identity.subject.as_deref()
    }

    /// The ID token of the response.
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn id_token(&self) -> Option<&str> {
        self.response.id_token.as_deref().map(String::as_str)
    }

    /// The access token of the response.
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn access_token(&self) -> Option<&str> {
        self.response.access_token.as_deref().map(String::as_str)
    }

    /// The refresh token of the response. Returns `None` if it has none, or an empty one.
    pub fn refresh_token(&self) -> Option<&str> {
        self.response.refresh_token.as_deref().map(String::as_str).filter(|token| !token.is_empty())
    }

    /// The response has a refresh token.
    pub fn has_refresh_token(&self) -> bool {
        self.refresh_token().is_some()
    }

    /// The scope was granted. If the response names none, all are that were requested (RFC 6749,
    /// section 5.1).
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn has_scope(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope == name)
    }

    /// The provider's response says who signed in.
    #[cfg(all(feature = "desktop", feature = "ureq"))]
    pub(crate) fn names_user(&self) -> bool {
        self.identity.is_from_provider
    }
}
