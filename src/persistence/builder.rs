//! The few choices there are when a cache is opened.

use std::{path::PathBuf, time::Duration};

use tokenkeep_platform::{
    file::{self, Parents},
    text::shown_path,
};

use super::{
    DEFAULT_SIZE_LIMIT, Persistence, PlaintextPersistence, SealedPersistence,
    key::{KeySource, Ladder, lies_in},
    location,
};
use crate::{
    Error, Interaction, PersistedTokenCache,
    persisted::{DEFAULT_LOCK_TIMEOUT, LockNotice, StoreLock},
};

/// Opens a cache with other choices than the defaults.
///
/// ```no_run
/// # use std::time::Duration;
/// # use tokenkeep::{KeySource, PersistedTokenCache};
/// let cache = PersistedTokenCache::builder("com.example.mytool")
///     .folder("/srv/mytool/sign-ins")
///     .key_source(KeySource::KeyFile("/srv/mytool/key/mytool.key".into()))
///     .lock_timeout(Duration::from_secs(10))
///     .open()?;
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct PersistenceBuilder {
    name: String,
    place: Place,
    key_sources: Vec<KeySource>,
    interaction: Interaction,
    lock_timeout: Duration,
    on_lock_wait: Option<LockNotice>,
    size_limit: u64,
}

#[derive(Debug)]
enum Place {
    Data,
    Folder(PathBuf),
    LoginSession,
}

impl PersistenceBuilder {
    /// Begins with the defaults: the user's data folder, a key in the operating system's vault, no
    /// prompts, 60 s for the lock, 16 MiB.
    ///
    /// `name` tells stores apart: letters, digits, `.`, `_` and `-`, at most 100. It is bound into
    /// the ciphertext, so a cache does not open under another name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            place: Place::Data,
            key_sources: KeySource::defaults(),
            interaction: Interaction::Never,
            lock_timeout: DEFAULT_LOCK_TIMEOUT,
            on_lock_wait: None,
            size_limit: DEFAULT_SIZE_LIMIT,
        }
    }

    /// Keeps the cache in `folder`, which belongs to this store alone. It is created 0700 if it is
    /// missing (on Windows: for its user, SYSTEM and Administrators alone); the folder above it has
    /// to exist. Each folder above belongs to this user or to the system, and none may be one that
    /// others can change, unless it is sticky as `/tmp` is. A leading `~` is refused: only a shell
    /// replaces it.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.place = Place::Folder(folder.into());
        self
    }

    /// Keeps the cache in the login session's folder, `$XDG_RUNTIME_DIR`: gone at logout. That
    /// folder must be this user's and closed to others, as a login makes it; else opening is
    /// [`Error::UnsafePath`].
    pub fn for_login_session(mut self) -> Self {
        self.place = Place::LoginSession;
        self
    }

    /// Where the key comes from: from here alone.
    pub fn key_source(self, key_source: KeySource) -> Self {
        self.key_sources([key_source])
    }

    /// Where the key may come from, the best first; each kind at most once.
    ///
    /// A new cache takes the first that exists here: one whose vault or service is missing is passed
    /// over ([`Error::VaultMissing`], [`Error::VaultServiceMissing`]), one that is locked, silent or
    /// refuses is an error, because it would be there again tomorrow. A cache that exists stays with
    /// the kind of key that sealed it, whatever comes before it in the list, and is
    /// [`Error::OtherBackend`] where that kind is not in the list: the source never changes by
    /// itself. [`protection`](PersistedTokenCache::protection) says which one is in use.
    ///
    /// The usual order is the one from the strongest to the weakest: the vault, the kernel keyring,
    /// a callback (environment, file descriptor, key service), a passphrase, a key file; and
    /// [`open_or_memory`](Self::open_or_memory) where nothing may be kept then.
    ///
    /// ```no_run
    /// # use tokenkeep::{KernelKeyring, KeySource, PersistedTokenCache};
    /// let cache = PersistedTokenCache::builder("com.example.mytool")
    ///     .key_sources([KeySource::OsVault, KeySource::KernelKeyring(KernelKeyring::User)])
    ///     .open()?;
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn key_sources(mut self, key_sources: impl IntoIterator<Item = KeySource>) -> Self {
        self.key_sources = key_sources.into_iter().collect();
        self
    }

    /// Whether the vault may ask the person something, and how long to wait for an answer.
    pub fn interaction(mut self, interaction: Interaction) -> Self {
        self.interaction = interaction;
        self
    }

    /// How long to wait for other processes before [`Error::LockTimeout`]. For another thread of
    /// this process that loads the cache or asks for its key, a call waits as long, and 5 s at
    /// least.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Calls `notice` once a wait for other processes has lasted a second, with what is known of the
    /// process that holds the lock and how long the wait has lasted.
    ///
    /// It runs on the thread that waits, which goes on when it returns; nobody else waits for it.
    /// It must not use the cache: every call there is [`Error::Nested`].
    pub fn on_lock_wait(
        mut self,
        notice: impl Fn(Option<&str>, Duration) + Send + Sync + 'static,
    ) -> Self {
        self.on_lock_wait = Some(LockNotice::new(notice));
        self
    }

    /// Reads and writes files of at most `bytes` bytes.
    pub fn size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = bytes;
        self
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn timeout(&self) -> Duration {
        self.lock_timeout
    }

    /// Opens the sealed cache: checks the folder and reaches the key source. Nothing is created
    /// before the first save.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or place, [`Error::UnsafePath`] for a folder that others
    /// can use, [`Error::VaultMissing`], [`Error::VaultLocked`] and the other errors of the key
    /// source.
    pub fn open(self) -> Result<PersistedTokenCache, Error> {
        let (timeout, notice) = (self.lock_timeout, self.on_lock_wait.clone());
        let persistence = self.sealed()?;
        persistence.reach()?;
        let lock = StoreLock::new(persistence.lock(), timeout, notice);
        Ok(PersistedTokenCache::new(persistence, lock))
    }

    /// Like [`open`](Self::open), but where that fails the cache is kept in memory alone, and the
    /// reason comes with it for the program to show.
    pub fn open_or_memory(self) -> (PersistedTokenCache, Option<Error>) {
        match self.open() {
            Ok(cache) => (cache, None),
            Err(reason) => (PersistedTokenCache::in_memory(), Some(reason)),
        }
    }

    /// Opens a cache in PLAIN TEXT in the file `path`. See [`PlaintextPersistence`].
    ///
    /// # Errors
    /// [`Error::Invalid`] if `path` names no file; [`Error::UnsafePath`] if others can write it, or
    /// change a folder above it.
    pub fn open_plaintext(
        self,
        path: impl AsRef<std::path::Path>,
    ) -> Result<PersistedTokenCache, Error> {
        let persistence = PlaintextPersistence::new(path)?.size_limit(self.size_limit);
        persistence.check_place()?;
        persistence.stamp()?;
        let lock = StoreLock::new(persistence.lock(), self.lock_timeout, self.on_lock_wait);
        Ok(PersistedTokenCache::new(persistence, lock))
    }

    /// A cache over `persistence`, with this builder's timeout and notice for its lock. The builder's other choices are
    /// for caches whose persistence it makes itself.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use tokenkeep::{PersistedTokenCache, build_encrypted_persistence};
    /// let cache = PersistedTokenCache::builder("com.example.mytool")
    ///     .lock_timeout(Duration::from_secs(10))
    ///     .open_over(build_encrypted_persistence("/home/ada/.mytool/token_cache.bin")?);
    /// # Ok::<(), tokenkeep::Error>(())
    /// ```
    pub fn open_over(self, persistence: impl Persistence + 'static) -> PersistedTokenCache {
        let lock = StoreLock::new(persistence.lock(), self.lock_timeout, self.on_lock_wait);
        PersistedTokenCache::new(persistence, lock)
    }

    /// The sealed persistence alone, unopened: no vault is asked. With
    /// [`PersistedTokenCache::with_persistence`] it gives a cache that can be set aside or reset
    /// while its vault is out of reach.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, place or key source.
    pub fn sealed(self) -> Result<SealedPersistence, Error> {
        location::check_name(&self.name)?;
        let (folder, parents) = match self.place {
            Place::Data => (location::data_folder(&self.name)?, Parents::Create),
            Place::Folder(folder) if folder.as_os_str().is_empty() => {
                return Err(Error::Invalid { detail: "the cache's folder has no name".into() });
            }
            Place::Folder(folder) => {
                location::refuse_tilde(&folder)?;
                file::check_above(&folder)?;
                (folder, Parents::Require)
            }
            Place::LoginSession => (location::login_session_folder(&self.name)?, Parents::Create),
        };
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
        let keys = Ladder::new(self.key_sources, &self.name, &folder, self.interaction)?;
        Ok(SealedPersistence::new(self.name, folder, parents, keys, self.size_limit))
    }
}
