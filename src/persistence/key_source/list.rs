//! Several key sources in an order, of which one is in use.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{Fetched, KeySource, Keys, NewKey};
use crate::{
    Error, Interaction,
    lock::LockGuard,
    seal::{Authenticated, Header, KeyParameters},
};

/// The key sources of one cache. A cache that exists is opened by the source that its header names
/// and by no other; a new cache takes the first that is there.
#[derive(Debug)]
pub(in crate::persistence) struct KeySourceList {
    rungs: Vec<Box<dyn Keys>>,
    /// The one in use, or the first as long as none is known.
    chosen: AtomicUsize,
}

impl KeySourceList {
    pub(in crate::persistence) fn new(
        sources: Vec<KeySource>,
        store: &str,
        place: &Path,
        interaction: Interaction,
    ) -> Result<Self, Error> {
        let mut rungs: Vec<Box<dyn Keys>> = Vec::with_capacity(sources.len());
        for source in sources {
            let rung = source.into_keys(store, place, interaction)?;
            if rungs.iter().any(|other| other.name() == rung.name()) {
                return Err(Error::Invalid {
                    detail: format!("the key source \"{}\" is in the list twice", rung.name()),
                });
            }
            rungs.push(rung);
        }
        if rungs.is_empty() {
            return Err(Error::Invalid { detail: "the list of key sources is empty".into() });
        }
        Ok(Self { rungs, chosen: AtomicUsize::new(0) })
    }

    /// The name of the source in use.
    pub(in crate::persistence) fn name(&self) -> &'static str {
        self.rung().name()
    }

    /// The names of all sources, in their order.
    pub(in crate::persistence) fn names(&self) -> Vec<&'static str> {
        self.rungs.iter().map(|rung| rung.name()).collect()
    }

    /// Takes the source that sealed a cache into use; `false` if it is not in the list.
    pub(in crate::persistence) fn choose(&self, parameters: &KeyParameters) -> bool {
        let found = self.rungs.iter().position(|rung| rung.sealed(parameters));
        if let Some(at) = found {
            self.chosen.store(at, Ordering::Relaxed);
        }
        found.is_some()
    }

    /// Reaches the source of a cache that exists.
    pub(in crate::persistence) fn reach(&self) -> Result<(), Error> {
        self.rung().reach()
    }

    /// Reaches the first source that is there.
    pub(in crate::persistence) fn reach_first(&self) -> Result<(), Error> {
        self.first(|rung| rung.reach_for_new())
    }

    pub(in crate::persistence) fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        self.of(&header.parameters).fetch(header)
    }

    pub(in crate::persistence) fn new_key(&self) -> Result<NewKey, Error> {
        self.first(|rung| rung.new_key())
    }

    pub(in crate::persistence) fn confirm(&self, new_key: &NewKey) -> Result<bool, Error> {
        self.of(&new_key.parameters).confirm(new_key)
    }

    pub(in crate::persistence) fn discard(&self, new_key: NewKey) {
        self.of(&new_key.parameters).discard(new_key);
    }

    /// The key without asking anybody; of no other source than the one that the header names.
    pub(in crate::persistence) fn recall(&self, header: &Header) -> Result<Fetched, Error> {
        self.that_sealed(header).map_or(Ok(Fetched::Gone), |rung| rung.recall(header))
    }

    /// Whether there is a key for [`delete`](Self::delete) to remove.
    pub(in crate::persistence) fn owns(&self, header: &Authenticated) -> Result<bool, Error> {
        self.that_sealed(header).map_or(Ok(false), |rung| rung.owns(header))
    }

    /// Removes the key, if it was made for the cache of this header.
    pub(in crate::persistence) fn delete(
        &self,
        header: &Authenticated,
        guard: &LockGuard,
    ) -> Result<(), Error> {
        self.that_sealed(header).map_or(Ok(()), |rung| rung.delete(header, guard))
    }

    pub(in crate::persistence) fn whereabouts(&self, header: &Header) -> String {
        self.of(&header.parameters).whereabouts(&header.key_id)
    }

    /// Sets aside whatever would keep the next cache from being made, in every source.
    pub(in crate::persistence) fn abandon(&self) -> Result<(), Error> {
        self.rungs.iter().try_for_each(|rung| rung.abandon())
    }

    /// Proves that the source of a cache that exists works.
    pub(in crate::persistence) fn verify(&self) -> Result<(), Error> {
        self.rung().verify()
    }

    /// Proves that the source works that a new cache would take.
    pub(in crate::persistence) fn verify_first(&self) -> Result<(), Error> {
        self.first(|rung| rung.verify())
    }

    /// The first source that is there. Only one that does not exist here is passed over: a vault
    /// that is locked, silent or refuses would be there again tomorrow.
    fn first<T>(&self, work: impl Fn(&dyn Keys) -> Result<T, Error>) -> Result<T, Error> {
        let mut missing = None;
        for (at, rung) in self.rungs.iter().enumerate() {
            match work(&**rung) {
                Err(error @ (Error::VaultMissing { .. } | Error::VaultServiceMissing { .. })) => {
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

    fn of(&self, parameters: &KeyParameters) -> &dyn Keys {
        let sealed = self.rungs.iter().find(|rung| rung.sealed(parameters));
        sealed.map_or_else(|| self.rung(), |rung| &**rung)
    }

    fn that_sealed(&self, header: &Header) -> Option<&dyn Keys> {
        let mut rungs = self.rungs.iter();
        rungs.find(|rung| rung.sealed(&header.parameters)).map(|rung| &**rung)
    }

    fn rung(&self) -> &dyn Keys {
        &*self.rungs[self.chosen.load(Ordering::Relaxed)]
    }
}
