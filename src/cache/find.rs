//! Finding an access token: the authority's own host first, then the other names of its cloud.

use std::collections::BTreeSet;

use crate::{
    Error,
    cache::{
        TokenCache,
        access_token::{AccessTokenRef, Place},
        credential::CredentialType,
        entry::{EXTENSION_FIELDS, Entry, KEY_FIELDS},
        json::decode,
        request::{Lookup, TokenRequest},
        section::{Section, lookup_token},
    },
};

impl TokenCache {
    /// The access token for a request, if the cache has one that is valid at `now` (Unix seconds)
    /// and for a margin more: 300 seconds, or a quarter of its lifetime where that is less, or what
    /// [`TokenRequest::margin`] says.
    ///
    /// A token with exactly the scopes of the request is preferred to one that has more. A token
    /// that is bound to a key or was issued for further parameters is found only by a request that
    /// names the same ones. A token whose times or scopes cannot be read is not found.
    ///
    /// # Errors
    ///
    /// [`Error::AccountAmbiguous`] if the request names no account and tokens of several match,
    /// expired ones included, so that the answer does not change with the time.
    /// [`Error::Invalid`] if the request's authority is no https address.
    pub fn find_access_token(
        &self,
        request: &TokenRequest,
        now: u64,
    ) -> Result<Option<AccessTokenRef<'_>>, Error> {
        let lookup = request.lookup()?;
        let Some(section) = self.section(CredentialType::AccessToken) else { return Ok(None) };
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if let Some(home) = &lookup.home {
            if request.is_plain()
                && let Some(slot) = section.surely_good(&lookup.exact, now)
            {
                return Ok(Some(AccessTokenRef::new(Place::Slot(slot), false)));
            }
            let found = usable(section.indexed_exactly(&lookup.exact), request, now)
                .or_else(|| first_covering(section, lookup, lookup.reach_of_home(), request, now));
            return Ok(found.or_else(|| under_names(section, lookup, 1, home, request, now)));
        }
        match self.only_owner(section, lookup, request)? {
            Some(home) => Ok(under_names(section, lookup, 0, &home, request, now)),
            None => Ok(None),
        }
    }

    /// The one account, as a canonical token, that has a token for the request.
    fn only_owner(
        &self,
        section: &Section,
        lookup: &Lookup,
        request: &TokenRequest,
    ) -> Result<Option<String>, Error> {
        let mut owners = BTreeSet::new();
        for environment in &lookup.environments {
            let context = section.reach(&lookup.reach(environment).of_anybody());
            let matching = |entry: &&Entry| {
                let field = |name| lookup_token(entry.token(name));
                entry.has_scopes(&lookup.scopes)
                    && answers(entry, request)
                    && field("client_id") == lookup.client
                    && field("realm") == lookup.realm
                    && field("environment").eq_ignore_ascii_case(environment)
            };
            let owner = |entry: &Entry| lookup_token(entry.token("home_account_id")).to_owned();
            match section.with_scopes(&context, &mut lookup.each_scope()) {
                Some(entries) => owners.extend(entries.filter(matching).map(owner)),
                None => owners.extend(section.entries().filter(matching).map(owner)),
            }
        }
        if owners.len() > 1 {
            return Err(self.ambiguous(&owners));
        }
        Ok(owners.pop_first())
    }

    /// The error that names the accounts to choose from.
    pub(crate) fn ambiguous(&self, owners: &BTreeSet<String>) -> Error {
        let accounts = self.accounts();
        let name = |token: &String| {
            let home = decode(token).unwrap_or("no account".into()).into_owned();
            let known = accounts.iter().find(|account| account.home_account_id() == home);
            let username = known.map(|account| account.username()).filter(|name| !name.is_empty());
            username.map_or(home.clone(), str::to_owned)
        };
        Error::AccountAmbiguous { usernames: owners.iter().map(name).collect() }
    }
}

/// Looks under the names of the cloud, from the `first` one on.
fn under_names<'c>(
    section: &'c Section,
    lookup: &Lookup,
    first: usize,
    home: &str,
    request: &TokenRequest,
    now: i64,
) -> Option<AccessTokenRef<'c>> {
    lookup.environments[first..].iter().find_map(|environment| {
        let reach = lookup.reach(environment).of(home);
        let exact = format!("{reach}{}", lookup.joined);
        usable(section.indexed_exactly(&exact), request, now)
            .or_else(|| first_covering(section, lookup, &reach, request, now))
    })
}

/// The first usable token that has all scopes.
fn first_covering<'c>(
    section: &'c Section,
    lookup: &Lookup,
    reach: &str,
    request: &TokenRequest,
    now: i64,
) -> Option<AccessTokenRef<'c>> {
    let candidates = section.with_scopes(&section.reach(reach), &mut lookup.each_scope())?;
    let covering = |entry: &&Entry| entry.has_scopes(&lookup.scopes);
    usable(candidates.filter(covering), request, now)
}

fn usable<'c>(
    candidates: impl Iterator<Item = &'c Entry>,
    request: &TokenRequest,
    now: i64,
) -> Option<AccessTokenRef<'c>> {
    let mut stale = None;
    for entry in candidates {
        let is_good = entry.is_valid(request.least_left(), now) && entry.secret().is_some();
        if is_good && answers(entry, request) {
            if entry.is_fresh(now) {
                return Some(AccessTokenRef::new(Place::Entry(entry), entry.is_aging(now)));
            }
            stale.get_or_insert(entry);
        }
    }
    stale.map(|entry| AccessTokenRef::new(Place::Entry(entry), true))
}

/// The entry is bound to what the request names, and to nothing else.
fn answers(entry: &Entry, request: &TokenRequest) -> bool {
    let agrees = |is_bound: bool, fields: [&str; 3], named: Option<&str>| match named {
        None => !is_bound,
        Some(named) => {
            is_bound
                && fields.into_iter().all(|field| match entry.token(field) {
                    None | Some("null" | "\"\"") => true,
                    Some(token) => decode(token).is_some_and(|text| text == named),
                })
        }
    };
    agrees(entry.is_bound_to_key(), KEY_FIELDS, request.bound_key())
        && agrees(entry.is_extended(), EXTENSION_FIELDS, request.extension())
}
