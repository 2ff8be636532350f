//! Keys in a vault, each an item of its own.

use std::{fmt, iter, sync::Arc};

use tokenkeep_platform::vault::{Call, Collection, Item, Vault, VaultError};

use super::{Candidate, Fetched, random_key};
use crate::{
    Error, Interaction,
    persistence::Hold,
    seal::{Header, Key, KeyId, KeyParameters},
};

/// Which keyring of the Linux kernel. Neither survives a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelKeyring {
    /// The session's: gone at logout, and another login, over SSH for instance, has its own.
    Session,
    /// The user's: shared by all sessions of the person, gone some time after the last process of the
    /// person has ended.
    #[default]
    User,
}

/// A store of the crate keyring-core, version 1. Clones share its one thread.
///
/// Every call has a deadline, as with the other vaults. Whether the store prompts, where it keeps what
/// it is given, and what its errors and log lines show is up to the store: keyring-core logs the
/// `Debug` of each credential, and that of keyring-core's own mock store shows the secret.
#[derive(Clone)]
pub struct CredentialStore(Vault);

impl CredentialStore {
    /// Wraps `store`. Make one value a store, and clone it.
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
pub(super) struct Keys {
    store: String,
    interaction: Interaction,
    vault: Vault,
    /// Where a key of the same kind may lie too: the kernel's other keyring.
    other: Option<Vault>,
    parameters: KeyParameters,
}

impl Keys {
    pub(super) fn os(store: &str, interaction: Interaction) -> Self {
        Self::new(store, interaction, Vault::os(), KeyParameters::Vault)
    }

    pub(super) fn kernel(store: &str, which: KernelKeyring, interaction: Interaction) -> Self {
        let (its, other) = match which {
            KernelKeyring::Session => (Collection::Session, Collection::Default),
            KernelKeyring::User => (Collection::Default, Collection::Session),
        };
        let vault = Vault::kernel_keyring(its);
        let other = Some(Vault::kernel_keyring(other));
        Self { other, ..Self::new(store, interaction, vault, KeyParameters::KernelKeyring) }
    }

    pub(super) fn brought(store: &str, of: &CredentialStore, interaction: Interaction) -> Self {
        Self::new(store, interaction, of.0.clone(), KeyParameters::CredentialStore)
    }

    fn new(store: &str, interaction: Interaction, vault: Vault, parameters: KeyParameters) -> Self {
        Self { store: store.to_owned(), interaction, vault, other: None, parameters }
    }

    /// Found by the key id alone, so that a cache that was moved or renamed finds its key.
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

    fn read(&self, id: &KeyId, call: &Call) -> Result<Option<Key>, Error> {
        let item = self.item(id);
        let mut found = None;
        for vault in self.vaults() {
            if found.is_none() {
                found = vault.read(&item, call).map_err(|e| self.failed(e))?;
            }
        }
        found
            .map(|bytes| {
                Key::from_slice(&bytes).ok_or_else(|| Error::Corrupt {
                    what: format!("the key {id} in the {}", self.vault.name()),
                    detail: format!("it has {} bytes, a key has 32", bytes.len()),
                })
            })
            .transpose()
    }
}

impl super::Keys for Keys {
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
            self.reach()?;
        }
        // No lock is held, and macOS may ask about an item that another build of this program made.
        Ok(self.read(&header.key_id, &self.call())?.map_or(Fetched::Gone, Fetched::Key))
    }

    fn candidate(&self) -> Result<Candidate, Error> {
        let (id, key) = random_key()?;
        self.reach()?;
        self.vault
            .create(&self.item(&id), key.expose(), &self.call())
            .map_err(|e| self.failed(e))?;
        Ok(Candidate { id, key, parameters: self.parameters.clone() })
    }

    fn confirm(&self, candidate: &Candidate) -> Result<bool, Error> {
        Ok(self
            .read(&candidate.id, &Call::quiet())?
            .is_some_and(|key| key.expose() == candidate.key.expose()))
    }

    fn discard(&self, candidate: Candidate) {
        // A key that stays behind names no cache and harms nothing; the work at hand goes on.
        drop(self.vault.delete(&self.item(&candidate.id), &Call::quiet(), None));
    }

    fn delete(&self, id: &KeyId, hold: &Hold) -> Result<(), Error> {
        for vault in self.vaults() {
            let hold = Some(Box::new(hold.clone()) as Box<dyn Send>);
            vault.delete(&self.item(id), &Call::quiet(), hold).map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), Error> {
        self.vault.probe(&self.call()).map(drop).map_err(|e| self.failed(e))
    }
}

/// The service of our items in every vault.
const SERVICE: &str = "tokenkeep";

/// The schema of our items, by which `seahorse` and `secret-tool` group them.
const SCHEMA: &str = "io.github.tokenkeep.Key";
