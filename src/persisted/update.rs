//! Transactions of one step.

use super::PersistedTokenCache;
use crate::{
    AccessToken, Account, Entry, Error, MergeReport, SignInEvent, SignInRecord, TokenCache,
    TokenRequest,
};

impl PersistedTokenCache {
    /// Stores a sign-in: every token and the account of one token response.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an event that cannot be stored; as
    /// [`transaction`](Self::transaction).
    pub fn add(&self, event: &SignInEvent) -> Result<(), Error> {
        // Taken once: the closure may run again, and must store the same times then.
        let now = self.clock.now();
        self.transaction(|cache| cache.add(event, now))
    }

    /// Stores the provider's JSON response to `request`, and returns its access token.
    ///
    /// A token that could not be stored is returned too, because it cannot be requested twice. Its
    /// [`is_stored`](AccessToken::is_stored) is `false`, and
    /// [`unstored_because`](AccessToken::unstored_because) is the error of the
    /// [`transaction`](Self::transaction). [`prepare`](Self::prepare) finds most of these errors
    /// before the user signs in.
    ///
    /// # Errors
    /// [`Error::SignInNeeded`], [`Error::Refused`] or [`Error::ProviderAnswer`] for a response
    /// without an access token. [`Error::Invalid`] for a request that cannot be used.
    pub fn add_response(
        &self,
        request: &TokenRequest,
        response: impl AsRef<[u8]>,
    ) -> Result<AccessToken, Error> {
        let (response, now) = (response.as_ref(), self.clock.now());
        let add = |cache: &mut TokenCache| cache.add_response(request, response, now);
        self.issued(add, || add(&mut TokenCache::new()))
    }

    /// Stores the provider's JSON response to the refresh token `spent`, which was spent for
    /// `request`, and returns its access token. See [`TokenCache::add_renewal`].
    ///
    /// A token that could not be stored is returned too, as by
    /// [`add_response`](Self::add_response). If two programs renew with the same refresh token, the
    /// later response may not be stored: its reason is [`Error::RefreshTokenGone`]. Then call
    /// [`find_access_token`](Self::find_access_token) again.
    ///
    /// If there is no refresh token, or the provider accepts none (`invalid_grant`), the user has
    /// to sign in again.
    ///
    /// ```
    /// use tokenkeep::{AccessToken, Error, PersistedTokenCache, TokenRequest};
    ///
    /// /// A token without asking the user. `None`: the user has to sign in.
    /// fn silently(
    ///     cache: &PersistedTokenCache,
    ///     request: &TokenRequest,
    ///     redeem: impl Fn(&str) -> String, // your HTTP call: the provider's JSON, as received
    /// ) -> Result<Option<AccessToken>, Error> {
    ///     if let Some(token) = cache.find_access_token(request)? {
    ///         return Ok(Some(token));
    ///     }
    ///     for spent in cache.refresh_tokens(request)? {
    ///         let response = redeem(spent.secret().unwrap_or_default());
    ///         match cache.add_renewal(request, &spent, response) {
    ///             Err(Error::SignInNeeded { .. }) => {} // `invalid_grant`: try the next one
    ///             renewed => return renewed.map(Some),
    ///         }
    ///     }
    ///     // Another program may have renewed it in the meantime.
    ///     cache.find_access_token(request)
    /// }
    /// # let cache = PersistedTokenCache::in_memory();
    /// # let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
    /// # assert!(silently(&cache, &request, |_| unreachable!())?.is_none());
    /// # let expired = r#"{"access_token": "a", "expires_in": 0, "refresh_token": "r1"}"#;
    /// # cache.add_response(&request, expired)?;
    /// # let refused = |_: &str| r#"{"error": "invalid_grant"}"#.to_owned();
    /// # assert!(silently(&cache, &request, refused)?.is_none());
    /// # let renewed = |spent: &str| {
    /// #     assert_eq!(spent, "r1");
    /// #     r#"{"access_token": "b", "expires_in": 3600, "refresh_token": "r2"}"#.to_owned()
    /// # };
    /// # let token = silently(&cache, &request, renewed)?.unwrap();
    /// # assert!(token.is_stored() && token.secret() == "b");
    /// # assert!(silently(&cache, &request, |_| unreachable!())?.is_some());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`add_response`](Self::add_response). [`Error::ProviderAnswer`] also for a response for
    /// another user.
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

    /// Stores an issued token. If that fails, returns the token with the error instead of losing
    /// it.
    pub(crate) fn issued(
        &self,
        mut keep: impl FnMut(&mut TokenCache) -> Result<AccessToken, Error>,
        unkept: impl FnOnce() -> Result<AccessToken, Error>,
    ) -> Result<AccessToken, Error> {
        let (mut issued, mut is_refused) = (None, false);
        let kept = self.transaction(|cache| {
            let token = keep(cache).inspect_err(|error| {
                // The response itself may be invalid, and then there is no token to return.
                is_refused = matches!(
                    error,
                    Error::Invalid { .. }
                        | Error::ProviderAnswer { .. }
                        | Error::Refused { .. }
                        | Error::SignInNeeded { .. }
                );
            })?;
            // Kept here too: the save may fail after the closure has returned.
            issued = Some(token.clone());
            Ok(token)
        });
        kept.or_else(|error| {
            let token = match issued {
                Some(token) => token,
                None if is_refused => return Err(error),
                // The cache was not reached, or it caused the error. An invalid response fails here
                // too.
                None => unkept()?,
            };
            Ok(token.unstored(error))
        })
    }

    /// Imports another cache: takes over entries that this cache lacks or has in an older state.
    ///
    /// # Errors
    /// The errors of [`TokenCache::merge`] and [`transaction`](Self::transaction).
    pub fn merge(&self, other: &TokenCache) -> Result<MergeReport, Error> {
        self.transaction(|cache| cache.merge(other))
    }

    /// Stores the record of a sign-in: [`TokenCache::set_record`]. To store it with the tokens, use
    /// a [`transaction`](Self::transaction).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it has a client secret and the store is in plain text. The errors
    /// of that method and of [`transaction`](Self::transaction).
    pub fn set_record(&self, record: &SignInRecord) -> Result<(), Error> {
        self.transaction(|cache| cache.set_record(record))
    }

    /// Removes the record of the same client and issuer. Returns `false` if there is none.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn remove_record(&self, record: &SignInRecord) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_record(record))
    }

    /// Sets fields of an entry to text, or to null for `None`. Other fields stay as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another token took the entry's place since it was read; as
    /// [`transaction`](Self::transaction).
    pub fn modify(&self, entry: &Entry, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
        self.transaction(|cache| cache.modify(entry, changes))
    }

    /// Stores an entry. Replaces the entry with the same key if there is one.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn put(&self, entry: &Entry) -> Result<(), Error> {
        self.transaction(|cache| cache.put(entry))
    }

    /// Replaces the secret `spent` by `renewed` in every refresh token of the account that has it.
    /// Returns the number of entries. Zero means that the account was signed out or signed in again
    /// in the meantime; then nothing changes.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn renew_refresh_token(
        &self,
        home_account_id: &str,
        spent: &str,
        renewed: &str,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.renew_refresh_token(home_account_id, spent, renewed, now))
    }

    /// Gives a refresh token its new secret. Returns `false` if the token is gone: the account was
    /// signed out meanwhile, or another token took its place. Then nothing is restored or lost.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn update_refresh_token(&self, entry: &Entry, secret: &str) -> Result<bool, Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.update_refresh_token(entry, secret, now))
    }

    /// Removes one refresh token. Returns `false` if it is already gone, or another one took its
    /// place.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn remove_refresh_token(&self, entry: &Entry) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_refresh_token(entry))
    }

    /// Removes one access token. Returns `false` if it is already gone, or another one took its
    /// place.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn remove_access_token(&self, entry: &Entry) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_access_token(entry))
    }

    /// Removes one id token. Returns `false` if it is already gone, or another one took its place.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn remove_id_token(&self, entry: &Entry) -> Result<bool, Error> {
        self.transaction(|cache| cache.remove_id_token(entry))
    }

    /// Signs `account` out of one client. Removes the refresh tokens of this client and its family,
    /// and every access token, ID token and account entry of the account, also those of other
    /// clients. Other clients keep their refresh tokens, but [`accounts`](Self::accounts) does not
    /// list the account any more. Nothing changes if the account has tokens, but none of this
    /// client or its family. Returns the number of removed entries.
    ///
    /// Only the cache changes: nothing is revoked at the provider.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn sign_out(&self, account: &Account, client_id: &str) -> Result<usize, Error> {
        self.transaction(|cache| cache.sign_out(account, client_id))
    }

    /// Signs `account` out of every client, under every name of its cloud. Returns the number of
    /// removed entries. The [crate's page](crate#accounts) shows how to sign everybody out.
    ///
    /// Only the cache changes: nothing is revoked at the provider.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn sign_out_everywhere(&self, account: &Account) -> Result<usize, Error> {
        self.transaction(|cache| cache.sign_out_everywhere(account))
    }

    /// Removes the tokens that name no account, of one client or of all, and returns their number.
    /// See [`TokenCache::without_account`].
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn sign_out_without_account(&self, client_id: Option<&str>) -> Result<usize, Error> {
        self.transaction(|cache| cache.sign_out_without_account(client_id))
    }

    /// Removes access tokens that are no longer valid, and returns their number. Expired tokens are
    /// not removed automatically.
    ///
    /// # Errors
    /// The errors of [`transaction`](Self::transaction).
    pub fn remove_expired(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        self.transaction(|cache| cache.remove_expired(now))
    }
}
