//! Transactions of one step.

use super::PersistedTokenCache;
use crate::{
    AccessToken, Account, Entry, Error, MergeReport, SignInEvent, TokenCache, TokenRequest,
};

impl PersistedTokenCache {
    /// Keeps a sign-in: every token and the account of one token response.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an event that cannot be kept; as
    /// [`transaction`](Self::transaction).
    pub fn add(&self, event: &SignInEvent) -> Result<(), Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.add(event, now))
    }

    /// Keeps the provider's JSON answer to `request`, and gives the access token in it.
    ///
    /// A token that could not be kept is returned all the same, because it cannot be asked for
    /// twice: its [`is_stored`](AccessToken::is_stored) is `false`, and
    /// [`unstored_because`](AccessToken::unstored_because) is the error of the
    /// [`transaction`](Self::transaction). [`prepare`](Self::prepare) finds most of these errors
    /// before the user signs in.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an answer without an access token, such as an error response.
    pub fn add_response(
        &self,
        request: &TokenRequest,
        response: impl AsRef<[u8]>,
    ) -> Result<AccessToken, Error> {
        let (response, now) = (response.as_ref(), self.clock.now());
        let add = |cache: &mut TokenCache| cache.add_response(request, response, now);
        self.issued(add, || add(&mut TokenCache::new()))
    }

    /// Keeps the provider's JSON answer to the refresh token `spent` that was spent for `request`,
    /// and gives the access token in it: [`TokenCache::add_renewal`].
    ///
    /// A token that could not be kept is returned all the same, as by
    /// [`add_response`](Self::add_response).
    ///
    /// # Errors
    /// [`Error::Invalid`] for an answer without an access token, or for another user.
    pub fn add_renewal(
        &self,
        request: &TokenRequest,
        spent: &Entry,
        response: impl AsRef<[u8]>,
    ) -> Result<AccessToken, Error> {
        let (response, now) = (response.as_ref(), self.clock.now());
        self.issued(
            |cache| cache.add_renewal(request, spent, response, now),
            || TokenCache::unkept_renewal(request, spent, response, now),
        )
    }

    /// Keeps a token that the provider issued; one that cannot be kept is not lost with the error.
    fn issued(
        &self,
        keep: impl Fn(&mut TokenCache) -> Result<AccessToken, Error>,
        unkept: impl FnOnce() -> Result<AccessToken, Error>,
    ) -> Result<AccessToken, Error> {
        let (mut issued, mut is_refused) = (None, false);
        let kept = self.transaction(|cache| {
            let token = keep(cache).inspect_err(|error| {
                is_refused = matches!(error, Error::Invalid { .. });
            })?;
            issued = Some(token.clone());
            Ok(token)
        });
        kept.or_else(|error| {
            let token = match issued {
                Some(token) => token,
                None if is_refused => return Err(error),
                // The cache was not reached, or is at fault. An answer that is at fault fails here,
                // too.
                None => unkept()?,
            };
            Ok(token.unstored(error))
        })
    }

    /// Takes over what another cache has and this one has not, or has in an older state: an import.
    ///
    /// # Errors
    /// As [`TokenCache::merge`] and [`transaction`](Self::transaction).
    pub fn merge(&self, other: &TokenCache) -> Result<MergeReport, Error> {
        self.transaction(|cache| cache.merge(other))
    }

    /// Sets fields of an entry to text, or with `None` to null. Other fields stay as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another token took the entry's place since it was read; as
    /// [`transaction`](Self::transaction).
    pub fn modify(&self, entry: &Entry, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
        self.transaction(|cache| cache.modify(entry, changes))
    }

    /// Stores an entry, in the place of the one with the same key if there is one.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn put(&self, entry: &Entry) -> Result<(), Error> {
        self.transaction(|cache| cache.put(entry))
    }

    /// Puts the secret `renewed` in place of the refresh token `spent` wherever the account has it,
    /// and tells in how many entries. None means that the account was signed out or signed in again
    /// in the meantime; then nothing changes.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn renew_refresh_token(
        &self,
        home_account_id: &str,
        spent: &str,
        renewed: &str,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.renew_refresh_token(home_account_id, spent, renewed, now))
    }

    /// Gives a refresh token its new secret. `false` if the token is gone: somebody signed out
    /// meanwhile, or another one took its place; nothing is brought back or lost.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn update_refresh_token(&self, entry: &Entry, secret: &str) -> Result<bool, Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.update_refresh_token(entry, secret, now))
    }

    /// Removes one refresh token; `false` if it is gone already, or another one took its place.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn remove_refresh_token(&self, entry: &Entry) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_refresh_token(entry))
    }

    /// Removes one access token; `false` if it is gone already, or another one took its place.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn remove_access_token(&self, entry: &Entry) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_access_token(entry))
    }

    /// Removes one id token; `false` if it is gone already, or another one took its place.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn remove_id_token(&self, entry: &Entry) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_id_token(entry))
    }

    /// Signs `account` out of one client: its access and id tokens, the account, and the refresh
    /// tokens of this client and its family. Other clients keep their refresh tokens. Nothing is
    /// changed if the account has tokens, but none of this client or its family. Tells how many
    /// entries went.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn sign_out(&self, account: &Account, client_id: &str) -> Result<usize, Error> {
        self.transaction(|cache| cache.sign_out(account, client_id))
    }

    /// Signs `account` out of every client, under every name of its cloud. Tells how many entries
    /// went.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn sign_out_everywhere(&self, account: &Account) -> Result<usize, Error> {
        self.transaction(|cache| cache.sign_out_everywhere(account))
    }

    /// Removes the tokens that name nobody, of one client or of all, and tells how many went; see
    /// [`TokenCache::without_account`].
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn sign_out_without_account(&self, client_id: Option<&str>) -> Result<usize, Error> {
        self.transaction(|cache| cache.sign_out_without_account(client_id))
    }

    /// Removes access tokens that are no longer valid, and tells how many. Nothing expires by
    /// itself.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn remove_expired(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.remove_expired(now))
    }
}
