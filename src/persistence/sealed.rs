//! The sealed layout: ciphertext in a file, its key elsewhere.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokenkeep_platform::{
    file::{self, FileStamp, Folder, OpenFile, Parents},
    lock::CrossProcessLock,
};

use super::{
    Hold, Intent, Loaded, Persistence, Protection, Saved, Stamp,
    key::{Candidate, Fetched, Keys, fill_random, random_key_id},
};
use crate::{
    Error,
    seal::{self, Header, Key, KeyId, KeyParameters, SealError, Sealing},
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
    keys: Box<dyn Keys>,
    size_limit: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Keys by their id; usable only for a file whose header names them.
    keys: Vec<(KeyId, Key)>,
    /// A key for the case that there is no cache yet.
    candidate: Option<Candidate>,
    /// The file as it was when `prepare` last found its key in `keys`.
    prepared: Option<FileStamp>,
    /// The newest generation that this process has seen, and of which identity.
    seen: Option<Seen>,
}

/// What the next save is sealed with.
struct Plan {
    key: Key,
    key_id: KeyId,
    parameters: KeyParameters,
    identity: [u8; 16],
    generation: u64,
}

#[derive(Clone, Copy)]
struct Seen {
    identity: [u8; 16],
    generation: u64,
}

impl SealedPersistence {
    pub(super) fn new(
        store: String,
        folder: PathBuf,
        parents: Parents,
        keys: Box<dyn Keys>,
        size_limit: u64,
    ) -> Self {
        let file = folder.join(FILE_NAME);
        Self { store, folder, file, parents, keys, size_limit, state: Mutex::default() }
    }

    /// The folder that holds the cache and its lock files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn file_lock(&self) -> CrossProcessLock {
        CrossProcessLock::new(&self.folder, LOCK_NAME)
    }

    /// Reaches the key source, and unlocks it where that is allowed.
    pub(crate) fn reach(&self) -> Result<(), Error> {
        Folder::open(&self.folder)?;
        self.keys.reach()
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

    fn header(&self, file: &OpenFile) -> Result<Header, Error> {
        let header = self.parse(&file.read_head(Header::MAX_LEN)?)?;
        if header.store_tag != seal::store_tag(&self.store) {
            return Err(SealError::OtherStore.at(&self.file, &self.store));
        }
        if !self.keys.sealed(&header.parameters) {
            return Err(Error::OtherBackend {
                path: self.file.clone(),
                found: format!("a cache sealed under a {}", kind(&header.parameters)),
                expected: "one sealed under the key source that was chosen",
            });
        }
        Ok(header)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Header, Error> {
        match Header::parse(bytes) {
            Ok((header, _)) => Ok(header),
            Err(error) => Err(error.at(&self.file, &self.store)),
        }
    }

    /// Finds the key that the file names. Gone is said only if the same bytes still name it.
    fn fetch(&self, first: Header) -> Result<Option<(KeyId, Key)>, Error> {
        let mut header = first;
        loop {
            let fault = match self.keys.fetch(&header)? {
                Fetched::Key(key) if key.check(&header.key_id) == header.key_check => {
                    return Ok(Some((header.key_id, key)));
                }
                Fetched::Key(_) | Fetched::Another => Error::WrongKey { path: self.file.clone() },
                Fetched::Gone => Error::KeyGone {
                    path: self.file.clone(),
                    key_id: header.key_id.to_string(),
                    vault: self.keys.name(),
                },
            };
            let Some(file) = self.open_file()? else { return Ok(None) };
            let again = self.header(&file)?;
            if again == header {
                return Err(fault);
            }
            header = again;
        }
    }

    /// `before` was noted before the file was opened: a slower reader that still holds the file of
    /// yesterday must not be taken for a rollback.
    fn check_generation(&self, before: Option<Seen>, header: &Header) -> Result<(), Error> {
        let found = Seen { identity: header.identity, generation: header.generation };
        let same_store = |seen: &Seen| seen.identity == found.identity;
        if let Some(seen) = before.filter(same_store)
            && found.generation < seen.generation
        {
            return Err(Error::RolledBack {
                path: self.file.clone(),
                seen: seen.generation,
                found: found.generation,
            });
        }
        Ok(())
    }

    /// Only for a header that was authenticated: one that was forged or damaged may name any
    /// generation, and the true file would then look like an older one.
    fn note_generation(&self, header: &Header) {
        let found = Seen { identity: header.identity, generation: header.generation };
        let mut state = self.state();
        if state
            .seen
            .is_none_or(|s| s.identity != found.identity || s.generation < found.generation)
        {
            state.seen = Some(found);
        }
    }

    fn plan_update(&self, base: &[u8]) -> Result<Option<Plan>, Error> {
        let base = self.parse(base)?;
        let generation = base.generation.checked_add(1).ok_or_else(|| Error::Invalid {
            detail: format!(
                "`{}` cannot count another save; start over with `reset`",
                self.file.display()
            ),
        })?;
        Ok(self.state().key(&base.key_id).map(|key| Plan {
            key,
            key_id: base.key_id,
            parameters: base.parameters,
            identity: base.identity,
            generation,
        }))
    }

    fn plan_creation(&self) -> Result<Option<Plan>, Error> {
        // Taken out, so that no other thread can discard the key that a file is about to name.
        let Some(candidate) = self.state().candidate.take() else { return Ok(None) };
        match self.keys.confirm(&candidate) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.keep_candidate(candidate);
                return Err(error);
            }
        }
        Ok(Some(Plan {
            key: candidate.key,
            key_id: candidate.id,
            parameters: candidate.parameters,
            identity: *random_key_id()?.as_bytes(),
            generation: 1,
        }))
    }

    /// For the next try; one that is superfluous is removed.
    fn keep_candidate(&self, candidate: Candidate) {
        let superfluous = {
            let mut state = self.state();
            match state.candidate {
                Some(_) => Some(candidate),
                None => {
                    state.candidate = Some(candidate);
                    None
                }
            }
        };
        if let Some(candidate) = superfluous {
            self.keys.discard(candidate);
        }
    }

    fn write(&self, plan: &Plan, content: &[u8]) -> Result<Saved, Error> {
        let sealing = Sealing {
            key_id: plan.key_id,
            key: &plan.key,
            parameters: plan.parameters.clone(),
            store: &self.store,
            identity: plan.identity,
            generation: plan.generation,
        };
        let sealed = seal::seal(&sealing, content, self.size_limit, &mut fill_random)
            .map_err(|e| e.at(&self.file, &self.store))?;
        let header = self.parse(&sealed)?;
        let stamp = Folder::create(&self.folder, self.parents)?.replace(FILE_NAME, &sealed)?;
        let mut state = self.state();
        if state.key(&header.key_id).is_none() {
            state.keys.push((header.key_id, plan.key.clone()));
        }
        state.seen = Some(Seen { identity: header.identity, generation: header.generation });
        state.prepared = Some(stamp.clone());
        Ok(Saved::Done(Stamp::of_content(stamp, mark(&header))))
    }

    /// Removes the file, then the key that `key_id` names; in this order, so that a kill between
    /// the two leaves a key without a cache and not a cache without a key.
    fn remove(&self, hold: &Hold, key_id: Option<KeyId>) -> Result<(), Error> {
        if let Some(folder) = Folder::open(&self.folder)? {
            folder.remove(FILE_NAME)?;
            folder.sweep(FILE_NAME)?;
        }
        {
            let mut state = self.state();
            state.prepared = None;
            state.keys.clear();
        }
        key_id.map_or(Ok(()), |id| self.keys.delete(&id, hold))
    }
}

impl Persistence for SealedPersistence {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        if intent == Intent::Write {
            Folder::create(&self.folder, self.parents)?;
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
        let header = self.header(&file)?;
        let key_id = header.key_id;
        let known = self.state().keys.iter().any(|(id, _)| *id == key_id);
        let fetched = if known { None } else { self.fetch(header)? };
        let unused = {
            let mut state = self.state();
            state.keys.extend(fetched);
            if state.keys.iter().any(|(id, _)| *id == key_id) {
                state.prepared = Some(file.stamp());
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

    fn delete(&self, hold: &Hold) -> Result<(), Error> {
        let Some(file) = self.open_file()? else { return self.remove(hold, None) };
        let key_id = self.header(&file)?.key_id;
        self.remove(hold, Some(key_id))
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(file::stamp(&self.file)?.map(Stamp::of_file))
    }

    fn protection(&self) -> Protection {
        Protection::Sealed { folder: self.folder.clone(), key: self.keys.name() }
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        Some(self.file_lock())
    }

    fn verify(&self) -> Result<(), Error> {
        self.keys.verify()?;
        let folder = Folder::create(&self.folder, self.parents)?;
        let name = format!("verify-{}", random_key_id()?);
        folder.replace(&name, b"tokenkeep")?;
        folder.remove(&name)?;
        Ok(())
    }

    fn reset(&self, hold: &Hold) -> Result<(), Error> {
        let key_id = match self.open_file() {
            Ok(Some(file)) => self.header(&file).ok().map(|header| header.key_id),
            Ok(None) => None,
            Err(error) => return Err(error),
        };
        self.state().seen = None;
        self.remove(hold, None)?;
        if let Some(id) = key_id {
            // The sign-ins are given up; a key source that is out of reach must not stop that.
            drop(self.keys.delete(&id, hold));
        }
        Ok(())
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

/// The header whole: its random nonce makes equal headers mean the same save.
fn mark(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header.len());
    header.encode(&mut bytes);
    bytes
}

fn kind(parameters: &KeyParameters) -> &'static str {
    match parameters {
        KeyParameters::Vault => "key in the operating system's vault",
        KeyParameters::KeyFile => "key file",
        KeyParameters::Passphrase(_) => "passphrase",
        KeyParameters::Callback => "key that the program supplies",
    }
}

impl State {
    fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }
}

/// The name of the ciphertext in its folder.
const FILE_NAME: &str = "cache.sealed";

/// Gives `cache.lock`, `cache.queue` and `cache.holder` in the store's folder.
const LOCK_NAME: &str = "cache";
