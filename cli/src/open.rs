//! Opens the cache that was meant.

use std::{path::Path, time::Duration};

use tokenkeep::{
    FamilyPersistence, Interaction, PersistedTokenCache, PersistenceBuilder, Protection,
    build_encrypted_persistence,
};

use crate::{
    args::{Layout, Store},
    failure::Failure,
    key, output,
};

/// What was typed for a family's cache, before anything is read or asked.
pub(crate) fn check(store: &Store) -> Result<(), Failure> {
    if store.layout != Layout::Family {
        return Ok(());
    }
    if !store.keys.is_empty() {
        return Err(Failure::Usage(
            "a family's cache has no key of its own, for the vault keeps the cache itself; leave --key out".into(),
        ));
    }
    location(store).map(drop)
}

pub(crate) fn open(store: &Store) -> Result<PersistedTokenCache, Failure> {
    match store.layout {
        Layout::Family => Ok(builder(store).open_over(family(store)?)),
        Layout::Plaintext => open_plaintext(store),
        Layout::Sealed => Ok(builder(store).open()?),
    }
}

/// Opens a cache to be given up: no key is reached and no passphrase asked for.
pub(crate) fn open_unreached(store: &Store) -> Result<PersistedTokenCache, Failure> {
    match store.layout {
        Layout::Family | Layout::Plaintext => open(store),
        Layout::Sealed => Ok(PersistedTokenCache::with_persistence(builder(store).sealed()?, None)),
    }
}

/// Where the cache that is shared with other programs lies.
pub(crate) fn family(store: &Store) -> Result<FamilyPersistence, Failure> {
    Ok(build_encrypted_persistence(location(store)?)?.interaction(interaction(store)))
}

pub(crate) fn open_plaintext(store: &Store) -> Result<PersistedTokenCache, Failure> {
    let Some(path) = &store.cache else {
        return Err(Failure::Usage(
            "a plain text cache has no place of its own; name its file with --cache PATH".into(),
        ));
    };
    let cache = builder(store).open_plaintext(path)?;
    let protection = cache.protection();
    if matches!(protection, Protection::Plaintext { exposed: true, .. }) {
        output::note(&format!("warning: {protection}"));
    }
    Ok(cache)
}

pub(crate) fn interaction(store: &Store) -> Interaction {
    match store.allow_prompt {
        Some(seconds) => Interaction::Allow { deadline: Duration::from_secs(seconds) },
        None => Interaction::Never,
    }
}

/// The cache that was meant, not opened yet.
pub(crate) fn builder(store: &Store) -> PersistenceBuilder {
    let builder = PersistedTokenCache::builder(&store.name)
        .key_sources(key::sources(&store.keys))
        .interaction(interaction(store));
    let builder = builder.on_lock_wait(|holder, waited| {
        let holder = holder.unwrap_or("another program");
        output::note_aside(format!("waiting for {holder} since {} s", waited.as_secs()));
    });
    match (&store.cache, store.layout) {
        (Some(folder), Layout::Sealed) => builder.folder(folder),
        _ => builder,
    }
}

fn location(store: &Store) -> Result<&Path, Failure> {
    store.cache.as_deref().ok_or_else(|| {
        Failure::Usage(
            "a family's cache has no place of its own; give its location with --cache LOCATION, as its other \
             programs have it"
                .into(),
        )
    })
}
