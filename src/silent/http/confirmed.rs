//! Confirms with an issuer's metadata that an endpoint is its own.

use super::{HttpEndpoint, ProviderMetadata, Url};
use crate::Error;

impl HttpEndpoint {
    /// Confirms that the issuer announces this token endpoint in its metadata (OpenID Connect
    /// Discovery 1.0, section 4; RFC 8414, section 3). Call this before a token is sent to an
    /// endpoint that a record names, if other programs can write the cache: they could have sent it
    /// elsewhere. So `issuer` must not come from the record, but from the request or the user.
    ///
    /// A revocation endpoint that the issuer does not announce is not used afterwards.
    ///
    /// Asks twice at most, for 10 s together. One trailing slash of the issuer does not matter. In
    /// Microsoft's clouds `issuer` is the authority, and its metadata may name another tenant.
    ///
    /// # Errors
    ///
    /// [`Error::ProviderAnswer`] if the metadata name another token endpoint, or are no metadata.
    /// [`Error::SignInFailed`] if they name another issuer. [`Error::ProviderUnreachable`] and
    /// [`Error::ProviderUnavailable`] if they cannot be read. [`Error::Invalid`] if the issuer's
    /// address cannot be used.
    pub fn confirm(&mut self, issuer: &str) -> Result<(), Error> {
        let metadata = ProviderMetadata::fetch(issuer, &self.roots)?;
        let is_announced = |name: &str, theirs: &Option<String>, url: &Url| {
            let theirs = theirs.as_ref().and_then(|address| Url::parse(name, address).ok());
            theirs.is_some_and(|theirs| theirs.uri == url.uri)
        };
        let answer = |detail: &str| Error::ProviderAnswer { detail: detail.into() };
        if !is_announced("token endpoint", &metadata.token_endpoint, &self.token) {
            return Err(answer("the issuer announces another token endpoint"));
        }
        self.revocation.take_if(|(url, _)| {
            !is_announced("revocation endpoint", &metadata.revocation_endpoint, url)
        });
        Ok(())
    }
}
