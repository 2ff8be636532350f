//! A provider's response, with what is needed to store it.

use std::fmt;

use tokenkeep::{
    AccessToken, CredentialType, Entry, Secret, SignInEvent, TokenCache, TokenRequest,
    silent::Refreshed,
};

use crate::{Error, lifetime};

/// A provider's response, with what is needed to store it, now or later.
pub(crate) struct Received {
    pub(crate) request: TokenRequest,
    /// The refresh token that was spent. `None` for a sign-in, and for a token of the application
    /// or on behalf of a user.
    pub(crate) spent: Option<Entry>,
    pub(crate) body: Secret,
    /// The time right before it was asked for, in Unix seconds.
    pub(crate) at: u64,
    /// Until when it may be kept, in Unix seconds.
    pub(crate) bound: Option<u64>,
}

impl Received {
    /// Stores it, by what became of the refresh token since.
    pub(crate) fn add_to(&self, cache: &mut TokenCache) -> Result<Refreshed, Error> {
        let stated = self.stated();
        let refreshed = match &self.spent {
            None => {
                Refreshed::Stored(cache.add_response(&self.request, self.body.expose(), self.at)?)
            }
            Some(spent) => {
                let added = cache.add_refreshed(&self.request, spent, self.body.expose(), self.at);
                match added {
                    Ok(refreshed) => refreshed,
                    Err(error) => {
                        // The spent one may be worthless by now.
                        self.add_refresh_token_to(&stated, spent, cache)?;
                        return Err(error.into());
                    }
                }
            }
        };
        if let Refreshed::Stored(token) = &refreshed {
            if self.request.is_app_only() {
                // One token each.
                cache.remove_other_access_tokens(token)?;
            }
            lifetime::note(cache, &stated, self.spent.as_ref().and_then(Entry::secret))?;
            if let Some(until) = self.bound {
                lifetime::bound(cache, until)?;
            }
        }
        Ok(refreshed)
    }

    /// Whether the cache has the refresh token of the response.
    pub(crate) fn is_in(&self, cache: &TokenCache) -> bool {
        let stated = self.stated();
        let Some(own) = stated.refresh_token() else { return false };
        let mut tokens = cache.entries(CredentialType::RefreshToken);
        tokens.any(|entry| entry.secret() == Some(own))
    }

    /// Stores the new refresh token alone, of a response that is of no use otherwise.
    fn add_refresh_token_to(
        &self,
        stated: &SignInEvent,
        spent: &Entry,
        cache: &mut TokenCache,
    ) -> Result<(), Error> {
        let (Some(renewed), Some(old)) = (stated.refresh_token(), spent.secret()) else {
            return Ok(());
        };
        let home = spent.home_account_id();
        cache.renew_refresh_token(home.as_deref().unwrap_or_default(), old, renewed, self.at)?;
        Ok(())
    }

    /// The refresh token of the response.
    pub(crate) fn refresh_token(&self) -> Option<Secret> {
        self.stated().refresh_token().map(Secret::new)
    }

    /// What the response says of its refresh token.
    fn stated(&self) -> SignInEvent {
        SignInEvent::of_refresh_token(self.body.expose())
    }

    /// The access token of a response that no cache has.
    pub(crate) fn unkept(&self) -> Result<AccessToken, Error> {
        Ok(TokenCache::new().add_response(&self.request, self.body.expose(), self.at)?)
    }

    /// Makes the cache smaller, one step more each time, and keeps the refresh token of this
    /// response in each. `false` if there is nothing left to drop.
    pub(crate) fn shrink(&self, cache: &mut TokenCache, step: usize) -> Result<bool, Error> {
        use CredentialType::{AccessToken, IdToken, RefreshToken};
        let stated = self.stated();
        let spent = self.spent.as_ref().and_then(Entry::secret);
        let own = stated.refresh_token().or(spent);
        let newest = self.unkept().ok();
        let all =
            |cache: &TokenCache, kind| -> Vec<Entry> { cache.entries(kind).cloned().collect() };
        match step {
            0 => {
                for token in all(cache, AccessToken) {
                    if token.secret() != newest.as_ref().map(|token| token.secret()) {
                        cache.remove_access_token(&token)?;
                    }
                }
            }
            1 => {
                for token in all(cache, IdToken) {
                    cache.remove_id_token(&token)?;
                }
            }
            2 => {
                for token in all(cache, AccessToken) {
                    cache.remove_access_token(&token)?;
                }
            }
            3 => {
                for token in all(cache, RefreshToken) {
                    if token.secret() != own {
                        cache.remove_refresh_token(&token)?;
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("request", &self.request).finish_non_exhaustive()
    }
}
