//! An access token, borrowed from a cache or owned.

use std::{borrow::Cow, cell::OnceCell, fmt, sync::Arc};

use crate::{
    Account, Error,
    cache::{
        TokenCache,
        entry::Entry,
        json::decode,
        owner::{NOBODY, owner, sort_for},
        request::TokenRequest,
        schema::CredentialType,
        time,
    },
};

/// An access token that is borrowed from a cache. `Debug` prints no secret.
#[derive(Clone, Copy)]
pub struct AccessTokenRef<'c> {
    at: EntryAt<'c>,
    cache: &'c TokenCache,
    is_aging: bool,
}

impl<'c> AccessTokenRef<'c> {
    /// `at` must hold an entry with a secret and an expiry.
    pub(crate) fn new(at: EntryAt<'c>, cache: &'c TokenCache, is_aging: bool) -> Self {
        Self { at, cache, is_aging }
    }

    /// The token itself.
    pub fn secret(&self) -> &'c str {
        self.entry().secret().expect("a find takes only entries with a secret")
    }

    /// The time at which the token expires, in Unix seconds. The last day of 9999 if it
    /// [does not expire](Self::has_no_expiry).
    pub fn expires_on(&self) -> u64 {
        expires_on(self.entry())
    }

    /// Returns `true` if the token is valid until an API refuses it: the provider gave it neither a
    /// lifetime nor a refresh token. Only outside Microsoft's clouds.
    pub fn has_no_expiry(&self) -> bool {
        self.entry().has_no_expiry()
    }

    /// Returns `true` if the token is valid but should be renewed. This is so if the time has
    /// passed from which the provider asks for a renewal. It is also so if the entry does not say
    /// when it was stored, or gives a time in the future.
    pub fn is_aging(&self) -> bool {
        self.is_aging
    }

    /// Whether the token [is aging](Self::is_aging) at `now` (Unix seconds), not at the time of the
    /// find.
    pub fn is_aging_at(&self, now: u64) -> bool {
        is_aging_at(self.entry(), now)
    }

    /// The time at which the token was stored, in Unix seconds. Returns `None` if the entry does
    /// not say.
    pub fn cached_at(&self) -> Option<u64> {
        unsigned(self.entry().cached_at())
    }

    /// The time from which the provider asks for a renewal, in Unix seconds. Returns `None` if it
    /// does not ask.
    pub fn refresh_on(&self) -> Option<u64> {
        unsigned(self.entry().refresh_on())
    }

    /// The home account id of the token's account. Returns `None` for an app-only token, and if it
    /// is not known who signed in.
    pub fn home_account_id(&self) -> Option<Cow<'c, str>> {
        let stated = self.entry().home_account_id().filter(|home| !home.is_empty());
        stated.or_else(|| Some(decode(&self.cache.adopter(self.entry())?)?.into_owned().into()))
    }

    /// The token's account. Returns `None` if the cache knows only the account's id, or no account.
    pub fn account(&self) -> Option<Account> {
        account(self.entry(), self.accounts(self.cache.adopter(self.entry()).as_deref()).collect())
    }

    /// The granted scopes. They may be fewer than the requested scopes, or different ones.
    pub fn scopes(&self) -> Vec<String> {
        self.entry().scopes()
    }

    /// The token type. `Bearer` if the entry does not say.
    pub fn token_type(&self) -> Cow<'c, str> {
        token_type(self.entry())
    }

    /// The whole entry.
    pub fn entry(&self) -> &'c Entry {
        match self.at {
            EntryAt::Entry(entry) => entry,
            EntryAt::Slot(slot) => slot.as_ref().expect("the index names no empty slot"),
        }
    }

    /// A copy that outlives the cache.
    pub fn to_owned(&self) -> AccessToken {
        let adopter = self.cache.adopter(self.entry());
        AccessToken {
            entry: self.entry().clone(),
            accounts: self.accounts(adopter.as_deref()).cloned().collect(),
            adopter,
            is_aging: self.is_aging,
            source: TokenSource::Cache,
            is_stored: true,
            unstored: None,
        }
    }

    /// The account entries, in the token's cloud, of `adopter`, or if it is `None`, of the account
    /// that the entry names.
    fn accounts(&self, adopter: Option<&str>) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let (token, cache) = (self.entry(), self.cache);
        let home = Some(adopter.unwrap_or(owner(token))).filter(|&home| home != NOBODY);
        let known = home.map(|home| cache.owned_by(CredentialType::Account, home));
        let cloud = OnceCell::new();
        known.into_iter().flatten().filter(move |entry| {
            // Usually they name one host, and no list of the cloud's hosts is needed.
            cache.are_surely_of_one_cloud(token, entry)
                || cloud.get_or_init(|| cache.cloud_of(token)).place().has(entry)
        })
    }
}

impl fmt::Debug for AccessTokenRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenRef")
            .field("expires_on", &self.expires_on())
            .field("is_aging", &self.is_aging)
            .finish_non_exhaustive()
    }
}

/// Where the entry is stored. A slot is read only when its entry is needed, because in a large
/// cache this memory access costs more than the find.
#[derive(Clone, Copy)]
pub(crate) enum EntryAt<'c> {
    Entry(&'c Entry),
    Slot(&'c Option<Entry>),
}

/// An access token that outlives its cache.
///
/// Its memory is wiped when the token and every cache that holds it are dropped. `Debug` prints no
/// secret.
///
/// ```
/// use tokenkeep::{PersistedTokenCache, TokenRequest};
///
/// let cache = PersistedTokenCache::in_memory();
/// let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
/// let answer = r#"{"access_token": "eyJ0eXAi", "expires_in": 3600, "scope": "read"}"#;
/// let token = cache.add_response(&request, answer)?;
/// let header = format!("Authorization: Bearer {}", token.secret());
/// if let Some(reason) = token.unstored_because() {
///     eprintln!("the next run asks you to sign in again: {reason}; {}", reason.next_step());
/// }
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone)]
pub struct AccessToken {
    /// Has a secret and an expiry.
    entry: Entry,
    /// The account that the token belongs to although its entry names none. A canonical token.
    adopter: Option<String>,
    /// The account entries of the token's account, in its cloud.
    accounts: Vec<Entry>,
    is_aging: bool,
    source: TokenSource,
    is_stored: bool,
    unstored: Option<Arc<Error>>,
}

impl AccessToken {
    /// The token itself.
    pub fn secret(&self) -> &str {
        self.entry.secret().unwrap_or_default()
    }

    /// The time at which the token expires, in Unix seconds. The last day of 9999 if it
    /// [does not expire](Self::has_no_expiry).
    pub fn expires_on(&self) -> u64 {
        expires_on(&self.entry)
    }

    /// Returns `true` if the token is valid until an API refuses it: the provider gave it neither a
    /// lifetime nor a refresh token. Only outside Microsoft's clouds.
    pub fn has_no_expiry(&self) -> bool {
        self.entry.has_no_expiry()
    }

    /// Returns `true` if the token is valid but should be renewed. This is so if the time has
    /// passed from which the provider asks for a renewal. It is also so if the entry does not say
    /// when it was stored, or gives a time in the future.
    pub fn is_aging(&self) -> bool {
        self.is_aging
    }

    /// Whether the token [is aging](Self::is_aging) at `now` (Unix seconds), not at the time of the
    /// call that returned it. It does not say whether the token is still valid then.
    pub fn is_aging_at(&self, now: u64) -> bool {
        is_aging_at(&self.entry, now)
    }

    /// The time at which the token was stored, in Unix seconds. Returns `None` if the entry does
    /// not say.
    pub fn cached_at(&self) -> Option<u64> {
        unsigned(self.entry.cached_at())
    }

    /// The time from which the provider asks for a renewal, in Unix seconds. Returns `None` if it
    /// does not ask.
    pub fn refresh_on(&self) -> Option<u64> {
        unsigned(self.entry.refresh_on())
    }

    /// The home account id of the token's account. Returns `None` for an app-only token, and if it
    /// is not known who signed in.
    pub fn home_account_id(&self) -> Option<Cow<'_, str>> {
        let stated = self.entry.home_account_id().filter(|home| !home.is_empty());
        stated.or_else(|| decode(self.adopter.as_deref()?))
    }

    /// The token's account. Returns `None` if the cache knows only the account's id, or no account.
    pub fn account(&self) -> Option<Account> {
        account(&self.entry, self.accounts.iter().collect())
    }

    /// The granted scopes. They may be fewer than the requested scopes, or different ones.
    pub fn scopes(&self) -> Vec<String> {
        self.entry.scopes()
    }

    /// The token type, which says how to send the token. Usually `Bearer`.
    pub fn token_type(&self) -> Cow<'_, str> {
        token_type(&self.entry)
    }

    /// Where the token came from.
    pub fn source(&self) -> TokenSource {
        self.source
    }

    /// Returns `true` if the token is stored in the cache. `false` means that the provider issued
    /// the token, but the cache could not save it. The token can be used now, but the next run must
    /// sign in again.
    pub fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// The reason why the token is not stored in the cache. Returns `None` if it is stored, or if
    /// its store only [said](Self::stored) that it is not.
    pub fn unstored_because(&self) -> Option<&Error> {
        self.unstored.as_deref()
    }

    /// Sets whether the token [is stored](Self::is_stored), without a reason. For a store of your
    /// own around a [`TokenCache`].
    #[must_use]
    pub fn stored(mut self, is_stored: bool) -> Self {
        self.is_stored = is_stored;
        self.unstored = None;
        self
    }

    /// Sets the [source](Self::source) to [`TokenSource::Provider`]. For a store of your own that
    /// finds a token again after it stored the provider's response.
    #[must_use]
    pub fn issued_now(mut self) -> Self {
        self.source = TokenSource::Provider;
        self
    }

    pub(crate) fn unstored(mut self, because: Error) -> Self {
        self.is_stored = false;
        self.unstored = Some(Arc::new(because));
        self
    }
}

impl TokenRequest {
    /// Requests another access token than this one, which an API refused although it seemed valid:
    /// it was revoked, for instance.
    ///
    /// A token that was cached since answers the request, so all programs that were refused share
    /// one renewal. The refused token is removed when its successor is stored.
    #[must_use]
    pub fn instead_of(self, token: &AccessToken) -> Self {
        self.refusing(token.secret(), token.entry.cached_at())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_on", &self.expires_on())
            .field("is_aging", &self.is_aging)
            .field("source", &self.source)
            .field("is_stored", &self.is_stored())
            .finish_non_exhaustive()
    }
}

/// Reads the account of a token from the account entries with its home account id in its cloud.
fn account(token: &Entry, mut known: Vec<&Entry>) -> Option<Account> {
    sort_for(token, &mut known);
    known.into_iter().find_map(Account::read)
}

fn expires_on(token: &Entry) -> u64 {
    let expiry = if token.has_no_expiry() { time::LAST } else { token.expires_on().unwrap_or(0) };
    // A time before 1970 counts as 1970.
    expiry.try_into().unwrap_or_default()
}

fn is_aging_at(token: &Entry, now: u64) -> bool {
    token.is_aging(i64::try_from(now).unwrap_or(i64::MAX))
}

/// A time before 1970 counts as 1970.
fn unsigned(time: Option<i64>) -> Option<u64> {
    time.map(|time| time.try_into().unwrap_or_default())
}

fn token_type(token: &Entry) -> Cow<'_, str> {
    token.token_type().and_then(decode).unwrap_or(Cow::Borrowed("Bearer"))
}

/// Where an access token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// The token was in the cache.
    Cache,
    /// The provider has just issued the token.
    Provider,
}
