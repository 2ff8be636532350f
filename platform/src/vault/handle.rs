//! The one way to every vault: a handle, and the thread that serves it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::turn::Turn;
use super::worker::Worker;
use super::{
    Asked, Backend, Call, Collection, Item, KERNEL, KERNEL_KEYRING, Listed, OS, Place, Secret,
    VaultError,
};
use super::{memory, os, store};

/// A vault: where the operating system keeps small secrets for this user.
///
/// A handle is cheap, and making one does no I/O. All handles of a process share the vault's one
/// worker thread and its connection; in a forked child the first call makes new ones. Every call
/// returns within its deadline and a small grace (5 %, at most 250 ms). After a call that got no
/// answer, calls fail at once for as long as that call's deadline, at most 3 s, and as long as the
/// worker is stuck.
#[derive(Clone)]
pub struct Vault {
    name: &'static str,
    place: Arc<Place>,
    served_by: Served,
}

#[derive(Clone)]
enum Served {
    /// By the one thread of a vault that every process has.
    Everywhere(&'static Worker),
    /// By the thread of a store that the caller brought.
    Brought(Arc<Worker>),
    /// By the caller: nothing in memory can keep it waiting.
    Here(memory::Items),
}

impl Vault {
    /// The operating system's vault, default collection.
    pub fn os() -> Self {
        Self::os_at(Place::default())
    }

    /// The operating system's vault, at a place of the caller's choice.
    pub fn os_at(place: Place) -> Self {
        Self { name: os::NAME, place: Arc::new(place), served_by: Served::Everywhere(&OS) }
    }

    /// The kernel's keyring, on Linux: [`Collection::Default`] is the user's,
    /// [`Collection::Session`] the session's.
    ///
    /// Secrets lie in the kernel's memory and are gone after a reboot. The user's keyring lasts
    /// until the last process of the user has ended, the session's until that login session has;
    /// another login, over SSH for instance, has its own. Elsewhere every call is
    /// [`VaultError::NotBuilt`].
    pub fn kernel_keyring(collection: Collection) -> Self {
        let place = Place { collection, ..Place::default() };
        Self {
            name: KERNEL_KEYRING,
            place: Arc::new(place),
            served_by: Served::Everywhere(&KERNEL),
        }
    }

    /// Any store of keyring-core. Clones share one thread, so make one value a store.
    ///
    /// The deadlines hold for it too. Whether it prompts, which names it tells apart, and what its
    /// errors and log lines show is up to the store.
    pub fn store(store: Arc<keyring::CredentialStore>) -> Self {
        let worker = Worker::new(move || store::open(&store));
        let served_by = Served::Brought(Arc::new(worker));
        Self { name: store::NAME, place: Arc::default(), served_by }
    }

    /// A vault of its own in this process's memory. Clones share it.
    pub fn memory() -> Self {
        Self::remembering(memory::Items::default())
    }

    pub(super) fn remembering(items: memory::Items) -> Self {
        Self { name: memory::NAME, place: Arc::default(), served_by: Served::Here(items) }
    }

    /// What people call this vault.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The secret of `item`, `None` if the vault has no such item.
    ///
    /// On the Secret Service it is the item that libsecret takes: of those in all collections that
    /// are not locked, the first one that the service names, but that one with exactly these
    /// attributes goes before one with more. Its place is remembered: from the second read on, a
    /// read is one call over the bus.
    ///
    /// # Errors
    /// `Locked` if only locked items were found, if the only one with exactly these attributes is
    /// locked, or if none was found and the collection is locked in which one would be created;
    /// `Missing`, `ServiceMissing`, `TimedOut`, `Unfinished` and the others of [`VaultError`].
    pub fn read(&self, item: &Item, call: &Call) -> Result<Option<Secret>, VaultError> {
        let secret = self.ask(item, call, None, |vault, asked| vault.read(asked))?;
        match secret {
            Some(secret) if secret.is_empty() => Err(VaultError::Unfinished),
            secret => Ok(secret),
        }
    }

    /// The secrets of every unlocked item with the names of `item`, wherever it lies; equal ones
    /// once. Empty if there is none.
    ///
    /// On the Secret Service several items may have the same names, in one collection or in
    /// several. An item that is empty is left out beside one that is not. A locked collection of
    /// gnome-keyring tells hashes of what its items have, and hides none if no item has these.
    ///
    /// # Errors
    /// `Locked` if none was found and one is locked, or a collection that could hide one;
    /// `Unfinished` if each that was found is empty; `Missing`, `ServiceMissing`, `TimedOut` and
    /// the others of [`VaultError`].
    pub fn read_all(&self, item: &Item, call: &Call) -> Result<Vec<Secret>, VaultError> {
        let mut secrets = self.ask(item, call, None, |vault, asked| vault.read_all(asked))?;
        let was_found = !secrets.is_empty();
        secrets.retain(|secret| !secret.is_empty());
        match was_found && secrets.is_empty() {
            true => Err(VaultError::Unfinished),
            false => Ok(secrets),
        }
    }

    /// Every item of the service of `item` that is not locked, whatever its account; `None` where
    /// the vault cannot list.
    ///
    /// On the Secret Service these are the items that have all attributes of `item` but the one
    /// whose value is its account; that one names the account of each. Nothing prompts.
    ///
    /// # Errors
    /// `Locked` if none was found and one is locked, or a collection that could hide one;
    /// `ServiceMissing`, `TimedOut` and the others of [`VaultError`].
    pub fn list(&self, item: &Item, call: &Call) -> Result<Option<Vec<Listed>>, VaultError> {
        self.ask(item, call, None, |vault, asked| vault.list(asked))
    }

    /// Stores a new item and reads it back. Never replaces: an item with these names is `Exists`.
    ///
    /// # Errors
    /// `Exists`, `Locked`, `OutcomeUnknown`, `TooLarge` and the others of [`VaultError`]; an empty
    /// secret is `Failed`.
    pub fn create(&self, item: &Item, secret: &[u8], call: &Call) -> Result<(), VaultError> {
        let secret = not_empty(secret)?;
        self.ask(item, call, None, move |vault, asked| vault.create(asked, &secret))
    }

    /// Stores the secret of the item that [`read`](Self::read) reads, or of a new one if there is
    /// none; the label is that of its creation.
    ///
    /// `hold`, the guard of a file lock for instance, is dropped when the write has returned, not
    /// when the caller stops waiting: a late write cannot overwrite the next holder's work. A vault
    /// that hangs for ever keeps it until the process ends.
    ///
    /// # Errors
    /// `Locked`, `OutcomeUnknown`, `TooLarge` and the others of [`VaultError`]; an empty secret is
    /// `Failed`.
    pub fn write(
        &self,
        item: &Item,
        secret: &[u8],
        call: &Call,
        hold: Option<Box<dyn Send>>,
    ) -> Result<(), VaultError> {
        let secret = not_empty(secret)?;
        self.ask(item, call, hold, move |vault, asked| vault.write(asked, &secret))
    }

    /// Deletes `item`; `false` if there was none. An unfinished item is deleted too.
    ///
    /// On the Secret Service every item that has these attributes and no others is deleted, in each
    /// collection. If one of them is locked, none is.
    ///
    /// `hold` is kept as by [`write`](Self::write).
    ///
    /// # Errors
    /// `Locked`, `OutcomeUnknown` and the others of [`VaultError`].
    pub fn delete(
        &self,
        item: &Item,
        call: &Call,
        hold: Option<Box<dyn Send>>,
    ) -> Result<bool, VaultError> {
        self.ask(item, call, hold, |vault, asked| vault.delete(asked))
    }

    /// The same for the items alone whose secret `is_ours` accepts; `false` if there was none. It
    /// is given an empty secret where an item is unfinished, and runs on the vault's own thread.
    ///
    /// `hold` is kept as by [`write`](Self::write).
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_if(
        &self,
        item: &Item,
        call: &Call,
        hold: Option<Box<dyn Send>>,
        is_ours: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Result<bool, VaultError> {
        self.ask(item, call, hold, move |vault, asked| vault.delete_if(asked, &is_ours))
    }

    /// Whether [`delete_if`](Self::delete_if) would delete anything: looked at in the same way, so
    /// that what keeps it from deleting is known before. Nothing is deleted.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn would_delete_if(
        &self,
        item: &Item,
        call: &Call,
        is_ours: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Result<bool, VaultError> {
        self.ask(item, call, None, move |vault, asked| vault.would_delete_if(asked, &is_ours))
    }

    /// Reaches the vault, finds the collection and unlocks it: what must precede a lock, because
    /// only this call may prompt.
    ///
    /// # Errors
    /// `Locked` when it is locked and the call allows no prompt, `PromptDismissed`, `Missing`,
    /// `ServiceMissing`, `TimedOut`.
    pub fn unlock(&self, call: &Call) -> Result<(), VaultError> {
        self.run(call, None, |vault, place, turn| vault.unlock(place, turn))
    }

    /// The same for what a call about `item` needs: on the Secret Service the collection in which
    /// it lies, if only a locked one has it, or else the one in which it would be made.
    ///
    /// # Errors
    /// As [`unlock`](Self::unlock).
    pub fn unlock_for(&self, item: &Item, call: &Call) -> Result<(), VaultError> {
        self.ask(item, call, None, |vault, asked| vault.unlock_for(asked))
    }

    /// Which program serves the operating system's vault now; `None` if none runs, or the vault is
    /// no program of the user's. Starts nothing, and does not wait for the vault itself.
    ///
    /// # Errors
    /// `ServiceMissing` if there is no bus to ask, `TimedOut` if it did not answer within
    /// `deadline`. This runs on the calling thread, and a bus that accepts nobody keeps it longer.
    pub fn os_provider(deadline: Duration) -> Result<Option<Provider>, VaultError> {
        cfg_if::cfg_if! {
            if #[cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))] {
                let turn = Turn::new(&Call::quiet().within(deadline));
                // What a bus sends must end no thread of the caller's.
                super::worker::contained_here(|| super::secret_service::provider(&turn))
            } else {
                let _ = deadline;
                Ok(None)
            }
        }
    }

    /// The same vault behind a thread of its own, which ends with the last clone.
    ///
    /// On macOS it is this one: whether the system may ask is a switch of the process, so one call
    /// is made at a time.
    pub(super) fn again(&self) -> Self {
        if cfg!(target_os = "macos") {
            return self.clone();
        }
        let served_by = match &self.served_by {
            Served::Everywhere(worker) => Served::Brought(Arc::new(worker.another())),
            Served::Brought(worker) => Served::Brought(Arc::new(worker.another())),
            Served::Here(items) => Served::Here(items.clone()),
        };
        Self { served_by, ..self.clone() }
    }

    fn ask<T: Send + 'static>(
        &self,
        item: &Item,
        call: &Call,
        hold: Option<Box<dyn Send>>,
        job: impl FnOnce(&mut dyn Backend, Asked<'_>) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let item = item.clone();
        self.run(call, hold, move |vault, place, turn| {
            job(vault, Asked { place, item: &item, turn })
        })
    }

    fn run<T: Send + 'static>(
        &self,
        call: &Call,
        hold: Option<Box<dyn Send>>,
        job: impl FnOnce(&mut dyn Backend, &Place, &Turn) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let place = Arc::clone(&self.place);
        let worker = match &self.served_by {
            Served::Everywhere(worker) => worker,
            Served::Brought(worker) => &**worker,
            Served::Here(items) => return job(&mut items.clone(), &place, &Turn::new(call)),
        };
        worker.call(call, hold, move |vault, turn| job(vault, &place, turn))
    }
}

/// The program that serves a vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provider {
    /// Its process, where the system tells.
    pub pid: Option<u32>,
    /// The name of its program, where the system tells; Linux cuts it to 15 bytes.
    pub program: Option<String>,
}

fn not_empty(secret: &[u8]) -> Result<Secret, VaultError> {
    match secret {
        [] => Err(VaultError::failed("an empty secret would look like an unfinished item")),
        secret => Ok(Zeroizing::new(secret.to_vec())),
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.name).finish()
    }
}
