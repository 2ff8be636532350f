//! Which key seals the store: the keys that are known, the sources that are asked for others, and a
//! key for a new cache.

use std::{process, sync::RwLockWriteGuard};

use tokenkeep_platform::{
    file::{FileStamp, OpenFile},
    sync::ForkLock,
};

use super::file::SealedFile;
use crate::{
    Error,
    persistence::key_source::{Fetched, KeySourceList, NewKey},
    seal::{Header, Key, KeyId, KeyParameters},
};

/// The keys of one store.
pub(super) struct StoreKeys {
    pub(super) sources: KeySourceList,
    pool: ForkLock<KeyPool>,
}

/// What is remembered between calls.
#[derive(Default)]
struct KeyPool {
    /// Keys by their id. Each is usable only for a file whose header names it.
    keys: Vec<(KeyId, Key)>,
    /// A key for a new cache, and the process that made it. In a forked child the key is the
    /// parent's, whose next save may name it.
    new_key: Option<(u32, NewKey)>,
    /// The file as it was when its key was last found in `keys`.
    prepared: Option<FileStamp>,
}

impl StoreKeys {
    pub(super) fn new(sources: KeySourceList) -> Self {
        Self { sources, pool: ForkLock::default() }
    }

    fn pool(&self) -> RwLockWriteGuard<'_, KeyPool> {
        self.pool.write()
    }

    /// The key with this id, if it is known.
    pub(super) fn known(&self, id: &KeyId) -> Option<Key> {
        self.pool().key(id)
    }

    /// Whether the key of the file with this stamp is known.
    pub(super) fn is_prepared(&self, now: &FileStamp) -> bool {
        self.pool().prepared.as_ref() == Some(now)
    }

    /// The header of `open`, not authenticated. Takes the source that it names into use.
    pub(super) fn header_of(&self, file: &SealedFile, open: &OpenFile) -> Result<Header, Error> {
        self.choose(file, file.header_of(open)?)
    }

    /// Takes the source that the header of `file` names into use.
    pub(super) fn choose(&self, file: &SealedFile, header: Header) -> Result<Header, Error> {
        if !self.sources.choose(&header.parameters) {
            return Err(Error::OtherBackend {
                path: file.path().to_owned(),
                found: format!("a cache sealed under {}", kind(&header.parameters)),
                expected: "one sealed under a key source that was chosen",
            });
        }
        Ok(header)
    }

    /// Makes the key of a cache that exists known. `header` and `stamp` are those of its file.
    pub(super) fn prepare(
        &self,
        file: &SealedFile,
        header: Header,
        stamp: FileStamp,
    ) -> Result<(), Error> {
        let key_id = header.key_id;
        let is_known = self.pool().has_key(&key_id);
        let fetched = if is_known { None } else { self.fetch(file, header)? };
        // A cache exists, so a key that was made for a new one is unused, unless this cache names
        // it.
        let unused = {
            let mut pool = self.pool();
            pool.keys.extend(fetched);
            if pool.has_key(&key_id) {
                pool.prepared = Some(stamp);
            }
            pool.take_new_key()
        };
        if let Some(unused) = unused.filter(|new_key| new_key.id != key_id) {
            self.discard(file, unused);
        }
        Ok(())
    }

    /// Makes a key for a cache that does not exist, unless there is one.
    pub(super) fn prepare_new(&self, file: &SealedFile) -> Result<(), Error> {
        let needs_new_key = !self.pool().has_new_key();
        if needs_new_key {
            let new_key = self.sources.new_key()?;
            self.keep_new_key(file, new_key);
        }
        Ok(())
    }

    /// Finds the key that the file names. That the key is gone or wrong is reported only if the
    /// file still names it. Each key is asked for once, however often its cache is saved meanwhile.
    fn fetch(&self, file: &SealedFile, first: Header) -> Result<Option<(KeyId, Key)>, Error> {
        let mut tried = vec![first];
        loop {
            let header = &tried[tried.len() - 1];
            let fault = match self.sources.fetch(header)? {
                Fetched::Key(key) if header.is_of(&key) => return Ok(Some((header.key_id, key))),
                Fetched::Key(_) | Fetched::Another => {
                    Error::WrongKey { path: file.path().to_owned(), source: None }
                }
                Fetched::Gone => Error::KeyGone {
                    path: file.path().to_owned(),
                    key_id: header.key_id.to_string(),
                    vault: self.sources.name(),
                },
            };
            // Another process may have replaced or removed the cache while the source was asked.
            let Some(open) = file.open()? else { return Ok(None) };
            let again = self.header_of(file, &open)?;
            // The file still names a key that was tried, so the fault is not a race.
            if tried.len() == ATTEMPTS || tried.iter().any(|header| header.has_same_key(&again)) {
                return Err(fault);
            }
            tried.push(again);
        }
    }

    /// The key that the header names, if it can be had without asking the user.
    pub(super) fn recall(&self, header: &Header) -> Result<Fetched, Error> {
        let known = self.known(&header.key_id).map(Fetched::Key);
        known.map_or_else(|| self.sources.recall(header), Ok)
    }

    /// The key for the first save of a cache; `None` if `prepare` must make one. It is taken out,
    /// so that no other thread can discard the key that a file is about to name.
    pub(super) fn take_new_key(&self, file: &SealedFile) -> Result<Option<NewKey>, Error> {
        let Some(new_key) = self.pool().take_new_key() else { return Ok(None) };
        match self.sources.confirm(&new_key) {
            Ok(true) => Ok(Some(new_key)),
            // The key was removed meanwhile.
            Ok(false) => Ok(None),
            Err(error) => {
                self.keep_new_key(file, new_key);
                Err(error)
            }
        }
    }

    /// Keeps the key for the next try. Removes it if there already is one.
    pub(super) fn keep_new_key(&self, file: &SealedFile, new_key: NewKey) {
        let superfluous = self.pool().keep_new_key(new_key);
        if let Some(new_key) = superfluous {
            self.discard(file, new_key);
        }
    }

    /// Removes a key that was made for a new cache that was not saved.
    pub(super) fn discard_new_key(&mut self, file: &SealedFile) {
        if let Some(unused) = self.pool.get_mut().take_new_key() {
            self.discard(file, unused);
        }
    }

    /// Removes a key that was made and not used. A save that was reported as failed may have
    /// happened, for example on a network file system. So a key stays if the cache names it, or if
    /// that cannot be determined.
    fn discard(&self, file: &SealedFile, new_key: NewKey) {
        let named =
            file.open().and_then(|open| open.map(|open| self.header_of(file, &open)).transpose());
        if named.is_ok_and(|header| header.is_none_or(|header| header.key_id != new_key.id)) {
            self.sources.discard(new_key);
        }
    }

    /// Remembers the key of a file that was written.
    pub(super) fn saved(&self, id: KeyId, key: Key, stamp: FileStamp) {
        let mut pool = self.pool();
        if !pool.has_key(&id) {
            pool.keys.push((id, key));
        }
        pool.prepared = Some(stamp);
    }

    /// Forgets the keys of a cache that was removed. A key for a new one stays.
    pub(super) fn forget(&self) {
        let mut pool = self.pool();
        pool.prepared = None;
        pool.keys.clear();
    }

    /// Forgets which file was prepared, because it was set aside.
    pub(super) fn forget_file(&self) {
        self.pool().prepared = None;
    }
}

impl KeyPool {
    fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }

    fn has_key(&self, id: &KeyId) -> bool {
        self.keys.iter().any(|(known, _)| known == id)
    }

    fn has_new_key(&self) -> bool {
        self.new_key.as_ref().is_some_and(|(maker, _)| *maker == process::id())
    }

    fn take_new_key(&mut self) -> Option<NewKey> {
        let is_own = self.has_new_key();
        self.new_key.take().filter(|_| is_own).map(|(_, new_key)| new_key)
    }

    /// Keeps a key that this process made. Returns it if there already is one.
    fn keep_new_key(&mut self, new_key: NewKey) -> Option<NewKey> {
        if self.has_new_key() {
            return Some(new_key);
        }
        self.new_key = Some((process::id(), new_key));
        None
    }
}

fn kind(parameters: &KeyParameters) -> &'static str {
    match parameters {
        KeyParameters::Vault => "a key in the operating system's vault",
        KeyParameters::KeyFile => "a key file",
        KeyParameters::Passphrase(_) => "a passphrase",
        KeyParameters::Callback => "a key that the program supplies",
        KeyParameters::KernelKeyring => "a key in the kernel keyring",
        KeyParameters::Dpapi => "a key under DPAPI",
        KeyParameters::CredentialStore => "a key in a credential store of the program",
    }
}

/// How often one call tries again after the cache got another key. Each time takes another process
/// a clear and a sign-in.
const ATTEMPTS: usize = 32;
