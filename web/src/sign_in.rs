//! Keeps what a sign-in brought.

use std::sync::Arc;

use tokenkeep::{AccessToken, Secret, SignInEvent, TokenCache, TokenRequest, silent::Refreshed};
use tokio::time::timeout;

use crate::{
    Error, Tokens, UserId, WebTokenCache,
    inner::Inner,
    partition::Partition,
    received::Received,
    renewal::{Base, WAIT},
    tokens::{ended, within},
    turns::Wait,
    value,
    write::{Write, Written},
};

impl WebTokenCache {
    /// Keeps the response to the sign-in of a user, and returns who the user is.
    ///
    /// `response` is the JSON of the token endpoint. The application has validated its ID token.
    /// The user is known by `client_info` in Microsoft's clouds, else by the ID token, else by the
    /// account that the request names.
    ///
    /// If the store does not take it, the returned token [is not stored](AccessToken::is_stored).
    /// This node then keeps it, and tries again for five minutes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the response does not say who signed in. [`Error::Cache`] if it is not
    /// one of a token endpoint, or is an error. [`Error::TooLarge`] if it does not fit into a
    /// value. Those of a value that cannot be opened.
    pub async fn keep_sign_in(
        &self,
        request: &TokenRequest,
        response: impl AsRef<[u8]>,
    ) -> Result<(UserId, AccessToken), Error> {
        let response = response.as_ref();
        let user = user_of(request, response)?;
        let token = self.user(&user).keep(request, response).await?;
        Ok((user, token))
    }
}

impl Tokens {
    /// Keeps the response of a token endpoint to a request of the application's own: a sign-in, or
    /// the first exchange of a job on behalf of a user. For a sign-in, see
    /// [`keep_sign_in`](WebTokenCache::keep_sign_in).
    ///
    /// A caller that is dropped does not end it.
    ///
    /// # Errors
    ///
    /// [`Error::Cache`] if it is not a response of a token endpoint, or is an error.
    /// [`Error::TooLarge`] if it does not fit into a value. [`Error::Invalid`] if the request is not
    /// one of this kind of partition. Those of a value that cannot be opened.
    pub async fn keep(
        &self,
        request: &TokenRequest,
        response: impl AsRef<[u8]>,
    ) -> Result<AccessToken, Error> {
        let inner = &self.inner;
        inner.listen();
        let request = self.adapted(request)?.into_owned();
        let partition = within(self.partition(&request)).await?;
        let received = Arc::new(Received {
            request,
            spent: None,
            body: Secret::new(response.as_ref()),
            at: inner.now(),
            bound: self.assertion().and_then(|assertion| assertion.ends()),
        });
        // Before anything is written.
        received.unkept()?;
        let number = u64::from_be_bytes(value::random()?);
        let joined = inner.writes.join(number, || {
            let inner = Arc::clone(inner);
            async move { inner.keep_response(&partition, received).await }
        });
        joined.outcome().await.unwrap_or_else(|| Err(ended()))
    }
}

impl Inner {
    async fn keep_response(
        self: &Arc<Self>,
        partition: &Partition,
        received: Arc<Received>,
    ) -> Result<AccessToken, Error> {
        let attempt = timeout(WAIT, self.try_to_keep(partition, &received)).await;
        let (refreshed, error, base) = match attempt {
            Ok(Ok(Written::Stored(Refreshed::Stored(token)))) => {
                return Ok(self.as_stored(partition, token));
            }
            Ok(Ok(Written::Failed { error: Error::TooLarge { entries, size, limit }, .. })) => {
                return Err(Error::TooLarge { entries, size, limit });
            }
            Ok(Ok(Written::Stored(other))) => (other, ended(), Base::Unknown),
            Ok(Ok(Written::Failed { outcome, error, base })) => (outcome, error, Base::Known(base)),
            Ok(Err(error)) if error.is_of_the_store() => {
                (Refreshed::Stored(received.unkept()?), error, Base::Unknown)
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let error = Error::StoreUnavailable {
                    retry_after: std::time::Duration::from_secs(1),
                    source: None,
                };
                (Refreshed::Stored(received.unkept()?), error, Base::Unknown)
            }
        };
        self.unstored(partition, &received, refreshed, base, None, error)
    }

    async fn try_to_keep(
        &self,
        partition: &Partition,
        received: &Received,
    ) -> Result<Written<Refreshed>, Error> {
        let wait = Wait::save_soon();
        let base = self.load(partition, None, wait).await?;
        let write = Write { partition, base, owner: None, response: Some(received), wait };
        self.write(write, |cache| received.add_to(cache)).await
    }
}

/// Who signed in.
fn user_of(request: &TokenRequest, response: &[u8]) -> Result<UserId, Error> {
    let event = SignInEvent::from_response(request, response)?;
    if request.issuer().is_some()
        && let (Some(issuer), Some(subject)) = (event.id_token_issuer(), event.id_token_subject())
    {
        return Ok(UserId::new(issuer, subject));
    }
    let place = request.issuer().or(request.cloud());
    // The account that a cache makes of it, as `UserId::of` finds it.
    let mut cache = TokenCache::new();
    let token = cache.add_response(request, response, 0)?;
    let account = cache.accounts().into_iter().next();
    let home = account.map(|account| account.home_account_id().to_owned());
    let home = home.or_else(|| token.home_account_id().map(|home| home.into_owned()));
    match (place, home) {
        (Some(place), Some(home)) => Ok(UserId::new(place, home)),
        _ => Err(Error::invalid(
            "the response does not say who signed in; name the account in the request, or ask for \
             the scope openid",
        )),
    }
}
