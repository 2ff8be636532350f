//! The handle through which every vault is called.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::turn::Turn;
use super::worker::Worker;
use super::{
    Asked, Backend, Call, Collection, Item, KERNEL, KERNEL_KEYRING, Listed, OS, Secret, VaultError,
};
use super::{Provider, memory, os, store};

/// A vault: the operating system's store for this user's small secrets.
///
/// A handle is cheap, and creating one does no I/O. All handles of a process share the vault's
/// single worker thread and its connection. In a forked child the first call creates new ones.
///
/// Every call returns within its deadline plus a small grace period (5 %, at most 250 ms). After a
/// call that got no answer, calls fail immediately for the length of that call's deadline, at most
/// 3 s, and as long as the worker is stuck.
#[derive(Clone)]
pub struct Vault {
    name: &'static str,
    collection: Arc<Collection>,
    served_by: Served,
}

#[derive(Clone)]
enum Served {
    /// By the process-wide thread of a system vault.
    Everywhere(&'static Worker),
    /// By the thread of a store that the caller provided.
    Brought(Arc<Worker>),
    /// On the calling thread: memory never blocks.
    Here(memory::Items),
}

impl Vault {
    /// The operating system's vault with its default collection.
    pub fn os() -> Self {
        Self::os_in(Collection::Default)
    }

    /// The operating system's vault, with new items in this collection.
    pub fn os_in(collection: Collection) -> Self {
        Self {
            name: os::NAME,
            collection: Arc::new(collection),
            served_by: Served::Everywhere(&OS),
        }
    }

    /// The kernel's keyring, on Linux. [`Collection::Default`] is the user keyring,
    /// [`Collection::Session`] the session keyring.
    ///
    /// Secrets are kept in kernel memory and are lost at a reboot. The user keyring lasts until the
    /// user's last process has ended, the session keyring until its login session has. Each login,
    /// for instance over SSH, has its own session keyring. On other systems every call returns
    /// [`VaultError::NotBuilt`].
    pub fn kernel_keyring(collection: Collection) -> Self {
        let collection = Arc::new(collection);
        Self { name: KERNEL_KEYRING, collection, served_by: Served::Everywhere(&KERNEL) }
    }

    /// Any keyring-core store. Clones share one thread, so create one value per store.
    ///
    /// The deadlines apply to it too. Whether it prompts, which names it distinguishes, and what
    /// its errors and log lines contain depends on the store.
    pub fn store(store: Arc<keyring::CredentialStore>) -> Self {
        let worker = Worker::new(move || store::open(&store));
        let served_by = Served::Brought(Arc::new(worker));
        Self { name: store::NAME, collection: Arc::default(), served_by }
    }

    /// A new vault in this process's memory. Clones share it.
    pub fn memory() -> Self {
        Self::remembering(memory::Items::default())
    }

    pub(super) fn remembering(items: memory::Items) -> Self {
        Self { name: memory::NAME, collection: Arc::default(), served_by: Served::Here(items) }
    }

    /// The name of this vault as shown to users.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reads the secret of `item`. Returns `None` if the vault has no such item.
    ///
    /// On the Secret Service this is the item that libsecret chooses: the first unlocked match of
    /// all collections, in the order of the service. One rule differs: an item with exactly these
    /// attributes precedes one with more. The path is remembered, so later reads are one call over
    /// the bus.
    ///
    /// # Errors
    /// `Locked` if only locked items were found, if the only one with exactly these attributes is
    /// locked, or if none was found and the collection for new items is locked; `Missing`,
    /// `ServiceMissing`, `TimedOut`, `Unfinished` and the others of [`VaultError`].
    pub fn read(&self, item: &Item, call: &Call) -> Result<Option<Secret>, VaultError> {
        let secret = self.ask(item, call, None, |vault, asked| vault.read(asked))?;
        match secret {
            Some(secret) if secret.is_empty() => Err(VaultError::Unfinished),
            secret => Ok(secret),
        }
    }

    /// Reads the distinct secrets of all unlocked items with the names of `item`, in any
    /// collection. Empty if there is none.
    ///
    /// On the Secret Service several items may have the same names, in one collection or in
    /// several. An empty item is ignored if there is one that is not empty. A locked collection of
    /// gnome-keyring reports hashes of its items' attributes, so it hides nothing if none of them
    /// matches.
    ///
    /// # Errors
    /// `Locked` if none was found and an item is locked, or a collection that could hide one;
    /// `Unfinished` if every item found is empty; `Missing`, `ServiceMissing`, `TimedOut` and the
    /// others of [`VaultError`].
    pub fn read_all(&self, item: &Item, call: &Call) -> Result<Vec<Secret>, VaultError> {
        let mut secrets = self.ask(item, call, None, |vault, asked| vault.read_all(asked))?;
        let was_found = !secrets.is_empty();
        secrets.retain(|secret| !secret.is_empty());
        match was_found && secrets.is_empty() {
            true => Err(VaultError::Unfinished),
            false => Ok(secrets),
        }
    }

    /// Lists every unlocked item of the service of `item`, whatever its account. Returns `None` if
    /// the vault cannot list.
    ///
    /// On the Secret Service these are the items that have all attributes of `item`, except the one
    /// whose value is its account. That attribute gives the account of each item. Never prompts.
    ///
    /// # Errors
    /// `Locked` if none was found and an item is locked, or a collection that could hide one;
    /// `ServiceMissing`, `TimedOut` and the others of [`VaultError`].
    pub fn list(&self, item: &Item, call: &Call) -> Result<Option<Vec<Listed>>, VaultError> {
        self.ask(item, call, None, |vault, asked| vault.list(asked))
    }

    /// Stores a new item and reads it back. Never replaces: an existing item with these names is
    /// `Exists`.
    ///
    /// # Errors
    /// `Exists`, `Locked`, `OutcomeUnknown`, `TooLarge` and the others of [`VaultError`]; an empty
    /// secret is `Failed`.
    pub fn create(&self, item: &Item, secret: &[u8], call: &Call) -> Result<(), VaultError> {
        let secret = not_empty(secret)?;
        self.ask(item, call, None, move |vault, asked| vault.create(asked, &secret))
    }

    /// Stores the secret of the item that [`read`](Self::read) reads, or of a new one if there is
    /// none. An existing item keeps its label.
    ///
    /// `hold`, for instance the guard of a file lock, is dropped when the write returns, not when
    /// the caller stops waiting. So a late write cannot overwrite the work of the next lock holder.
    /// A vault that hangs forever keeps it until the process ends.
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

    /// As [`write`](Self::write), but takes an empty secret, too. [`read`](Self::read) reports one
    /// as `Unfinished`: it cannot be told from an item whose creation was interrupted.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_any(
        &self,
        item: &Item,
        secret: &[u8],
        call: &Call,
        hold: Option<Box<dyn Send>>,
    ) -> Result<(), VaultError> {
        let secret = Zeroizing::new(secret.to_vec());
        self.ask(item, call, hold, move |vault, asked| vault.write(asked, &secret))
    }

    /// Deletes `item`. Returns `false` if there was none. An unfinished item is deleted too.
    ///
    /// On the Secret Service every item with exactly these attributes is deleted, in each
    /// collection. If one of them is locked, none is deleted.
    ///
    /// `hold` is kept as in [`write`](Self::write).
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

    /// As [`delete`](Self::delete), but only for items whose secret `is_ours` accepts. Returns
    /// `false` if there was none. `is_ours` gets an empty secret for an unfinished item, and runs
    /// on the vault's thread.
    ///
    /// `hold` is kept as in [`write`](Self::write).
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

    /// Whether [`delete_if`](Self::delete_if) would delete anything. It makes the same checks, so a
    /// reason why a deletion would fail shows beforehand. Deletes nothing.
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

    /// Connects to the vault, finds the collection and unlocks it. Call it before taking a lock,
    /// because only this call may prompt.
    ///
    /// # Errors
    /// `Locked` if it is locked and the call allows no prompt; `PromptDismissed`, `Missing`,
    /// `ServiceMissing`, `TimedOut`.
    pub fn unlock(&self, call: &Call) -> Result<(), VaultError> {
        self.run(call, None, |vault, collection, turn| vault.unlock(collection, turn))
    }

    /// As [`unlock`](Self::unlock), for what a call about `item` needs. On the Secret Service this
    /// is the locked collection that holds the item, or else the collection for new items.
    ///
    /// # Errors
    /// As [`unlock`](Self::unlock).
    pub fn unlock_for(&self, item: &Item, call: &Call) -> Result<(), VaultError> {
        self.ask(item, call, None, |vault, asked| vault.unlock_for(asked))
    }

    /// The program that serves the operating system's vault. Returns `None` if none is running, or
    /// the vault is not a program of the user. Starts nothing, and does not wait for the vault
    /// itself.
    ///
    /// # Errors
    /// `ServiceMissing` if there is no bus to ask, `TimedOut` if it did not answer within
    /// `deadline`. This runs on the calling thread. A bus that does not accept connections may
    /// block longer than `deadline`.
    pub fn os_provider(deadline: Duration) -> Result<Option<Provider>, VaultError> {
        cfg_if::cfg_if! {
            if #[cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))] {
                let turn = Turn::new(&Call::quiet().within(deadline));
                // A panic over what the bus sends must not end the caller's thread.
                super::worker::contained_here(|| super::secret_service::provider(&turn))
            } else {
                let _ = deadline;
                Ok(None)
            }
        }
    }

    /// The same vault with a new thread, which ends with the last clone.
    ///
    /// On macOS it returns this handle: whether the system may prompt is a process-wide switch, so
    /// only one call is made at a time.
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
        self.run(call, hold, move |vault, collection, turn| {
            job(vault, Asked { collection, item: &item, turn })
        })
    }

    fn run<T: Send + 'static>(
        &self,
        call: &Call,
        hold: Option<Box<dyn Send>>,
        job: impl FnOnce(&mut dyn Backend, &Collection, &Turn) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let collection = Arc::clone(&self.collection);
        let worker = match &self.served_by {
            Served::Everywhere(worker) => worker,
            Served::Brought(worker) => &**worker,
            Served::Here(items) => return job(&mut items.clone(), &collection, &Turn::new(call)),
        };
        worker.call(call, hold, move |vault, turn| job(vault, &collection, turn))
    }
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
