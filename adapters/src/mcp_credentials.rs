use std::time::{SystemTime, UNIX_EPOCH};

use rmcp::transport::auth::{
    AuthError, CredentialRefreshGuard, CredentialStore, StoredCredentials,
};
use serde_json::json;
use tokenkeep::{
    CredentialType, Error, PersistedTokenCache, SignInRecord, TokenCache, TokenRequest,
    silent::SilentOptions,
};

/// The sign-in of one user at one MCP server. Each server has a cache of its own, because a token
/// is for one server.
pub struct McpCredentials {
    pub cache: PersistedTokenCache,
}

#[async_trait::async_trait]
impl CredentialStore for McpCredentials {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        let cache = self.cache.call_async(|cache| cache.snapshot()).await.map_err(failed)?;
        stored(&cache)
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let issuer = credentials
            .issuer
            .ok_or_else(|| AuthError::CredentialStoreError("the server names no issuer".into()))?;
        let record = SignInRecord::new(credentials.client_id, issuer)
            .with_scopes(credentials.granted_scopes);
        // The answer as rmcp read it. It keeps the members that it does not know.
        let answer = credentials.token_response.map(|answer| serde_json::to_vec(&answer));
        let answer = answer.transpose().map_err(unreadable)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let received_at = credentials.token_received_at.unwrap_or(now);
        let change = move |cache: &mut TokenCache| {
            let is_known = cache.records().iter().any(|known| {
                known.client_id() == record.client_id() && known.issuer() == record.issuer()
            });
            if !is_known || answer.is_none() {
                sign_out(cache)?;
            }
            cache.set_record(&record)?;
            if let Some(answer) = &answer {
                cache.add_response(&request(&record), answer, received_at)?;
            }
            Ok(())
        };
        self.cache.transaction_async(change).await.map_err(failed)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.cache.transaction_async(sign_out).await.map_err(failed)
    }

    /// Removes the rejected token, and not one that has replaced it.
    async fn on_refresh_token_rejected(
        &self,
        credentials: &StoredCredentials,
    ) -> Result<(), AuthError> {
        let rejected = serde_json::to_value(&credentials.token_response).map_err(unreadable)?;
        let change = move |cache: &mut TokenCache| {
            let secret = rejected["refresh_token"].as_str();
            let entries = cache.entries(CredentialType::RefreshToken);
            let held: Vec<_> = entries.filter(|entry| entry.secret() == secret).cloned().collect();
            for entry in &held {
                cache.remove_refresh_token(entry)?;
            }
            Ok(())
        };
        self.cache.transaction_async(change).await.map_err(failed)
    }

    /// The lease of all threads and processes that use the cache. rmcp holds it from its load to
    /// its save.
    async fn acquire_refresh_guard(&self) -> Result<Option<CredentialRefreshGuard>, AuthError> {
        let lease = |cache: &PersistedTokenCache| {
            // Nothing is spent if the answer could not be stored.
            cache.prepare()?;
            let Some(record) = cache.snapshot()?.records().pop() else { return Ok(None) };
            cache.refresh_lease(&request(&record), &SilentOptions::new()).map(Some)
        };
        let lease = self.cache.call_async(lease).await.map_err(failed)?;
        Ok(lease.map(CredentialRefreshGuard::new))
    }
}

/// What the cache holds, as rmcp keeps it.
fn stored(cache: &TokenCache) -> Result<Option<StoredCredentials>, AuthError> {
    let Some(record) = cache.records().pop() else { return Ok(None) };
    let refresh_tokens = cache.refresh_tokens(&request(&record)).map_err(failed)?;
    let refresh_token = refresh_tokens.first().and_then(|entry| entry.secret());
    let number = |text: &str| text.parse::<u64>().ok();
    let cached_at = |entry: &tokenkeep::Entry| number(&entry.text("cached_at")?);
    let newest = cache.entries(CredentialType::AccessToken).max_by_key(|entry| cached_at(entry));
    let answer = newest.map(|entry| {
        let expires_on = entry.expires_on().and_then(|time| u64::try_from(time).ok());
        let lifetime = expires_on.zip(cached_at(entry)).map(|(end, from)| end.saturating_sub(from));
        json!({
            "access_token": entry.secret(),
            "token_type": entry.text("token_type").unwrap_or("Bearer".into()),
            "expires_in": lifetime,
            "refresh_token": refresh_token,
            "scope": Some(entry.scopes().join(" ")).filter(|scopes| !scopes.is_empty()),
        })
    });
    let answer = answer.map(serde_json::from_value).transpose().map_err(unreadable)?;
    let received_at = newest.and_then(cached_at);
    let credentials =
        StoredCredentials::new(record.client_id().to_owned(), answer, record.scopes(), received_at);
    Ok(Some(credentials.with_issuer(Some(record.issuer().to_owned()))))
}

fn request(record: &SignInRecord) -> TokenRequest {
    TokenRequest::new(record.client_id(), record.issuer(), record.scopes())
}

/// Removes every token and every record.
fn sign_out(cache: &mut TokenCache) -> Result<(), Error> {
    for account in cache.owners() {
        cache.sign_out_everywhere(&account)?;
    }
    cache.sign_out_without_account(None)?;
    for record in cache.records() {
        cache.remove_record(&record)?;
    }
    Ok(())
}

fn failed(error: Error) -> AuthError {
    AuthError::CredentialStoreError(format!("{error}; {}", error.next_step()))
}

fn unreadable(error: serde_json::Error) -> AuthError {
    AuthError::CredentialStoreError(error.to_string())
}
