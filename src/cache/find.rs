//! Finds an access token: at the authority's own host first, then at its aliases.

use std::ptr;

use crate::{
    Error,
    cache::{
        TokenCache,
        access_token::{AccessTokenRef, EntryAt},
        entry::{EXTENSION_FIELDS, Entry, KEY_FIELDS},
        json::decode,
        owner::{NOBODY, accounts_in, is_apps, owner},
        request::{Lookup, TokenRequest},
        schema::CredentialType,
        section::{Reach, Section},
    },
};

impl TokenCache {
    /// Returns the access token for a request, if the cache has one that is still valid for a
    /// margin after `now` (Unix seconds). The margin is 300 seconds, or a quarter of the token's
    /// lifetime if that is less, or the value of [`TokenRequest::margin`].
    ///
    /// A token matches the request if it was granted all scopes of the request. It also matches if
    /// these scopes were requested and the provider granted others. A token with exactly these
    /// scopes is preferred to one with more scopes. Both are preferred to a token for which these
    /// scopes were only requested. In Microsoft's clouds the letter case of scopes does not matter.
    ///
    /// A token that is bound to a key, or was issued for further parameters, is found only by a
    /// request that names the same ones. An app-only token is found only by a request that is
    /// [`TokenRequest::app_only`]. A token whose times or scopes cannot be read is not found. A
    /// token without an account belongs to the only account that the client has there.
    ///
    /// No token answers a request with [`claims`](TokenRequest::claims). A request
    /// [`instead_of`](TokenRequest::instead_of) a token is answered by none that is older.
    ///
    /// A token without a caching time, or with one in the future because the clock was set back
    /// since, is found if there is no other. It [is aging](AccessTokenRef::is_aging).
    ///
    /// # Errors
    ///
    /// [`Error::AccountAmbiguous`] if the request names no account and several accounts have a
    /// valid token for it, or a refresh token that the client may use. [`Error::Invalid`] if the
    /// request's authority cannot be used, see [`TokenRequest::new`].
    pub fn find_access_token(
        &self,
        request: &TokenRequest,
        now: u64,
    ) -> Result<Option<AccessTokenRef<'_>>, Error> {
        let lookup = request.lookup()?;
        if request.requested_claims().is_some() {
            return Ok(None);
        }
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let section = self.section(CredentialType::AccessToken);
        // Fast path: most finds need only the index and read no entry.
        if let Some(section) = section.filter(|_| request.is_plain())
            && let Some(home) = lookup.home.as_deref().or_else(|| self.sole_spender(section))
            && home != NOBODY
            && let Some(slot) = section.surely_best(lookup.at_first(), home, now)
        {
            return Ok(Some(AccessTokenRef::new(EntryAt::Slot(slot), self, false)));
        }
        let found = match (&lookup.home, section) {
            (Some(_), None) => None,
            (Some(home), Some(section)) => {
                let mut search = self.start(section, request, lookup, now);
                let found = search.of(home).or_else(|| self.unclaimed(&mut search, home));
                found.or(search.stale)
            }
            (None, section) => self.of_anybody(section, request, lookup, now)?,
        };
        let found = found.map(|entry| (EntryAt::Entry(entry), entry.is_aging(now)));
        Ok(found.map(|(place, is_aging)| AccessTokenRef::new(place, self, is_aging)))
    }

    /// The account that has all access and refresh tokens. `None` if that is not certain.
    fn sole_spender<'c>(&self, access_tokens: &'c Section) -> Option<&'c str> {
        let home = access_tokens.sole_owner()?;
        let others = self.section(CredentialType::RefreshToken).filter(|section| section.len() > 0);
        others.is_none_or(|section| section.sole_owner() == Some(home)).then_some(home)
    }

    fn start<'c, 'r>(
        &self,
        section: &'c Section,
        request: &'r TokenRequest,
        lookup: &'r Lookup,
        now: i64,
    ) -> Search<'c, 'r> {
        let has_unnamed = self.place_of(lookup).has_unnamed;
        Search { section, request, lookup, now, has_unnamed, stale: None }
    }

    /// A token without an account that belongs to this one.
    fn unclaimed<'c>(&self, search: &mut Search<'c, '_>, home: &str) -> Option<&'c Entry> {
        if home == NOBODY {
            return None;
        }
        // Looks for a token first, because it takes longer to find its account.
        let mut nobodys = Search { stale: None, ..*search };
        let found = nobodys.of(NOBODY).or(nobodys.stale)?;
        if self.only_account(self.client_at(search.lookup)) != Some(home) {
            return None;
        }
        if found.is_fresh(search.now) {
            return Some(found);
        }
        search.stale.get_or_insert(found);
        None
    }

    /// The token for a request that names no account.
    fn of_anybody<'c>(
        &'c self,
        section: Option<&'c Section>,
        request: &TokenRequest,
        lookup: &Lookup,
        now: i64,
    ) -> Result<Option<&'c Entry>, Error> {
        let search = section.map(|section| self.start(section, request, lookup, now));
        let valid = search.as_ref().map(Search::all).unwrap_or_default();
        let mut owners = accounts_in(valid.iter().copied());
        // An account with a refresh token counts, even if no token of it is valid now.
        owners.extend(self.further_spenders(lookup, &owners));
        if owners.len() > 1 {
            return Err(self.ambiguous(lookup, &owners));
        }
        let Some(mut search) = search else { return Ok(None) };
        let home = owners.first().copied().unwrap_or(NOBODY);
        if let [only] = valid[..]
            && owner(only) == home
        {
            return Ok(Some(only));
        }
        let mut of = |home| {
            let found = search.of(home).or(search.stale);
            search.stale = None;
            found
        };
        let found = of(home);
        // A token that was stored without an account may be newer than the account's own.
        let has_unclaimed = home != NOBODY && valid.iter().any(|entry| owner(entry) == NOBODY);
        let client = self.client_at(lookup);
        let unclaimed = has_unclaimed.then(|| of(NOBODY)).flatten();
        let unclaimed = unclaimed.filter(|_| self.only_account(client) == Some(home));
        let at = |entry: &Entry| valid.iter().position(|other| ptr::eq(*other, entry));
        Ok([found, unclaimed]
            .into_iter()
            .flatten()
            // Of two equally new tokens the later one in the cache.
            .max_by_key(|entry| (entry.is_fresh(now), entry.cached_at(), at(entry))))
    }
}

/// A search for the token that answers one request.
struct Search<'c, 'r> {
    section: &'c Section,
    request: &'r TokenRequest,
    lookup: &'r Lookup,
    now: i64,
    /// Tokens that name no issuer count.
    has_unnamed: bool,
    /// The first usable token that is not fresh.
    stale: Option<&'c Entry>,
}

impl<'c, 'r> Search<'c, 'r> {
    /// The best fresh token of an account, which is a canonical token.
    ///
    /// A token that was granted the scopes is preferred to one for which they were only requested.
    fn of(&mut self, home: &str) -> Option<&'c Entry> {
        let (section, lookup) = (self.section, self.lookup);
        // Tokens that were granted exactly these scopes, or for which exactly these were requested.
        let exactly =
            |reach: Reach<'_>| section.indexed_exactly(&reach.exactly(&lookup.joined), home);
        let has_unnamed = self.has_unnamed;
        let reaches = || lookup.reaches(has_unnamed);
        let granted = reaches().find_map(|reach| {
            let exact = || exactly(reach);
            let same_text = |entry: &&Entry| {
                entry.target().and_then(decode).is_some_and(|target| *target == *lookup.target)
            };
            // The exact text of the scopes decides only among several tokens.
            if exact().nth(1).is_some()
                && let Some(found) = self.first(exact().filter(same_text))
            {
                return Some(found);
            }
            let has_all = |entry: &&Entry| {
                let target = entry.target().and_then(decode).unwrap_or_default();
                lookup.rule.covers(&target, &lookup.target)
            };
            self.first(exact().filter(has_all)).or_else(|| {
                // If no scope decides the match, any token of the account is enough.
                let asked = lookup.scopes.is_empty().then(|| self.first(exact())).flatten();
                asked.or_else(|| self.first(self.covering(&reach.of(home))))
            })
        });
        // A stale token that was granted the scopes comes before one for which they were requested.
        if granted.is_some() || self.stale.is_some() {
            return granted;
        }
        reaches().find_map(|reach| self.first(exactly(reach)))
    }

    /// The tokens with all scopes of the request whose index names begin with `reach`.
    fn covering(&self, reach: &str) -> impl Iterator<Item = &'c Entry> + use<'c, 'r> {
        let (lookup, context) = (self.lookup, self.section.reach(reach));
        let scopes = &mut lookup.each_scope();
        let some = self.section.with_scopes(&context, scopes);
        let all = some.is_none().then(|| self.section.of_reach(&context));
        let some = some.into_iter().flatten().filter(|entry| covers(entry, lookup));
        some.chain(all.into_iter().flatten())
    }

    /// Every usable token of any account.
    fn all(&self) -> Vec<&'c Entry> {
        let mut found: Vec<&Entry> = Vec::new();
        for reach in self.lookup.anybodys(self.has_unnamed) {
            found.extend(self.covering(reach).filter(|entry| self.is_usable(entry)));
            if self.section.has_asked() && !self.lookup.scopes.is_empty() {
                let context = self.section.reach(reach);
                let asked = self.section.asked(&context, &self.lookup.joined);
                // Those that cover the request are in the list already.
                let others = asked.filter(|entry| !covers(entry, self.lookup));
                found.extend(others.filter(|entry| self.is_usable(entry)));
            }
        }
        found
    }

    /// The first fresh token. Remembers the first usable token that is not fresh.
    fn first(&mut self, candidates: impl Iterator<Item = &'c Entry>) -> Option<&'c Entry> {
        for entry in candidates {
            if !self.is_usable(entry) {
                continue;
            }
            if entry.is_fresh(self.now) {
                return Some(entry);
            }
            self.stale.get_or_insert(entry);
        }
        None
    }

    fn is_usable(&self, entry: &Entry) -> bool {
        let is_for_us = || {
            owner(entry) != NOBODY && !self.request.is_app_only()
                || is_apps(entry) == self.request.is_app_only()
        };
        entry.is_valid(self.request.least_left(), self.now)
            && answers(entry, self.request)
            && entry.secret().is_some()
            && self.request.accepts(entry.secret(), entry.cached_at(), self.now)
            && is_for_us()
    }
}

/// The entry was granted all scopes of the request.
fn covers(entry: &Entry, lookup: &Lookup) -> bool {
    entry.has_scopes(lookup.rule, &lookup.scopes)
}

/// The entry is bound to what the request names, and to nothing else.
fn answers(entry: &Entry, request: &TokenRequest) -> bool {
    let agrees = |is_bound: bool, fields: [&str; 3], named: Option<&str>| match named {
        None => !is_bound,
        Some(named) => {
            is_bound
                && fields.into_iter().all(|field| match entry.token(field) {
                    // Each library writes only one of these fields.
                    None | Some("null" | "\"\"") => true,
                    Some(token) => decode(token).is_some_and(|text| text == named),
                })
        }
    };
    agrees(entry.is_bound_to_key(), KEY_FIELDS, request.bound_key())
        && agrees(entry.is_extended(), EXTENSION_FIELDS, request.extension())
}
