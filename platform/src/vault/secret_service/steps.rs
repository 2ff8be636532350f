//! What a call on an item is made of: finding it, making it, giving it its secret.

use zbus::zvariant::OwnedObjectPath;

use super::fault::Fault;
use super::link::Link;
use super::{SecretService, key};
use crate::vault::{Asked, Secret, Session, VaultError};

impl SecretService {
    /// `None` if the collection that was found, or its service, is not there any more: nothing was created.
    pub(super) fn create_empty(
        &mut self,
        asked: Asked<'_>,
    ) -> Result<Option<OwnedObjectPath>, VaultError> {
        let collection = self.repeat(asked.turn, |vault| {
            let link = vault.link(asked.place, asked.turn)?;
            let collection = link.collection(&asked.place.collection, asked.turn)?;
            if link.is_locked(&collection, asked.turn)? {
                return Err(VaultError::Locked { source: None }.into());
            }
            match link.search(&collection, asked.item, asked.turn)?.len() {
                0 => link.prepare_creation(asked.turn).map(|()| collection),
                _ => Err(VaultError::Exists.into()),
            }
        })?;
        self.write_or_gone(asked.turn, |link| link.create_empty(&collection, asked.item))
    }

    /// Gives the empty item its secret and reads it back; `false` if the session does not carry it whole.
    pub(super) fn fill(
        &mut self,
        path: &OwnedObjectPath,
        asked: Asked<'_>,
        secret: &[u8],
    ) -> Result<bool, VaultError> {
        match self.write_or_gone(asked.turn, |link| link.set_secret(path, asked, secret)) {
            Ok(Some(())) => self.read_back(path, asked, secret),
            // An unknown session and an unknown item go by the same name.
            Ok(None) => Ok(false),
            Err(error) => {
                self.remove_unfinished(path);
                Err(error)
            }
        }
    }

    /// Whether the secret that was just set comes back; `false` if the session or the item is gone, or the session does not
    /// carry it whole.
    pub(super) fn read_back(
        &mut self,
        path: &OwnedObjectPath,
        asked: Asked<'_>,
        secret: &[u8],
    ) -> Result<bool, VaultError> {
        match self.step(|vault| vault.linked()?.secret(path, asked.place.session, asked.turn)) {
            Ok(stored) if *stored == secret => {
                self.prove(asked.place);
                Ok(true)
            }
            Ok(_) if asked.place.session == Session::Plain => {
                Err(VaultError::failed("the vault gave back something else than was stored"))
            }
            Ok(_) | Err(Fault::Gone(_) | Fault::Mismatch(_)) => Ok(false),
            Err(fault) => Err(fault.into_error_after_write(asked.turn)),
        }
    }

    pub(super) fn try_read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, Fault> {
        let Some(path) = self.find(asked)? else { return Ok(None) };
        let link = self.linked()?;
        let secret = link.secret(&path, asked.place.session, asked.turn)?;
        if secret.is_empty() {
            let collection = link.collection(&asked.place.collection, asked.turn)?;
            return Err(match link.is_locked(&collection, asked.turn)? {
                true => VaultError::Locked { source: None }.into(),
                false => VaultError::Unfinished.into(),
            });
        }
        self.prove(asked.place);
        self.found.insert(key(asked), path);
        Ok(Some(secret))
    }

    /// The path of `item`, without a call where it is known.
    pub(super) fn find(&mut self, asked: Asked<'_>) -> Result<Option<OwnedObjectPath>, Fault> {
        self.link(asked.place, asked.turn)?;
        if let Some(path) = self.found.get(&key(asked)) {
            return Ok(Some(path.clone()));
        }
        let link = self.linked()?;
        let collection = link.collection(&asked.place.collection, asked.turn)?;
        search(link, &collection, asked)
    }
}

/// The one item. A locked collection may hide its items, so absence is believed only where the collection was unlocked
/// before the search and after it.
pub(super) fn search(
    link: &Link,
    collection: &OwnedObjectPath,
    asked: Asked<'_>,
) -> Result<Option<OwnedObjectPath>, Fault> {
    for was_unlocked in [false, true] {
        match only(link.search(collection, asked.item, asked.turn)?)? {
            Some(path) => return Ok(Some(path)),
            None if link.is_locked(collection, asked.turn)? => {
                return Err(VaultError::Locked { source: None }.into());
            }
            None if was_unlocked => break,
            None => {}
        }
    }
    Ok(None)
}

/// The one path; several are too many.
fn only(mut paths: Vec<OwnedObjectPath>) -> Result<Option<OwnedObjectPath>, VaultError> {
    match paths.len() {
        0 | 1 => Ok(paths.pop()),
        _ => Err(VaultError::Ambiguous),
    }
}
