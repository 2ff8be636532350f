//! Silent sign-in: one renewal for all processes.

#[cfg(feature = "tokio")]
mod asynchronous;
mod exchange;
mod guard;
mod keep;
mod lease;
mod note;
mod renewal;
mod running;
mod sign_out;
mod unsaved;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use self::{guard::RefreshLease, sign_out::SignedOut};
use self::{lease::Leases, renewal::Renewal, running::Running, unsaved::Unsaved};
use super::PersistedTokenCache;
use crate::{
    AccessToken, Error, TokenRequest,
    silent::{Exchange, ExchangeError, Grant, SilentOptions, Spend, TokenEndpoint, TokenReply},
};

/// The state of renewals that all clones of a value share.
#[derive(Default)]
pub(super) struct Renewals {
    leases: Leases,
    pub(super) unsaved: Unsaved,
    running: Running,
}

impl PersistedTokenCache {
    /// An access token for `request`, without asking the user: a cached one, or one that `exchange`
    /// gets for a refresh token. `None` if nobody is signed in.
    ///
    /// However many threads and processes call this at once, one of them asks the provider, and all
    /// get its token. A refresh token is spent by one process at a time, so a provider that takes
    /// each only once does not sign the user out.
    ///
    /// `exchange` sends [`Spend::form`] to the token endpoint with any HTTP client, and returns
    /// what came back. This crate reads it. `exchange` may use this cache, but not
    /// call this for the same store.
    ///
    /// A token that is still valid, but should be renewed, is returned if it cannot be renewed now.
    /// A token that was issued and could not be stored is returned too; its
    /// [`unstored_because`](AccessToken::unstored_because) is the reason.
    ///
    /// # Errors
    /// - [`Error::SignInNeeded`]: the provider accepts no refresh token of the account any more.
    /// - [`Error::ProviderUnreachable`], [`Error::ProviderUnavailable`]: try again later. The user
    ///   is still signed in.
    /// - [`Error::ProviderAnswer`], [`Error::Refused`]: the configuration is wrong.
    /// - [`Error::RefreshInProgress`]: another program has been renewing for 60 s.
    /// - [`Error::AccountAmbiguous`], [`Error::Invalid`]: as for
    ///   [`find_access_token`](Self::find_access_token).
    /// - [`Error::Nested`] inside a transaction of the same store, and inside an exchange.
    /// - Any error of reading the store, or of preparing a save. Nothing was spent then.
    ///
    /// ```
    /// use tokenkeep::{PersistedTokenCache, TokenRequest, silent::TokenReply};
    ///
    /// let cache = PersistedTokenCache::in_memory();
    /// let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
    /// # let first = r#"{"access_token": "0", "refresh_token": "r", "expires_in": 1}"#;
    /// # cache.add_response(&request, first)?;
    /// let token = cache.acquire_token_silent(&request, |spend| {
    ///     // POST the form to the token endpoint, with any HTTP client.
    ///     let body: String = form_urlencoded(spend.form());
    ///     let (status, answer) = post("https://login.example.com/tenant/token", &body)?;
    ///     Ok(TokenReply::new(status, answer))
    /// })?;
    /// match token {
    ///     Some(token) => println!("valid until {}", token.expires_on()),
    ///     None => println!("sign in"),
    /// }
    /// # use tokenkeep::silent::ExchangeError;
    /// # fn post(_: &str, _: &str) -> Result<(u16, &'static str), ExchangeError> {
    /// #     Ok((200, r#"{"access_token": "1", "expires_in": 3600}"#))
    /// # }
    /// # fn form_urlencoded<'f>(form: impl Iterator<Item = (&'f str, &'f str)>) -> String {
    /// #     form.map(|(name, value)| format!("{name}={value}&")).collect()
    /// # }
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn acquire_token_silent(
        &self,
        request: &TokenRequest,
        exchange: impl FnMut(&Spend) -> Result<TokenReply, ExchangeError>,
    ) -> Result<Option<AccessToken>, Error> {
        self.acquire_token_silent_with(request, &SilentOptions::new(), Exchange(exchange))
    }

    /// [`acquire_token_silent`](Self::acquire_token_silent) with other limits, and with an endpoint
    /// that can revoke: a refresh token that was issued while its user signed out is revoked.
    ///
    /// # Errors
    /// As [`acquire_token_silent`](Self::acquire_token_silent).
    pub fn acquire_token_silent_with(
        &self,
        request: &TokenRequest,
        options: &SilentOptions,
        mut endpoint: impl TokenEndpoint,
    ) -> Result<Option<AccessToken>, Error> {
        self.renewed(request, options, &mut endpoint, Grant::RefreshToken)
    }

    /// A token of the application itself, without a user: a cached one, or one that `exchange` gets
    /// for the client's credentials, which `exchange` adds to the form. Never `None`.
    ///
    /// Only tokens without an account answer. As in
    /// [`acquire_token_silent`](Self::acquire_token_silent), one of all threads and processes asks
    /// the provider.
    ///
    /// # Errors
    /// As [`acquire_token_silent`](Self::acquire_token_silent). What the provider refuses is
    /// [`Error::Refused`] or [`Error::SignInNeeded`], by its code.
    pub fn acquire_token_for_client(
        &self,
        request: &TokenRequest,
        exchange: impl FnMut(&Spend) -> Result<TokenReply, ExchangeError>,
    ) -> Result<Option<AccessToken>, Error> {
        let options = SilentOptions::new();
        self.acquire_token_for_client_with(request, &options, Exchange(exchange))
    }

    /// [`acquire_token_for_client`](Self::acquire_token_for_client) with other limits.
    ///
    /// # Errors
    /// As [`acquire_token_for_client`](Self::acquire_token_for_client).
    pub fn acquire_token_for_client_with(
        &self,
        request: &TokenRequest,
        options: &SilentOptions,
        mut endpoint: impl TokenEndpoint,
    ) -> Result<Option<AccessToken>, Error> {
        let request = request.clone().app_only();
        self.renewed(&request, options, &mut endpoint, Grant::ClientCredentials)
    }

    fn renewed(
        &self,
        request: &TokenRequest,
        options: &SilentOptions,
        endpoint: &mut dyn TokenEndpoint,
        grant: Grant,
    ) -> Result<Option<AccessToken>, Error> {
        // Before anything waits: the lease would be acquired inside the store's lock.
        self.shared.store.check_renewal()?;
        Renewal::run(self, request, options, endpoint, grant)
    }

    /// Waits until the renewals that this process has begun have ended, for at most `limit`, and
    /// saves answers that could not be saved when they came. Call it before the program ends: a
    /// refresh token that a provider has replaced is lost with the answer.
    ///
    /// # Errors
    /// [`Error::RefreshInProgress`] if a renewal still runs. Any error of
    /// [`transaction`](Self::transaction) if an answer cannot be saved.
    pub fn settle(&self, limit: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        while self.shared.renewals.running.is_any() {
            let waited = begun.elapsed();
            if waited >= limit {
                let holder = Some("another thread of this program".to_owned());
                return Err(Error::RefreshInProgress { waited, holder });
            }
            thread::sleep(BETWEEN_LOOKS.min(limit - waited));
        }
        if self.shared.renewals.unsaved.is_empty() {
            return Ok(());
        }
        let left = limit.saturating_sub(begun.elapsed());
        self.clone().lock_timeout(self.wait.timeout.min(left)).save_all()
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
