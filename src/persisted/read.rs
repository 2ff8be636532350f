//! Reads: one look at the store, and a load only if it moved.

use std::sync::Arc;

use super::{Known, PersistedTokenCache, transaction::ATTEMPTS};
use crate::{
    AccessToken, Account, CredentialType, Entry, Error, Query, TokenCache, TokenRequest,
    persistence::Intent,
};

impl PersistedTokenCache {
    /// The access token for `request`, if one is kept that is valid and stays so for a while:
    /// [`TokenCache::find_access_token`] says for how long.
    ///
    /// # Errors
    /// [`Error::AccountAmbiguous`] if the request names no account and several have a valid
    /// token for it, or a refresh token that the program may spend; whatever keeps the store from
    /// being read.
    pub fn find_access_token(&self, request: &TokenRequest) -> Result<Option<AccessToken>, Error> {
        let now = self.clock.now();
        let cache = self.current()?;
        Ok(cache.find_access_token(request, now)?.map(|token| token.to_owned()))
    }

    /// The entries of one kind that match `query`, in the order of the cache. Expired access
    /// tokens do not match.
    ///
    /// # Errors
    /// Whatever keeps the store from being read.
    pub fn search(&self, kind: CredentialType, query: &Query) -> Result<Vec<Entry>, Error> {
        let now = self.clock.now();
        Ok(self.current()?.find(kind, query, now))
    }

    /// The refresh tokens that may get a token for `request`, the best first.
    ///
    /// # Errors
    /// As [`TokenCache::refresh_tokens`]; whatever keeps the store from being read.
    pub fn refresh_tokens(&self, request: &TokenRequest) -> Result<Vec<Entry>, Error> {
        self.current()?.refresh_tokens(request)
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// Whatever keeps the store from being read.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        Ok(self.current()?.accounts())
    }

    /// The accounts of an authority: [`TokenCache::accounts_of`].
    ///
    /// # Errors
    /// As there; whatever keeps the store from being read.
    pub fn accounts_of(&self, authority: &str) -> Result<Vec<Account>, Error> {
        self.current()?.accounts_of(authority)
    }

    /// The accounts that `name` may mean: [`TokenCache::accounts_named`].
    ///
    /// # Errors
    /// Whatever keeps the store from being read.
    pub fn accounts_named(&self, name: &str) -> Result<Vec<Account>, Error> {
        Ok(self.current()?.accounts_named(name))
    }

    /// The whole cache as it is now. It does not change any more.
    ///
    /// # Errors
    /// Whatever keeps the store from being read.
    pub fn snapshot(&self) -> Result<Arc<TokenCache>, Error> {
        self.current()
    }

    /// The newest saved state.
    pub(super) fn current(&self) -> Result<Arc<TokenCache>, Error> {
        self.shared.store.check_read()?;
        if let Some(cache) = self.unchanged()? {
            return Ok(cache);
        }
        for _ in 0..ATTEMPTS {
            let loading = self.turn(&self.shared.loading)?;
            if let Some(cache) = self.unchanged()? {
                return Ok(cache);
            }
            loading.share(self.persistence().prepare(Intent::Read))?;
            let known = self.shared.state.read().clone();
            let loaded = match self.load_after(known) {
                Err(torn) if self.may_be_torn(&torn) => {
                    // Whoever has the lock may be about to read.
                    drop(loading);
                    self.load_again(torn)?
                }
                loaded => loaded?,
            };
            if let Some(state) = loaded {
                let cache = Arc::clone(&state.cache);
                self.publish(state);
                return Ok(cache);
            }
        }
        Err(self.kept_changing())
    }

    /// Whether a look without the lock may have met a peer that was writing.
    fn may_be_torn(&self, error: &Error) -> bool {
        matches!(error, Error::Corrupt { .. } | Error::WrongKey { .. })
            && self.persistence().is_written_in_place()
    }

    /// The state as it is with the lock held, after a look without it that said `torn`.
    fn load_again(&self, torn: Error) -> Result<Option<Known>, Error> {
        let Ok(_nesting) = self.shared.store.change() else { return Err(torn) };
        match self.acquire() {
            Ok(_held) => self.load_locked(),
            // Without a place for a lock nobody holds one, and a reader makes no place.
            Err(Error::PermissionDenied { .. } | Error::ReadOnly { .. }) => self.load_locked(),
            Err(error) if error.is_not_found() => self.load_locked(),
            Err(error) => Err(error),
        }
    }

    fn unchanged(&self) -> Result<Option<Arc<TokenCache>>, Error> {
        if !self.shared.state.read().loaded {
            return Ok(None);
        }
        let now = self.persistence().stamp()?;
        let Known { cache, stamp, loaded, .. } = &*self.shared.state.read();
        Ok((*loaded && *stamp == now).then(|| Arc::clone(cache)))
    }
}
