//! The Secret Service of Linux and the BSDs: gnome-keyring, KWallet, KeePassXC and others.
//!
//! Specification: <https://specifications.freedesktop.org/secret-service/>. One connection and one session are kept, and the
//! path of each item found, for as long as the service does not change: the bus tells when its name goes from its owner. So
//! the answers of one call are never mixed from two services, and no write goes by a path that another service gave.
//!
//! An item is created empty and then given its secret: `CreateItem` must be called by hand, because the crate would run any
//! prompt it returns, and only the crate's own session can encrypt. No secret crosses the bus in clear unless the
//! place asks for a plain session.
//!
//! What holds for every service and not only for the one it was seen with: an encrypted session may fail by the numbers drawn
//! for it (KWallet before 6.25 in one of a hundred), so another is opened, twice at most; and a locked service may answer
//! `GetSecret` with nothing and `SetSecret` without setting anything (KWallet), so an empty secret and a write count only
//! in an unlocked collection.

mod address;
mod bus;
mod fault;
mod link;
mod provider;
mod wire;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use zbus::zvariant::OwnedObjectPath;

use super::{Backend, Item, Place, Secret, Session, Turn, VaultError};
use fault::Fault;
use link::{Link, Prompt, SECRET_LIMIT};
pub(super) use provider::provider;

pub(super) const NAME: &str = "Secret Service";

pub(super) fn open() -> Box<dyn Backend> {
    Box::new(SecretService::default())
}

#[derive(Default)]
struct SecretService {
    link: Option<Link>,
    /// Valid for the sessions of `link` only.
    found: HashMap<(Place, Vec<(String, String)>), OwnedObjectPath>,
    /// Whether a secret came whole over the encrypted session of `link`.
    proven: bool,
}

impl Backend for SecretService {
    fn read(
        &mut self,
        place: &Place,
        item: &Item,
        turn: &Turn,
    ) -> Result<Option<Secret>, VaultError> {
        self.repeat(turn, |vault| vault.try_read(place, item, turn))
    }

    fn create(
        &mut self,
        place: &Place,
        item: &Item,
        secret: &[u8],
        turn: &Turn,
    ) -> Result<(), VaultError> {
        check_size(secret)?;
        for _ in 0..SESSIONS {
            // Sessions of a service that was replaced meanwhile may bear the names of the next one's.
            self.disconnect();
            let path = self.create_empty(place, item, turn)?;
            if self.fill(&path, place, secret, turn)? {
                self.found.insert((place.clone(), item.attributes.clone()), path);
                return Ok(());
            }
            self.remove_unfinished(&path);
        }
        Err(VaultError::failed(ANOTHER))
    }

    fn write(
        &mut self,
        place: &Place,
        item: &Item,
        secret: &[u8],
        turn: &Turn,
    ) -> Result<(), VaultError> {
        check_size(secret)?;
        for _ in 0..SESSIONS {
            // What is there is read over a session that is not proven, before it is given up.
            let found = match self.is_proven(place) {
                true => self.repeat(turn, |vault| vault.find(place, item, turn))?,
                false => match self.repeat(turn, |vault| vault.try_read(place, item, turn)) {
                    Ok(None) => None,
                    Ok(Some(_)) | Err(VaultError::Unfinished) => {
                        self.repeat(turn, |vault| vault.find(place, item, turn))?
                    }
                    Err(error) => return Err(error),
                },
            };
            let Some(path) = found else { return self.create(place, item, secret, turn) };
            let write = |link: &Link| link.set_secret(&path, secret, place.session);
            let kept = match self.write_or_gone(turn, write)? {
                None => false,
                Some(()) if self.is_proven(place) => self.took_effect(&path, turn)?,
                Some(()) => self.read_back(&path, place, secret, turn)?,
            };
            if kept {
                self.found.insert((place.clone(), item.attributes.clone()), path);
                return Ok(());
            }
            self.disconnect();
        }
        Err(VaultError::failed(GONE_AGAIN))
    }

    fn delete(&mut self, place: &Place, item: &Item, turn: &Turn) -> Result<bool, VaultError> {
        for _ in 0..SESSIONS {
            let path = self.repeat(turn, |vault| {
                let link = vault.link(place, turn)?;
                let collection = link.collection(&place.collection, turn)?;
                let path = only(link.search(&collection, item, turn)?)?;
                // Also asked when nothing was found: a locked collection cannot say that an item is absent.
                match link.is_locked(&collection, turn)? {
                    true => Err(VaultError::Locked { source: None }.into()),
                    false => Ok(path),
                }
            })?;
            self.found.remove(&(place.clone(), item.attributes.clone()));
            let Some(path) = path else { return Ok(false) };
            if self.write_or_gone(turn, |link| link.delete(&path))?.is_some() {
                return Ok(true);
            }
        }
        Err(VaultError::failed(GONE_AGAIN))
    }

    fn unlock(&mut self, place: &Place, turn: &Turn) -> Result<(), VaultError> {
        self.repeat(turn, |vault| {
            let link = vault.link(place, turn)?;
            let collection = link.collection(&place.collection, turn)?;
            if !link.is_locked(&collection, turn)? {
                return Ok(());
            }
            if turn.may_prompt() {
                link.unlock(&collection, place.session, turn)?;
            }
            match link.is_locked(&collection, turn)? {
                true => Err(VaultError::Locked { source: None }.into()),
                false => Ok(()),
            }
        })
    }
}

impl SecretService {
    fn create_empty(
        &mut self,
        place: &Place,
        item: &Item,
        turn: &Turn,
    ) -> Result<OwnedObjectPath, VaultError> {
        let collection = self.repeat(turn, |vault| {
            let link = vault.link(place, turn)?;
            let collection = link.collection(&place.collection, turn)?;
            if link.is_locked(&collection, turn)? {
                return Err(VaultError::Locked { source: None }.into());
            }
            match link.search(&collection, item, turn)?.len() {
                0 => link.prepare_creation(turn).map(|()| collection),
                _ => Err(VaultError::Exists.into()),
            }
        })?;
        match self.write_or_gone(turn, |link| link.create_empty(&collection, item))? {
            Some(path) => Ok(path),
            None => Err(VaultError::failed("the vault removed the collection during the call")),
        }
    }

    /// Gives the empty item its secret and reads it back; `false` if the session does not carry it whole.
    fn fill(
        &mut self,
        path: &OwnedObjectPath,
        place: &Place,
        secret: &[u8],
        turn: &Turn,
    ) -> Result<bool, VaultError> {
        match self.write_or_gone(turn, |link| link.set_secret(path, secret, place.session)) {
            Ok(Some(())) => self.read_back(path, place, secret, turn),
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
    fn read_back(
        &mut self,
        path: &OwnedObjectPath,
        place: &Place,
        secret: &[u8],
        turn: &Turn,
    ) -> Result<bool, VaultError> {
        match self.step(|vault| vault.linked()?.secret(path, place.session, turn)) {
            Ok(stored) if *stored == secret => {
                self.prove(place);
                Ok(true)
            }
            Ok(_) if place.session == Session::Plain => Err(VaultError::failed(ANOTHER)),
            Ok(_) | Err(Fault::Gone(_) | Fault::Mismatch(_)) => Ok(false),
            Err(fault) => Err(fault.into_error_after_write(turn)),
        }
    }

    /// Asked after a write, so that no lock can come between: a service that is locked may answer `SetSecret` as if it had
    /// set it. `false` if the item is gone.
    fn took_effect(&mut self, path: &OwnedObjectPath, turn: &Turn) -> Result<bool, VaultError> {
        match self.step(|vault| vault.linked()?.is_item_locked(path, turn)) {
            Ok(false) => Ok(true),
            Ok(true) => Err(VaultError::Locked { source: None }),
            Err(Fault::Gone(_) | Fault::Stale(_)) => Ok(false),
            Err(fault) => Err(fault.into_error_after_write(turn)),
        }
    }

    fn try_read(
        &mut self,
        place: &Place,
        item: &Item,
        turn: &Turn,
    ) -> Result<Option<Secret>, Fault> {
        let Some(path) = self.find(place, item, turn)? else { return Ok(None) };
        let link = self.linked()?;
        let secret = link.secret(&path, place.session, turn)?;
        if secret.is_empty() {
            let collection = link.collection(&place.collection, turn)?;
            return Err(match link.is_locked(&collection, turn)? {
                true => VaultError::Locked { source: None }.into(),
                false => VaultError::Unfinished.into(),
            });
        }
        self.prove(place);
        self.found.insert((place.clone(), item.attributes.clone()), path);
        Ok(Some(secret))
    }

    /// The path of `item`, without a call where it is known.
    fn find(
        &mut self,
        place: &Place,
        item: &Item,
        turn: &Turn,
    ) -> Result<Option<OwnedObjectPath>, Fault> {
        self.link(place, turn)?;
        if let Some(path) = self.found.get(&(place.clone(), item.attributes.clone())) {
            return Ok(Some(path.clone()));
        }
        let link = self.linked()?;
        let collection = link.collection(&place.collection, turn)?;
        match only(link.search(&collection, item, turn)?)? {
            Some(path) => Ok(Some(path)),
            None if link.is_locked(&collection, turn)? => {
                Err(VaultError::Locked { source: None }.into())
            }
            None => Ok(None),
        }
    }

    /// Steps that only read, again with another session if the service was replaced, an object vanished beneath them
    /// or the session is of no use.
    fn repeat<T>(
        &mut self,
        turn: &Turn,
        mut steps: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        for _ in 1..SESSIONS {
            match self.step(&mut steps) {
                // An unknown session and an unknown item go by the same name.
                Err(Fault::Gone(_) | Fault::Mismatch(_)) => self.disconnect(),
                Err(Fault::Stale(_) | Fault::Lost(_)) => {}
                other => return other.map_err(|fault| fault.into_error(turn)),
            }
            turn.remaining()?;
        }
        self.step(&mut steps).map_err(|fault| fault.into_error(turn))
    }

    /// A step that writes. Waited for until it returns; what the service would prompt for is `Locked`.
    /// `None` if the object to change is not there, the service does not know the session, or it is another than the one
    /// that was asked before: nothing was written.
    fn write_or_gone<T>(
        &mut self,
        turn: &Turn,
        step: impl FnOnce(&Link) -> Result<Prompt<T>, Fault>,
    ) -> Result<Option<T>, VaultError> {
        let write = |vault: &mut Self| match vault.linked()? {
            link if link.is_over() => Err(Fault::Stale(not_connected())),
            link => step(link),
        };
        match turn.write(|| self.step(write)) {
            Ok(Prompt::NotNeeded(value)) => Ok(Some(value)),
            Ok(Prompt::Needed(prompt)) => {
                let dismissed = self.step(|vault| vault.linked()?.dismiss(&prompt, cleanup_end()));
                drop(dismissed);
                Err(VaultError::Locked { source: None })
            }
            Err(Fault::Gone(_) | Fault::Stale(_)) => {
                self.found.clear();
                Ok(None)
            }
            Err(fault) => Err(fault.into_write_error(turn)),
        }
    }

    /// Takes back what `create` could not finish. May run after the deadline, when nobody waits any more; waited for like every
    /// write, because it must not remove what the next holder of a lock has stored in the same item.
    fn remove_unfinished(&mut self, path: &OwnedObjectPath) {
        let removed = self.step(|vault| match vault.linked()?.delete(path)? {
            Prompt::NotNeeded(()) => Ok(()),
            Prompt::Needed(prompt) => vault.linked()?.dismiss(&prompt, cleanup_end()),
        });
        drop(removed);
    }

    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let result = step(self);
        if result.as_ref().is_err_and(Fault::ends_connection) {
            self.disconnect();
        }
        result
    }

    fn is_proven(&self, place: &Place) -> bool {
        self.proven || place.session == Session::Plain
    }

    fn prove(&mut self, place: &Place) {
        self.proven |= place.session == Session::Encrypted;
    }

    fn disconnect(&mut self) {
        self.link = None;
        self.found.clear();
        self.proven = false;
    }

    fn link(&mut self, place: &Place, turn: &Turn) -> Result<&mut Link, Fault> {
        if self.link.as_ref().is_none_or(Link::is_over) {
            self.disconnect();
            self.link = Some(Link::connect(turn)?);
        }
        let link = self.link.as_mut().expect("it was set right above");
        link.open(place.session, turn)?;
        Ok(link)
    }

    /// The link that an earlier step of the same chain made.
    fn linked(&self) -> Result<&Link, Fault> {
        self.link.as_ref().ok_or_else(|| Fault::Lost(not_connected()))
    }
}

fn check_size(secret: &[u8]) -> Result<(), VaultError> {
    match secret.len() {
        size if size > SECRET_LIMIT => Err(VaultError::TooLarge { size, limit: SECRET_LIMIT }),
        _ => Ok(()),
    }
}

fn not_connected() -> zbus::Error {
    std::io::Error::from(std::io::ErrorKind::NotConnected).into()
}

fn only(mut paths: Vec<OwnedObjectPath>) -> Result<Option<OwnedObjectPath>, VaultError> {
    match paths.len() {
        0 | 1 => Ok(paths.pop()),
        _ => Err(VaultError::Ambiguous),
    }
}

fn cleanup_end() -> Instant {
    Instant::now() + Duration::from_millis(250)
}

/// Sessions that are tried for one call.
const SESSIONS: usize = 3;
const ANOTHER: &str = "the vault gave back something else than was stored";
const GONE_AGAIN: &str = "the vault removed the item again and again during the call";
