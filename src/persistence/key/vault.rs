//! Keys in the operating system's vault, each an item of its own.

use tokenkeep_platform::vault::{Call, Item, Vault};

use super::{Candidate, Fetched, random_key};
use crate::{
    Error, Interaction,
    persistence::Hold,
    seal::{Header, Key, KeyId, KeyParameters},
};

#[derive(Debug)]
pub(super) struct Keys {
    store: String,
    interaction: Interaction,
    vault: Vault,
}

impl Keys {
    pub(super) fn new(store: &str, interaction: Interaction) -> Self {
        Self { store: store.to_owned(), interaction, vault: Vault::os() }
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

    fn failed(&self, error: tokenkeep_platform::vault::VaultError) -> Error {
        Error::from_vault(self.vault.name(), error)
    }

    fn read(&self, id: &KeyId, call: &Call) -> Result<Option<Key>, Error> {
        let found = self.vault.read(&self.item(id), call).map_err(|e| self.failed(e))?;
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
        matches!(parameters, KeyParameters::Vault)
    }

    fn reach(&self) -> Result<(), Error> {
        self.vault.unlock(&self.call()).map_err(|e| self.failed(e))
    }

    fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        if self.interaction != Interaction::Never {
            self.reach()?;
        }
        Ok(self.read(&header.key_id, &Call::quiet())?.map_or(Fetched::Gone, Fetched::Key))
    }

    fn candidate(&self) -> Result<Candidate, Error> {
        let (id, key) = random_key()?;
        self.reach()?;
        self.vault
            .create(&self.item(&id), key.expose(), &Call::quiet())
            .map_err(|e| self.failed(e))?;
        Ok(Candidate { id, key, parameters: KeyParameters::Vault })
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
        self.vault
            .delete(&self.item(id), &Call::quiet(), Some(Box::new(hold.clone())))
            .map(drop)
            .map_err(|e| self.failed(e))
    }

    fn verify(&self) -> Result<(), Error> {
        self.vault.probe(&self.call()).map(drop).map_err(|e| self.failed(e))
    }
}

/// The service of our items in every vault.
const SERVICE: &str = "tokenkeep";

/// The schema of our items, by which `seahorse` and `secret-tool` group them.
const SCHEMA: &str = "io.github.tokenkeep.Key";
