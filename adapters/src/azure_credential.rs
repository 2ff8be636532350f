use std::fmt;

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind},
    time::OffsetDateTime,
};
use tokenkeep::{PersistedTokenCache, TokenRequest};

use crate::endpoint::Endpoint;

/// The sign-in of a user, for the clients of Azure's services.
pub struct AzureCredential {
    pub cache: PersistedTokenCache,
    /// Client id, authority and account. The scopes come with each call.
    pub request: TokenRequest,
    pub endpoint: Endpoint,
}

#[async_trait::async_trait]
impl TokenCredential for AzureCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let request = self.request.clone().with_scopes(scopes);
        let endpoint = self.endpoint.clone();
        let exchange = move |spend| endpoint.clone().exchange(spend);
        let token = self
            .cache
            .acquire_token_silent_async(&request, exchange)
            .await
            .map_err(|error| Error::new(ErrorKind::Credential, error))?
            .ok_or_else(|| Error::with_message(ErrorKind::Credential, "nobody is signed in"))?;
        let expires_on = i64::try_from(token.expires_on()).unwrap_or(i64::MAX);
        let expires_on = OffsetDateTime::from_unix_timestamp(expires_on)
            .map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
        Ok(AccessToken::new(token.secret().to_owned(), expires_on))
    }
}

// The trait asks for it. It shows no secret.
impl fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureCredential").field("request", &self.request).finish_non_exhaustive()
    }
}
