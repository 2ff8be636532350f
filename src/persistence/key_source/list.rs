//! An ordered list of key sources, one of which is in use.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Fetched, KeyProvider, KeySource, NewKey};
use crate::{
    Error, Interaction,
    lock::LockGuard,
    seal::{Authenticated, Header, KeyParameters},
};

/// The key sources of one cache. An existing cache is opened only by the source that its header
/// names. A new cache takes the first source that exists here.
#[derive(Debug)]
pub(in crate::persistence) struct KeySourceList {
    providers: Vec<Box<dyn KeyProvider>>,
    /// The index of the source in use; the first as long as none is known.
    chosen: AtomicUsize,
}

impl KeySourceList {
    pub(in crate::persistence) fn new(
        sources: Vec<KeySource>,
        store: &str,
        place: &Path,
        interaction: Interaction,
    ) -> Result<Self, Error> {
        let mut providers: Vec<Box<dyn KeyProvider>> = Vec::with_capacity(sources.len());
        for source in sources {
            let provider = source.into_keys(store, place, interaction)?;
            // A header names only the kind of its source, so two of one kind could not be told
            // apart.
            if providers.iter().any(|other| other.name() == provider.name()) {
                return Err(Error::Invalid {
                    detail: format!("the key source \"{}\" is in the list twice", provider.name()),
                });
            }
            providers.push(provider);
        }
        if providers.is_empty() {
            return Err(Error::Invalid { detail: "the list of key sources is empty".into() });
        }
        Ok(Self { providers, chosen: AtomicUsize::new(0) })
    }

    /// The name of the source in use.
    pub(in crate::persistence) fn name(&self) -> &'static str {
        self.provider().name()
    }

    /// The names of all sources, in their order.
    pub(in crate::persistence) fn names(&self) -> Vec<&'static str> {
        self.providers.iter().map(|provider| provider.name()).collect()
    }

    /// Takes the source that sealed a cache into use; `false` if it is not in the list.
    pub(in crate::persistence) fn choose(&self, parameters: &KeyParameters) -> bool {
        let found = self.providers.iter().position(|provider| provider.sealed(parameters));
        if let Some(at) = found {
            // Relaxed: the index guards no other data.
            self.chosen.store(at, Ordering::Relaxed);
        }
        found.is_some()
    }

    /// Reaches the source of a cache that exists.
    pub(in crate::persistence) fn reach(&self) -> Result<(), Error> {
        self.provider().reach()
    }

    /// Reaches the first source that exists here.
    pub(in crate::persistence) fn reach_first(&self) -> Result<(), Error> {
        self.first(|provider| provider.reach_for_new())
    }

    pub(in crate::persistence) fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        self.of(&header.parameters).fetch(header)
    }

    pub(in crate::persistence) fn new_key(&self) -> Result<NewKey, Error> {
        self.first(|provider| provider.new_key())
    }

    pub(in crate::persistence) fn confirm(&self, new_key: &NewKey) -> Result<bool, Error> {
        self.of(&new_key.parameters).confirm(new_key)
    }

    pub(in crate::persistence) fn discard(&self, new_key: NewKey) {
        self.of(&new_key.parameters).discard(new_key);
    }

    /// The key, without asking the user, and only from the source that the header names.
    pub(in crate::persistence) fn recall(&self, header: &Header) -> Result<Fetched, Error> {
        self.that_sealed(header).map_or(Ok(Fetched::Gone), |provider| provider.recall(header))
    }

    /// Whether there is a key for [`delete`](Self::delete) to remove.
    pub(in crate::persistence) fn owns(&self, header: &Authenticated) -> Result<bool, Error> {
        self.that_sealed(header).map_or(Ok(false), |provider| provider.owns(header))
    }

    /// Removes the key, if it was made for the cache of this header.
    pub(in crate::persistence) fn delete(
        &self,
        header: &Authenticated,
        guard: &LockGuard,
    ) -> Result<(), Error> {
        self.that_sealed(header).map_or(Ok(()), |provider| provider.delete(header, guard))
    }

    pub(in crate::persistence) fn whereabouts(&self, header: &Header) -> String {
        self.of(&header.parameters).whereabouts(&header.key_id)
    }

    /// Sets aside, in every source, what would keep the next cache from being made.
    pub(in crate::persistence) fn abandon(&self) -> Result<(), Error> {
        self.providers.iter().try_for_each(|provider| provider.abandon())
    }

    /// Proves that the source of a cache that exists works.
    pub(in crate::persistence) fn verify(&self) -> Result<(), Error> {
        self.provider().verify()
    }

    /// Proves that the source that a new cache would take works.
    pub(in crate::persistence) fn verify_first(&self) -> Result<(), Error> {
        self.first(|provider| provider.verify())
    }

    /// Uses the first source that exists here. Only a missing source is skipped: a vault that is
    /// locked, silent or refuses may work again later.
    fn first<T>(&self, work: impl Fn(&dyn KeyProvider) -> Result<T, Error>) -> Result<T, Error> {
        let mut missing = None;
        for (at, provider) in self.providers.iter().enumerate() {
            match work(&**provider) {
                Err(error @ (Error::VaultMissing { .. } | Error::VaultServiceMissing { .. })) => {
                    // The error of the most preferred source is the one to report.
                    missing = missing.or(Some(error))
                }
                result => {
                    self.chosen.store(at, Ordering::Relaxed);
                    return result;
                }
            }
        }
        Err(missing.expect("a list that is not empty"))
    }

    fn of(&self, parameters: &KeyParameters) -> &dyn KeyProvider {
        let sealed = self.providers.iter().find(|provider| provider.sealed(parameters));
        sealed.map_or_else(|| self.provider(), |provider| &**provider)
    }

    fn that_sealed(&self, header: &Header) -> Option<&dyn KeyProvider> {
        let mut providers = self.providers.iter();
        providers.find(|provider| provider.sealed(&header.parameters)).map(|provider| &**provider)
    }

    fn provider(&self) -> &dyn KeyProvider {
        &*self.providers[self.chosen.load(Ordering::Relaxed)]
    }
}
