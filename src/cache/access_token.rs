//! An access token, borrowed from a cache or owned.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    Account, Error,
    cache::{
        TokenCache,
        entry::Entry,
        json::decode,
        owner::{NOBODY, in_cloud_of, owner},
        schema::CredentialType,
    },
};

/// An access token in a cache. `Debug` shows no secret.
#[derive(Clone, Copy)]
pub struct AccessTokenRef<'c> {
    at: EntryAt<'c>,
    cache: &'c TokenCache,
    is_aging: bool,
}

impl<'c> AccessTokenRef<'c> {
    /// The place holds an entry with a secret and an expiry.
    pub(crate) fn new(at: EntryAt<'c>, cache: &'c TokenCache, is_aging: bool) -> Self {
        Self { at, cache, is_aging }
    }

    /// The token itself.
    pub fn secret(&self) -> &'c str {
        self.entry().secret().expect("a find takes only entries with a secret")
    }

    /// When it expires, in Unix seconds.
    pub fn expires_on(&self) -> u64 {
        let expiry = self.entry().expires_on().expect("a find takes only entries with an expiry");
        expiry.try_into().unwrap_or_default()
    }

    /// It is valid, but should be renewed: the provider asks for it by now, or the entry does not
    /// say when it was kept, or says a time in the future.
    pub fn is_aging(&self) -> bool {
        self.is_aging
    }

    /// The home account id of the account that it belongs to; none for an app's own token, and
    /// where it is not known who signed in.
    pub fn home_account_id(&self) -> Option<Cow<'c, str>> {
        let stated = self.entry().home_account_id().filter(|home| !home.is_empty());
        stated.or_else(|| Some(decode(&self.cache.adopter(self.entry())?)?.into_owned().into()))
    }

    /// The account that it belongs to, if the cache knows more of it than its id.
    pub fn account(&self) -> Option<Account> {
        account(self.entry(), self.accounts(self.cache.adopter(self.entry()).as_deref()))
    }

    /// The scopes that were granted. They may be fewer or others than the request's.
    pub fn scopes(&self) -> Vec<String> {
        self.entry().scopes()
    }

    /// `Bearer` if the entry does not say.
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
            unstored: None,
        }
    }

    /// The entries of its account, which is the adopter where it names none.
    fn accounts(&self, adopter: Option<&str>) -> impl Iterator<Item = &'c Entry> + use<'c> {
        let home = adopter.unwrap_or(owner(self.entry()));
        let is_known = home != NOBODY;
        is_known.then(|| self.cache.owned_by(CredentialType::Account, home)).into_iter().flatten()
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

/// Where the entry is. A slot is not looked at before its entry is asked for, which in a large
/// cache costs more than the find.
#[derive(Clone, Copy)]
pub(crate) enum EntryAt<'c> {
    Entry(&'c Entry),
    Slot(&'c Option<Entry>),
}

/// An access token that a program can use. Its memory is wiped when it and every cache that has it
/// are dropped; `Debug` shows no secret.
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
///     eprintln!("the next run asks you to sign in again: {reason}");
/// }
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone)]
pub struct AccessToken {
    /// With a secret and an expiry.
    entry: Entry,
    /// The account, as a canonical token, that it belongs to without naming it.
    adopter: Option<String>,
    /// The entries of its account.
    accounts: Vec<Entry>,
    is_aging: bool,
    source: TokenSource,
    unstored: Option<Arc<Error>>,
}

impl AccessToken {
    /// The token itself.
    pub fn secret(&self) -> &str {
        self.entry.secret().unwrap_or_default()
    }

    /// When it expires, in Unix seconds.
    pub fn expires_on(&self) -> u64 {
        self.entry.expires_on().and_then(|expiry| expiry.try_into().ok()).unwrap_or_default()
    }

    /// It is valid, but should be renewed: the provider asks for it by now, or the entry does not
    /// say when it was kept, or says a time in the future.
    pub fn is_aging(&self) -> bool {
        self.is_aging
    }

    /// The home account id of the account that it belongs to; none for an app's own token, and
    /// where it is not known who signed in.
    pub fn home_account_id(&self) -> Option<Cow<'_, str>> {
        let stated = self.entry.home_account_id().filter(|home| !home.is_empty());
        stated.or_else(|| decode(self.adopter.as_deref()?))
    }

    /// The account that it belongs to, if the cache knows more of it than its id.
    pub fn account(&self) -> Option<Account> {
        account(&self.entry, self.accounts.iter())
    }

    /// The scopes that were granted. They may be fewer or others than the request's.
    pub fn scopes(&self) -> Vec<String> {
        self.entry.scopes()
    }

    /// How to send it; `Bearer` as a rule.
    pub fn token_type(&self) -> Cow<'_, str> {
        token_type(&self.entry)
    }

    /// Where it came from.
    pub fn source(&self) -> TokenSource {
        self.source
    }

    /// Whether the cache keeps it. `false` for a token that the provider issued and that could not
    /// be saved: it can be used now, and the next run has to sign in again.
    pub fn is_stored(&self) -> bool {
        self.unstored.is_none()
    }

    /// Why the cache does not keep it, `None` if it does.
    pub fn unstored_because(&self) -> Option<&Error> {
        self.unstored.as_deref()
    }

    pub(crate) fn issued_now(mut self) -> Self {
        self.source = TokenSource::Provider;
        self
    }

    pub(crate) fn unstored(mut self, because: Error) -> Self {
        self.unstored = Some(Arc::new(because));
        self
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

/// The account of a token among the entries with its id.
fn account<'e>(token: &Entry, known: impl Iterator<Item = &'e Entry>) -> Option<Account> {
    let mut known: Vec<&Entry> = known.collect();
    in_cloud_of(token, &mut known);
    known.into_iter().find_map(Account::read)
}

fn token_type(token: &Entry) -> Cow<'_, str> {
    token.token_type().and_then(decode).unwrap_or(Cow::Borrowed("Bearer"))
}

/// Where an access token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// The cache had it.
    Cache,
    /// The provider issued it just now.
    Provider,
}
