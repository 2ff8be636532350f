//! The Secret Service of Linux and the BSDs: gnome-keyring, KWallet, KeePassXC and others.
//!
//! Specification: <https://specifications.freedesktop.org/secret-service/>.
//!
//! One connection, one session and the path of each found item are kept while the service stays the
//! same. The bus signals when the service's name changes its owner. So one call never mixes answers
//! of two services, and no write uses a path from another service.
//!
//! An item is created empty and then gets its secret. `CreateItem` must be called directly, because
//! the crate would run any prompt that it returns, and only the crate's own session can encrypt. No
//! secret crosses the bus in clear text.
//!
//! Two precautions apply to every service. An encrypted session may fail because of its random key
//! (KWallet before 6.25: one in a hundred), so up to two more sessions are tried. And a locked
//! service may answer `GetSecret` with an empty secret and `SetSecret` without storing anything
//! (KWallet). So an empty secret and a write count only in an unlocked collection.

mod address;
mod connection;
mod error;
mod greeting;
mod items;
mod message;
mod names;
mod owner;
mod provider;
mod retry;
mod search;
mod service;
mod socket;

use std::collections::{HashMap, HashSet};

use zbus::zvariant::OwnedObjectPath;

use super::{Asked, Backend, Collection, IsOurs, Listed, Secret, Turn, VaultError};
use error::Fault;
pub(super) use provider::provider;
use search::Meant;
use service::{Link, SECRET_LIMIT};

pub(super) const NAME: &str = "Secret Service";
pub(super) const FINDS_BY_ATTRIBUTES: bool = true;

pub(super) fn open() -> Box<dyn Backend> {
    Box::new(SecretService::default())
}

#[derive(Default)]
struct SecretService {
    link: Option<Link>,
    /// Valid only for the sessions of `link`.
    found: HashMap<Key, OwnedObjectPath>,
    /// Items that the service of `link` signalled and that no later search found.
    others: HashSet<OwnedObjectPath>,
    /// Whether a secret was transferred intact over the encrypted session of `link`.
    proven: bool,
}

/// What identifies an item: the attributes searched by, and those that distinguish it from others.
type Key = [Vec<(String, String)>; 2];

impl Backend for SecretService {
    fn read(&mut self, asked: Asked<'_>) -> Result<Option<Secret>, VaultError> {
        self.repeat(asked.turn, |vault| vault.try_read(asked))
    }

    fn create(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        check_size(secret)?;
        for _ in 0..SESSIONS {
            let Some(path) = self.create_empty(asked)? else {
                self.disconnect();
                continue;
            };
            if self.fill(&path, asked, secret)? {
                self.found.insert(key(asked), path);
                return Ok(());
            }
            // If the service is gone, the path may belong to another item of its successor.
            if self.link.as_ref().is_none_or(Link::is_over) {
                return Err(Fault::gone_away().into_write_error(asked.turn));
            }
            self.remove_unfinished(&path);
            self.disconnect();
        }
        Err(VaultError::failed(NOT_KEPT))
    }

    fn write(&mut self, asked: Asked<'_>, secret: &[u8]) -> Result<(), VaultError> {
        check_size(secret)?;
        for _ in 0..SESSIONS {
            // Over a session that is not proven, read the old secret before it is overwritten.
            let found = match self.proven {
                true => self.repeat(asked.turn, |vault| vault.find(asked))?,
                false => match self.repeat(asked.turn, |vault| vault.try_read(asked)) {
                    Ok(None) => None,
                    Ok(Some(_)) | Err(VaultError::Unfinished) => {
                        self.repeat(asked.turn, |vault| vault.find(asked))?
                    }
                    Err(error) => return Err(error),
                },
            };
            let Some(path) = found else { return self.create(asked, secret) };
            let write = |link: &Link| link.set_secret(&path, asked, secret);
            let kept = match self.write_or_gone(asked.turn, write)? {
                None => false,
                Some(()) if self.proven => true,
                Some(()) => self.read_back(&path, asked, secret)?,
            };
            if kept {
                self.found.insert(key(asked), path);
                return Ok(());
            }
            self.disconnect();
        }
        Err(VaultError::failed(NOT_KEPT))
    }

    fn read_all(&mut self, asked: Asked<'_>) -> Result<Vec<Secret>, VaultError> {
        let secrets =
            self.repeat(asked.turn, |vault| search::secrets(vault.link(asked.turn)?, asked))?;
        if secrets.iter().any(|secret| !secret.is_empty()) {
            self.proven = true;
        }
        Ok(secrets)
    }

    fn delete(&mut self, asked: Asked<'_>) -> Result<bool, VaultError> {
        self.delete_all(asked, None)
    }

    fn delete_if(&mut self, asked: Asked<'_>, is_ours: IsOurs<'_>) -> Result<bool, VaultError> {
        self.delete_all(asked, Some(is_ours))
    }

    fn would_delete_if(
        &mut self,
        asked: Asked<'_>,
        is_ours: IsOurs<'_>,
    ) -> Result<bool, VaultError> {
        self.find_deletable(asked, Some(is_ours)).map(|paths| !paths.is_empty())
    }

    fn list(&mut self, asked: Asked<'_>) -> Result<Option<Vec<Listed>>, VaultError> {
        self.repeat(asked.turn, |vault| search::list(vault.link(asked.turn)?, asked))
    }

    fn unlock(&mut self, collection: &Collection, turn: &Turn) -> Result<(), VaultError> {
        self.repeat(turn, |vault| {
            let link = vault.link(turn)?;
            let path = link.collection(collection, turn)?;
            if !link.is_collection_locked(&path, turn)? {
                return Ok(());
            }
            if turn.may_prompt() {
                link.unlock(&path, turn)?;
            }
            locked_or_not(link.is_collection_locked(&path, turn)?)
        })
    }

    fn unlock_for(&mut self, asked: Asked<'_>) -> Result<(), VaultError> {
        let Asked { collection, item, turn } = asked;
        let is_found = self.repeat(turn, |vault| {
            let link = vault.link(turn)?;
            let found = link.search(&item.attributes, turn)?;
            match search::meant(link, asked, &found)? {
                Some(Meant::Locked(path)) => {
                    if turn.may_prompt() {
                        link.unlock_item(&path, turn)?;
                    }
                    locked_or_not(link.is_item_locked(&path, turn)?).map(|()| true)
                }
                found => Ok(found.is_some()),
            }
        })?;
        if is_found { Ok(()) } else { self.unlock(collection, turn) }
    }
}

fn locked_or_not(is_locked: bool) -> Result<(), Fault> {
    match is_locked {
        true => Err(VaultError::Locked { source: None }.into()),
        false => Ok(()),
    }
}

fn key(asked: Asked<'_>) -> Key {
    [asked.item.attributes.clone(), asked.item.unsearched.clone()]
}

fn check_size(secret: &[u8]) -> Result<(), VaultError> {
    match secret.len() {
        size if size > SECRET_LIMIT => Err(VaultError::TooLarge { size, limit: SECRET_LIMIT }),
        _ => Ok(()),
    }
}

/// How many other items are remembered.
const MAX_OTHERS: usize = 1000;
/// How many sessions are tried for one call.
const SESSIONS: usize = 3;
const NOT_KEPT: &str = "the vault did not keep the item, each time that it was tried";
const GONE_AGAIN: &str = "the vault removed the item again and again during the call";
