//! The token cache in memory. It does no input or output and reads no clock.
//!
//! Entries are kept as text ([`entry`]) in sections ([`section`]). Clones of a cache share the
//! memory of a section until one of them changes it.

mod access_token;
mod account_issuers;
mod accounts;
mod address;
mod authority;
mod belongings;
mod document;
mod entry;
mod event;
mod expiry;
mod find;
mod identity;
mod index;
mod issuer;
mod json;
mod known_issuers;
mod merge;
mod owner;
mod programs;
mod query;
mod record;
mod records;
mod refresh_token;
mod removal;
mod request;
mod response;
mod restore;
mod schema;
mod scope;
mod section;
mod serializable;
mod sign_out;
mod span;
mod time;
mod unclaimed;
mod unknown;
mod update;

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

pub use access_token::{AccessToken, AccessTokenRef, TokenSource};
pub use accounts::Account;
#[cfg(feature = "ureq")]
pub(crate) use address::Address;
#[cfg(feature = "ureq")]
pub(crate) use authority::is_microsoft;
#[cfg(all(feature = "desktop", feature = "ureq"))]
pub(crate) use authority::is_of_customers;
pub use entry::Entry;
pub use event::{SignInEvent, ext_cache_key::ext_cache_key};
pub use merge::{MergeReport, MergedEntries, MergedSections};
pub use query::Query;
pub use record::{ClientAuthMethod, SignInRecord};
#[cfg(feature = "desktop")]
pub(crate) use records::RECORDS;
#[cfg(feature = "desktop")]
pub(crate) use refresh_token::spender;
pub use request::TokenRequest;
pub use response::Refreshed;
pub(crate) use response::spent_secret;
pub use schema::{AuthorityType, CredentialType};
pub use serializable::SerializableTokenCache;

use crate::{
    Error,
    cache::{section::Section, unknown::Unknown},
};

/// Tokens and accounts in the MSAL unified schema, in memory.
///
/// A clone is cheap: both caches share memory until one of them is changed. Entries keep the order
/// in which they were added. Nothing expires by itself: a write removes only the entries that it
/// replaces. [`remove_expired`](Self::remove_expired) removes expired access tokens.
///
/// ```
/// use tokenkeep::{TokenCache, TokenRequest};
///
/// let mut cache = TokenCache::new();
/// let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
/// let now = 1_000_000_000;
/// cache.add_response(&request, r#"{"access_token": "eyJ0eXAi", "expires_in": 3600}"#, now)?;
/// let again = TokenCache::from_json(cache.to_json().expose())?;
/// assert_eq!(again.find_access_token(&request, now)?.unwrap().secret(), "eyJ0eXAi");
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct TokenCache {
    members: Vec<Member>,
    touched: bool,
}

/// Members of the root object.
#[derive(Clone)]
enum Member {
    /// A section that the schema defines.
    Known(CredentialType, Content),
    /// Members that the schema does not define. Two of these never follow each other.
    Unknown(Arc<Unknown>),
}

#[derive(Clone)]
enum Content {
    Entries(Arc<Section>),
    /// The text of a section that is not a JSON object.
    Raw(Arc<Zeroizing<Box<str>>>),
}

impl TokenCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns every entry of a kind, in order, including expired ones.
    pub fn entries(&self, kind: CredentialType) -> impl Iterator<Item = &Entry> {
        self.section(kind).into_iter().flat_map(|section| section.entries())
    }

    /// Returns the number of entries of all kinds.
    pub fn len(&self) -> usize {
        CredentialType::ALL.iter().filter_map(|&kind| self.section(kind)).map(Section::len).sum()
    }

    /// Returns `true` if the cache has no entry of any kind.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if the cache has an access token, a refresh token or an ID token.
    ///
    /// Without one nothing is left of a sign-in, although the client's metadata may be.
    pub fn has_tokens(&self) -> bool {
        accounts::TOKENS.iter().any(|&kind| self.entries(kind).next().is_some())
    }

    /// Returns `true` if both caches print the same JSON. Cheap if one cache is a clone of the
    /// other.
    pub fn has_same_content(&self, other: &Self) -> bool {
        self.members.len() == other.members.len()
            && self.members.iter().zip(&other.members).all(|members| match members {
                (Member::Unknown(a), Member::Unknown(b)) => Arc::ptr_eq(a, b) || a.is_same(b),
                (Member::Known(kind, a), Member::Known(other, b)) => kind == other && a.is_same(b),
                _ => false,
            })
    }

    fn content(&self, kind: CredentialType) -> Option<&Content> {
        self.members.iter().find_map(|member| match member {
            Member::Known(known, content) if *known == kind => Some(content),
            _ => None,
        })
    }

    fn content_mut(&mut self, kind: CredentialType) -> Option<&mut Content> {
        self.members.iter_mut().find_map(|member| match member {
            Member::Known(known, content) if *known == kind => Some(content),
            _ => None,
        })
    }

    fn section(&self, kind: CredentialType) -> Option<&Section> {
        match self.content(kind)? {
            Content::Entries(section) => Some(section),
            Content::Raw(_) => None,
        }
    }

    /// The section to write to. Creates the section if it is absent.
    fn section_mut(&mut self, kind: CredentialType) -> Result<&mut Section, Error> {
        self.can_write(kind)?;
        self.touched = true;
        if self.content(kind).is_none() {
            self.members.push(Member::Known(kind, Content::Entries(Arc::default())));
        }
        match self.content_mut(kind) {
            // Copies the section if a clone of the cache still shares it.
            Some(Content::Entries(section)) => Ok(Arc::make_mut(section)),
            _ => Err(not_a_section(kind)),
        }
    }

    /// # Errors
    ///
    /// [`Error::Corrupt`] if the section of this kind is not a JSON object.
    fn can_write(&self, kind: CredentialType) -> Result<(), Error> {
        match self.content(kind) {
            Some(Content::Raw(_)) => Err(not_a_section(kind)),
            Some(Content::Entries(_)) | None => Ok(()),
        }
    }
}

impl Content {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Entries(a), Self::Entries(b)) => Arc::ptr_eq(a, b) || a.is_same(b),
            (Self::Raw(a), Self::Raw(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.len()).finish_non_exhaustive()
    }
}

fn not_a_section(kind: CredentialType) -> Error {
    Error::Corrupt {
        what: "the token cache".to_owned(),
        detail: format!("its section {kind} is not a JSON object"),
        source: None,
    }
}
