//! Reads: one look at the store, and a load only if its stamp changed.

use std::sync::Arc;

use super::{Known, PersistedTokenCache, transaction::ATTEMPTS};
use crate::{
    AccessToken, Account, CredentialType, Entry, Error, Query, SignInRecord, TokenCache,
    TokenRequest, persistence::Intent,
};

impl PersistedTokenCache {
    /// The access token for `request`, if a stored one is valid and stays valid for a while.
    /// [`TokenCache::find_access_token`] says for how long.
    ///
    /// # Errors
    /// [`Error::AccountAmbiguous`] if the request names no account and several accounts have a
    /// valid token for it, or a refresh token that the program may spend. Any error of reading the
    /// store.
    pub fn find_access_token(&self, request: &TokenRequest) -> Result<Option<AccessToken>, Error> {
        let now = self.clock.now();
        let cache = self.current()?;
        Ok(cache.find_access_token(request, now)?.map(|token| token.to_owned()))
    }

    /// The entries of one kind that match `query`, in the order of the cache. Expired access
    /// tokens do not match.
    ///
    /// # Errors
    /// Any error of reading the store.
    pub fn search(&self, kind: CredentialType, query: &Query) -> Result<Vec<Entry>, Error> {
        let now = self.clock.now();
        Ok(self.current()?.find(kind, query, now))
    }

    /// The refresh tokens that may get a token for `request`, best first.
    /// [`TokenCache::refresh_tokens`] says which these are, and in which order.
    ///
    /// # Errors
    /// The errors of [`TokenCache::refresh_tokens`], and any error of reading the store.
    pub fn refresh_tokens(&self, request: &TokenRequest) -> Result<Vec<Entry>, Error> {
        // One that a provider has replaced must not be spent, even if its successor is not saved
        // yet.
        self.current_with_unsaved()?.refresh_tokens(request)
    }

    /// The record of the sign-in for `request`: [`TokenCache::record`].
    ///
    /// # Errors
    /// Any error of reading the store.
    pub fn record(&self, request: &TokenRequest) -> Result<Option<SignInRecord>, Error> {
        Ok(self.current()?.record(request))
    }

    /// The accounts that are signed in.
    ///
    /// An account that was signed out of one client is not listed, even if refresh tokens of other
    /// clients are left. [`TokenCache::owners`] of a [`snapshot`](Self::snapshot) lists it, too.
    /// The [crate's page](crate#accounts) shows how to sign everybody out.
    ///
    /// # Errors
    /// Any error of reading the store.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        Ok(self.current()?.accounts())
    }

    /// The accounts of an authority: [`TokenCache::accounts_of`].
    ///
    /// # Errors
    /// The errors of that method, and any error of reading the store.
    pub fn accounts_of(&self, authority: &str) -> Result<Vec<Account>, Error> {
        self.current()?.accounts_of(authority)
    }

    /// The accounts that `name` may mean: [`TokenCache::accounts_named`].
    ///
    /// # Errors
    /// Any error of reading the store.
    pub fn accounts_named(&self, name: &str) -> Result<Vec<Account>, Error> {
        Ok(self.current()?.accounts_named(name))
    }

    /// The whole cache as it is now. Later changes do not affect the snapshot.
    ///
    /// # Errors
    /// Any error of reading the store.
    pub fn snapshot(&self) -> Result<Arc<TokenCache>, Error> {
        self.current()
    }

    /// The newest saved state.
    pub(super) fn current(&self) -> Result<Arc<TokenCache>, Error> {
        // Before anything waits: a callback that reads the cache it serves would wait for itself.
        self.shared.store.check_read()?;
        // Without a turn, so that readers of an unchanged cache do not wait for each other.
        if let Some(cache) = self.unchanged()? {
            return Ok(cache);
        }
        for _ in 0..ATTEMPTS {
            // One reader loads at a time. The stamp is checked again: that reader may have loaded
            // this state.
            let loading = self.turn(&self.shared.loading)?;
            if let Some(cache) = self.unchanged()? {
                return Ok(cache);
            }
            loading.share(self.persistence().prepare(Intent::Read))?;
            // Cloned, so that the state is not locked while the store is read.
            let known = self.shared.state.read().clone();
            let loaded = match self.load_after(known) {
                Err(torn) if self.may_be_torn(&torn) => {
                    // Release the load turn: the lock holder may be waiting for it.
                    drop(loading);
                    self.load_again(torn)?
                }
                loaded => loaded?,
            };
            // Otherwise the file was sealed under another key meanwhile, which the next round
            // prepares.
            if let Some(state) = loaded {
                let cache = Arc::clone(&state.cache);
                self.publish(state);
                return Ok(cache);
            }
        }
        Err(self.kept_changing(ATTEMPTS))
    }

    /// Whether the error may come from a load, without the lock, while a peer was writing.
    fn may_be_torn(&self, error: &Error) -> bool {
        matches!(error, Error::Corrupt { .. } | Error::WrongKey { .. })
            && self.persistence().is_written_in_place()
    }

    /// Loads with the lock held, after a load without it failed with `torn`.
    fn load_again(&self, torn: Error) -> Result<Option<Known>, Error> {
        // Inside a change this thread holds the lock already, and would wait for itself.
        let Ok(_nesting) = self.shared.store.change() else { return Err(torn) };
        match self.acquire() {
            // A peer that takes the lock releases it only after its last byte.
            Ok(_held) => self.load_locked(),
            // If the lock file cannot be created, nobody holds the lock. A reader creates no
            // folder.
            Err(Error::PermissionDenied { .. } | Error::ReadOnly { .. }) => self.load_locked(),
            Err(error) if error.is_not_found() => self.load_locked(),
            // The program acquired it itself, in this thread.
            Err(Error::AlreadyLocked { .. }) => self.load_locked(),
            Err(error) => Err(error),
        }
    }

    fn unchanged(&self) -> Result<Option<Arc<TokenCache>>, Error> {
        // Saves a look at the store: there is nothing yet that could be unchanged.
        if !self.shared.state.read().loaded {
            return Ok(None);
        }
        let now = self.persistence().stamp()?;
        // `loaded` is checked again: another thread may have called `forget` since.
        let Known { cache, stamp, loaded, .. } = &*self.shared.state.read();
        Ok((*loaded && *stamp == now).then(|| Arc::clone(cache)))
    }
}
