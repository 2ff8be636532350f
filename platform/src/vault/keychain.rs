//! The default keychain of macOS: generic passwords, through keyring-core's Apple store, and
//! through Security.framework directly for what the store cannot set.
//!
//! A new item is added by `SecKeychainAddGenericPassword`, which never replaces one.
//! `SecItemUpdate` then sets its label.
//!
//! The keychain's access list admits the program that created an item. For another program, or
//! another build without a stable signature, macOS prompts the user. Whether it may prompt is a
//! process-wide switch (`SecKeychainSetUserInteractionAllowed`). It is off during every call that
//! allows no prompt, so only one call is made at a time. Over SSH the login keychain is locked, and
//! must be unlocked with `security unlock-keychain`.

use std::any::Any;

use apple_native_keyring_store::keychain::Store;
use keyring::Entry;
use keyring::api::CredentialStoreApi as _;
use security_framework::base::Error;
use security_framework::item::{ItemClass, ItemSearchOptions, ItemUpdateOptions, update_item};
use security_framework::os::macos::keychain::{SecKeychain, SecPreferencesDomain};

use super::keychain_status as status;
use super::stored::{Entries, Stored};
use super::{Backend, Collection, Item, Source, Turn, VaultError};

pub(super) const NAME: &str = "Keychain";
pub(super) const FINDS_BY_ATTRIBUTES: bool = false;

pub(super) fn open() -> Box<dyn Backend> {
    Box::new(Stored(Keychain))
}

struct Keychain;

impl Entries for Keychain {
    fn entry(&mut self, collection: &Collection, item: &Item) -> Result<Entry, VaultError> {
        only_the_default(collection)?;
        let store = Store::new().map_err(|error| self.error(error))?;
        store.build(&item.service, &item.account, None).map_err(|error| self.error(error))
    }

    fn meaning(&self, said: Source) -> Option<VaultError> {
        match said.downcast::<Error>() {
            Ok(error) => status::meaning(error.code(), error),
            Err(said) => Some(VaultError::failed(said)),
        }
    }

    /// Does not touch the switch if the program itself has turned it off.
    fn begin(&mut self, turn: &Turn) -> Result<Option<Box<dyn Any>>, VaultError> {
        if turn.may_prompt() || !SecKeychain::user_interaction_allowed().map_err(error)? {
            return Ok(None);
        }
        let silence = SecKeychain::disable_user_interaction().map_err(error)?;
        Ok(Some(Box::new(silence)))
    }

    fn add(
        &mut self,
        collection: &Collection,
        item: &Item,
        secret: &[u8],
    ) -> Result<(), VaultError> {
        let keychain = keychain(collection)?;
        keychain.add_generic_password(&item.service, &item.account, secret).map_err(error)?;
        if item.label.is_empty() {
            return Ok(());
        }
        let mut search = ItemSearchOptions::new();
        search.keychains(&[keychain]).class(ItemClass::generic_password());
        search.service(&item.service).account(&item.account);
        let mut update = ItemUpdateOptions::new();
        update.set_label(&item.label);
        // Ignored: the item exists and can be found. Without a label it shows its service instead.
        update_item(&search, &update).ok();
        Ok(())
    }

    fn unlock(&mut self, collection: &Collection) -> Result<(), VaultError> {
        keychain(collection)?.unlock(None).map_err(error)
    }
}

fn keychain(collection: &Collection) -> Result<SecKeychain, VaultError> {
    only_the_default(collection)?;
    SecKeychain::default_for_domain(SecPreferencesDomain::User).map_err(error)
}

fn only_the_default(collection: &Collection) -> Result<(), VaultError> {
    match collection {
        Collection::Default => Ok(()),
        Collection::Session | Collection::Named(_) => Err(VaultError::Missing {
            reason: "only the default keychain is used on macOS".into(),
            source: None,
        }),
    }
}

fn error(error: Error) -> VaultError {
    let gone = || VaultError::failed("the keychain removed the item during the call");
    status::meaning(error.code(), error.into()).unwrap_or_else(gone)
}
