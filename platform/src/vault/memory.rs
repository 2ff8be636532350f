//! A vault in this process's memory, for tests and for callers that keep nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::{Asked, Backend, Item, Place, Secret, Turn, VaultError};

pub(super) const NAME: &str = "memory";

/// Items by everything that finds them, in any order of their attributes.
#[derive(Clone, Default)]
pub(super) struct Items(Arc<Mutex<BTreeMap<Name, Secret>>>);

type Name = (String, String, Vec<(String, String)>);

impl Items {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<Name, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Items {
    fn read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, VaultError> {
        Ok(self.items().get(&name(asked.item)).cloned())
    }

    fn create(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        let (mut items, name) = (self.items(), name(asked.item));
        if items.contains_key(&name) {
            return Err(VaultError::Exists);
        }
        items.insert(name, Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn write(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        self.items().insert(name(asked.item), Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn delete(&mut self, asked: Asked<'_>) -> Result<bool, VaultError> {
        Ok(self.items().remove(&name(asked.item)).is_some())
    }

    fn unlock(&mut self, _: &Place, _: &Turn) -> Result<(), VaultError> {
        Ok(())
    }
}

fn name(item: &Item) -> Name {
    let mut attributes = item.attributes.clone();
    attributes.sort();
    (item.service.clone(), item.account.clone(), attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Call, Vault};

    #[test]
    fn a_secret_in_memory_is_created_once_read_and_deleted_once() {
        let (vault, call) = (Vault::memory(), Call::quiet());
        let item = Item::new("a", "key").with_attributes([("a", "1"), ("b", "2")]);
        let same = item.clone().labelled("b").with_attributes([("b", "2"), ("a", "1")]);
        assert!(vault.read(&item, &call).unwrap().is_none());
        vault.create(&item, b"secret", &call).unwrap();
        assert!(matches!(vault.create(&same, b"other", &call), Err(VaultError::Exists)));
        assert_eq!(*vault.clone().read(&same, &call).unwrap().unwrap(), b"secret");
        assert!(vault.delete(&item, &call, None).unwrap());
        assert!(!vault.delete(&item, &call, None).unwrap());
        assert!(Vault::memory().read(&item, &call).unwrap().is_none());
    }
}
