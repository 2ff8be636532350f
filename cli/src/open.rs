//! Opens the cache that was meant.

use std::time::Duration;

use tokenkeep::{Interaction, PersistedTokenCache, PersistenceBuilder};

use crate::{
    args::{Layout, Store},
    failure::Failure,
    key,
};

pub(crate) fn open(store: &Store) -> Result<PersistedTokenCache, Failure> {
    match store.layout {
        Layout::Plaintext => {
            let Some(path) = &store.cache else {
                return Err(Failure::Usage(
                    "a plain text cache has no place of its own; name its file with --cache PATH"
                        .into(),
                ));
            };
            Ok(builder(store).open_plaintext(path)?)
        }
        Layout::Sealed => {
            let mut builder = builder(store).key_source(key::source(&store.key)?);
            if let Some(folder) = &store.cache {
                builder = builder.folder(folder);
            }
            Ok(builder.open()?)
        }
    }
}

pub(crate) fn interaction(store: &Store) -> Interaction {
    match store.allow_prompt {
        Some(seconds) => Interaction::Allow { deadline: Duration::from_secs(seconds) },
        None => Interaction::Never,
    }
}

fn builder(store: &Store) -> PersistenceBuilder {
    PersistedTokenCache::builder(&store.name).interaction(interaction(store)).on_lock_wait(
        |holder, waited| {
            let holder = holder.unwrap_or("another program");
            crate::output::note(&format!("waiting for {holder} since {} s", waited.as_secs()));
        },
    )
}
