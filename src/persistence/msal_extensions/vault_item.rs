//! The cache as one item of the operating system's vault, and the file that is touched at each
//! change.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokenkeep_platform::{
    file::{self, Folder, Parents, SignalFile},
    vault::{Call, FINDS_BY_ATTRIBUTES, Item, Vault, VaultError},
};
use zeroize::Zeroizing;

use super::{Found, ItemEncoding, MsalExtensionsLocation};
use crate::{
    Error, Interaction,
    lock::LockGuard,
    persistence::{Stamp, location::FileLocation},
};

#[derive(Debug)]
pub(super) struct VaultItem {
    vault: Vault,
    item: Item,
    encoding: ItemEncoding,
}

impl VaultItem {
    pub(super) fn new(identity: &MsalExtensionsLocation) -> Self {
        let encoding =
            if FINDS_BY_ATTRIBUTES { identity.item_encoding() } else { ItemEncoding::Raw };
        Self {
            vault: Vault::os_in(identity.collection_of_vault()),
            item: identity.item(),
            encoding,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.vault.name()
    }

    /// Unlocks the vault if a prompt is allowed. Otherwise the call that follows reports that it is
    /// locked.
    pub(super) fn prepare(&self, interaction: Interaction) -> Result<(), Error> {
        match interaction {
            Interaction::Never => Ok(()),
            Interaction::Allow { deadline } => self
                .vault
                .unlock_for(&self.item, &Call::prompting().within(deadline))
                .map_err(|error| self.failed(error)),
        }
    }

    pub(super) fn read(&self) -> Result<Found, Error> {
        let content = match self.vault.read(&self.item, &Call::quiet()) {
            Ok(None) => return Ok(Found::Absent),
            Ok(Some(content)) => content,
            Err(VaultError::Unfinished) => return Ok(Found::Empty),
            Err(error) => return Err(self.failed(error)),
        };
        Ok(Found::Content(match self.encoding {
            ItemEncoding::Raw => content,
            ItemEncoding::Base64 => {
                Zeroizing::new(STANDARD.decode(content).map_err(|_| Error::Corrupt {
                    what: format!("the cache in the {}", self.vault.name()),
                    detail: "it is not in base64".into(),
                    source: None,
                })?)
            }
        }))
    }

    /// Writes to the vault once. The lock is held until the write has returned, even if its caller
    /// no longer waits for it.
    pub(super) fn write(
        &self,
        content: &[u8],
        place: &FileLocation,
        signal: bool,
        guard: &LockGuard,
    ) -> Result<(), Error> {
        let encoded;
        let secret = match self.encoding {
            ItemEncoding::Base64 => {
                encoded = Zeroizing::new(STANDARD.encode(content));
                encoded.as_bytes()
            }
            ItemEncoding::Raw if content.contains(&0) || str::from_utf8(content).is_err() => {
                // Other programs read the item as a text that ends at a NUL.
                let detail =
                    "the content is not a text without NUL, and this item keeps one".into();
                return Err(Error::Invalid { detail });
            }
            ItemEncoding::Raw => content,
        };
        self.change(place, signal, guard, |guard| {
            self.vault.write_any(&self.item, secret, &Call::quiet(), Some(guard))
        })
    }

    pub(super) fn delete(
        &self,
        place: &FileLocation,
        signal: bool,
        guard: &LockGuard,
    ) -> Result<(), Error> {
        self.change(place, signal, guard, |guard| {
            self.vault.delete(&self.item, &Call::quiet(), Some(guard)).map(drop)
        })?;
        if !signal {
            return Ok(());
        }
        let Some(folder) = Folder::open_shared(&place.folder)? else { return Ok(()) };
        let Some(file) = folder.open_file(&place.name)? else { return Ok(()) };
        // Some programs leave a cache in plain text under the same name, which must not be removed.
        if matches!(&**file.read_head(3)?, b"" | b"{}") {
            // Closed first: Windows may keep the name of an open file.
            drop(file);
            folder.remove(&place.name)?;
        }
        Ok(())
    }

    /// Whether a write would find the vault unlocked now. Never prompts.
    pub(super) fn check_unlocked(&self) -> Result<(), Error> {
        let unlocked = self.vault.unlock_for(&self.item, &Call::quiet());
        unlocked.map_err(|error| self.failed(error))
    }

    pub(super) fn verify(&self) -> Result<(), Error> {
        self.vault.probe(&Call::quiet()).map(drop).map_err(|error| self.failed(error))
    }

    /// Only a hint: without a signal file, or with one that no program touches, the vault must be
    /// asked.
    pub(super) fn hint(&self, place: &FileLocation, signal: bool) -> Result<Stamp, Error> {
        let stamp = if signal { file::stamp(&place.path)? } else { None };
        Ok(stamp.map_or_else(Stamp::unlike_any, Stamp::of_file))
    }

    /// Changes the item and touches the signal file. The file is opened first, so that nothing is
    /// written if it cannot be touched.
    fn change(
        &self,
        place: &FileLocation,
        signal: bool,
        guard: &LockGuard,
        write: impl FnOnce(Box<dyn Send>) -> Result<(), VaultError>,
    ) -> Result<(), Error> {
        let signal = match signal {
            true => {
                let folder = Folder::create_shared(&place.folder, Parents::Create)?;
                Some(Arc::new(folder.signal(&place.name)?))
            }
            false => None,
        };
        let given_up = Arc::new(AtomicBool::new(false));
        let late =
            Late { signal: signal.clone(), given_up: Arc::clone(&given_up), _guard: guard.clone() };
        let written = write(Box::new(late));
        // Before the touch below, so that at least one touch follows a write that returns late.
        given_up.store(written.is_err(), Ordering::SeqCst);
        // The item may have changed in these cases too: a vault that is locked right after a write
        // reports that, and what a vault gave back may be another program's.
        let may_have_changed = match &written {
            Ok(()) => true,
            Err(error) => matches!(
                error,
                VaultError::OutcomeUnknown { .. }
                    | VaultError::Locked { .. }
                    | VaultError::Failed { .. }
            ),
        };
        if may_have_changed {
            // The error is ignored: a file that could be opened for writing can be touched.
            signal.map(|signal| signal.touch().ok());
        }
        written.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: VaultError) -> Error {
        Error::from_vault(self.vault.name(), error)
    }
}

/// Dropped when a write has returned. Touches the signal file if the caller gave up, and then
/// releases the lock.
struct Late {
    signal: Option<Arc<SignalFile>>,
    given_up: Arc<AtomicBool>,
    _guard: LockGuard,
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(signal) = &self.signal
            && self.given_up.load(Ordering::SeqCst)
        {
            signal.touch().ok();
        }
    }
}
