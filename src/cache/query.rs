//! Searching for entries by their fields.

use std::fmt;

use crate::cache::{
    TokenCache,
    entry::key,
    entry::{Entry, scopes_in},
    json::{decode, quoted},
    schema::CredentialType,
    scope::ScopeRule,
    section::{Reach, Section},
};

/// Which entries to search for: the fields they must have, and scopes.
///
/// A field must be present and equal. Case matters, except that the environment asked for is
/// made lower case, as it stands in the cache.
///
/// ```
/// use tokenkeep::{CredentialType, PersistedTokenCache, Query};
///
/// let cache = PersistedTokenCache::in_memory();
/// let query = Query::new().field("client_id", "my-client-id");
/// for entry in cache.search(CredentialType::RefreshToken, &query)? {
///     println!("{:?}", entry.home_account_id());
/// }
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Query {
    fields: Vec<(String, String)>,
    scopes: Vec<String>,
}

impl Query {
    /// Every entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Entries of this account.
    #[must_use]
    pub fn home_account_id(self, id: &str) -> Self {
        self.field("home_account_id", id)
    }

    /// Entries of this host.
    #[must_use]
    pub fn environment(self, host: &str) -> Self {
        self.field("environment", host)
    }

    /// Entries of this program.
    #[must_use]
    pub fn client_id(self, id: &str) -> Self {
        self.field("client_id", id)
    }

    /// Entries of this tenant.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        self.field("realm", realm)
    }

    /// Entries in which the field is this text.
    #[must_use]
    pub fn field(self, name: &str, value: &str) -> Self {
        let token = match name {
            "environment" => quoted(&value.to_lowercase()),
            _ => quoted(value),
        };
        self.token(name, token)
    }

    /// Entries in which the field is there and null.
    #[must_use]
    pub fn null(self, name: &str) -> Self {
        self.token(name, "null".to_owned())
    }

    /// Entries that have all these scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self.scopes.sort_unstable();
        self
    }

    fn token(mut self, name: &str, token: String) -> Self {
        let name = quoted(name);
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, token));
        self
    }

    fn value(&self, name: &str) -> Option<&str> {
        let name = quoted(name);
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, token)| token.as_str())
    }

    fn fields_match(&self, entry: &Entry) -> bool {
        let mut missing = self.fields.len();
        for (name, value) in entry.members() {
            if let Some((_, wanted)) = self.fields.iter().find(|(known, _)| known == name) {
                if wanted != value {
                    return false;
                }
                missing -= 1;
            }
        }
        missing == 0
    }

    fn matches(&self, entry: &Entry) -> bool {
        if !self.fields_match(entry) {
            return false;
        }
        self.scopes.is_empty() || entry.has_scopes(ScopeRule::EXACT, &self.scopes)
    }

    /// The key of the one access token that the reference looks at first.
    fn preferred(&self) -> Option<String> {
        let text = |name| match self.value(name) {
            Some("null") => Some(String::new()),
            Some(token) => decode(token).map(|text| text.into_owned()),
            None => None,
        };
        if self.scopes.is_empty() {
            return None;
        }
        Some(key::access_token(
            [
                &text("home_account_id")?,
                &text("environment")?,
                &text("client_id")?,
                &text("realm")?,
                &self.scopes.join(" "),
            ],
            &text("ext_cache_key").unwrap_or_default(),
        ))
    }

    /// Entries among which all that match are, in order: as few as the index allows.
    fn candidates<'c>(
        &self,
        kind: CredentialType,
        section: &'c Section,
    ) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let home = self.value("home_account_id");
        // An empty text is indexed as null.
        let has_empty = self.fields.iter().any(|(_, token)| token == "\"\"");
        let reach = || {
            let [client, realm, environment] =
                ["client_id", "realm", "environment"].map(|name| self.value(name));
            let reach = Reach { client: client?, realm: realm?, environment: environment? };
            let name = home.map_or_else(|| reach.of_anybody(), |home| reach.of(home));
            Some((name, ScopeRule::of(environment?)))
        };
        let granted = (kind == CredentialType::AccessToken && !has_empty).then(reach).flatten();
        let granted = granted.and_then(|(reach, rule)| {
            let scopes = self.scopes.iter().filter(|scope| scopes_in(scope).eq([scope.as_str()]));
            // Reserved scopes are not indexed, and the others as a find compares them.
            let scopes = scopes.filter(|scope| !rule.is_reserved(scope));
            let scopes: Vec<_> = scopes.map(|scope| rule.fold(scope)).collect();
            let context = section.reach(&reach);
            section.with_scopes(&context, &mut scopes.iter().map(|scope| scope.as_ref()))
        });
        let owned = home.filter(|_| granted.is_none()).map(|home| section.account(home));
        let all = (granted.is_none() && owned.is_none()).then(|| section.entries());
        let owned = owned.map(|name| section.indexed(name));
        let few = granted.into_iter().flatten().chain(owned.into_iter().flatten());
        few.chain(all.into_iter().flatten())
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Query").field("fields", &names).field("scopes", &self.scopes).finish()
    }
}

impl TokenCache {
    /// The entries of a kind that match, in order; the access token whose scopes are exactly those
    /// of a complete query comes first.
    ///
    /// Access tokens that expired before `now` (Unix seconds) or whose expiry cannot be read are
    /// not returned, and not removed either. One with an extended cache key is returned only if
    /// the query names that field.
    pub fn search<'c>(
        &'c self,
        kind: CredentialType,
        query: &'c Query,
        now: u64,
    ) -> impl Iterator<Item = &'c Entry> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let section = self.section(kind);
        let is_token = kind == CredentialType::AccessToken;
        let asks_for_extended = query.value("ext_cache_key").is_some();
        let is_current =
            move |entry: &Entry| !is_token || entry.expires_on().is_some_and(|end| end >= now);
        let preferred = section.filter(|_| is_token).and_then(|section| {
            let name = section.own(&query.preferred()?);
            section.indexed(name).find(|entry| query.fields_match(entry) && is_current(entry))
        });
        let candidates = section.map(|section| query.candidates(kind, section));
        let others = candidates.into_iter().flatten().filter(move |entry| {
            preferred.is_none_or(|first| !first.is_same(entry))
                && is_current(entry)
                && query.matches(entry)
                && (!is_token || asks_for_extended || entry.token("ext_cache_key").is_none())
        });
        preferred.into_iter().chain(others)
    }

    /// As [`search`](Self::search), in a list of clones, which are cheap.
    pub fn find(&self, kind: CredentialType, query: &Query, now: u64) -> Vec<Entry> {
        self.search(kind, query, now).cloned().collect()
    }
}
