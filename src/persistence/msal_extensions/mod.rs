//! The shared store of msal-extensions: an item of the operating system's vault, or a file that the
//! system encrypts.

mod item;
mod location;
mod protected_file;
mod vault_item;

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokenkeep_platform::{
    file::{Folder, Parents},
    protect,
    text::shown_path,
    vault::FINDS_BY_ATTRIBUTES,
};
use zeroize::Zeroizing;

pub use self::{
    item::MsalExtensionsItem,
    location::{ItemEncoding, MsalExtensionsLocation},
};
use self::{protected_file::ProtectedFile, vault_item::VaultItem};
use super::{
    Intent, Loaded, Persistence, Protection, Reservation, Saved, Stamp,
    location::{FileLocation, expand_home},
    set_aside::{all_set_aside, prefix_of, remove_all, set_aside},
};
use crate::{
    Error, Interaction, Secret,
    lock::{CrossProcessLock, LockGuard},
};

/// Opens what `build_encrypted_persistence(location)` of msal-extensions for Python opens, so that
/// both programs share one sign-in.
///
/// Use it if programs in other languages keep their sign-ins in the same place.
/// [`PersistedTokenCache::open`](crate::PersistedTokenCache::open) is better for a program that
/// shares its cache with no other program, or only with programs that use this crate. That cache is
/// a file that is replaced atomically and durably, under a key in the vault.
///
/// ```no_run
/// use tokenkeep::{PersistedTokenCache, build_encrypted_persistence};
///
/// let persistence = build_encrypted_persistence("/home/ada/.mytool/token_cache.bin")?;
/// let cache = PersistedTokenCache::new(persistence);
/// for account in cache.accounts()? {
///     println!("{account:?}");
/// }
/// # Ok::<(), tokenkeep::Error>(())
/// ```
///
/// `location` means what it means there. For the file, a leading `~` is the home folder, and a
/// relative path starts at the current folder (here: the one at the time of this call). The *item*
/// is named by the text as it stands. So `~/x` and `/home/ada/x` are one file and two caches. Two
/// programs that both pass `token_cache.bin` in different folders share one item, but each touches
/// and locks a file of its own. They **overwrite each other**. Give a full path.
///
/// # Errors
/// [`Error::Invalid`] if `location` is empty, names no file, is not UTF-8, or begins with another
/// user's `~name`.
///
/// # Platform differences
/// On Windows `location` is the cache itself, encrypted by DPAPI. Elsewhere it is an empty file
/// that is touched at each change, and the cache is an item of the Secret Service or the Keychain.
pub fn build_encrypted_persistence(
    location: impl AsRef<Path>,
) -> Result<MsalExtensionsPersistence, Error> {
    let identity = MsalExtensionsLocation::python(text(location.as_ref())?);
    MsalExtensionsPersistence::new(location, &identity)
}

/// A cache that programs in other languages use too, in their place and their format.
///
/// On the Secret Service, the item is found in any collection, as libsecret finds it. `clear`
/// removes every item with exactly the identity's attributes. If one of them is locked, it is
/// [`Error::VaultLocked`] and none is removed.
///
/// Each load asks the vault. A reader does not load as long as the signal file has not been
/// touched. A locked vault is [`Error::VaultLocked`], never an empty cache. An item without a
/// signal file is read. A signal file without an item is an absent cache. Content that is not a
/// cache is refused and stays as it is. docs/COMPATIBILITY.md has a table of what is refused and
/// what is kept. [`OpaqueStore`](super::OpaqueStore) keeps anything else in the same place.
///
/// On an open session of the Secret Service, a load is one call and a save is two. The second call
/// asks whether the item is unlocked, because a locked KWallet answers as if it had stored the
/// secret.
#[derive(Debug)]
pub struct MsalExtensionsPersistence {
    place: FileLocation,
    store: Store,
    item: MsalExtensionsItem,
    signal: bool,
    interaction: Interaction,
    size_limit: u64,
}

#[derive(Debug)]
enum Store {
    Vault(VaultItem),
    File(ProtectedFile),
}

/// What a read found, as bytes of the cache.
enum Found {
    Absent,
    Empty,
    Content(Zeroizing<Vec<u8>>),
}

impl MsalExtensionsPersistence {
    /// The cache with this identity. Its signal file, or on Windows its encrypted file, is
    /// `location`. It is locked by [`CrossProcessLock::msal_extensions`]. A leading `~` is the home
    /// folder. Nothing is opened or created yet. The first save creates missing folders with mode
    /// 0700.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a location that names no file, and for an identity that would find
    /// other items or cannot be stored.
    pub fn new(
        location: impl AsRef<Path>,
        identity: &MsalExtensionsLocation,
    ) -> Result<Self, Error> {
        identity.check()?;
        let place = FileLocation::of(&expand_home(text(location.as_ref())?)?)?;
        let store = match protect::IS_BUILT {
            true => Store::File(ProtectedFile::new(identity)),
            false => Store::Vault(VaultItem::new(identity)),
        };
        let item = match store {
            Store::File(_) => MsalExtensionsItem::ProtectedFile { path: place.path.clone() },
            Store::Vault(_) if FINDS_BY_ATTRIBUTES => identity.names_of_attributes(),
            Store::Vault(_) => identity.names_of_keychain(),
        };
        Ok(Self {
            place,
            store,
            item,
            signal: true,
            interaction: Interaction::Never,
            size_limit: SIZE_LIMIT,
        })
    }

    /// Neither touches nor checks a signal file: every read asks the vault. Use it for an item
    /// whose readers do not wait for the file to change. On Windows the file is the cache, and this
    /// changes nothing.
    #[must_use]
    pub fn without_signal(mut self) -> Self {
        self.signal = false;
        self
    }

    /// Whether the vault may ask the user something, and how long to wait for an answer. Only
    /// [`prepare`](Persistence::prepare) asks, before any lock is held.
    #[must_use]
    pub fn interaction(mut self, interaction: Interaction) -> Self {
        self.interaction = interaction;
        self
    }

    /// Reads and writes at most `bytes` bytes. The default is 32 MiB. A vault has a limit of its
    /// own: the Secret Service takes 32 MiB. If the item is in base64, the JSON is three quarters
    /// of that.
    #[must_use]
    pub fn size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = bytes;
        self
    }

    /// The signal file, or on Windows the encrypted cache.
    pub fn location(&self) -> &Path {
        &self.place.path
    }

    /// Where the cache itself is stored, so that a user can find it in the vault's own program.
    pub fn item(&self) -> &MsalExtensionsItem {
        &self.item
    }

    /// The file that is touched at each change. `None` if the cache itself is the file, or if
    /// nothing is touched.
    pub fn signal_file(&self) -> Option<&Path> {
        match self.store {
            Store::Vault(_) if self.signal => Some(&self.place.path),
            _ => None,
        }
    }

    fn guard(&self) -> &'static str {
        match &self.store {
            Store::Vault(item) => item.name(),
            Store::File(_) => "DPAPI",
        }
    }

    fn check_size(&self, size: usize) -> Result<(), Error> {
        let (size, limit) = (size as u64, self.size_limit);
        if size <= limit {
            return Ok(());
        }
        let what = format!("the cache of `{}`", shown_path(&self.place.path));
        Err(Error::TooLarge { what, size, limit })
    }

    /// Reaches the place of the cache: proves that the vault answers and is unlocked, or that the
    /// operating system can encrypt. If a prompt is [allowed](Self::interaction), the vault may ask
    /// the user to unlock it. Nothing is created or written, not even an item for the test. So any
    /// number of processes may do it at once. [`verify`](crate::PersistedTokenCache::verify) proves
    /// more, and costs more.
    ///
    /// # Errors
    /// [`Error::VaultServiceMissing`], [`Error::VaultMissing`], [`Error::VaultLocked`] and the other
    /// errors of the vault.
    pub fn reach(&self) -> Result<(), Error> {
        match (&self.store, self.interaction) {
            (Store::Vault(item), Interaction::Never) => item.check_unlocked(),
            (Store::Vault(item), interaction) => item.prepare(interaction),
            (Store::File(file), _) => file.check_protection(&self.place),
        }
    }

    /// What the store holds, and a stamp from before it was read.
    fn find(&self) -> Result<(Found, Stamp), Error> {
        match &self.store {
            Store::Vault(item) => {
                // Taken before the read, so that a change during the read makes the stamp differ.
                let hint = item.hint(&self.place, self.signal)?.settled();
                Ok((item.read()?, hint))
            }
            Store::File(file) => file.read(&self.place, self.size_limit),
        }
    }

    /// The content, whatever it is. An empty item has an empty one.
    pub(super) fn read_any(&self) -> Result<Option<(Secret, Stamp)>, Error> {
        let (found, stamp) = self.find()?;
        let content = match found {
            Found::Absent => return Ok(None),
            Found::Empty => Zeroizing::default(),
            Found::Content(content) => content,
        };
        self.check_size(content.len())?;
        let digest = digest(&content);
        Ok(Some((Secret::wiped(content), stamp.marked(digest))))
    }

    /// Replaces the content with any other, an empty one too.
    pub(super) fn write_any(&self, content: &[u8], guard: &LockGuard) -> Result<Stamp, Error> {
        self.check_size(content.len())?;
        // Taken before the write: a peer that ignores the lock may write between this write and a
        // later look.
        let before = self.hint()?;
        match &self.store {
            Store::Vault(item) => item.write(content, &self.place, self.signal, guard)?,
            Store::File(file) => file.write(content, &self.place)?,
        }
        Ok(before.marked(digest(content)))
    }

    /// A mark of what is kept, taken before anything is read.
    fn hint(&self) -> Result<Stamp, Error> {
        match &self.store {
            Store::Vault(item) => item.hint(&self.place, self.signal),
            Store::File(_) => {
                Ok(ProtectedFile::stamp(&self.place)?.unwrap_or_else(Stamp::unlike_any))
            }
        }
    }
}

impl Persistence for MsalExtensionsPersistence {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        if let Store::Vault(item) = &self.store {
            item.prepare(self.interaction)?;
        }
        if intent != Intent::Read {
            Folder::create_shared(&self.place.folder, Parents::Create)?;
        }
        Ok(())
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        let (found, stamp) = self.find()?;
        let content = match found {
            Found::Absent => return Ok(Loaded::Absent),
            Found::Empty => return Ok(Loaded::Empty),
            Found::Content(content) => content,
        };
        self.check_size(content.len())?;
        // The stamp keeps a digest, not a second copy of the secrets.
        let digest = digest(&content);
        let stamp = stamp.marked(digest);
        if known.and_then(Stamp::content) == Some(&digest) {
            return Ok(Loaded::Unchanged(stamp));
        }
        Ok(Loaded::Content(Secret::wiped(content), stamp))
    }

    fn save(
        &self,
        content: &[u8],
        _base: Option<&Stamp>,
        guard: &LockGuard,
    ) -> Result<Saved, Error> {
        if content.is_empty() {
            let detail = "an empty cache cannot be told from a creation that was cut off; \
                          save `{}`";
            return Err(Error::Invalid { detail: detail.into() });
        }
        self.write_any(content, guard).map(Saved::Done)
    }

    fn is_written_in_place(&self) -> bool {
        true
    }

    fn confirm(&self) -> Result<(), Error> {
        match self.store {
            // An item is as durable as its vault; there is nothing to sync here.
            Store::Vault(_) => Ok(()),
            Store::File(_) => {
                let folder = Folder::open_shared(&self.place.folder)?;
                Ok(folder.map_or(Ok(()), |folder| folder.confirm())?)
            }
        }
    }

    /// Removes the item, and the signal file if it is empty or `{}`.
    fn delete(&self, _base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        match &self.store {
            Store::Vault(item) => item.delete(&self.place, self.signal, guard),
            Store::File(_) => {
                if let Some(folder) = Folder::open_shared(&self.place.folder)? {
                    let mut files = vec![self.place.name.clone()];
                    files.extend(all_set_aside(&folder, &prefix_of(&self.place.name))?);
                    remove_all(&folder, &files)?;
                }
                Ok(())
            }
        }
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        match &self.store {
            Store::Vault(item) => item.hint(&self.place, self.signal).map(Some),
            Store::File(_) => ProtectedFile::stamp(&self.place),
        }
    }

    fn protection(&self) -> Protection {
        Protection::MsalExtensions { location: self.place.path.clone(), guard: self.guard() }
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        Some(CrossProcessLock::msal_extensions(&self.place.path))
    }

    fn reserve(&self, tag: &str) -> Result<Reservation, Error> {
        match &self.store {
            // A vault has no room to reserve, but it may be locked since the cache was read.
            Store::Vault(item) => item.check_unlocked()?,
            Store::File(_) => ProtectedFile::check_room(&self.place, tag)?,
        }
        Ok(Reservation::none())
    }

    fn verify(&self) -> Result<(), Error> {
        match &self.store {
            Store::Vault(item) => item.verify(),
            Store::File(file) => file.verify(&self.place),
        }
    }

    fn reset(&self, guard: &LockGuard) -> Result<(), Error> {
        // A file may be another program's; an item has names that only this cache uses.
        if let (Store::File(_), Some(folder)) =
            (&self.store, Folder::open_shared(&self.place.folder)?)
        {
            ProtectedFile::check_given_up(&folder, &self.place, self.size_limit)?;
        }
        self.delete(None, guard)
    }

    /// Only a file can be set aside, because an item of a vault has a fixed name.
    fn quarantine(&self, _guard: &LockGuard) -> Result<Option<PathBuf>, Error> {
        if let Store::Vault(item) = &self.store {
            let detail = format!(
                "an item of the {} cannot be set aside; export it, or give it up",
                item.name()
            );
            return Err(Error::Unsupported { detail });
        }
        let Some(folder) = Folder::open_shared(&self.place.folder)? else { return Ok(None) };
        if !ProtectedFile::check_given_up(&folder, &self.place, self.size_limit)? {
            return Ok(None);
        }
        Ok(Some(set_aside(&folder, &self.place.name, &prefix_of(&self.place.name))?))
    }
}

fn text(location: &Path) -> Result<&str, Error> {
    let text = location.to_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| Error::Invalid {
        detail: format!(
            "`{}` is not a valid cache location: expected the full UTF-8 path of a file",
            shown_path(location)
        ),
    })
}

fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// The default limit, and the most that is sent to a vault. Peers have no limit of their own, so
/// what they wrote up to this size is read.
const SIZE_LIMIT: u64 = 32 << 20;
