//! A vault in this process's memory, for tests and for callers that store nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use zeroize::Zeroizing;

use super::{Asked, Backend, Collection, Item, Listed, Secret, Turn, VaultError};
use crate::sync::lock_within;

pub(super) const NAME: &str = "memory";

/// The items, keyed by everything that identifies them. The order of attributes does not matter.
#[derive(Clone, Default)]
pub(super) struct Items(Arc<Mutex<BTreeMap<Name, Secret>>>);

type Name = (String, String, Vec<(String, String)>);

impl Items {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_ok_and(|items| items.is_empty())
    }

    /// Waits with a limit, because a fork can copy the mutex while another thread holds it.
    fn items(&self, turn: &Turn) -> Result<MutexGuard<'_, BTreeMap<Name, Secret>>, VaultError> {
        let late = || VaultError::TimedOut { waited: turn.waited() };
        lock_within(&self.0, turn.remaining()?).ok_or_else(late)
    }
}

impl Backend for Items {
    fn read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, VaultError> {
        Ok(self.items(asked.turn)?.get(&name(asked.item)).cloned())
    }

    fn create(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        let (mut items, name) = (self.items(asked.turn)?, name(asked.item));
        if items.contains_key(&name) {
            return Err(VaultError::Exists);
        }
        items.insert(name, Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn write(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        self.items(asked.turn)?.insert(name(asked.item), Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    fn delete(&mut self, asked: Asked<'_>) -> Result<bool, VaultError> {
        Ok(self.items(asked.turn)?.remove(&name(asked.item)).is_some())
    }

    fn list(&mut self, asked: Asked<'_>) -> Result<Option<Vec<Listed>>, VaultError> {
        let items = self.items(asked.turn)?;
        let of_service = items.iter().filter(|((service, ..), _)| *service == asked.item.service);
        let listed = of_service.map(|((_, account, _), secret)| Listed {
            account: account.clone(),
            secret: secret.clone(),
        });
        Ok(Some(listed.collect()))
    }

    fn unlock(&mut self, _: &Collection, _: &Turn) -> Result<(), VaultError> {
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

    #[test]
    fn where_names_are_unique_there_is_one_secret_to_read_and_to_delete() {
        let (vault, call) = (Vault::memory(), Call::quiet());
        let [one, two] = ["one", "two"].map(|account| Item::new("service", account));
        assert!(vault.read_all(&one, &call).unwrap().is_empty());
        vault.create(&one, b"first", &call).unwrap();
        vault.create(&two, b"second", &call).unwrap();
        vault.create(&Item::new("other", "one"), b"other", &call).unwrap();
        assert_eq!(*vault.read_all(&one, &call).unwrap()[0], b"first");
        let listed = vault.list(&two, &call).unwrap().expect("it can list");
        let listed: Vec<_> = listed.iter().map(|item| (&*item.account, &**item.secret)).collect();
        assert_eq!(listed, [("one", &b"first"[..]), ("two", b"second")]);
        assert!(!vault.delete_if(&one, &call, None, |secret| secret == b"second").unwrap());
        assert!(vault.would_delete_if(&one, &call, |secret| secret == b"first").unwrap());
        assert!(!vault.would_delete_if(&one, &call, |secret| secret == b"second").unwrap());
        assert!(vault.delete_if(&one, &call, None, |secret| secret == b"first").unwrap());
        assert!(!vault.delete_if(&one, &call, None, |_| true).unwrap());
    }
}
