//! The Credential Manager of Windows, through keyring-core's Windows store.
//!
//! Items are generic credentials that do not roam. They stay on this machine, or for
//! [`Collection::Session`] in this logon session. There is no lock and no prompt, and every program
//! of the same user can read them. A secret has at most 2,560 bytes. A network logon, such as SSH,
//! and most services have no credentials at all.

use std::collections::HashMap;
use std::io;

use keyring::Entry;
use keyring::api::CredentialStoreApi as _;
use windows_native_keyring_store::Store;

use super::stored::{Entries, Stored};
use super::{Backend, Collection, Item, Source, VaultError};
use super::{credential_manager_status as status, credential_manager_status::MAX_SIZE};
use crate::CodedError;

pub(super) const NAME: &str = "Credential Manager";
pub(super) const FINDS_BY_ATTRIBUTES: bool = false;

pub(super) fn open() -> Box<dyn Backend> {
    Box::new(Stored(CredentialManager))
}

struct CredentialManager;

impl Entries for CredentialManager {
    fn entry(&mut self, collection: &Collection, item: &Item) -> Result<Entry, VaultError> {
        let target = item.one_name(collection);
        let persistence = match collection {
            Collection::Default => "Local",
            Collection::Session => "Session",
            Collection::Named(_) => {
                return Err(VaultError::Missing {
                    reason: "Credential Manager has no named collections".into(),
                    source: None,
                });
            }
        };
        let store = Store::new().map_err(|error| self.error(error))?;
        let modifiers = HashMap::from([("target", target.as_str()), ("persistence", persistence)]);
        store
            .build(&item.service, &item.account, Some(&modifiers))
            .map_err(|error| self.error(error))
    }

    /// The store does not pass on the error code. It is still this thread's last error, which the
    /// store has just read. "Not found" is a failure here: the store reports real absence itself,
    /// and did not.
    fn meaning(&self, said: Source) -> Option<VaultError> {
        let code = io::Error::last_os_error().raw_os_error().unwrap_or_default();
        match code.cast_unsigned() {
            status::ERROR_NOT_FOUND => Some(VaultError::failed(said)),
            0 => Some(VaultError::failed(said)),
            code => {
                let said = CodedError::new(i64::from(code.cast_signed()), said.to_string());
                status::meaning(code, said.into())
            }
        }
    }

    fn max_size(&self) -> usize {
        MAX_SIZE
    }

    /// There is no lock, but any call fails in a logon session without credentials.
    fn unlock(&mut self, collection: &Collection) -> Result<(), VaultError> {
        let nothing =
            self.entry(collection, &Item::new("tokenkeep", "does this session have credentials"))?;
        match nothing.get_attributes() {
            Ok(_) => Ok(()),
            Err(error) => self.answer(error).map_or(Ok(()), Err),
        }
    }
}
