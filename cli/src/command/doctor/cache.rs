//! The cache that the arguments name: its key source, and whether it can be read and written.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;
use tokenkeep::{
    Error, KeySource, Protection, Secret,
    persistence::{Intent, Loaded, Passphrase, Persistence, SealedPersistenceBuilder},
};

use crate::{
    args::{Layout, Store},
    failure::Failure,
    key,
    open::{builder, cache, msal_extensions, open_plaintext, protection},
};

/// What was found out about the cache.
pub(super) struct Examination {
    pub(super) state: CacheState,
    pub(super) place: Option<PathBuf>,
    pub(super) protection: Option<Protection>,
    pub(super) accounts: Option<usize>,
    /// Whether the item of an msal-extensions cache exists, if the vault said so.
    pub(super) is_there: Option<bool>,
    /// The library's names of the chosen key sources, in their order.
    pub(super) order: Vec<&'static str>,
    /// The library's name of the source that sealed the cache.
    pub(super) in_use: Option<&'static str>,
    pub(super) verdict: Result<(), Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CacheState {
    /// Something does not work.
    Fails,
    /// There is no cache yet, and one could be created.
    New,
    /// It has a passphrase, which was not asked for.
    NotAsked,
    /// It can be read and written.
    Works,
}

impl Examination {
    /// The result for a cache that did not answer in time.
    pub(super) fn silent(store: &Store, failure: Failure) -> Self {
        Self { place: store.cache.clone(), verdict: Err(failure), ..Self::nothing() }
    }

    fn nothing() -> Self {
        Self {
            state: CacheState::Fails,
            place: None,
            protection: None,
            accounts: None,
            is_there: None,
            order: Vec::new(),
            in_use: None,
            verdict: Ok(()),
        }
    }
}

/// A cache that does not exist is not created. The user is not asked for a passphrase.
pub(super) fn examine(store: &Store, passphrase: Option<&Secret>) -> Examination {
    let mut found = Examination::nothing();
    let looked = match store.layout {
        Layout::MsalExtensions => look_at_msal_extensions(&mut found, store),
        Layout::Plaintext => look_at_plaintext(&mut found, store),
        Layout::Sealed => look_at_sealed(&mut found, store, passphrase),
    };
    found.protection = found.protection.map(|guards| protection(store, guards));
    match looked {
        Ok(state) => found.state = state,
        Err(failure) => found.verdict = Err(failure),
    }
    found
}

fn look_at_plaintext(found: &mut Examination, store: &Store) -> Result<CacheState, Failure> {
    found.place.clone_from(&store.cache);
    let cache = open_plaintext(store)?;
    found.protection = Some(cache.protection());
    found.accounts = Some(cache.accounts()?.len());
    // Proving the write would create the folder of a cache that does not exist.
    if cache.snapshot()?.is_empty() {
        return Ok(CacheState::New);
    }
    cache.verify()?;
    Ok(CacheState::Works)
}

fn look_at_msal_extensions(found: &mut Examination, store: &Store) -> Result<CacheState, Failure> {
    let persistence = msal_extensions(store)?;
    found.place = Some(persistence.location().to_owned());
    found.protection = Some(persistence.protection());
    persistence.prepare(Intent::Read)?;
    // Without the lock, so that a lock that is held does not hide whether the item is there.
    let loaded = persistence.load(None);
    found.is_there = match &loaded {
        Ok(loaded) => Some(!matches!(loaded, Loaded::Absent)),
        Err(Error::Corrupt { .. } | Error::TooLarge { .. } | Error::WrongKey { .. }) => Some(true),
        Err(_) => None,
    };
    if found.is_there.is_none() {
        loaded?;
        return Ok(CacheState::Fails);
    }
    let cache = cache(persistence).lock_timeout(LOCK_TIMEOUT);
    found.accounts = Some(cache.accounts()?.len());
    if found.is_there == Some(false) {
        return Ok(CacheState::New);
    }
    cache.verify()?;
    Ok(CacheState::Works)
}

fn look_at_sealed(
    found: &mut Examination,
    store: &Store,
    passphrase: Option<&Secret>,
) -> Result<CacheState, Failure> {
    // Twice, because `build` and `open` each use up what they are called on.
    let choose = || chosen(store, passphrase);
    let sealed = choose().build()?;
    found.place = Some(sealed.folder().to_owned());
    found.order = sealed.key_sources();
    found.in_use = sealed.key_source_in_use()?;
    found.protection = found.in_use.is_some().then(|| sealed.protection());
    // Opening the cache would ask on the terminal.
    if found.in_use == Some("passphrase") && passphrase.is_none() && !key::has_passphrase() {
        return Ok(CacheState::NotAsked);
    }
    let cache = cache(choose().open()?).lock_timeout(LOCK_TIMEOUT);
    found.protection = Some(cache.protection());
    if found.in_use.is_none() {
        found.accounts = Some(0);
        return Ok(CacheState::New);
    }
    found.accounts = Some(cache.accounts()?.len());
    found.protection = Some(cache.verify()?);
    Ok(CacheState::Works)
}

fn chosen(store: &Store, passphrase: Option<&Secret>) -> SealedPersistenceBuilder {
    let sources = key::sources(&store.keys).into_iter().map(|source| match (source, passphrase) {
        (KeySource::Passphrase(_), Some(given)) => {
            KeySource::Passphrase(Passphrase::new(given.expose()))
        }
        (source, _) => source,
    });
    builder(store).key_sources(sources)
}

/// Shorter than the time that a report may take.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
