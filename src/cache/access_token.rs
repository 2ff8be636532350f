//! An access token, borrowed from a cache or owned.

use std::{borrow::Cow, fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::{Error, cache::entry::Entry};

/// An access token in a cache. `Debug` shows no secret.
#[derive(Clone, Copy)]
pub struct AccessTokenRef<'c> {
    place: Place<'c>,
    is_aging: bool,
}

impl<'c> AccessTokenRef<'c> {
    /// The place holds an entry with a secret and an expiry.
    pub(crate) fn new(place: Place<'c>, is_aging: bool) -> Self {
        Self { place, is_aging }
    }

    /// The token itself.
    pub fn secret(&self) -> &'c str {
        self.entry().secret().expect("a find takes only entries with a secret")
    }

    /// When it expires, in Unix seconds.
    pub fn expires_on(&self) -> i64 {
        self.entry().expires_on().expect("a find takes only entries with an expiry")
    }

    /// It is valid, but the provider asks for it to be renewed by now.
    pub fn is_aging(&self) -> bool {
        self.is_aging
    }

    /// `Bearer` if the entry does not say.
    pub fn token_type(&self) -> Cow<'c, str> {
        self.entry().text("token_type").unwrap_or(Cow::Borrowed("Bearer"))
    }

    /// The whole entry.
    pub fn entry(&self) -> &'c Entry {
        match self.place {
            Place::Entry(entry) => entry,
            Place::Slot(slot) => slot.as_ref().expect("the index names no empty slot"),
        }
    }

    /// A copy that outlives the cache.
    pub fn to_owned(&self) -> AccessToken {
        AccessToken {
            secret: Zeroizing::new(self.secret().to_owned()),
            expires_on: self.expires_on(),
            is_aging: self.is_aging,
            token_type: self.token_type().into_owned(),
            source: TokenSource::Cache,
            unstored: None,
        }
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
pub(crate) enum Place<'c> {
    Entry(&'c Entry),
    Slot(&'c Option<Entry>),
}

/// An access token that a program can use. Wiped when dropped; `Debug` shows no secret.
#[derive(Clone)]
pub struct AccessToken {
    secret: Zeroizing<String>,
    expires_on: i64,
    is_aging: bool,
    token_type: String,
    source: TokenSource,
    unstored: Option<Arc<Error>>,
}

impl AccessToken {
    /// The token itself.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// When it expires, in Unix seconds.
    pub fn expires_on(&self) -> i64 {
        self.expires_on
    }

    /// It is valid, but the provider asks for it to be renewed by now.
    pub fn is_aging(&self) -> bool {
        self.is_aging
    }

    /// How to send it; `Bearer` as a rule.
    pub fn token_type(&self) -> &str {
        &self.token_type
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
            .field("expires_on", &self.expires_on)
            .field("is_aging", &self.is_aging)
            .field("source", &self.source)
            .field("is_stored", &self.is_stored())
            .finish_non_exhaustive()
    }
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
