//! The common part of all vaults that are reached through a keyring-core store.

use std::any::Any;

use keyring::{Entry, Error};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Asked, Backend, Collection, Item, Secret, Source, Turn, VaultError};

/// The part that differs between the stores.
pub(super) trait Entries {
    /// The store's entry for `item`. Makes no call to the vault.
    fn entry(&mut self, collection: &Collection, item: &Item) -> Result<Entry, VaultError>;

    /// The meaning of the operating system's error. Returns `None` for "there is no such item".
    fn meaning(&self, said: Source) -> Option<VaultError>;

    /// The meaning of the error "no access to the store".
    fn no_access(&self, said: Source) -> Option<VaultError> {
        self.meaning(said)
    }

    /// The largest secret that the vault takes, in bytes.
    fn max_size(&self) -> usize {
        usize::MAX
    }

    /// Begins a call. The returned value is dropped when the call has ended.
    fn begin(&mut self, turn: &Turn) -> Result<Option<Box<dyn Any>>, VaultError> {
        let _ = turn;
        Ok(None)
    }

    /// Stores an item that was just not found.
    fn add(
        &mut self,
        collection: &Collection,
        item: &Item,
        secret: &[u8],
    ) -> Result<(), VaultError> {
        let entry = self.entry(collection, item)?;
        entry.set_secret(secret).map_err(|error| self.error(error))
    }

    /// Unlocks the collection, if the vault has a lock.
    fn unlock(&mut self, collection: &Collection) -> Result<(), VaultError> {
        let _ = collection;
        Ok(())
    }

    /// The meaning of an error for an item that was known to exist.
    fn error(&self, error: Error) -> VaultError {
        let gone = || VaultError::failed("the vault removed the item during the call");
        self.answer(error).unwrap_or_else(gone)
    }

    /// The meaning of a keyring-core error. Returns `None` for "there is no such item". Bytes in an
    /// error may be a secret: they are zeroized, and neither kept nor shown.
    fn answer(&self, error: Error) -> Option<VaultError> {
        let failed = |text: String| Some(VaultError::failed(text));
        match error {
            Error::NoEntry => None,
            Error::PlatformFailure(said) => self.meaning(said),
            Error::NoStorageAccess(said) => self.no_access(said),
            Error::Ambiguous(_) => Some(VaultError::Ambiguous),
            Error::BadEncoding(mut bytes) | Error::BadDataFormat(mut bytes, _) => {
                bytes.zeroize();
                failed("what the vault holds has another form than this program stores".into())
            }
            Error::BadStoreFormat(text) | Error::NotSupportedByStore(text) => failed(text),
            Error::TooLong(what, limit) => failed(format!("{what} is longer than {limit}")),
            Error::Invalid(what, text) => failed(format!("{what} {text}")),
            _ => failed("the vault's store failed in a way that has no name".into()),
        }
    }
}

/// A vault on top of a store.
pub(super) struct Stored<E>(pub(super) E);

impl<E: Entries> Stored<E> {
    fn entry(&mut self, Asked { collection, item, turn }: Asked<'_>) -> Result<Entry, VaultError> {
        // C strings end at a NUL, so the name would mean another item.
        if item.service.contains('\0') || item.account.contains('\0') {
            return Err(VaultError::failed("the name of an item contains a NUL"));
        }
        turn.remaining()?;
        self.0.entry(collection, item)
    }

    fn secret(&self, entry: &Entry) -> Result<Option<Secret>, VaultError> {
        match entry.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(error) => self.0.answer(error).map_or(Ok(None), Err),
        }
    }

    fn check_size(&self, secret: &[u8]) -> Result<(), VaultError> {
        let (size, limit) = (secret.len(), self.0.max_size());
        if size > limit { Err(VaultError::TooLarge { size, limit }) } else { Ok(()) }
    }
}

impl<E: Entries> Backend for Stored<E> {
    fn read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, VaultError> {
        let _call = self.0.begin(asked.turn)?;
        let entry = self.entry(asked)?;
        self.secret(&entry)
    }

    fn create(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        self.check_size(secret)?;
        let _call = self.0.begin(asked.turn)?;
        let entry = self.entry(asked)?;
        if self.secret(&entry)?.is_some() {
            return Err(VaultError::Exists);
        }
        asked.turn.write(|| self.0.add(asked.collection, asked.item, secret))?;
        match self.secret(&entry)? {
            Some(stored) if *stored == secret => Ok(()),
            _ => {
                // The read-back error is the one to report, so a failed removal is ignored.
                asked
                    .turn
                    .write(|| entry.delete_credential().map_err(|error| self.0.error(error)))
                    .ok();
                Err(VaultError::failed("the vault gave back something else than was stored"))
            }
        }
    }

    fn write(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        self.check_size(secret)?;
        let _call = self.0.begin(asked.turn)?;
        let entry = self.entry(asked)?;
        if self.secret(&entry)?.is_none() {
            match asked.turn.write(|| self.0.add(asked.collection, asked.item, secret)) {
                // Another program has just created it.
                Err(VaultError::Exists) => {}
                added => return added,
            }
        }
        asked.turn.write(|| entry.set_secret(secret).map_err(|error| self.0.error(error)))
    }

    fn delete(&mut self, asked: Asked<'_>) -> Result<bool, VaultError> {
        let _call = self.0.begin(asked.turn)?;
        let entry = self.entry(asked)?;
        asked.turn.write(|| match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(error) => self.0.answer(error).map_or(Ok(false), Err),
        })
    }

    fn unlock(&mut self, collection: &Collection, turn: &Turn) -> Result<(), VaultError> {
        let _call = self.0.begin(turn)?;
        turn.remaining()?;
        self.0.unlock(collection)
    }
}
