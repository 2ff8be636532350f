//! Manages the connection, and decides which steps are retried over another one. Writes are never
//! retried.

use std::time::{Duration, Instant};

use zbus::zvariant::OwnedObjectPath;

use super::error::Fault;
use super::service::{Link, Prompt};
use super::{SESSIONS, SecretService};
use crate::vault::{Turn, VaultError};

impl SecretService {
    /// Runs steps that only read. Retries them with another session if the service was replaced, an
    /// object vanished, or the session is unusable.
    pub(super) fn repeat<T>(
        &mut self,
        turn: &Turn,
        mut steps: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        for _ in 1..SESSIONS {
            match self.step(&mut steps) {
                // The service reports an unknown session and an unknown item with the same error.
                Err(Fault::Gone(_) | Fault::Mismatch(_)) => self.disconnect(),
                // `step` has already disconnected.
                Err(Fault::Stale(_) | Fault::Lost(_)) => {}
                other => return other.map_err(|fault| fault.into_error(turn)),
            }
            turn.remaining()?;
        }
        self.step(&mut steps).map_err(|fault| fault.into_error(turn))
    }

    /// Runs a step that writes, and waits until it returns. If the service wants a prompt, the
    /// result is `Locked`. Returns `None` if nothing was written: the object does not exist, the
    /// session is unknown, or the service was replaced.
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
            // A prompt that is left open would stay on the user's screen.
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

    /// Removes an item that `create` could not finish. May run after the deadline, when the caller
    /// is gone. It waits like any write, because a late removal could delete what the next lock
    /// holder has stored in the same item.
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

    pub(super) fn disconnect(&mut self) {
        self.link = None;
        self.found.clear();
        self.others.clear();
        self.proven = false;
    }

    pub(super) fn link(&mut self, turn: &Turn) -> Result<&mut Link, Fault> {
        if self.link.as_ref().is_none_or(Link::is_over) {
            self.disconnect();
            self.link = Some(Link::connect(turn)?);
        }
        let link = self.link.as_mut().expect("it was set right above");
        link.open(turn)?;
        Ok(link)
    }

    /// The link that an earlier step of the same call made.
    pub(super) fn linked(&self) -> Result<&Link, Fault> {
        self.link.as_ref().ok_or_else(|| Fault::Lost(not_connected()))
    }
}

fn not_connected() -> zbus::Error {
    std::io::Error::from(std::io::ErrorKind::NotConnected).into()
}

// The deadline of the call may have passed already.
fn cleanup_end() -> Instant {
    Instant::now() + Duration::from_millis(250)
}
