//! A token cache that knows whether it has changed since it was last saved.

use std::ops::{Deref, DerefMut};

use crate::{Error, Secret, cache::TokenCache};

/// A [`TokenCache`] for programs that store its text themselves.
///
/// It corresponds to msal's class of the same name. To store the cache in a file or vault, use
/// `PersistedTokenCache` instead.
#[derive(Clone, Debug, Default)]
pub struct SerializableTokenCache {
    cache: TokenCache,
}

impl SerializableTokenCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the cache as JSON, as [`TokenCache::to_json`] does, and marks it as unchanged.
    pub fn serialize(&mut self) -> Secret {
        self.cache.touched = false;
        self.cache.to_json()
    }

    /// Replaces the content with JSON from [`serialize`](Self::serialize) or from a peer, and marks
    /// it as unchanged. Empty input is an empty cache.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not one JSON object; the content is unchanged then.
    pub fn deserialize(&mut self, json: &[u8]) -> Result<(), Error> {
        self.cache = TokenCache::from_json(json)?;
        Ok(())
    }

    /// Returns `true` if an entry was added, changed or removed since the last
    /// [`serialize`](Self::serialize) or [`deserialize`](Self::deserialize), or if this was tried.
    pub fn has_state_changed(&self) -> bool {
        self.cache.touched
    }
}

impl Deref for SerializableTokenCache {
    type Target = TokenCache;

    fn deref(&self) -> &TokenCache {
        &self.cache
    }
}

impl DerefMut for SerializableTokenCache {
    fn deref_mut(&mut self) -> &mut TokenCache {
        &mut self.cache
    }
}
