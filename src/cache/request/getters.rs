//! What a request says.

use super::TokenRequest;
use crate::cache::authority::cloud_name;

impl TokenRequest {
    /// The client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The authority as it was given.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The name of the authority's cloud: of all hosts of the cloud, the smallest by code point.
    /// Outside Microsoft's clouds, the authority's host in lower case, with its port if the
    /// authority uses http.
    ///
    /// The name of a cloud does not change, so a key of a store may contain it. Returns `None` if
    /// the authority cannot be used; the call that uses the request says why.
    ///
    /// ```
    /// use tokenkeep::TokenRequest;
    ///
    /// let authority = "https://login.microsoftonline.com/organizations";
    /// let request = TokenRequest::new("my-client-id", authority, ["User.Read"]);
    /// assert_eq!(request.cloud(), Some("login.microsoft.com"));
    /// ```
    pub fn cloud(&self) -> Option<&str> {
        self.place.as_ref().map(|place| cloud_name(&place.environment))
    }

    /// The tenant: the first segment of the authority's path. Returns `None` if it has none, or if
    /// the authority cannot be used.
    pub fn realm(&self) -> Option<&str> {
        self.place.as_ref()?.realm.as_deref()
    }

    /// The authority as an issuer, in the form in which issuers are compared: scheme, host, port if
    /// it is not the default, and path, without one `/` at the end. Returns `None` in Microsoft's
    /// clouds, where the cloud tells sign-ins apart, and if the authority cannot be used.
    pub fn issuer(&self) -> Option<&str> {
        self.place.as_ref()?.issuer.as_deref()
    }

    /// The scopes, without duplicates.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The account's home account id. Returns `None` if the request names no account.
    pub fn home_account_id(&self) -> Option<&str> {
        self.home_account_id.as_deref()
    }

    /// Returns `true` if the request is for the application itself, not for a user.
    pub fn is_app_only(&self) -> bool {
        self.app_only
    }
}
