//! What a store is made of: one persistence, used as bytes or as a token cache.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokenkeep::{
    Error, Interaction, PersistedTokenCache, Protection,
    lock::CrossProcessLock,
    persistence::{
        Intent, MsalExtensionsLocation, MsalExtensionsPersistence, OpaqueStore, Persistence as _,
        PlaintextPersistence, SealedPersistence, Stamp,
    },
};

use super::shared::Shared;

/// Where the bytes are kept.
pub(crate) enum Place {
    Plaintext { store: OpaqueStore, path: PathBuf },
    MsalExtensions { store: OpaqueStore, names: Box<Names> },
    Sealed(Arc<SealedPersistence>),
}

/// What opens a store of msal-extensions.
pub(crate) struct Names {
    pub(crate) location: PathBuf,
    pub(crate) identity: MsalExtensionsLocation,
    pub(crate) signal: bool,
    pub(crate) interaction: Interaction,
}

impl Names {
    fn open(&self) -> Result<MsalExtensionsPersistence, Error> {
        let persistence = MsalExtensionsPersistence::new(&self.location, &self.identity)?;
        let persistence = persistence.interaction(self.interaction);
        Ok(if self.signal { persistence } else { persistence.without_signal() })
    }
}

impl Place {
    pub(crate) fn plaintext(path: &Path) -> Result<Self, Error> {
        let store = OpaqueStore::from(PlaintextPersistence::new(path)?);
        Ok(Self::Plaintext { store, path: path.to_owned() })
    }

    pub(crate) fn msal_extensions(mut names: Names) -> Result<Self, Error> {
        let persistence = names.open()?;
        // Absolute from now on, because the program may change its current folder later.
        names.location = persistence.location().to_owned();
        Ok(Self::MsalExtensions { store: persistence.into(), names: Box::new(names) })
    }

    /// The file that is touched or replaced at each change.
    pub(crate) fn location(&self) -> PathBuf {
        match self {
            Self::Plaintext { store, path } => {
                store.protection().path().map_or_else(|| path.clone(), Path::to_owned)
            }
            Self::MsalExtensions { names, .. } => names.location.clone(),
            Self::Sealed(persistence) => persistence.folder().join(SEALED_FILE),
        }
    }

    pub(crate) fn protection(&self) -> Protection {
        match self {
            Self::Plaintext { store, .. } | Self::MsalExtensions { store, .. } => {
                store.protection()
            }
            Self::Sealed(persistence) => persistence.protection(),
        }
    }

    pub(crate) fn prepare(&self, intent: Intent) -> Result<(), Error> {
        match self {
            Self::Plaintext { store, .. } | Self::MsalExtensions { store, .. } => {
                store.prepare(intent)
            }
            Self::Sealed(persistence) => persistence.prepare(intent),
        }
    }

    pub(crate) fn reach(&self) -> Result<(), Error> {
        match self {
            Self::Plaintext { store, .. } | Self::MsalExtensions { store, .. } => store.reach(),
            // It was reached when it was opened. This creates the folder and nothing else.
            Self::Sealed(persistence) => persistence.prepare(Intent::Read),
        }
    }

    /// The lock that every writer takes.
    pub(crate) fn lock(&self) -> CrossProcessLock {
        match self {
            Self::Plaintext { store, .. } | Self::MsalExtensions { store, .. } => store.lock(),
            Self::Sealed(persistence) => persistence.lock().expect("a sealed cache has one"),
        }
    }

    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, Error> {
        match self {
            Self::Plaintext { store, .. } | Self::MsalExtensions { store, .. } => store.stamp(),
            Self::Sealed(persistence) => persistence.stamp(),
        }
    }

    /// The same store as a token cache. A sealed one has its key in common.
    pub(crate) fn token_cache(&self) -> Result<PersistedTokenCache, Error> {
        Ok(match self {
            Self::Plaintext { path, .. } => {
                PersistedTokenCache::new(PlaintextPersistence::new(path)?)
            }
            Self::MsalExtensions { names, .. } => PersistedTokenCache::new(names.open()?),
            Self::Sealed(persistence) => {
                PersistedTokenCache::new(Shared::new(Arc::clone(persistence)))
            }
        })
    }
}

/// The file of a sealed cache in its folder, as docs/FORMAT.md names it.
const SEALED_FILE: &str = "cache.sealed";
