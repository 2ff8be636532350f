//! Removes tokens, whoever owns them.

use crate::{
    Error,
    cache::{TokenCache, access_token::AccessToken, entry::Entry, schema::CredentialType},
};

impl TokenCache {
    /// Removes the access tokens that expired before `now` (Unix seconds). Returns their number.
    ///
    /// A token whose expiry cannot be read stays, and so does one that is valid until it is
    /// refused.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section of access tokens is not a JSON object.
    pub fn remove_expired(&mut self, now: u64) -> Result<usize, Error> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.remove_where(CredentialType::AccessToken, |entry| {
            entry.valid_until().is_some_and(|end| end < now)
        })
    }

    /// Removes every refresh token. Returns their number.
    ///
    /// For a cache that has to outlive no access token, such as that of a request on behalf of a
    /// user.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section of refresh tokens is not a JSON object.
    pub fn remove_refresh_tokens(&mut self) -> Result<usize, Error> {
        self.remove_where(CredentialType::RefreshToken, |_| true)
    }

    /// Removes every access token but `kept`. Returns the number of removed tokens. Removes nothing
    /// if the cache does not hold `kept`.
    ///
    /// For a cache that holds the tokens of one request only, such as one of an application: a
    /// token that was granted other scopes does not replace the one before.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section of access tokens is not a JSON object.
    pub fn remove_other_access_tokens(&mut self, kept: &AccessToken) -> Result<usize, Error> {
        let is_kept = |entry: &Entry| entry.secret() == Some(kept.secret());
        if !self.entries(CredentialType::AccessToken).any(is_kept) {
            self.can_write(CredentialType::AccessToken)?;
            return Ok(0);
        }
        self.remove_where(CredentialType::AccessToken, |entry| !is_kept(entry))
    }

    /// Removes the entries of a kind for which `is_gone` returns `true`. Returns their number.
    pub(super) fn remove_where(
        &mut self,
        kind: CredentialType,
        is_gone: impl Fn(&Entry) -> bool,
    ) -> Result<usize, Error> {
        self.can_write(kind)?;
        if !self.entries(kind).any(&is_gone) {
            return Ok(0);
        }
        Ok(self.section_mut(kind)?.remove_where(is_gone))
    }
}
