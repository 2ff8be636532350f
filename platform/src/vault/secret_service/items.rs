//! The building blocks of calls on items: find, create, set the secret, delete.

use zbus::zvariant::OwnedObjectPath;

use super::error::Fault;
use super::search::{self, secret};
use super::socket::News;
use super::{GONE_AGAIN, MAX_OTHERS, SESSIONS, SecretService, key};
use crate::vault::{Asked, IsOurs, Secret, VaultError};

impl SecretService {
    /// Creates an empty item. Returns `None` if the collection that was found, or its service, is
    /// gone; then nothing was created.
    pub(super) fn create_empty(
        &mut self,
        asked: Asked<'_>,
    ) -> Result<Option<OwnedObjectPath>, VaultError> {
        let collection = self.repeat(asked.turn, |vault| {
            let link = vault.link(asked.turn)?;
            let collection = link.collection(asked.collection, asked.turn)?;
            if link.is_collection_locked(&collection, asked.turn)? {
                return Err(VaultError::Locked { source: None }.into());
            }
            match link.search(&asked.item.attributes, asked.turn)?.is_empty() {
                true => link.prepare_creation(asked.turn).map(|()| collection),
                false => Err(VaultError::Exists.into()),
            }
        })?;
        self.write_or_gone(asked.turn, |link| link.create_empty(&collection, asked.item))
    }

    /// Sets the secret of the empty item and reads it back. Returns `false` if the session does not
    /// transfer it intact.
    pub(super) fn fill(
        &mut self,
        path: &OwnedObjectPath,
        asked: Asked<'_>,
        secret: &[u8],
    ) -> Result<bool, VaultError> {
        match self.write_or_gone(asked.turn, |link| link.set_secret(path, asked, secret)) {
            Ok(Some(())) => self.read_back(path, asked, secret),
            // The service reports an unknown session and an unknown item with the same error.
            Ok(None) => Ok(false),
            Err(error) => {
                self.remove_unfinished(path);
                Err(error)
            }
        }
    }

    /// Checks that the secret just set can be read back. Returns `false` if the session or the item
    /// is gone, or the session does not transfer it intact.
    pub(super) fn read_back(
        &mut self,
        path: &OwnedObjectPath,
        asked: Asked<'_>,
        secret: &[u8],
    ) -> Result<bool, VaultError> {
        match self.step(|vault| vault.linked()?.secret(path, asked.turn)) {
            Ok(stored) if *stored == secret => {
                // An empty secret proves nothing about the session's key.
                self.proven |= !secret.is_empty();
                Ok(true)
            }
            Ok(_) | Err(Fault::Gone(_) | Fault::Mismatch(_)) => Ok(false),
            Err(fault) => Err(fault.into_error_after_write(asked.turn)),
        }
    }

    /// Deletes each item with exactly these attributes. Returns `false` if there was none.
    pub(super) fn delete_all(
        &mut self,
        asked: Asked<'_>,
        is_ours: Option<IsOurs<'_>>,
    ) -> Result<bool, VaultError> {
        let mut was_deleted = false;
        for _ in 0..SESSIONS {
            match self.try_delete_all(asked, is_ours, &mut was_deleted) {
                Ok(true) => return Ok(was_deleted),
                Ok(false) => {}
                Err(error) if was_deleted => return Err(error.after_a_write()),
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::failed(GONE_AGAIN))
    }

    /// Returns `false` if an item or the service was gone when it was to be deleted.
    fn try_delete_all(
        &mut self,
        asked: Asked<'_>,
        is_ours: Option<IsOurs<'_>>,
        was_deleted: &mut bool,
    ) -> Result<bool, VaultError> {
        let paths = self.find_deletable(asked, is_ours)?;
        self.found.remove(&key(asked));
        for path in paths {
            if self.write_or_gone(asked.turn, |link| link.delete(&path))?.is_none() {
                return Ok(false);
            }
            *was_deleted = true;
        }
        Ok(true)
    }

    /// The items that a deletion would delete. Deletes nothing.
    pub(super) fn find_deletable(
        &mut self,
        asked: Asked<'_>,
        is_ours: Option<IsOurs<'_>>,
    ) -> Result<Vec<OwnedObjectPath>, VaultError> {
        self.repeat(asked.turn, |vault| search::to_delete(vault.link(asked.turn)?, asked, is_ours))
    }

    pub(super) fn try_read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, Fault> {
        let mut read = self.read_found(asked);
        if self.is_to_look_again(&read, asked) {
            read = self.read_found(asked);
        }
        let Some((path, secret)) = read? else { return Ok(None) };
        if secret.is_empty() {
            return Err(VaultError::Unfinished.into());
        }
        self.proven = true;
        self.found.insert(key(asked), path);
        Ok(Some(secret))
    }

    fn read_found(&mut self, asked: Asked<'_>) -> Result<Option<(OwnedObjectPath, Secret)>, Fault> {
        let Some(path) = self.find(asked)? else { return Ok(None) };
        let secret = secret(self.linked()?, &path, asked)?;
        Ok(Some((path, secret)))
    }

    /// Whether to search once more. Either another program has created an item since, or the
    /// remembered item is now locked and another one may not be.
    fn is_to_look_again<T>(&mut self, read: &Result<T, Fault>, asked: Asked<'_>) -> bool {
        let is_locked = matches!(read, Err(Fault::Said(VaultError::Locked { .. })));
        let was_known = is_locked && self.found.remove(&key(asked)).is_some();
        self.forget_if_outdated() || was_known
    }

    /// The path of `item`. Makes no call if it is remembered.
    pub(super) fn find(&mut self, asked: Asked<'_>) -> Result<Option<OwnedObjectPath>, Fault> {
        self.link(asked.turn)?;
        self.forget_if_outdated();
        if let Some(path) = self.found.get(&key(asked)) {
            return Ok(Some(path.clone()));
        }
        let (one, matches) = search::the_one(self.linked()?, asked)?;
        for path in matches {
            self.others.remove(&path);
        }
        Ok(one)
    }

    /// Forgets the remembered paths if a signal means that another item may now be the right one.
    /// Returns whether it did.
    ///
    /// libsecret replaces an item to store a secret, and the service then signals a creation too.
    /// The attributes of a replaced item stay the same or become fewer. So an item that a search
    /// did not find cannot become one that it finds.
    fn forget_if_outdated(&mut self) -> bool {
        let Some(link) = &self.link else { return false };
        let is_known = |path: &_| self.found.values().any(|known| known == path);
        let mut is_outdated = false;
        for news in link.bus.news() {
            is_outdated |= match news {
                News::ItemCame(path) => !is_known(&path) && self.others.insert(path),
                News::ItemWent(path) => {
                    // Another item may get its path.
                    self.others.remove(&path);
                    is_known(&path)
                }
                News::CollectionChanged => true,
            };
        }
        // Too many to remember: search again, as if any of them mattered.
        if self.others.len() > MAX_OTHERS {
            self.others.clear();
            is_outdated = true;
        }
        if is_outdated {
            self.found.clear();
        }
        is_outdated
    }
}
