//! A keyring-core store that the caller provides.

use std::sync::Arc;

use keyring::{CredentialStore, Entry};

use super::stored::{Entries, Stored};
use super::{Backend, Collection, Item, Source, VaultError};

pub(super) const NAME: &str = "program's credential store";

pub(super) fn open(store: &Arc<CredentialStore>) -> Box<dyn Backend> {
    Box::new(Stored(Brought(Arc::clone(store))))
}

struct Brought(Arc<CredentialStore>);

impl Entries for Brought {
    fn entry(&mut self, collection: &Collection, item: &Item) -> Result<Entry, VaultError> {
        if *collection != Collection::Default {
            let reason = "a credential store of the program has only the default collection";
            return Err(VaultError::Missing { reason: reason.into(), source: None });
        }
        self.0.build(&item.service, &item.account, None).map_err(|error| self.error(error))
    }

    /// keyring-core does not distinguish a locked store from one that denies access.
    fn no_access(&self, said: Source) -> Option<VaultError> {
        Some(VaultError::AccessDenied { source: said })
    }

    fn meaning(&self, said: Source) -> Option<VaultError> {
        Some(VaultError::failed(said))
    }
}
