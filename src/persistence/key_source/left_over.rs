//! Keys in a vault that no cache names: left by a kill, or by a cache that was deleted by hand.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokenkeep_platform::{
    file::{Folder, path_from_bytes},
    text::{shown, shown_path},
};

use super::{KeySource, vault};
use crate::{
    Error, Interaction,
    lock::{CrossProcessLock, Wait},
    persistence::sealed::{LOCK_NAME, file_naming},
    seal::{KeyId, Owner},
};

/// A key in a vault whose cache is gone: its item names a folder that can be read, and no file
/// there names the key.
///
/// A cache that was moved from that folder may still need the key. So may a cache at the same path
/// in another container, or on a disk that is not mounted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOverKey {
    id: KeyId,
    store: String,
    folder: PathBuf,
}

impl LeftOverKey {
    /// The key's identifier, 32 hexadecimal digits.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// The name of the store that it was made for, as the item says.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The folder of the cache that it was made for, as the item says.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl KeySource {
    /// The keys of this source that are left over. Returns `None` if the source has no items, or if
    /// its vault cannot list them. The user is not asked, and nothing changes.
    ///
    /// The key of a first save that another process is about to make may be among them.
    ///
    /// # Errors
    /// The errors of the vault.
    pub fn left_over_keys(&self) -> Result<Option<Vec<LeftOverKey>>, Error> {
        let Some(keys) = self.items() else { return Ok(None) };
        let Some(listed) = keys.list()? else { return Ok(None) };
        let mut found: Vec<LeftOverKey> = Vec::new();
        for (id, owner) in listed {
            // Copies of an item in several collections are one key.
            let key = LeftOverKey::of(id, &owner).filter(|key| !found.contains(key));
            // A folder that cannot be read may have a file that names the key.
            found.extend(key.filter(|key| matches!(key.state(), Ok(Standing::LeftOver))));
        }
        Ok(Some(found))
    }

    /// Removes the key with this identifier if it is left over. That is checked again with the lock
    /// of its cache held. Returns `false` if the source has no such key.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the key is not left over, or if that cannot be determined: a file
    /// names it, its folder cannot be read, or its item does not say for which cache it was made.
    /// [`Error::LockTimeout`] after 10 s. The errors of the vault.
    pub fn remove_left_over_key(&self, id: &str) -> Result<bool, Error> {
        let id = KeyId::from_hex(id).ok_or_else(|| Error::Invalid {
            detail: "a key's identifier has 32 hexadecimal digits in lower case".into(),
        })?;
        let Some(keys) = self.items() else { return Ok(false) };
        let owners = keys.owners(&id)?;
        if owners.is_empty() {
            return match keys.has(&id)? {
                true => Err(refused(&id, "does not say for which cache it was made")),
                false => Ok(false),
            };
        }
        for owner in owners {
            let key = LeftOverKey::of(id, &owner)
                .ok_or_else(|| refused(&id, "does not name the folder of its cache"))?;
            // Before the lock too, so that no lock file is made where nothing is to be removed.
            key.check()?;
            let lock = CrossProcessLock::new(&key.folder, LOCK_NAME);
            // Checked again under the lock, because a first save may have named the key meanwhile.
            let guard = lock.acquire(&Wait::at_most(PATIENCE))?;
            key.check()?;
            keys.remove(&id, &owner, &guard)?;
        }
        Ok(true)
    }

    /// The items of a source that stores each key as an item of a vault.
    fn items(&self) -> Option<vault::VaultKeys> {
        let (store, place, quietly) = ("", Path::new(""), Interaction::Never);
        Some(match self {
            Self::CredentialStore(of) => vault::VaultKeys::brought(store, place, of, quietly),
            Self::KernelKeyring(which) => vault::VaultKeys::kernel(store, place, *which, quietly),
            Self::OsVault => vault::VaultKeys::os(store, place, quietly),
            Self::Callback(_) | Self::Dpapi | Self::KeyFile(_) | Self::Passphrase(_) => {
                return None;
            }
        })
    }
}

/// What the folder of a key's cache says about the key.
enum Standing {
    LeftOver,
    NamedBy(PathBuf),
    NoFolder,
}

impl LeftOverKey {
    fn of(id: KeyId, owner: &Owner) -> Option<Self> {
        // A relative path would depend on the folder in which this program was started.
        let folder = path_from_bytes(&owner.folder).filter(|folder| folder.is_absolute())?;
        Some(Self { id, store: owner.store.clone(), folder })
    }

    fn state(&self) -> Result<Standing, Error> {
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(Standing::NoFolder) };
        Ok(file_naming(&folder, &self.id)?.map_or(Standing::LeftOver, Standing::NamedBy))
    }

    fn check(&self) -> Result<(), Error> {
        match self.state()? {
            Standing::LeftOver => Ok(()),
            Standing::NamedBy(file) => {
                Err(refused(&self.id, &format!("is the key of `{}`", shown_path(&file))))
            }
            Standing::NoFolder => {
                let folder = shown_path(&self.folder);
                Err(refused(&self.id, &format!("was made for `{folder}`, which is not there now")))
            }
        }
    }
}

/// Escapes the text: a folder in it comes from an item, which any program may have written.
fn refused(id: &KeyId, why: &str) -> Error {
    Error::Invalid { detail: format!("the key {id} {}; it was left as it is", shown(why)) }
}

/// How long a removal waits for the lock of the cache that the key was made for.
const PATIENCE: Duration = Duration::from_secs(10);
