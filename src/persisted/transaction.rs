//! Transactions: every change of a cache's content is one.

use std::sync::Arc;

use tokenkeep_platform::text::shown_path;

use super::{Known, PersistedTokenCache};
use crate::{
    Error, Protection, TokenCache,
    persistence::{Intent, Loaded, Saved},
};

impl PersistedTokenCache {
    /// Reads the newest state, lets `change` modify it, and saves the result: all of it, or
    /// nothing.
    ///
    /// Other processes wait meanwhile, so `change` should not use the network. It may run more than
    /// once, each time on a freshly loaded state. If it fails or panics, nothing is changed. If it
    /// changes nothing, nothing is written. When this returns `Ok`, the change is durable.
    ///
    /// # Errors
    /// The error that `change` returns. [`Error::Nested`] inside another transaction of the same
    /// store, and in a callback that serves it. [`Error::Unsupported`] if a
    /// [record](crate::SignInRecord) would bring a client secret into a store in plain text.
    /// [`Error::LockTimeout`], and any error of reading or
    /// writing the store; the old state is intact then. After [`Error::DurabilityUnknown`] the new
    /// state is visible.
    ///
    /// ```
    /// use tokenkeep::{CredentialType, PersistedTokenCache, Query};
    ///
    /// let cache = PersistedTokenCache::in_memory();
    /// let everything = Query::new();
    /// // All of it is saved, or nothing.
    /// let removed = cache.transaction(|cache| {
    ///     let tokens = cache.find(CredentialType::AccessToken, &everything, 0);
    ///     for token in &tokens {
    ///         cache.remove_access_token(token)?;
    ///     }
    ///     Ok(tokens.len())
    /// })?;
    /// # assert_eq!(removed, 0);
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn transaction<T>(
        &self,
        mut change: impl FnMut(&mut TokenCache) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.transact(&mut change, true)
    }

    /// Saves the answers that could not be saved when they came.
    pub(super) fn save_all(&self) -> Result<(), Error> {
        self.transact(&mut |_| Ok(()), false)
    }

    /// `may_leave_late` allows to save without the answers that came earlier, if they do not fit.
    fn transact<T>(
        &self,
        change: &mut dyn FnMut(&mut TokenCache) -> Result<T, Error>,
        may_leave_late: bool,
    ) -> Result<T, Error> {
        // Before the lock, which a nested call would wait for although this thread holds it.
        let _nesting = self.shared.store.change()?;
        let mut leaves_late = false;
        for _ in 0..ATTEMPTS {
            // Without the lock: this may ask the user, and other processes must not wait for the
            // answer.
            self.prepare_for(Intent::Write)?;
            let held = self.acquire()?;
            let Some(base) = self.load_locked()? else { continue };
            // A copy, so that a closure that fails or panics changes nothing. It shares the
            // entries' memory.
            let mut cache = TokenCache::clone(&base.cache);
            // Answers that could not be saved when they came.
            let late = match leaves_late {
                true => Vec::new(),
                false => self.shared.renewals.unsaved.add_to(&mut cache),
            };
            let value = change(&mut cache)?;
            if cache.has_same_content(&base.cache) {
                // The caller will rely on this state, and its writer may have been killed before it
                // was durable.
                if base.stamp.is_some() && !base.confirmed {
                    self.persistence().confirm()?;
                }
                self.publish(Known { confirmed: true, ..base });
                self.shared.renewals.unsaved.saved(&late);
                return Ok(value);
            }
            self.check_client_secrets(&cache, &base.cache)?;
            // The lock file was removed or replaced, so another process may hold the lock.
            if !held.is_intact()? {
                continue;
            }
            let content = cache.to_json();
            // The guard goes along: a vault's worker may still be writing when this call has given
            // up.
            let saved =
                self.persistence().save(content.expose(), base.stamp.as_ref(), held.guard());
            let saved = match saved {
                Err(Error::TooLarge { .. }) if may_leave_late && !late.is_empty() => {
                    leaves_late = true;
                    continue;
                }
                saved => saved?,
            };
            // Otherwise nothing was written, because the key is gone; the next round prepares
            // another.
            if let Saved::Done(stamp) = saved {
                let cache = Arc::new(cache);
                self.publish(Known { cache, stamp: Some(stamp), loaded: true, confirmed: true });
                self.shared.renewals.unsaved.saved(&late);
                return Ok(value);
            }
        }
        Err(self.kept_changing(ATTEMPTS))
    }

    /// A client's secret stays valid when its users sign out, so it needs more than plain text.
    pub(crate) fn check_client_secrets(
        &self,
        cache: &TokenCache,
        before: &TokenCache,
    ) -> Result<(), Error> {
        if cache.adds_client_secret(before)
            && matches!(self.protection(), Protection::Plaintext { .. })
        {
            let detail = "a client secret is not stored in plain text".to_owned();
            return Err(Error::Unsupported { detail });
        }
        Ok(())
    }

    /// The newest state, loaded with the lock held. Returns `None` if that needs another `prepare`.
    pub(super) fn load_locked(&self) -> Result<Option<Known>, Error> {
        let known = self.shared.state.read().clone();
        self.state_of(self.persistence().load(known.stamp.as_ref())?, known)
    }

    /// Loads the store's state without the lock; `known` is the state that was seen last.
    pub(super) fn load_after(&self, known: Known) -> Result<Option<Known>, Error> {
        match self.persistence().load(known.stamp.as_ref())? {
            Loaded::Empty if self.persistence().is_written_in_place() => {
                let (what, detail) = ("the token cache".into(), "it is empty".into());
                // A peer may have truncated the file and not written yet: the caller loads again
                // with the lock.
                Err(self.located(Error::Corrupt { what, detail, source: None }))
            }
            loaded => self.state_of(loaded, known),
        }
    }

    fn state_of(&self, loaded: Loaded, known: Known) -> Result<Option<Known>, Error> {
        Ok(Some(match loaded {
            // `Empty` comes here only under the lock, or from a store that no peer writes in place.
            Loaded::Absent | Loaded::Empty => Known { loaded: true, ..Known::default() },
            Loaded::Content(content, stamp) => Known {
                cache: Arc::new(self.parse(content.expose())?),
                stamp: Some(stamp),
                loaded: true,
                // Its writer may have been killed between the rename and the sync of the folder.
                confirmed: false,
            },
            Loaded::Unchanged(stamp) => Known { stamp: Some(stamp), ..known },
            Loaded::NeedsPrepare => return Ok(None),
        }))
    }

    pub(super) fn parse(&self, content: &[u8]) -> Result<TokenCache, Error> {
        TokenCache::from_json(content).map_err(|error| {
            let checked = self.persistence().check_unreadable(content);
            checked.err().unwrap_or_else(|| self.located(error))
        })
    }

    /// Does not wait for a reader that loads: the store's lock is held here, and the reader may be
    /// asking a vault. If that reader publishes an older state, the next read notices that the
    /// stamp differs.
    pub(super) fn publish(&self, state: Known) {
        *self.shared.state.write() = state;
    }

    pub(super) fn forget(&self) {
        self.publish(Known::default());
    }

    /// Adds the path to an error about the cache's content.
    fn located(&self, error: Error) -> Error {
        match (error, self.protection().path()) {
            (Error::Corrupt { detail, source, .. }, Some(path)) => {
                let what = format!("the cache in `{}`", shown_path(path));
                Error::Corrupt { what, detail, source }
            }
            (error, _) => error,
        }
    }

    pub(super) fn kept_changing(&self, attempts: usize) -> Error {
        Error::KeptChanging { path: self.shared.lock.place().into(), attempts }
    }
}

/// How often one call tries again after the store was removed or got another key. Each time takes
/// another process a whole transaction.
pub(super) const ATTEMPTS: usize = 32;
