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
        let Some(section) = self.section(CredentialType::RefreshToken) else { return Ok(0) };
        let held: Vec<Entry> = section
            .indexed(section.account(&quoted(home_account_id)))
            .filter(|entry| entry.secret() == Some(spent))
            .cloned()
            .collect();
        if held.is_empty() {
            return Ok(0);
        }
        let section = self.section_mut(CredentialType::RefreshToken)?;
        for entry in &held {
            section.replace(None, entry.with(&renewal(renewed, now)));
        }
        Ok(held.len())
    }

    /// Gives a refresh token a new secret, at `now` (Unix seconds); its other fields stay.
    ///
    /// False if the cache does not hold the entry any more; then nothing changes, so that a
    /// token does not come back after a sign-out.
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
        let (Some(section), Some(key)) =
            (self.section(CredentialType::RefreshToken), key::own(entry))
        else {
            return Ok(false);
        };
        let newest = section
            .indexed(section.own(&key))
            .max_by_key(|held| held.last_modification_time().unwrap_or(0));
        let Some(held) = newest.cloned() else { return Ok(false) };
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

fn renewal(secret: &str, now: u64) -> [(String, Zeroizing<String>); 2] {
    [
        (quoted("secret"), Zeroizing::new(quoted(secret))),
        (quoted("last_modification_time"), Zeroizing::new(quoted(&now.to_string()))),
    ]
}

/// The one family there is, as a canonical token.
const ONLY_FAMILY: &str = "\"1\"";
