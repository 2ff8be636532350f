//! Where the key of a sealed cache comes from.

mod callback;
mod file;
mod left_over;
mod list;
mod passphrase;
mod vault;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub use callback::{KeyCallback, KeyRequest};
pub(super) use file::lies_in;
pub use left_over::LeftOverKey;
pub(super) use list::KeySourceList;
pub use passphrase::Passphrase;
pub use vault::{CredentialStore, KernelKeyring};

use crate::{
    Error, Interaction,
    error::Source,
    lock::LockGuard,
    seal::{Authenticated, Header, Key, KeyId, KeyParameters},
};

/// Where the 256-bit key of a sealed cache comes from. The default is the operating system's own
/// protection, [`KeySource::defaults`].
///
/// A cache remembers the kind of its key. Opening it with another kind is
/// [`Error::OtherBackend`], never a silent change.
///
/// There is no silent fallback. A program that may run without a vault lists its sources with
/// [`key_sources`](crate::persistence::SealedPersistenceBuilder::key_sources), best first. A new
/// cache takes the first that exists. A locked or unresponsive vault is an error, and the next
/// source is not tried. Otherwise the vault could work again later, while the cache is sealed under
/// another key.
///
/// | source | survives | who else can read the key |
/// |---|---|---|
/// | `OsVault` | reboots | your programs while it is unlocked; on macOS those you allowed |
/// | `Dpapi` | reboots, not a password reset by an administrator | your programs |
/// | `KernelKeyring` | logouts, or not even these; no reboot | your programs |
/// | `Callback` | as your source | as your source |
/// | `CredentialStore` | as the store | as the store |
/// | `Passphrase` | everything, as long as somebody knows it | nobody |
/// | `KeyFile` | reboots | anyone who can read the file |
///
/// [`PersistedTokenCache::protection`](crate::PersistedTokenCache::protection) says which one is in
/// use.
///
/// ```no_run
/// use tokenkeep::{KeySource, PersistedTokenCache, persistence::SealedPersistence};
///
/// // The vault, or where there is none a passphrase.
/// let sources = [KeySource::OsVault, KeySource::Passphrase("several words".into())];
/// let store = SealedPersistence::builder("com.example.mytool").key_sources(sources).open()?;
/// println!("{}", PersistedTokenCache::new(store).protection());
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KeySource {
    /// The program supplies the key: from its environment, a file descriptor, a key service.
    Callback(KeyCallback),
    /// Any store of the crate keyring-core that the program supplies. The key is a credential of
    /// the service `tokenkeep`.
    CredentialStore(CredentialStore),
    /// A key file beside the cache, encrypted by Windows' data protection (DPAPI) for this user on
    /// this machine. On other systems it is [`Error::VaultMissing`].
    Dpapi,
    /// The kernel's keyring, on Linux. The key is never on a disk, and is gone after a reboot at
    /// the latest. On other systems it is [`Error::VaultMissing`]. A cache whose key is gone is
    /// [`Error::KeyGone`].
    KernelKeyring(KernelKeyring),
    /// A key file, created with mode 0600 at the first save, in a folder of its own with mode 0700.
    /// Keep it away from the cache: anyone who copies both can read the cache. One file serves one
    /// cache.
    KeyFile(PathBuf),
    /// The operating system's vault: the Secret Service on Linux and the BSDs, the Keychain on
    /// macOS, Credential Manager on Windows (local, not roaming). Credential Manager is
    /// [`Error::VaultMissing`] over SSH and in most services.
    OsVault,
    /// The key is derived with argon2id from a passphrase and parameters in the cache's header.
    Passphrase(Passphrase),
}

/// A key for a cache that does not exist yet.
pub(super) struct NewKey {
    pub(super) id: KeyId,
    pub(super) key: Key,
    pub(super) parameters: KeyParameters,
}

/// What a source returns for the key that a header names.
pub(super) enum Fetched {
    /// A candidate: the header's key check tells whether it is the key.
    Key(Key),
    /// The source holds the key of another cache.
    Another,
    /// The source holds no such key.
    Gone,
}

/// The interface of a key source. Only `fetch` and `new_key` may prompt.
pub(super) trait KeyProvider: fmt::Debug + Send + Sync {
    /// Its name for users.
    fn name(&self) -> &'static str;

    /// Whether keys of this kind sealed the cache.
    fn sealed(&self, parameters: &KeyParameters) -> bool;

    /// Reaches the source, and unlocks it if that is allowed.
    fn reach(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The key that the header names.
    fn fetch(&self, header: &Header) -> Result<Fetched, Error>;

    /// Like `fetch`, but without asking the user. Only sources that store keys implement it.
    fn recall(&self, header: &Header) -> Result<Fetched, Error> {
        let _ = header;
        Ok(Fetched::Gone)
    }

    /// A key for a new cache.
    fn new_key(&self) -> Result<NewKey, Error>;

    /// Makes sure, with the lock held, that the new key can be found again. Returns `false` if it
    /// was removed meanwhile.
    fn confirm(&self, new_key: &NewKey) -> Result<bool, Error> {
        let _ = new_key;
        Ok(true)
    }

    /// Removes a key that this process made and no cache names.
    fn discard(&self, new_key: NewKey) {
        drop(new_key);
    }

    /// Whether the key that authenticated the header is stored here and was made for this very
    /// cache. Only such a key is removed by [`delete`](Self::delete). The user is not asked.
    fn owns(&self, header: &Authenticated) -> Result<bool, Error> {
        let _ = header;
        Ok(false)
    }

    /// Removes the key of a cache that was removed, if it was made for this very cache.
    fn delete(&self, header: &Authenticated, guard: &LockGuard) -> Result<(), Error> {
        #[expect(clippy::let_underscore_must_use, reason = "most sources keep no key")]
        let _ = (header, guard);
        Ok(())
    }

    /// Where the key is, and how it can be removed.
    fn whereabouts(&self, id: &KeyId) -> String {
        format!("the key {id} in the {}", self.name())
    }

    /// Sets aside what is left of the key of a cache that was given up, if it would keep the next
    /// key from being made.
    fn abandon(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Reaches the source for a cache that does not exist yet.
    fn reach_for_new(&self) -> Result<(), Error> {
        self.reach()
    }

    /// Proves that the source works, on data of its own.
    fn verify(&self) -> Result<(), Error> {
        self.reach()
    }
}

impl KeySource {
    /// The sources of a program that chooses none: the operating system's own protection. On
    /// Windows that is Credential Manager and then DPAPI, because a logon over the network has no
    /// credentials.
    pub fn defaults() -> Vec<Self> {
        match tokenkeep_platform::protect::IS_BUILT {
            true => vec![Self::OsVault, Self::Dpapi],
            false => vec![Self::OsVault],
        }
    }

    /// Proves that this source can supply keys. In a vault, an item of its own makes the round trip
    /// and is removed again. DPAPI encrypts and decrypts. A key file is read, or its folder is
    /// created. A callback is not called, and a passphrase is not asked for. No cache is touched.
    ///
    /// # Errors
    /// Why the source does not work. [`Error::OutcomeUnknown`] if the vault stopped answering and
    /// that item may be left. Its service is `tokenkeep-probe`, and it can be deleted.
    pub fn verify(&self, store: &str, interaction: Interaction) -> Result<(), Error> {
        // Without a place, because no cache is touched.
        self.clone().into_keys(store, Path::new(""), interaction)?.verify()
    }

    /// Opens the source for the store `store`, whose cache is in `place`.
    pub(super) fn into_keys(
        self,
        store: &str,
        place: &Path,
        interaction: Interaction,
    ) -> Result<Box<dyn KeyProvider>, Error> {
        Ok(match self {
            Self::Callback(callback) => Box::new(callback::CallbackKey::new(store, callback)),
            Self::CredentialStore(of) => {
                Box::new(vault::VaultKeys::brought(store, place, &of, interaction))
            }
            Self::Dpapi => Box::new(file::FileKey::under_dpapi(store, place)?),
            Self::KernelKeyring(which) => {
                Box::new(vault::VaultKeys::kernel(store, place, which, interaction))
            }
            Self::KeyFile(path) => Box::new(file::FileKey::new(store, place, path)?),
            Self::OsVault => Box::new(vault::VaultKeys::os(store, place, interaction)),
            Self::Passphrase(passphrase) => Box::new(passphrase::PassphraseKey::new(passphrase)),
        })
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Source> {
    Ok(tokenkeep_platform::random::fill(bytes)?)
}

pub(super) fn random_failed(source: Source) -> Error {
    Error::System { what: "the operating system's random generator", source }
}

fn random_key() -> Result<(KeyId, Key), Error> {
    let key = Key::random(&mut fill_random).map_err(random_failed)?;
    Ok((random_key_id()?, key))
}

pub(super) fn random_key_id() -> Result<KeyId, Error> {
    KeyId::draw(&mut fill_random).map_err(random_failed)
}
