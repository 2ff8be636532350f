//! The sealed layout: ciphertext in a file, its key elsewhere.

mod header;
mod plan;
mod state;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokenkeep_platform::{
    file::{self, Folder, OpenFile, Parents},
    lock::CrossProcessLock,
};

use self::{header::mark, plan::Plan, state::State};
use super::{
    Hold, Intent, Loaded, Persistence, Protection, Saved, Stamp,
    key::{Candidate, Ladder, random_key_id},
};
use crate::{
    Error,
    seal::{self, Header},
};

/// A cache sealed with authenticated encryption, in a folder of its own.
///
/// The file `cache.sealed` holds the ciphertext, replaced as a whole and durably at each save. Its
/// key is in the key source. FORMAT.md describes the file byte by byte.
///
/// What cannot be decrypted is a typed error and stays as it is; no key is ever made over it.
pub struct SealedPersistence {
    store: String,
    folder: PathBuf,
    file: PathBuf,
    parents: Parents,
    keys: Ladder,
    size_limit: u64,
    state: Mutex<State>,
}

impl SealedPersistence {
    pub(super) fn new(
        store: String,
        folder: PathBuf,
        parents: Parents,
        keys: Ladder,
        size_limit: u64,
    ) -> Self {
        let file = folder.join(FILE_NAME);
        Self { store, folder, file, parents, keys, size_limit, state: Mutex::default() }
    }

    /// The folder that holds the cache and its lock files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of the key sources that were chosen, in their order, as [`Protection::Sealed`] has
    /// them.
    pub fn key_sources(&self) -> Vec<&'static str> {
        self.keys.names()
    }

    /// The name of the key source that sealed the cache, `None` if there is no cache. Only the
    /// cache's header is read: no source is reached, and nobody is asked.
    ///
    /// # Errors
    /// [`Error::OtherBackend`] if that source is none of those that were chosen; whatever keeps the
    /// header from being read.
    pub fn key_source_in_use(&self) -> Result<Option<&'static str>, Error> {
        let Some(file) = self.open_file()? else { return Ok(None) };
        self.header(&file)?;
        Ok(Some(self.keys.name()))
    }

    /// Reaches the key source that is or will be in use, and unlocks it where that is allowed.
    pub(crate) fn reach(&self) -> Result<(), Error> {
        let Some(file) = self.open_file()? else { return self.keys.reach_first() };
        match self.header(&file) {
            Ok(_) => {
                drop(file);
                self.keys.reach()
            }
            // The first use says so; the cache can be opened to be set aside.
            Err(_) => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_file(&self) -> Result<Option<OpenFile>, Error> {
        match Folder::open(&self.folder)? {
            Some(folder) => Ok(folder.open_file(FILE_NAME)?),
            None => Ok(None),
        }
    }

    /// Removes the file, then the key that its header names; in this order, so that a kill between
    /// the two leaves a key without a cache and not a cache without a key.
    fn remove(&self, hold: &Hold, header: Option<&Header>) -> Result<(), Error> {
        if let Some(folder) = Folder::open(&self.folder)? {
            folder.remove(FILE_NAME)?;
            folder.sweep(FILE_NAME)?;
        }
        {
            let mut state = self.state();
            state.prepared = None;
            state.keys.clear();
        }
        header.map_or(Ok(()), |header| self.keys.delete(header, hold))
    }
}

impl Persistence for SealedPersistence {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        if intent != Intent::Read {
            Folder::create(&self.folder, self.parents)?;
        }
        if intent == Intent::Verify {
            // Here and not under the lock, because a source may ask the person.
            match self.key_source_in_use()? {
                Some(_) => self.keys.verify()?,
                None => self.keys.verify_first()?,
            }
        }
        let now = file::stamp(&self.file)?;
        if now.is_some() && self.state().prepared == now {
            return Ok(());
        }
        let Some(file) = self.open_file()? else {
            let needs_candidate = intent == Intent::Write && self.state().candidate.is_none();
            if needs_candidate {
                let candidate = self.keys.candidate()?;
                self.keep_candidate(candidate);
            }
            return Ok(());
        };
        let (header, stamp) = (self.header(&file)?, file.stamp());
        // The source of keys may take its time, and an open file may stop a writer.
        drop(file);
        let key_id = header.key_id;
        let known = self.state().keys.iter().any(|(id, _)| *id == key_id);
        let fetched = if known { None } else { self.fetch(header)? };
        let unused = {
            let mut state = self.state();
            state.keys.extend(fetched);
            if state.keys.iter().any(|(id, _)| *id == key_id) {
                state.prepared = Some(stamp);
            }
            state.candidate.take()
        };
        if let Some(unused) = unused.filter(|candidate| candidate.id != key_id) {
            self.keys.discard(unused);
        }
        Ok(())
    }

    fn load(&self, known: Option<&Stamp>) -> Result<Loaded, Error> {
        let before = self.state().seen;
        let Some(file) = self.open_file()? else { return Ok(Loaded::Absent) };
        let header = self.header(&file)?;
        self.check_generation(before, &header)?;
        let stamp = Stamp::of_content(file.stamp(), mark(&header));
        // Equal to a header that was authenticated.
        if known.is_some_and(|known| known.content() == stamp.content()) {
            return Ok(Loaded::Unchanged(stamp));
        }
        let Some(key) = self.state().key(&header.key_id) else { return Ok(Loaded::NeedsPrepare) };
        let bytes = file.read_all(self.size_limit)?;
        let (_, content) = seal::open(bytes, &key, &self.store, self.size_limit)
            .map_err(|e| e.at(&self.file, &self.store))?;
        self.note_generation(&header);
        Ok(Loaded::Content(content, stamp))
    }

    fn save(&self, content: &[u8], base: Option<&Stamp>, _hold: &Hold) -> Result<Saved, Error> {
        let plan = match base.and_then(Stamp::content) {
            Some(header) => self.plan_update(header)?,
            None => self.plan_creation()?,
        };
        let Some(plan) = plan else { return Ok(Saved::NeedsPrepare) };
        let saved = self.write(&plan, content);
        // After `DurabilityUnknown` the file is there and names the key.
        if base.is_none()
            && let Err(error) = &saved
            && !matches!(error, Error::DurabilityUnknown { .. })
        {
            let Plan { key, key_id: id, parameters, .. } = plan;
            self.keep_candidate(Candidate { id, key, parameters });
        }
        saved
    }

    fn confirm(&self) -> Result<(), Error> {
        Ok(Folder::open(&self.folder)?.map_or(Ok(()), |folder| folder.confirm())?)
    }

    fn delete(&self, hold: &Hold) -> Result<(), Error> {
        let Some(file) = self.open_file()? else { return self.remove(hold, None) };
        let header = self.header(&file)?;
        drop(file);
        self.remove(hold, Some(&header))
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(file::stamp(&self.file)?.map(Stamp::of_file))
    }

    fn protection(&self) -> Protection {
        Protection::Sealed { folder: self.folder.clone(), key: self.keys.name() }
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        Some(CrossProcessLock::new(&self.folder, LOCK_NAME))
    }

    fn verify(&self) -> Result<(), Error> {
        let folder = Folder::create(&self.folder, self.parents)?;
        Ok(folder.probe(FILE_NAME)?)
    }

    fn reset(&self, hold: &Hold) -> Result<(), Error> {
        let header = self.open_file()?.and_then(|file| self.header(&file).ok());
        self.state().seen = None;
        self.remove(hold, None)?;
        if let Some(header) = header {
            // The sign-ins are given up; a key source that is out of reach must not stop that.
            drop(self.keys.delete(&header, hold));
        }
        self.keys.abandon()
    }

    fn quarantine(&self, _hold: &Hold) -> Result<Option<PathBuf>, Error> {
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(None) };
        if folder.open_file(FILE_NAME)?.is_none() {
            return Ok(None);
        }
        let name = format!("cache.quarantine-{}", random_key_id()?);
        folder.rename(FILE_NAME, &name)?;
        let mut state = self.state();
        state.prepared = None;
        state.seen = None;
        Ok(Some(self.folder.join(name)))
    }
}

impl Drop for SealedPersistence {
    /// Removes a key that was made for a new cache which was not saved after all. Should a forked
    /// child end first, its parent notices: a candidate is looked up before it is used.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(unused) = state.candidate.take() {
            self.keys.discard(unused);
        }
    }
}

impl fmt::Debug for SealedPersistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedPersistence")
            .field("store", &self.store)
            .field("folder", &self.folder)
            .field("key", &self.keys.name())
            .finish_non_exhaustive()
    }
}

/// The name of the ciphertext in its folder.
const FILE_NAME: &str = "cache.sealed";

/// Gives `cache.lock`, `cache.queue` and `cache.holder` in the store's folder.
const LOCK_NAME: &str = "cache";
