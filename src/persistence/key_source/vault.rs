//! Keys in a vault, each an item of its own.

use std::{
    fmt, iter,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokenkeep_platform::{
    file::{path_to_bytes, real_path},
    vault::{Call, Collection, Item, Vault, VaultError},
};

use super::{Fetched, NewKey, random_key};
use crate::{
    Error, Interaction,
    persistence::LockGuard,
    seal::{Authenticated, Header, Key, KeyId, KeyItem, KeyParameters, Owner, SealError},
};

/// Which keyring of the Linux kernel. Neither survives a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelKeyring {
    /// The session keyring. It is gone at logout, and another login, over SSH for example, has its
    /// own.
    Session,
    /// The user keyring. All sessions of the user share it. It is gone some time after the last
    /// process of the user has ended.
    #[default]
    User,
}

/// A store of the crate keyring-core, version 1. Clones share its one thread.
///
/// Every call has a deadline, as with the other vaults. The store decides whether it prompts, where
/// it keeps its data, and what its errors and log lines show. keyring-core logs the `Debug` of each
/// credential, and that of keyring-core's own mock store shows the secret.
///
/// This is the only public item that takes a type of another crate. A next major version of
/// keyring-core comes with a breaking version of this crate.
#[derive(Clone)]
pub struct CredentialStore(Vault);

impl CredentialStore {
    /// Wraps `store`. Create one value for each store, and clone it.
    pub fn new(store: Arc<keyring::CredentialStore>) -> Self {
        Self(Vault::store(store))
    }
}

impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialStore")
    }
}

#[derive(Debug)]
pub(super) struct VaultKeys {
    store: String,
    /// The cache's folder.
    place: PathBuf,
    interaction: Interaction,
    vault: Vault,
    /// Where a key of the same kind may be stored too: the kernel's other keyring.
    other: Option<Vault>,
    parameters: KeyParameters,
}

impl VaultKeys {
    pub(super) fn os(store: &str, place: &Path, interaction: Interaction) -> Self {
        Self::new(store, place, interaction, Vault::os(), KeyParameters::Vault)
    }

    pub(super) fn kernel(
        store: &str,
        place: &Path,
        which: KernelKeyring,
        interaction: Interaction,
    ) -> Self {
        let (its, other) = match which {
            KernelKeyring::Session => (Collection::Session, Collection::Default),
            KernelKeyring::User => (Collection::Default, Collection::Session),
        };
        let vault = Vault::kernel_keyring(its);
        let other = Some(Vault::kernel_keyring(other));
        Self { other, ..Self::new(store, place, interaction, vault, KeyParameters::KernelKeyring) }
    }

    pub(super) fn brought(
        store: &str,
        place: &Path,
        of: &CredentialStore,
        interaction: Interaction,
    ) -> Self {
        Self::new(store, place, interaction, of.0.clone(), KeyParameters::CredentialStore)
    }

    fn new(
        store: &str,
        place: &Path,
        interaction: Interaction,
        vault: Vault,
        parameters: KeyParameters,
    ) -> Self {
        let (store, place) = (store.to_owned(), place.to_owned());
        Self { store, place, interaction, vault, other: None, parameters }
    }

    /// The cache that keys are made for here. The folder is the real one, so that a copy does not
    /// become the original through a link.
    fn owner(&self) -> Owner {
        let folder = real_path(&self.place).ok().and_then(|path| path_to_bytes(&path));
        // Without a folder the key is nobody's, and no cache removes it.
        Owner { store: self.store.clone(), folder: folder.unwrap_or_default() }
    }

    /// Whether an item's secret is the key that authenticated the header, and was made for this
    /// very cache.
    fn is_of(&self, header: &Authenticated) -> impl Fn(&[u8]) -> bool + Clone + Send + use<> {
        let (owner, header) = (self.owner(), header.clone());
        move |secret| {
            KeyItem::parse(secret).is_ok_and(|item| item.is_of(&owner) && header.is_of(&item.key))
        }
    }

    /// Found by the key id only, so that a cache that was moved or renamed finds its key.
    fn item(&self, id: &KeyId) -> Item {
        Item::new(SERVICE, id.to_string())
            .labelled(format!("{} (sign-in cache key)", self.store))
            .with_attributes([
                ("xdg:schema", SCHEMA.to_owned()),
                ("application", SERVICE.to_owned()),
                ("key-id", id.to_string()),
            ])
    }

    fn call(&self) -> Call {
        match self.interaction {
            Interaction::Never => Call::quiet(),
            Interaction::Allow { deadline } => Call::prompting().within(deadline),
        }
    }

    fn failed(&self, error: VaultError) -> Error {
        Error::from_vault(self.vault.name(), error)
    }

    fn vaults(&self) -> impl Iterator<Item = &Vault> {
        iter::once(&self.vault).chain(&self.other)
    }

    /// The key that the header names. The header's key check tells it from other items with the
    /// same names.
    fn find(&self, header: &Header, call: &Call) -> Result<Fetched, Error> {
        let item = self.item(&header.key_id);
        let (mut is_another, mut is_damaged) = (false, None);
        for vault in self.vaults() {
            for secret in vault.read_all(&item, call).map_err(|e| self.failed(e))? {
                match KeyItem::parse(&secret) {
                    Ok(item) if header.is_of(&item.key) => return Ok(Fetched::Key(item.key)),
                    Ok(_) => is_another = true,
                    // Not an error yet: another item with this id may be the key.
                    Err(error) => is_damaged = Some(error),
                }
            }
        }
        match is_damaged {
            _ if is_another => Ok(Fetched::Another),
            Some(error) => Err(self.damaged(&header.key_id, &error)),
            None => Ok(Fetched::Gone),
        }
    }

    fn damaged(&self, id: &KeyId, error: &SealError) -> Error {
        let what = format!("the key {id} in the {}", self.vault.name());
        Error::Corrupt { what, detail: error.to_string(), source: None }
    }

    /// The keys in the vault, and the caches that they were made for; `None` if it cannot list
    /// them.
    pub(super) fn list(&self) -> Result<Option<Vec<(KeyId, Owner)>>, Error> {
        // Any id: a listing ignores the account and the attribute that has its value.
        let any = self.item(&KeyId::from_bytes([0; 16]));
        let mut found = Vec::new();
        for vault in self.vaults() {
            let listed = vault.list(&any, &Call::quiet()).map_err(|e| self.failed(e))?;
            let Some(listed) = listed else { return Ok(None) };
            found.extend(listed.iter().filter_map(|one| {
                let owner = KeyItem::parse(&one.secret).ok()?.owner?;
                Some((KeyId::from_hex(&one.account)?, owner))
            }));
        }
        Ok(Some(found))
    }

    /// The caches that keys with this id were made for.
    pub(super) fn owners(&self, id: &KeyId) -> Result<Vec<Owner>, Error> {
        let mut found = Vec::new();
        for vault in self.vaults() {
            let secrets = vault.read_all(&self.item(id), &Call::quiet());
            let items = secrets.map_err(|e| self.failed(e))?;
            found.extend(items.iter().filter_map(|secret| KeyItem::parse(secret).ok()?.owner));
        }
        Ok(found)
    }

    /// Whether an item with this id exists.
    pub(super) fn has(&self, id: &KeyId) -> Result<bool, Error> {
        for vault in self.vaults() {
            let secrets = vault.read_all(&self.item(id), &Call::quiet());
            if !secrets.map_err(|e| self.failed(e))?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the key with this id that was made for the cache of `owner`.
    pub(super) fn remove(&self, id: &KeyId, owner: &Owner, guard: &LockGuard) -> Result<(), Error> {
        let owner = owner.clone();
        self.delete_if(id, Some(guard), move |secret| {
            KeyItem::parse(secret).is_ok_and(|item| item.is_of(&owner))
        })
    }

    fn delete_if(
        &self,
        id: &KeyId,
        guard: Option<&LockGuard>,
        is_ours: impl Fn(&[u8]) -> bool + Send + Clone + 'static,
    ) -> Result<(), Error> {
        for vault in self.vaults() {
            // The vault's worker keeps the lock until its write has returned, even if this call
            // gives up.
            let guard = guard.map(|guard| Box::new(guard.clone()) as Box<dyn Send>);
            let deleted = vault.delete_if(&self.item(id), &Call::quiet(), guard, is_ours.clone());
            deleted.map_err(|e| self.failed(e))?;
        }
        Ok(())
    }
}

impl super::KeyProvider for VaultKeys {
    fn name(&self) -> &'static str {
        self.vault.name()
    }

    fn sealed(&self, parameters: &KeyParameters) -> bool {
        *parameters == self.parameters
    }

    fn reach(&self) -> Result<(), Error> {
        self.vault.unlock(&self.call()).map_err(|e| self.failed(e))
    }

    fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        if self.interaction != Interaction::Never {
            let item = self.item(&header.key_id);
            self.vault.unlock_for(&item, &self.call()).map_err(|e| self.failed(e))?;
        }
        // May prompt: no lock is held, and macOS may ask about an item that another build of this
        // program made.
        self.find(header, &self.call())
    }

    fn recall(&self, header: &Header) -> Result<Fetched, Error> {
        self.find(header, &Call::quiet())
    }

    fn new_key(&self) -> Result<NewKey, Error> {
        let (id, key) = random_key()?;
        self.reach()?;
        let secret = KeyItem::print(&key, &self.owner());
        self.vault.create(&self.item(&id), &secret, &self.call()).map_err(|e| self.failed(e))?;
        Ok(NewKey { id, key, parameters: self.parameters.clone() })
    }

    fn confirm(&self, new_key: &NewKey) -> Result<bool, Error> {
        let item = self.item(&new_key.id);
        // Another process may have cleared the cache since the key was made.
        let secrets = self.vault.read_all(&item, &Call::quiet()).map_err(|e| self.failed(e))?;
        Ok(secrets.iter().any(|secret| is_key(secret, &new_key.key)))
    }

    fn discard(&self, new_key: NewKey) {
        // The error is ignored: a key that no cache names does no harm, and the call must go on.
        let NewKey { id, key, .. } = new_key;
        drop(self.delete_if(&id, None, move |secret| is_key(secret, &key)));
    }

    fn owns(&self, header: &Authenticated) -> Result<bool, Error> {
        let (item, mut owns) = (self.item(&header.key_id), false);
        // Every vault is asked first, so that none refuses after the cache's files are removed.
        for vault in self.vaults() {
            let would_delete = vault.would_delete_if(&item, &Call::quiet(), self.is_of(header));
            owns |= would_delete.map_err(|e| self.failed(e))?;
        }
        Ok(owns)
    }

    fn delete(&self, header: &Authenticated, guard: &LockGuard) -> Result<(), Error> {
        self.delete_if(&header.key_id, Some(guard), self.is_of(header))
    }

    fn whereabouts(&self, id: &KeyId) -> String {
        let vault = self.vault.name();
        match self.parameters {
            KeyParameters::CredentialStore => format!("the key {id} in the {vault}"),
            _ => format!("the key {id} in the {vault} (`tokenkeep doctor --remove-key {id}`)"),
        }
    }

    fn verify(&self) -> Result<(), Error> {
        self.vault.probe(&self.call()).map(drop).map_err(|e| self.failed(e))
    }
}

fn is_key(secret: &[u8], key: &Key) -> bool {
    // Not in constant time: both keys are in this process, and nobody else sees the time.
    KeyItem::parse(secret).is_ok_and(|item| item.key.expose() == key.expose())
}

/// The service of our items in every vault.
const SERVICE: &str = "tokenkeep";

/// The schema of our items, by which `seahorse` and `secret-tool` group them.
const SCHEMA: &str = "io.github.tokenkeep.Key";
