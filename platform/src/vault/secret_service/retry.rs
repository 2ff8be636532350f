//! How the connection is kept: when steps are repeated over another one, and when a write is not.

use std::time::{Duration, Instant};

use zbus::zvariant::OwnedObjectPath;

use super::error::Fault;
use super::service::{Link, Prompt};
use super::{SESSIONS, SecretService};
use crate::vault::{Place, Session, Turn, VaultError};

impl SecretService {
    /// Steps that only read, again with another session if the service was replaced, an object
    /// vanished beneath them or the session is of no use.
    pub(super) fn repeat<T>(
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

    /// A step that writes. Waited for until it returns; what the service would prompt for is
    /// `Locked`. `None` if the object to change is not there, the service does not know the
    /// session, or it is another than the one that was asked before: nothing was written.
    pub(super) fn write_or_gone<T>(
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

    /// Takes back what `create` could not finish. May run after the deadline, when nobody waits any
    /// more; waited for like every write, because it must not remove what the next holder of a lock
    /// has stored in the same item.
    pub(super) fn remove_unfinished(&mut self, path: &OwnedObjectPath) {
        let removed = self.step(|vault| match vault.linked()?.delete(path)? {
            Prompt::NotNeeded(()) => Ok(()),
            Prompt::Needed(prompt) => vault.linked()?.dismiss(&prompt, cleanup_end()),
        });
        drop(removed);
    }

    pub(super) fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let result = step(self);
        if result.as_ref().is_err_and(Fault::ends_connection) {
            self.disconnect();
        }
        result
    }

    pub(super) fn is_proven(&self, place: &Place) -> bool {
        self.proven || place.session == Session::Plain
    }

    pub(super) fn prove(&mut self, place: &Place) {
        self.proven |= place.session == Session::Encrypted;
    }

    pub(super) fn disconnect(&mut self) {
        self.link = None;
        self.found.clear();
        self.others.clear();
        self.proven = false;
    }

    pub(super) fn link(&mut self, place: &Place, turn: &Turn) -> Result<&mut Link, Fault> {
        if self.link.as_ref().is_none_or(Link::is_over) {
            self.disconnect();
            self.link = Some(Link::connect(turn)?);
        }
        let link = self.link.as_mut().expect("it was set right above");
        link.open(place.session, turn)?;
        Ok(link)
    }

    /// The link that an earlier step of the same chain made.
    pub(super) fn linked(&self) -> Result<&Link, Fault> {
        self.link.as_ref().ok_or_else(|| Fault::Lost(not_connected()))
    }
}

fn not_connected() -> zbus::Error {
    std::io::Error::from(std::io::ErrorKind::NotConnected).into()
}

fn cleanup_end() -> Instant {
    Instant::now() + Duration::from_millis(250)
}
