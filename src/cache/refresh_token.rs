//! The refresh tokens for a request, and their renewal.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        TokenCache,
        authority::{canonical_host, is_microsoft},
        entry::key,
        entry::{Entry, inside},
        issuer::Place,
        json::quoted,
        owner::{NOBODY, accounts_in},
        request::{Lookup, TokenRequest},
        schema::CredentialType,
        section::{Section, lookup_token},
    },
};

impl TokenCache {
    /// Returns the refresh tokens that may get a token for the request, the newest first.
    ///
    /// These are the client's own refresh tokens and those of its family. A client whose family is
    /// not known yet may try the family `1`, as in msal. All aliases of the authority's host count.
    /// Outside Microsoft's clouds, a refresh token may be good only for the scopes that it was
    /// issued for. There, refresh tokens with the scopes of the request come first. A refresh token
    /// of another issuer is not returned, nor is one that names no issuer if the cache knows
    /// another issuer of that host.
    ///
    /// The age is that of the last sign-in or renewal, in whole seconds. Of tokens of the same age,
    /// those that name the account come before those that name none. After that the order is that
    /// of the cache. A token without a time counts as the oldest.
    ///
    /// Pass the refresh token that was used to [`add_renewal`](Self::add_renewal), together with
    /// the response.
    ///
    /// # Errors
    ///
    /// [`Error::AccountAmbiguous`] if the request names no account and several have a refresh
    /// token. [`Error::Invalid`] if its authority cannot be used, see [`TokenRequest::new`].
    pub fn refresh_tokens(&self, request: &TokenRequest) -> Result<Vec<Entry>, Error> {
        let lookup = request.lookup()?;
        // An application has credentials of its own in place of a refresh token.
        if request.is_app_only() {
            return Ok(Vec::new());
        }
        let home = match &lookup.home {
            Some(home) => home,
            None => {
                let owners = self.spenders(lookup);
                if owners.len() > 1 {
                    return Err(self.ambiguous(lookup, &owners));
                }
                owners.first().copied().unwrap_or(NOBODY)
            }
        };
        let mut found = self.spendable(lookup, home);
        // For nobody they are in `found` already.
        let nobodys = if home == NOBODY { Vec::new() } else { self.spendable(lookup, NOBODY) };
        if !nobodys.is_empty()
            && self.only_account(self.client_at(lookup).in_any_tenant()) == Some(home)
        {
            let own = |entry: &&Entry| lookup_token(entry.token("client_id")) == lookup.client;
            found.extend(nobodys.into_iter().filter(own));
        }
        let is_one_service = is_microsoft(inside(&lookup.environments[0]));
        let is_elsewhere =
            |entry: &Entry| !is_one_service && !entry.has_scopes(lookup.rule, &lookup.scopes);
        found.sort_by_cached_key(|entry| (is_elsewhere(entry), Reverse(age(entry))));
        Ok(found.into_iter().cloned().collect())
    }

    /// The refresh tokens of an account, a canonical token, that a client may use.
    pub(super) fn spendable(&self, lookup: &Lookup, home: &str) -> Vec<&Entry> {
        let (families, place) = (self.families(lookup), self.place_of(lookup));
        let may_spend = |entry: &&Entry| {
            let host = lookup_token(entry.token("environment"));
            let at = lookup.environments.iter().position(|name| name.eq_ignore_ascii_case(host));
            at.is_some_and(|at| {
                entry.secret().is_some()
                    && place.has_issuer_of(entry)
                    && (lookup_token(entry.token("client_id")) == lookup.client
                        || families[at].is_some_and(|family| is_of(entry, family)))
            })
        };
        self.owned_by(CredentialType::RefreshToken, home).filter(may_spend).collect()
    }

    /// The accounts with a refresh token that a client may use.
    fn spenders(&self, lookup: &Lookup) -> BTreeSet<&str> {
        let Some(section) = self.section(CredentialType::RefreshToken) else {
            return BTreeSet::new();
        };
        let (families, at) = (self.families(lookup), self.client_at(lookup));
        let mut found = BTreeSet::new();
        for (environment, family) in lookup.environments.iter().zip(families) {
            let own = section.indexed(section.client(&lookup.client, environment));
            let shared = family.map(|family| section.indexed(section.family(family, environment)));
            let kept = own.chain(shared.into_iter().flatten());
            let can_spend =
                |entry: &&Entry| entry.secret().is_some() && at.place.has_issuer_of(entry);
            found.extend(accounts_in(kept.filter(can_spend)));
        }
        found.retain(|home| self.may_be_at(home, at));
        found
    }

    /// The [`spenders`](Self::spenders), or an empty set if none but the only known one can exist.
    pub(super) fn further_spenders(
        &self,
        lookup: &Lookup,
        known: &BTreeSet<&str>,
    ) -> BTreeSet<&str> {
        // Usually all refresh tokens belong to one account. The index shows this with one access.
        let section = self.section(CredentialType::RefreshToken);
        let is_all =
            |section: &Section, home: &str| section.count(section.account(home)) == section.len();
        match (section, known.first()) {
            (Some(section), Some(home)) if known.len() == 1 && is_all(section, home) => {
                BTreeSet::new()
            }
            _ => self.spenders(lookup),
        }
    }

    /// For each alias of the host, the family whose refresh tokens a client may use there.
    fn families(&self, lookup: &Lookup) -> Vec<Option<&str>> {
        let (names, place) = (lookup.environments.iter(), self.place_of(lookup));
        names.map(|environment| self.family(environment, &lookup.client, place)).collect()
    }

    /// Replaces the refresh token `spent` with the secret `renewed` in all entries of the account.
    /// `now` is the time of the renewal in Unix seconds. Returns the number of changed entries. 0
    /// means that the account signed out or signed in again in the meantime; then nothing changes.
    ///
    /// A newer refresh token beside the spent one stays.
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
        self.renew(&held, &renewal(renewed, now))
    }

    /// The refresh tokens of an account, a canonical token, that have this secret.
    pub(super) fn holding(&self, home: &str, secret: &str) -> Vec<Entry> {
        // Many entries may have the same key: find the newest entry of each key only once.
        let mut is_newest: HashMap<Option<String>, bool> = HashMap::new();
        let kept = self.owned_by(CredentialType::RefreshToken, home);
        let held = kept.filter(|entry| entry.secret() == Some(secret));
        held.filter(|entry| {
            *is_newest.entry(key::own(entry)).or_insert_with(|| {
                self.newest(entry).is_some_and(|newest| newest.secret() == Some(secret))
            })
        })
        .cloned()
        .collect()
    }

    /// Makes these changes in each of these entries. Returns their number.
    pub(super) fn renew(&mut self, held: &[Entry], changes: &[Change]) -> Result<usize, Error> {
        for entry in held {
            self.replace(key::own(entry).as_deref(), entry.with(changes))?;
        }
        Ok(held.len())
    }

    /// Assigns these entries, which have no account, to an account, a canonical token. Also makes
    /// the changes of a renewal if there was one. The other fields stay, so each entry keeps its
    /// client and its family.
    pub(super) fn give(
        &mut self,
        held: &[Entry],
        home: &str,
        renewal: Option<Vec<Change>>,
    ) -> Result<(), Error> {
        let is_renewed = renewal.is_some();
        let mut changes = vec![(quoted("home_account_id"), Zeroizing::new(home.to_owned()))];
        changes.extend(renewal.into_iter().flatten());
        for entry in held {
            let given = entry.with(&changes);
            let is_older = || self.newest(&given).is_some_and(|held| age(entry) < age(held));
            // Without a key it cannot be stored under the account, and stays as it is.
            let Some(key) = key::plain(&given) else { continue };
            // Without a new secret, the account's own newer refresh token must not be lost.
            if is_renewed || !is_older() {
                self.replace(key::own(entry).as_deref(), given.respelled(&key))?;
            }
        }
        Ok(())
    }

    /// The newest refresh token with the key of this one.
    fn newest(&self, entry: &Entry) -> Option<&Entry> {
        let section = self.section(CredentialType::RefreshToken)?;
        let keys = [Some(key::own(entry)?), self.twin(entry)];
        let held = keys.into_iter().flatten().flat_map(|key| section.indexed(section.own(&key)));
        held.max_by_key(|held| age(held))
    }

    /// Gives a refresh token a new secret. Its other fields stay. `now` is the time of the renewal
    /// in Unix seconds.
    ///
    /// Returns `false` if the cache does not hold the token any more, because it was removed or
    /// replaced by another one. Then nothing changes: no token comes back after a sign-out, and no
    /// newer token is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the entry is not a refresh token, [`Error::Corrupt`] if the section of
    /// refresh tokens is not a JSON object.
    pub fn update_refresh_token(
        &mut self,
        entry: &Entry,
        secret: &str,
        now: u64,
    ) -> Result<bool, Error> {
        crate::cache::update::check_type(entry, CredentialType::RefreshToken)?;
        self.can_write(CredentialType::RefreshToken)?;
        let Some(held) = self.newest(entry).filter(|held| held.secret() == entry.secret()) else {
            return Ok(false);
        };
        let Some(key) = key::plain(entry) else { return Ok(false) };
        let renewed = held.with(&renewal(secret, now)).respelled(&key);
        self.replace(key::own(entry).as_deref(), renewed)?;
        Ok(true)
    }

    /// The family whose refresh tokens a client may use, as a canonical token.
    fn family(&self, environment: &str, client: &str, place: Place<'_>) -> Option<&str> {
        let mut known = self.entries(CredentialType::AppMetadata).filter(|entry| {
            entry.token("environment") == Some(environment)
                && entry.token("client_id") == Some(client)
                && place.has_issuer_of(entry)
        });
        match known.next() {
            // As in msal, a client without metadata may be in the family.
            None => Some(ONLY_FAMILY),
            Some(entry) => {
                entry.token("family_id").filter(|token| !matches!(*token, "null" | "\"\""))
            }
        }
    }
}

/// A name for the refresh tokens of which one is spent at a time: those of one account, at one
/// provider, of one client or one family. By the entry and not by a request, because a client may
/// spend its family's.
pub(crate) fn spender(entry: &Entry) -> String {
    let environment = entry.environment().unwrap_or_default().to_ascii_lowercase();
    let family = entry.token("family_id").filter(|token| !matches!(*token, "null" | "\"\""));
    let client = || format!("client {}", entry.client_id().unwrap_or_default());
    let whose = family.map_or_else(client, |family| format!("family {family}"));
    let home = entry.home_account_id().unwrap_or_default();
    format!("{}\0{home}\0{whose}", canonical_host(&environment))
}

/// The same for whatever account.
pub(crate) fn spender_of_any(entry: &Entry) -> String {
    let home = entry.home_account_id().unwrap_or_default().into_owned();
    spender(entry).replacen(&format!("\0{home}\0"), "\0\0", 1)
}

/// The time at which a refresh token was stored. One without a time counts as the oldest.
fn age(entry: &Entry) -> i64 {
    entry.last_modification_time().unwrap_or(0)
}

fn is_of(entry: &Entry, family: &str) -> bool {
    entry.token("family_id") == Some(family)
}

/// The changes that a renewal makes to the entry of a refresh token.
pub(super) fn renewal(secret: &str, now: u64) -> Vec<Change> {
    vec![
        (quoted("secret"), Zeroizing::new(quoted(secret))),
        (quoted("last_modification_time"), Zeroizing::new(quoted(&now.to_string()))),
    ]
}

/// A field and its new value, as canonical tokens.
pub(super) type Change = (String, Zeroizing<String>);

/// The only family that exists, as a canonical token.
const ONLY_FAMILY: &str = "\"1\"";
