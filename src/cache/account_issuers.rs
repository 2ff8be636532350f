//! The issuer of an account whose entry does not name it.
//!
//! Another program may have written the account's entry, and this crate the account's tokens, or
//! the other way round. So the entries with the same home account id at the same host decide. If
//! none of them names an issuer, it is the only issuer that the cache knows at that host.

use std::collections::{HashMap, HashSet};

use crate::cache::{
    TokenCache, entry::Entry, json::quoted, schema::CredentialType, section::lookup_token,
};

/// The issuers of accounts, by what the cache says.
pub(super) struct AccountIssuers<'c> {
    cache: &'c TokenCache,
    /// By home account id and host, as canonical tokens: an entry that names the issuer, or `None`
    /// if entries name several.
    named: HashMap<(String, String), Option<&'c Entry>>,
    /// The home account ids whose entries have been read.
    read: HashSet<String>,
}

impl<'c> AccountIssuers<'c> {
    pub(super) fn new(cache: &'c TokenCache) -> Self {
        Self { cache, named: HashMap::new(), read: HashSet::new() }
    }

    /// The issuer of an account at a host, if it is certain.
    pub(super) fn of(&mut self, home_account_id: &str, host: &str) -> Option<String> {
        let environment = quoted(host).to_ascii_lowercase();
        // Usually the host has no known issuer, and nothing is read.
        if !self.cache.knows_another_issuer(&environment, None) {
            return None;
        }
        let home = quoted(home_account_id);
        if self.read.insert(home.clone()) {
            self.read(&home);
        }
        match self.named.get(&(home, environment.clone())) {
            Some(entry) => entry.as_ref()?.issuer().map(|issuer| issuer.into_owned()),
            None => self.cache.only_issuer(&environment).map(str::to_owned),
        }
    }

    fn read(&mut self, home: &str) {
        let cache = self.cache;
        let kinds = CredentialType::ALL.into_iter();
        for entry in kinds.flat_map(|kind| cache.owned_by(kind, home)) {
            let Some(issuer) = entry.issuer_name() else { continue };
            let environment = lookup_token(entry.token("environment")).to_ascii_lowercase();
            let named = self.named.entry((home.to_owned(), environment)).or_insert(Some(entry));
            if named.is_some_and(|first| first.issuer_name().as_ref() != Some(&issuer)) {
                *named = None;
            }
        }
    }
}
