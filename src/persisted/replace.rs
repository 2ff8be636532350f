//! A transaction on the text of a cache, for a program that changes the text with another library.

use std::sync::Arc;

use super::{Known, PersistedTokenCache, transaction::ATTEMPTS};
use crate::{
    Error, Secret, TokenCache,
    persistence::{Intent, Loaded, Saved, Stamp},
};

impl PersistedTokenCache {
    /// Reads the stored text, and saves the text that `change` returns: a
    /// [`transaction`](Self::transaction) for a program that changes the cache with a library of
    /// its own. `change` gets `None` if nothing is stored.
    ///
    /// The text that `change` gets is the stored one, byte for byte. What it returns must be a
    /// cache in the MSAL unified schema, and is stored byte for byte. If it returns `None` or the
    /// text that it got, nothing is written. `change` may run more than once, each time on the text
    /// as it is then. Other processes wait meanwhile. When this returns `Ok`, the change is
    /// durable.
    ///
    /// Returns the cache that is stored now. As long as nobody changes it,
    /// [`snapshot`](Self::snapshot) returns the same `Arc`, so [`Arc::ptr_eq`] tells whether a copy
    /// of the text that the program keeps is current.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tokenkeep::{PersistedTokenCache, Secret};
    ///
    /// let cache = PersistedTokenCache::in_memory();
    /// let stored = cache.replace_with(|text| {
    ///     assert!(text.is_none());
    ///     Ok(Some(Secret::new(r#"{"Account": {}}"#.to_owned())))
    /// })?;
    /// assert!(Arc::ptr_eq(&stored, &cache.snapshot()?));
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error that `change` returns. [`Error::Corrupt`] if the stored text is not a cache, and
    /// [`Error::Invalid`] if the new one is not. The other errors of
    /// [`transaction`](Self::transaction). The old text is intact then. After
    /// [`Error::DurabilityUnknown`] and [`Error::OutcomeUnknown`] the new one may be stored.
    pub fn replace_with(
        &self,
        mut change: impl FnMut(Option<&str>) -> Result<Option<Secret>, Error>,
    ) -> Result<Arc<TokenCache>, Error> {
        // Before the lock, which a nested call would wait for although this thread holds it.
        let _nesting = self.shared.store.change()?;
        for _ in 0..ATTEMPTS {
            // Without the lock: this may ask the user, and other processes must not wait for the
            // answer.
            self.prepare_for(Intent::Write)?;
            let held = self.acquire()?;
            // Without a known stamp, because only a load has the text.
            let (text, stamp) = match self.persistence().load(None)? {
                Loaded::Absent | Loaded::Empty => (None, None),
                Loaded::Content(text, stamp) => (Some(text), Some(stamp)),
                Loaded::NeedsPrepare | Loaded::Unchanged(_) => continue,
            };
            let base = self.parsed(text.as_ref(), stamp.as_ref())?;
            let new = change(text.as_ref().and_then(Secret::expose_str))?;
            let Some(new) = new.filter(|new| text.as_ref() != Some(new)) else {
                if stamp.is_some() {
                    // The caller will rely on this state, and its writer may have been killed
                    // before it was durable.
                    self.persistence().confirm()?;
                }
                return Ok(self.keep(base, stamp));
            };
            let cache = parsed_new(&new)?;
            // A store that other programs use may not take it for a cache later.
            self.persistence().check_unreadable(new.expose()).map_err(|_| not_recognised())?;
            self.check_client_secrets(&cache, &base)?;
            // The lock file was removed or replaced, so another process may hold the lock.
            if !held.is_intact()? {
                continue;
            }
            let saved = self.persistence().save(new.expose(), stamp.as_ref(), held.guard())?;
            // Otherwise nothing was written, because the key is gone; the next round prepares
            // another.
            if let Saved::Done(stamp) = saved {
                return Ok(self.keep(Arc::new(cache), Some(stamp)));
            }
        }
        Err(self.kept_changing(ATTEMPTS))
    }

    /// The cache that a stored text holds. If it was loaded before, it is not parsed again.
    fn parsed(
        &self,
        text: Option<&Secret>,
        stamp: Option<&Stamp>,
    ) -> Result<Arc<TokenCache>, Error> {
        let known = self.shared.state.read().clone();
        if known.loaded && known.stamp.as_ref() == stamp {
            return Ok(known.cache);
        }
        text.map_or_else(|| Ok(Arc::default()), |text| self.parse(text.expose()).map(Arc::new))
    }

    fn keep(&self, cache: Arc<TokenCache>, stamp: Option<Stamp>) -> Arc<TokenCache> {
        self.publish(Known { cache: Arc::clone(&cache), stamp, loaded: true, confirmed: true });
        cache
    }
}

fn not_recognised() -> Error {
    let detail = "the new text has nothing by which it could be told from another program's";
    Error::Invalid { detail: detail.into() }
}

/// The cache in a new text. An empty text could not be told from one that an interrupted writer
/// left.
fn parsed_new(text: &Secret) -> Result<TokenCache, Error> {
    let invalid = |why: &str| Err(Error::Invalid { detail: format!("the new text {why}") });
    match TokenCache::from_json(text.expose()) {
        _ if text.expose().is_empty() => invalid("is empty; `{}` is an empty cache"),
        Err(Error::Corrupt { detail, .. }) => invalid(&format!("is not a token cache: {detail}")),
        parsed => parsed,
    }
}
