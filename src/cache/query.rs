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

/// A search for entries by the fields and scopes that they must have.
///
/// A field must be present and have the given value. Letter case matters. The environment is made
/// lower case, as it is stored in the cache.
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
    /// A query that matches every entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches entries of this account, given its home account id.
    #[must_use]
    pub fn home_account_id(self, id: &str) -> Self {
        self.field("home_account_id", id)
    }

    /// Matches entries of this environment, the host of the authority.
    #[must_use]
    pub fn environment(self, host: &str) -> Self {
        self.field("environment", host)
    }

    /// Matches entries of this client.
    #[must_use]
    pub fn client_id(self, id: &str) -> Self {
        self.field("client_id", id)
    }

    /// Matches entries of this tenant.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        self.field("realm", realm)
    }

    /// Matches entries whose field `name` is the text `value`.
    #[must_use]
    pub fn field(self, name: &str, value: &str) -> Self {
        let token = match name {
            "environment" => quoted(&value.to_lowercase()),
            _ => quoted(value),
        };
        self.token(name, token)
    }

    /// Matches entries whose field `name` is present and null.
    #[must_use]
    pub fn null(self, name: &str) -> Self {
        self.token(name, "null".to_owned())
    }

    /// Matches entries that have all these scopes.
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

    /// The key of the access token that msal looks at first. `None` if the query lacks scopes or a
    /// field of the key.
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

    /// A superset of the matching entries, in order, as small as the index allows.
    fn candidates<'c>(
        &self,
        kind: CredentialType,
        section: &'c Section,
    ) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let home = self.value("home_account_id");
        // The index stores an empty text as null, so a lookup of the empty text finds nothing.
        let has_empty = self.fields.iter().any(|(_, token)| token == "\"\"");
        let reach = || {
            let [client, realm, environment] =
                ["client_id", "realm", "environment"].map(|name| self.value(name));
            let reach = Reach { client: client?, realm: realm?, environment: environment? };
            // Tokens that name an issuer are indexed by it, not by their tenant.
            section.issuers(reach.environment).next().is_none().then(|| {
                let name = home.map_or_else(|| reach.of_anybody(), |home| reach.of(home));
                (name, ScopeRule::of(reach.environment))
            })
        };
        let granted = (kind == CredentialType::AccessToken && !has_empty).then(reach).flatten();
        let granted = granted.and_then(|(reach, rule)| {
            // The index has single scopes; a text with white space is none.
            let scopes = self.scopes.iter().filter(|scope| scopes_in(scope).eq([scope.as_str()]));
            // Reserved scopes are not indexed. The other scopes are indexed in folded form.
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
    /// Returns the entries of a kind that match, in order. If the query names the whole key of an
    /// access token, the token with exactly these scopes comes first.
    ///
    /// Access tokens that expired before `now` (Unix seconds) are not returned, nor are those whose
    /// expiry cannot be read. They are not removed either. A token with an extended cache key is
    /// returned only if the query names the field `ext_cache_key`.
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
            move |entry: &Entry| !is_token || entry.valid_until().is_some_and(|end| end >= now);
        let preferred = section.filter(|_| is_token).and_then(|section| {
            let key = query.preferred()?;
            let names = [section.own(&key), section.plain(&key)];
            let held = names.into_iter().flat_map(|name| section.indexed(name));
            held.into_iter().find(|entry| query.fields_match(entry) && is_current(entry))
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

    /// Same as [`search`](Self::search), but returns a list of clones. A clone is cheap.
    pub fn find(&self, kind: CredentialType, query: &Query, now: u64) -> Vec<Entry> {
        self.search(kind, query, now).cloned().collect()
    }
}
