//! Opens the cache that the arguments name.

use std::{
    env,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use tokenkeep::{
    Error, Interaction, PersistedTokenCache, Protection, build_encrypted_persistence,
    persistence::{
        MsalExtensionsPersistence, Persistence, PlaintextPersistence, SealedPersistence,
        SealedPersistenceBuilder,
    },
};
use tokenkeep_platform::text::shown_path;

use crate::{
    args::{Command, KeyChoice, Layout, Store},
    failure::Failure,
    key, output,
};

/// The store that the typed text names, before anything is read or asked. An msal-extensions
/// location stays letter by letter, because it names the vault's item. The library expands a `~` in
/// it.
pub(crate) fn meant(typed: &Store, command: &Command) -> Result<Store, Failure> {
    let takes_key = |key: &KeyChoice| matches!(key, KeyChoice::FileDescriptor(descriptor) if descriptor.number == 0);
    // A key there would be a part of the input, or the input a part of the key.
    if command.reads_standard_input() && typed.keys.iter().any(takes_key) {
        return Err(Failure::Usage(
            "this command reads something else from standard input; hand the key over in another \
             descriptor, such as fd:3"
                .into(),
        ));
    }
    // A copy: messages repeat the arguments as they were typed.
    let mut store = typed.clone();
    if store.layout == Layout::MsalExtensions {
        if !store.keys.is_empty() {
            return Err(Failure::Usage(
                "an msal-extensions cache has no key of its own: the vault stores the cache itself; \
             leave --key out"
                .into(),
            ));
        }
        location(&store)?;
        return Ok(store);
    }
    for path in store.cache.iter_mut().chain(store.keys.iter_mut().filter_map(KeyChoice::path)) {
        *path = below_home(path)?;
    }
    Ok(store)
}

/// A leading `~` that the shell left as it is, as in `file:~/x` or `--cache='~/x'`, is the home
/// folder. A folder of that name is never meant.
fn below_home(path: &Path) -> Result<PathBuf, Failure> {
    let mut components = path.components();
    let Some(Component::Normal(first)) = components.next() else { return Ok(path.to_owned()) };
    if first != "~" {
        // The library refuses another user's home.
        return Ok(path.to_owned());
    }
    let home = env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
        let path = shown_path(path);
        Failure::Usage(format!(
            "`{path}` is below a home folder, and this user has none; give the full path"
        ))
    })?;
    Ok(home.join(components))
}

pub(crate) fn open(store: &Store) -> Result<PersistedTokenCache, Failure> {
    match store.layout {
        Layout::MsalExtensions => Ok(cache(msal_extensions(store)?)),
        Layout::Plaintext => open_plaintext(store),
        Layout::Sealed => Ok(cache(builder(store).open().map_err(typed)?)),
    }
}

/// An error about a name or a place that cannot be used is a usage error.
pub(crate) fn typed(error: Error) -> Failure {
    match error {
        Error::Invalid { detail } | Error::Unsupported { detail } => Failure::Usage(detail),
        error => error.into(),
    }
}

/// Opens a cache to be given up: no key is reached, and no passphrase is asked for.
pub(crate) fn open_unreached(store: &Store) -> Result<PersistedTokenCache, Failure> {
    match store.layout {
        Layout::MsalExtensions | Layout::Plaintext => open(store),
        Layout::Sealed => Ok(cache(builder(store).build().map_err(typed)?)),
    }
}

/// The cache that is shared with other programs.
pub(crate) fn msal_extensions(store: &Store) -> Result<MsalExtensionsPersistence, Failure> {
    let persistence = build_encrypted_persistence(location(store)?).map_err(typed)?;
    Ok(persistence.interaction(interaction(store)))
}

pub(crate) fn open_plaintext(store: &Store) -> Result<PersistedTokenCache, Failure> {
    let Some(path) = &store.cache else {
        return Err(Failure::Usage(
            "a plain text cache has no place of its own; name its file with --cache PATH".into(),
        ));
    };
    let cache = cache(PlaintextPersistence::open(path).map_err(typed)?);
    let protection = cache.protection();
    if matches!(protection, Protection::Plaintext { exposed: true, .. }) {
        output::note(&format!("warning: {protection}"));
    }
    Ok(cache)
}

/// What protects the cache, with the key source named as it was typed.
pub(crate) fn protection(store: &Store, protection: Protection) -> Protection {
    match protection {
        Protection::Sealed { folder, key: "callback" } => {
            let key = store.keys.iter().find(|key| key.is_callback());
            Protection::Sealed { folder, key: key.map_or("callback", KeyChoice::kind) }
        }
        protection => protection,
    }
}

pub(crate) fn interaction(store: &Store) -> Interaction {
    match store.allow_prompt {
        Some(seconds) => Interaction::Allow { deadline: Duration::from_secs(seconds) },
        None => Interaction::Never,
    }
}

/// A cache that tells the user which process it waits for.
pub(crate) fn cache(persistence: impl Persistence + 'static) -> PersistedTokenCache {
    PersistedTokenCache::new(persistence).on_lock_wait(|holder, waited| {
        let holder = holder.unwrap_or("another program");
        // Aside, so that the wait goes on even if nobody reads standard error.
        output::note_aside(format!("waiting for {holder} since {} s", waited.as_secs()));
    })
}

/// The sealed cache that the arguments name, not opened yet.
pub(crate) fn builder(store: &Store) -> SealedPersistenceBuilder {
    let builder = SealedPersistence::builder(&store.name)
        .key_sources(key::sources(&store.keys))
        .interaction(interaction(store));
    // The path of another layout is no folder for a sealed cache.
    match (&store.cache, store.layout) {
        (Some(folder), Layout::Sealed) => builder.folder(folder),
        _ => builder,
    }
}

fn location(store: &Store) -> Result<&Path, Failure> {
    store.cache.as_deref().ok_or_else(|| {
        Failure::Usage(
            "an msal-extensions cache has no default location; give it with --cache LOCATION, as \
             its other programs have it"
                .into(),
        )
    })
}
