//! A token cache that knows whether it has changed since it was last saved.

use std::ops::{Deref, DerefMut};

use crate::{Error, Secret, cache::TokenCache};

/// A [`TokenCache`] for programs that keep its text themselves.
///
/// It is the counterpart of msal's class of the same name. To keep the cache in a file or vault,
/// use `PersistedTokenCache` instead.
#[derive(Clone, Debug, Default)]
pub struct SerializableTokenCache {
    cache: TokenCache,
}

impl SerializableTokenCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cache as JSON, as [`TokenCache::to_json`] prints it; it counts as unchanged from here.
    pub fn serialize(&mut self) -> Secret {
        self.cache.touched = false;
        self.cache.to_json()
    }

    /// Replaces the content with JSON from [`serialize`](Self::serialize) or from a peer; nothing
    /// at all is an empty cache. It counts as unchanged from here.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not one JSON object; the content stays as it was.
    pub fn deserialize(&mut self, json: &[u8]) -> Result<(), Error> {
        self.cache = TokenCache::from_json(json)?;
        Ok(())
    }

    /// Something was added, changed or removed since the last
    /// [`serialize`](Self::serialize) or [`deserialize`](Self::deserialize), or was tried to.
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
