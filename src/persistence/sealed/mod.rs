//! The sealed layout: ciphertext in a file, its key elsewhere.
//!
//! This file has the order of the steps and the count of saves. `file` reads and writes the
//! ciphertext, `keys` finds its key, `history` detects a rollback, and `removal` removes the files
//! and then the keys.

mod builder;
mod file;
mod history;
mod keys;
mod removal;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokenkeep_platform::{
    file::{Parents, real_path},
    text::shown_path,
};

pub use self::builder::SealedPersistenceBuilder;
pub(super) use self::file::file_naming;
use self::{
    file::{FILE_NAME, Plan, SET_ASIDE, SealedFile, is_same_save},
    history::History,
    keys::StoreKeys,
    removal::Removal,
};
use super::{
    Intent, Loaded, Persistence, Protection, Reservation, Saved, Stamp,
    key_source::{KeySourceList, NewKey, random_key_id},
    set_aside::set_aside,
};
use crate::{
    Error, Secret,
    lock::{CrossProcessLock, LockGuard},
    seal::Authenticated,
};

/// A cache sealed with authenticated encryption, in a folder of its own.
///
/// The file `cache.sealed` holds the ciphertext. Each save replaces it as a whole and durably. Its
/// key is in the key source. FORMAT.md describes the file byte by byte.
///
/// A file that cannot be decrypted is a typed error and stays as it is. No new key is ever created
/// for it.
pub struct SealedPersistence {
    file: SealedFile,
    keys: StoreKeys,
    history: Arc<History>,
}

impl SealedPersistence {
    /// Starts with the defaults: the user's data folder, a key in the operating system's vault, no
    /// prompts, 16 MiB.
    ///
    /// `name` identifies the store: letters, digits, `.`, `_` and `-`, at most 100 characters. It
    /// is bound into the ciphertext, so a cache does not open under another name.
    pub fn builder(name: impl Into<String>) -> SealedPersistenceBuilder {
        SealedPersistenceBuilder::new(name.into())
    }

    fn new(
        store: String,
        folder: PathBuf,
        parents: Parents,
        keys: KeySourceList,
        size_limit: u64,
    ) -> Self {
        let real_folder = real_path(&folder).unwrap_or_else(|_| folder.clone());
        let history = History::of(real_folder, &store);
        let file = SealedFile::new(store, folder, parents, size_limit);
        Self { file, keys: StoreKeys::new(keys), history }
    }

    /// The folder that holds the cache and its lock files.
    pub fn folder(&self) -> &Path {
        self.file.folder()
    }

    /// The names of the chosen key sources, in their order. [`Protection::Sealed`] uses the same
    /// names.
    pub fn key_sources(&self) -> Vec<&'static str> {
        self.keys.sources.names()
    }

    /// The name of the key source that sealed the cache; `None` if there is no cache. Only the
    /// cache's header is read: no source is reached, and the user is not asked.
    ///
    /// # Errors
    /// [`Error::OtherBackend`] if that source is not one of the chosen ones. Any error of reading
    /// the header.
    pub fn key_source_in_use(&self) -> Result<Option<&'static str>, Error> {
        let Some(file) = self.file.open()? else { return Ok(None) };
        self.keys.header_of(&self.file, &file)?;
        Ok(Some(self.keys.sources.name()))
    }

    /// Reaches the key source that is or will be in use, and unlocks it if that is allowed.
    pub(crate) fn reach(&self) -> Result<(), Error> {
        let Some(file) = self.file.open()? else { return self.keys.sources.reach_first() };
        match self.keys.header_of(&self.file, &file) {
            Ok(_) => {
                drop(file);
                self.keys.sources.reach()
            }
            // The first use reports this error. Opening succeeds, so that the cache can be set
            // aside.
            Err(_) => Ok(()),
        }
    }

    /// The next save of a cache that exists; `None` if its key is not known.
    fn plan_update(&self, base: &Authenticated) -> Result<Option<Plan>, Error> {
        let generation = base.generation.checked_add(1).ok_or_else(|| Error::Corrupt {
            what: format!("`{}`", shown_path(self.file.path())),
            detail: "its count of saves is used up".into(),
            source: None,
        })?;
        Ok(self.keys.known(&base.key_id).map(|key| Plan {
            key,
            key_id: base.key_id,
            parameters: base.parameters.clone(),
            identity: base.identity,
            generation,
        }))
    }

    /// The first save of a cache; `None` if there is no key for it.
    fn plan_creation(&self) -> Result<Option<Plan>, Error> {
        let Some(new_key) = self.keys.take_new_key(&self.file)? else { return Ok(None) };
        Ok(Some(Plan {
            key: new_key.key,
            key_id: new_key.id,
            parameters: new_key.parameters,
            identity: *random_key_id()?.as_bytes(),
            generation: 1,
        }))
    }
}

impl Persistence for SealedPersistence {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        if intent != Intent::Read {
            self.file.create_folder()?;
        }
        if intent == Intent::Verify {
            // Not under the lock, because a source may ask the user.
            match self.key_source_in_use()? {
                Some(_) => self.keys.sources.verify()?,
                None => self.keys.sources.verify_first()?,
            }
        }
        let now = self.file.stamp()?;
        if now.is_some_and(|now| self.keys.is_prepared(&now)) {
            return Ok(());
        }
        let Some(file) = self.file.open()? else {
            return match intent {
                Intent::Write => self.keys.prepare_new(&self.file),
                Intent::Read | Intent::Verify => Ok(()),
            };
        };
        let (header, stamp) = (self.keys.header_of(&self.file, &file)?, file.stamp());
        // Close the file: the key source may be slow, and an open file may block a writer.
        drop(file);
        self.keys.prepare(&self.file, header, stamp)
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        let before = self.history.seen();
        let Some(file) = self.file.open()? else {
            self.history.absent(&before);
            return Ok(Loaded::Absent);
        };
        if let Some(known) = known.and_then(Stamp::sealed)
            && is_same_save(&file, known)?
        {
            // An unchanged header does not rule out a rollback: the same file may have been put
            // back.
            before.check(self.file.path(), known)?;
            return Ok(Loaded::Unchanged(Stamp::of_sealed(file.stamp(), known.clone())));
        }
        // Read once: the header must come from the same bytes that are decrypted.
        let bytes = self.file.read(&file)?;
        let header = self.file.header(&bytes, bytes.len() as u64)?;
        let key_id = self.keys.choose(&self.file, header)?.key_id;
        let Some(key) = self.keys.known(&key_id) else { return Ok(Loaded::NeedsPrepare) };
        let (header, content) = self.file.unseal(bytes, &key)?;
        before.check(self.file.path(), &header)?;
        self.history.found(&before, &header);
        Ok(Loaded::Content(Secret::wiped(content), Stamp::of_sealed(file.stamp(), header)))
    }

    fn save(
        &self,
        content: &[u8],
        base: Option<&Stamp>,
        _guard: &LockGuard,
    ) -> Result<Saved, Error> {
        let plan = match base.and_then(Stamp::sealed) {
            Some(header) => self.plan_update(header)?,
            None => self.plan_creation()?,
        };
        let Some(plan) = plan else { return Ok(Saved::NeedsPrepare) };
        match self.file.write(&plan, content) {
            Ok((stamp, header)) => {
                self.keys.saved(plan.key_id, plan.key, stamp.clone());
                self.history.found(&self.history.seen(), &header);
                Ok(Saved::Done(Stamp::of_sealed(stamp, header)))
            }
            Err(error) => {
                // The key is kept for the next try, but not after `DurabilityUnknown`: the file
                // exists and names it.
                if base.is_none() && !matches!(error, Error::DurabilityUnknown { .. }) {
                    let Plan { key, key_id: id, parameters, .. } = plan;
                    self.keys.keep_new_key(&self.file, NewKey { id, key, parameters });
                }
                Err(error)
            }
        }
    }

    fn confirm(&self) -> Result<(), Error> {
        Ok(self.file.open_folder()?.map_or(Ok(()), |folder| folder.confirm())?)
    }

    fn delete(&self, base: Option<&Stamp>, guard: &LockGuard) -> Result<(), Error> {
        match Removal::for_clear(self, base.and_then(Stamp::sealed))? {
            Some(removal) => removal.carry_out(guard),
            None => Ok(()),
        }
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(self.file.stamp()?.map(Stamp::of_file))
    }

    fn protection(&self) -> Protection {
        Protection::Sealed { folder: self.folder().to_owned(), key: self.keys.sources.name() }
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        Some(CrossProcessLock::new(self.folder(), LOCK_NAME))
    }

    fn lease_folder(&self) -> Result<Option<PathBuf>, Error> {
        Ok(Some(self.file.folder().to_owned()))
    }

    fn reserve(&self, tag: &str) -> Result<Reservation, Error> {
        let folder = self.file.create_folder()?;
        Ok(Reservation::of(folder.reserve(FILE_NAME, tag)?))
    }

    fn verify(&self) -> Result<(), Error> {
        let folder = self.file.create_folder()?;
        Ok(folder.probe(FILE_NAME)?)
    }

    fn reset(&self, guard: &LockGuard) -> Result<(), Error> {
        if let Some(removal) = Removal::for_reset(self)? {
            removal.carry_out(guard)?;
        }
        self.keys.sources.abandon()
    }

    fn quarantine(&self, _guard: &LockGuard) -> Result<Option<PathBuf>, Error> {
        let Some(folder) = self.file.open_folder()? else { return Ok(None) };
        if folder.open_file(FILE_NAME)?.is_none() {
            return Ok(None);
        }
        let before = self.history.seen();
        let aside = set_aside(&folder, FILE_NAME, SET_ASIDE)?;
        self.keys.forget_file();
        self.history.set_aside(&before);
        Ok(Some(aside))
    }
}

impl Drop for SealedPersistence {
    /// Removes a key that was made for a new cache that was not saved.
    fn drop(&mut self) {
        self.keys.discard_new_key(&self.file);
    }
}

impl fmt::Debug for SealedPersistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedPersistence")
            .field("store", &self.file.store())
            .field("folder", &self.folder())
            .field("key", &self.keys.sources.name())
            .finish_non_exhaustive()
    }
}

/// The lock's name. Its files are `cache.lock`, `cache.queue` and `cache.holder` in the store's
/// folder.
pub(super) const LOCK_NAME: &str = "cache";
