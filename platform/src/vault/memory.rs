//! A vault in this process's memory, for tests and for callers that keep nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::{Item, Secret, VaultError};

pub(super) const NAME: &str = "memory";

/// Items by their sorted attributes. A search is by exactly the attributes an item was created with.
#[derive(Clone, Default)]
pub(super) struct Items(Arc<Mutex<BTreeMap<Attributes, Secret>>>);

type Attributes = Vec<(String, String)>;

impl Items {
    pub(super) fn read(&self, item: &Item) -> Result<Option<Secret>, VaultError> {
        Ok(self.items().get(&sorted(item)).cloned())
    }

    pub(super) fn create(&self, item: &Item, secret: &[u8]) -> Result<(), VaultError> {
        let mut items = self.items();
        let attributes = sorted(item);
        if items.contains_key(&attributes) {
            return Err(VaultError::Exists);
        }
        items.insert(attributes, Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    pub(super) fn delete(&self, item: &Item) -> Result<bool, VaultError> {
        Ok(self.items().remove(&sorted(item)).is_some())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<Attributes, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sorted(item: &Item) -> Attributes {
    let mut attributes = item.attributes.clone();
    attributes.sort();
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Call, Vault};

    #[test]
    fn a_secret_in_memory_is_created_once_read_and_deleted_once() {
        let (vault, call) = (Vault::memory(), Call::quiet());
        let item = Item::new("a key", [("a", "1"), ("b", "2")]);
        let same = Item::new("another label", [("b", "2"), ("a", "1")]);
        assert!(vault.read(&item, &call).unwrap().is_none());
        vault.create(&item, b"secret", &call).unwrap();
        assert!(matches!(vault.create(&same, b"other", &call), Err(VaultError::Exists)));
        assert_eq!(*vault.clone().read(&same, &call).unwrap().unwrap(), b"secret");
        assert!(vault.delete(&item, &call, None).unwrap());
        assert!(!vault.delete(&item, &call, None).unwrap());
        assert!(Vault::memory().read(&item, &call).unwrap().is_none());
    }
}
