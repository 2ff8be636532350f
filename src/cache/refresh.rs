//! The refresh tokens that may answer a request, and what happens to them when one is spent.

use std::{cmp::Reverse, collections::BTreeSet};

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        TokenCache, credential::CredentialType, entry::Entry, json::quoted, key,
        request::TokenRequest,
    },
};

impl TokenCache {
    /// The refresh tokens that may get a token for the request, the newest first.
    ///
    /// These are the program's own, and those of its family; a program whose family is not known
    /// yet may try the family `1`, as the reference does. All names of the authority's cloud count.
    ///
    /// # Errors
    ///
    /// [`Error::AccountAmbiguous`] if the request names no account and several have a refresh
    /// token. [`Error::Invalid`] if its authority is no https address.
    pub fn refresh_tokens(&self, request: &TokenRequest) -> Result<Vec<Entry>, Error> {
        let lookup = request.lookup()?;
        let Some(section) = self.section(CredentialType::RefreshToken) else {
            return Ok(Vec::new());
        };
        let mut found: Vec<&Entry> = Vec::new();
        for environment in &lookup.environments {
            let family = self.family(environment, &lookup.client);
            let may_use = |entry: &&Entry| {
                entry.token("environment") == Some(environment)
                    && entry.secret().is_some()
                    && (entry.token("client_id") == Some(&lookup.client)
                        || family.is_some_and(|family| entry.token("family_id") == Some(family)))
            };
            match request.home_account_id() {
                Some(home) => {
                    found.extend(section.indexed(section.account(&quoted(home))).filter(may_use));
                }
                None => found.extend(section.entries().filter(may_use)),
            }
        }
        let owner = |entry: &&Entry| entry.token("home_account_id").unwrap_or("null").to_owned();
        let owners: BTreeSet<String> = found.iter().map(owner).collect();
        if owners.len() > 1 {
            return Err(self.ambiguous(&owners));
        }
        found.sort_by_key(|entry| Reverse(entry.last_modification_time().unwrap_or(0)));
        Ok(found.into_iter().cloned().collect())
    }

    /// Puts the secret `renewed` in place of the refresh token `spent` wherever the account has it,
    /// at `now` (Unix seconds), and tells in how many entries. None means that the account was
    /// signed out or signed in anew in the meantime; then nothing changes.
    ///
    /// Where a newer token stands beside the spent one it stays.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section of refresh tokens is not a JSON object.
    pub fn renew_refresh_token(
        &mut self,
        home_account_id: &str,
        spent: &str,
        renewed: &str,
        now: u64,
    ) -> Result<usize, Error> {
        self.can_write(CredentialType::RefreshToken)?;
        let held = self.holding(&quoted(home_account_id), spent);
        self.renew(&held, renewed, now)
    }

    /// The refresh tokens of an account, a canonical token, that are this secret.
    fn holding(&self, home: &str, secret: &str) -> Vec<Entry> {
        let section = self.section(CredentialType::RefreshToken);
        let kept = section.map(|section| section.indexed(section.account(home)));
        let kept = kept.into_iter().flatten();
        let held = kept.filter(|entry| entry.secret() == Some(secret));
        held.filter(|entry| {
            self.newest(entry).is_some_and(|newest| newest.secret() == Some(secret))
        })
        .cloned()
        .collect()
    }

    /// Gives each of these entries a new secret, and tells how many there are.
    fn renew(&mut self, held: &[Entry], secret: &str, now: u64) -> Result<usize, Error> {
        if !held.is_empty() {
            let section = self.section_mut(CredentialType::RefreshToken)?;
            for entry in held {
                section.replace(None, entry.with(&renewal(secret, now)));
            }
        }
        Ok(held.len())
    }

    /// The newest of the refresh tokens with the key of this one.
    fn newest(&self, entry: &Entry) -> Option<&Entry> {
        let section = self.section(CredentialType::RefreshToken)?;
        section.indexed(section.own(&key::own(entry)?)).max_by_key(|held| age(held))
    }

    /// Gives a refresh token a new secret, at `now` (Unix seconds); its other fields stay.
    ///
    /// False if the cache does not hold the token any more, because it was removed or another one
    /// took its place; then nothing changes, so that no token comes back after a sign-out and none
    /// is lost to an older one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is no refresh token, [`Error::Corrupt`] if the section of
    /// refresh tokens is not a JSON object.
    pub fn update_refresh_token(
        &mut self,
        entry: &Entry,
        secret: &str,
        now: u64,
    ) -> Result<bool, Error> {
        super::write::check_type(entry, CredentialType::RefreshToken)?;
        self.can_write(CredentialType::RefreshToken)?;
        let Some(held) = self.newest(entry).filter(|held| held.secret() == entry.secret()) else {
            return Ok(false);
        };
        let Some(key) = key::own(entry) else { return Ok(false) };
        let renewed = held.with(&renewal(secret, now)).respelled(&key);
        self.section_mut(CredentialType::RefreshToken)?.replace(Some(&key), renewed);
        Ok(true)
    }

    /// The family whose tokens a program may use, as a canonical token.
    fn family(&self, environment: &str, client: &str) -> Option<&str> {
        let mut known = self.entries(CredentialType::AppMetadata).filter(|entry| {
            entry.token("environment") == Some(environment)
                && entry.token("client_id") == Some(client)
        });
        match known.next() {
            None => Some(ONLY_FAMILY),
            Some(entry) => {
                entry.token("family_id").filter(|token| !matches!(*token, "null" | "\"\""))
            }
        }
    }
}

/// When a refresh token was kept; what does not say it is the oldest.
fn age(entry: &Entry) -> i64 {
    entry.last_modification_time().unwrap_or(0)
}

fn renewal(secret: &str, now: u64) -> [(String, Zeroizing<String>); 2] {
    [
        (quoted("secret"), Zeroizing::new(quoted(secret))),
        (quoted("last_modification_time"), Zeroizing::new(quoted(&now.to_string()))),
    ]
}

/// The one family there is, as a canonical token.
const ONLY_FAMILY: &str = "\"1\"";
