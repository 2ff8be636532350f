use std::{error::Error, future::Future, pin::Pin, time::SystemTime};

use google_apis_common::GetToken;
use serde_json::json;
use tokenkeep::{PersistedTokenCache, TokenRequest};
use yup_oauth2::storage::{TokenInfo, TokenStorage, TokenStorageError};

use crate::endpoint::Endpoint;

/// The sign-in of a user, for the hub of a Google API.
#[derive(Clone)]
pub struct GoogleToken {
    pub cache: PersistedTokenCache,
    /// Client id, authority and account. The scopes come with each call.
    pub request: TokenRequest,
    pub endpoint: Endpoint,
}

type Token<'a> =
    Pin<Box<dyn Future<Output = Result<Option<String>, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl GetToken for GoogleToken {
    fn get_token<'a>(&'a self, scopes: &'a [&str]) -> Token<'a> {
        Box::pin(async move {
            let request = self.request.clone().with_scopes(scopes);
            let endpoint = self.endpoint.clone();
            let exchange = move |spend| endpoint.clone().exchange(spend);
            match self.cache.acquire_token_silent_async(&request, exchange).await? {
                Some(token) => Ok(Some(token.secret().to_owned())),
                // `Ok(None)` would mean that the API needs no token.
                None => Err("nobody is signed in".into()),
            }
        })
    }
}

/// Takes what an authenticator of yup-oauth2 got when the user signed in. It returns nothing, so
/// the authenticator has nothing to renew.
#[async_trait::async_trait]
impl TokenStorage for GoogleToken {
    async fn set(&self, scopes: &[&str], token: TokenInfo) -> Result<(), TokenStorageError> {
        let now = SystemTime::now();
        let left = |at| SystemTime::from(at).duration_since(now).unwrap_or_default().as_secs();
        let answer = json!({
            "access_token": token.access_token,
            "refresh_token": token.refresh_token,
            "id_token": token.id_token,
            "expires_in": token.expires_at.map(left),
        });
        let request = self.request.clone().with_scopes(scopes);
        let add =
            move |cache: &PersistedTokenCache| cache.add_response(&request, answer.to_string());
        let failed = |error: &tokenkeep::Error| TokenStorageError::Other(error.to_string().into());
        let token = self.cache.call_async(add).await;
        match token.map_err(|error| failed(&error))?.unstored_because() {
            Some(reason) => Err(failed(reason)),
            None => Ok(()),
        }
    }

    async fn get(&self, _scopes: &[&str]) -> Option<TokenInfo> {
        None
    }
}
