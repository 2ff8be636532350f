//! The options of a sealed cache.

use std::path::PathBuf;

use tokenkeep_platform::{
    file::{self, Parents},
    text::shown_path,
};

use super::SealedPersistence;
use crate::{
    Error, Interaction,
    persistence::{
        DEFAULT_SIZE_LIMIT,
        key_source::{KeySource, KeySourceList, lies_in},
        location,
    },
};

/// The options of a sealed cache. [`SealedPersistence::builder`] creates them.
///
/// ```no_run
/// use tokenkeep::{KeySource, PersistedTokenCache, persistence::SealedPersistence};
///
/// let persistence = SealedPersistence::builder("com.example.mytool")
///     .folder("/srv/mytool/sign-ins")
///     .key_source(KeySource::KeyFile("/srv/mytool/key/mytool.key".into()))
///     .open()?;
/// let cache = PersistedTokenCache::new(persistence);
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct SealedPersistenceBuilder {
    name: String,
    location: Location,
    key_sources: Vec<KeySource>,
    interaction: Interaction,
    size_limit: u64,
}

#[derive(Debug)]
enum Location {
    Data,
    Folder(PathBuf),
    LoginSession,
}

impl SealedPersistenceBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            location: Location::Data,
            key_sources: KeySource::defaults(),
            interaction: Interaction::Never,
            size_limit: DEFAULT_SIZE_LIMIT,
        }
    }

    /// Keeps the cache in `folder`, which only this store may use. A leading `~` is refused,
    /// because only a shell expands it.
    ///
    /// A missing folder is created with mode 0700 (on Windows: for its user, SYSTEM and
    /// Administrators only). An existing one must belong to this user and be closed to others in
    /// the same way. The folder above it must exist. If it does not,
    /// [`prepare`](crate::PersistedTokenCache::prepare) and the first save fail with
    /// [`Error::MissingParent`]; [`open`](Self::open) does not. Each folder above must belong to
    /// this user or to the system. None may be one that others can change, unless it is sticky as
    /// `/tmp` is.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.location = Location::Folder(folder.into());
        self
    }

    /// Keeps the cache in the login session's folder, `$XDG_RUNTIME_DIR`, which is removed at
    /// logout. That folder must belong to this user and be closed to others, as a login creates it.
    /// Otherwise opening fails with [`Error::UnsafePath`].
    pub fn for_login_session(mut self) -> Self {
        self.location = Location::LoginSession;
        self
    }

    /// Takes the key from this source only.
    pub fn key_source(self, key_source: KeySource) -> Self {
        self.key_sources([key_source])
    }

    /// The sources that the key may come from, best first. Each kind may be listed once.
    ///
    /// A new cache takes the first source that exists here. A source whose vault or service is
    /// missing is skipped ([`Error::VaultMissing`], [`Error::VaultServiceMissing`]). A source that
    /// is locked, silent or refuses is an error, because it may work again later. An existing cache
    /// stays with the kind of key that sealed it, whatever comes before it in the list. If that
    /// kind is not in the list, using the cache is [`Error::OtherBackend`]: the source never
    /// changes by itself. [`protection`](crate::PersistedTokenCache::protection) says which source
    /// is in use.
    ///
    /// The usual order is from the strongest to the weakest: the vault, the kernel keyring, a
    /// callback (environment, file descriptor, key service), a passphrase, a key file. If none of
    /// these may be used, [`open_or_memory`](crate::PersistedTokenCache::open_or_memory) keeps the
    /// cache in memory.
    ///
    /// ```no_run
    /// # use tokenkeep::{KeySource, persistence::{KernelKeyring, SealedPersistence}};
    /// let persistence = SealedPersistence::builder("com.example.mytool")
    ///     .key_sources([KeySource::OsVault, KeySource::KernelKeyring(KernelKeyring::User)])
    ///     .open()?;
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn key_sources(mut self, key_sources: impl IntoIterator<Item = KeySource>) -> Self {
        self.key_sources = key_sources.into_iter().collect();
        self
    }

    /// Whether the vault may ask the user something, and how long to wait for an answer.
    pub fn interaction(mut self, interaction: Interaction) -> Self {
        self.interaction = interaction;
        self
    }

    /// Reads and writes files of at most `bytes` bytes.
    pub fn size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = bytes;
        self
    }

    /// Opens the store: checks the folder, if it exists, and reaches the key source. Creates
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or folder. [`Error::UnsafePath`] for a folder that is not
    /// closed to others (mode 0700), or that lies below one that others can change.
    /// [`Error::VaultMissing`], [`Error::VaultLocked`] and the other errors of the key source.
    pub fn open(self) -> Result<SealedPersistence, Error> {
        let persistence = self.build()?;
        persistence.reach()?;
        Ok(persistence)
    }

    /// Like [`open`](Self::open), but does not reach the key source. A cache can then be set aside
    /// or reset while its vault is out of reach. The first read or change reaches the source.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, folder or key source.
    pub fn build(self) -> Result<SealedPersistence, Error> {
        location::check_name(&self.name)?;
        let (folder, parents) = match self.location {
            Location::Data => (location::data_folder(&self.name)?, Parents::Create),
            Location::Folder(folder) if folder.as_os_str().is_empty() => {
                return Err(Error::Invalid { detail: "the cache's folder has no name".into() });
            }
            Location::Folder(folder) => {
                location::refuse_tilde(&folder)?;
                file::check_above(&folder)?;
                (folder, Parents::Require)
            }
            Location::LoginSession => {
                (location::login_session_folder(&self.name)?, Parents::Create)
            }
        };
        // The program may change its current folder later.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let beside = |source: &KeySource| match source {
            KeySource::KeyFile(key) => lies_in(key, &folder),
            _ => false,
        };
        if self.key_sources.iter().any(beside) {
            return Err(Error::Invalid {
                detail: format!(
                    "the key file would lie beside the cache in `{}`; who copies one copies both, \
                     so give it a folder of its own",
                    shown_path(&folder)
                ),
            });
        }
        for source in &self.key_sources {
            if let KeySource::KeyFile(key) = source {
                location::refuse_tilde(key)?;
                let key = std::path::absolute(key).unwrap_or_else(|_| key.clone());
                file::check_above(key.parent().unwrap_or(&key))?;
            }
        }
        let keys = KeySourceList::new(self.key_sources, &self.name, &folder, self.interaction)?;
        Ok(SealedPersistence::new(self.name, folder, parents, keys, self.size_limit))
    }
}
