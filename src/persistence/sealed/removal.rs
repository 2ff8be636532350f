//! Removal of a cache: everything that goes with it is checked first, then removed.

use tokenkeep_platform::file::Folder;

use super::file::{FILE_NAME, SET_ASIDE, TEMPORARY};
use crate::{
    Error,
    lock::LockGuard,
    persistence::{
        SealedPersistence,
        key_source::Fetched,
        set_aside::{self, all_set_aside},
    },
    seal::{Authenticated, SealError},
};

/// What is removed, in this order: the files, then the keys.
pub(super) struct Removal<'s> {
    store: &'s SealedPersistence,
    folder: Folder,
    files: Vec<String>,
    /// Authenticated headers whose keys were made for this very cache.
    keys: Vec<Authenticated>,
}

/// The result of opening a file with its key.
enum Proof {
    /// A cache of this store, sealed with the key that its header names.
    Given(Authenticated),
    /// Not proven; perhaps a cache of this store.
    Lacking,
    OtherStore,
}

impl<'s> Removal<'s> {
    /// Plans the removal of a cache whose header was authenticated, or of what is left if there is
    /// no cache.
    ///
    /// # Errors
    /// Any error that would keep a part from being removed, as far as it can be known. Nothing was
    /// removed.
    pub(super) fn for_clear(
        store: &'s SealedPersistence,
        cache: Option<&Authenticated>,
    ) -> Result<Option<Self>, Error> {
        let Some(mut removal) = Self::empty(store)? else { return Ok(None) };
        if let Some(header) = cache {
            removal.files.push(FILE_NAME.into());
            removal.keys.push(header.clone());
        }
        for name in all_set_aside(&removal.folder, SET_ASIDE)? {
            match removal.prove(&name)? {
                Proof::OtherStore => continue,
                Proof::Given(header) => removal.keys.push(header),
                Proof::Lacking => {}
            }
            removal.files.push(name);
        }
        removal.check_files()?;
        let mut owned = Vec::new();
        for header in removal.keys {
            if store.keys.sources.owns(&header)? {
                owned.push(header);
            }
        }
        Ok(Some(Self { keys: owned, ..removal }))
    }

    /// Plans the removal of a cache that is given up. An unreachable key source must not prevent
    /// that; the keys that it holds stay.
    ///
    /// # Errors
    /// Any error that would keep a file from being removed. Nothing was removed.
    pub(super) fn for_reset(store: &'s SealedPersistence) -> Result<Option<Self>, Error> {
        let Some(mut removal) = Self::empty(store)? else { return Ok(None) };
        let mut names = vec![FILE_NAME.to_owned()];
        names.extend(all_set_aside(&removal.folder, SET_ASIDE)?);
        for name in names {
            match removal.prove(&name) {
                Ok(Proof::OtherStore) if name != FILE_NAME => continue,
                Ok(Proof::Given(header))
                    if matches!(store.keys.sources.owns(&header), Ok(true)) =>
                {
                    removal.keys.push(header);
                }
                _ => {}
            }
            removal.files.push(name);
        }
        removal.check_files()?;
        Ok(Some(removal))
    }

    fn empty(store: &'s SealedPersistence) -> Result<Option<Self>, Error> {
        let folder = store.file.open_folder()?;
        Ok(folder.map(|folder| Self { store, folder, files: Vec::new(), keys: Vec::new() }))
    }

    fn check_files(&self) -> Result<(), Error> {
        self.folder.check_removal(TEMPORARY)?;
        for name in &self.files {
            self.folder.check_removal(name)?;
        }
        Ok(())
    }

    /// Removes the files, then the keys: a kill in between leaves a key without a cache, and not a
    /// cache without its key.
    pub(super) fn carry_out(self, guard: &LockGuard) -> Result<(), Error> {
        // A temporary file that a killed writer left is not a cache, so its removal need not be
        // durable.
        self.folder.sweep(FILE_NAME)?;
        self.folder.sweep_reserved(FILE_NAME)?;
        self.remove_files()?;
        for (at, header) in self.keys.iter().enumerate() {
            if let Err(error) = self.store.keys.sources.delete(header, guard) {
                return Err(self.partly(self.files.len(), at, error));
            }
        }
        Ok(())
    }

    fn remove_files(&self) -> Result<(), Error> {
        let mut is_begun = false;
        let removed = set_aside::remove_each(&self.folder, &self.files, || {
            is_begun = true;
            self.store.keys.forget();
            self.store.history.ended();
        });
        removed.map_err(|(at, error)| match is_begun {
            true => self.partly(at, 0, error),
            false => error,
        })
    }

    /// The error that lists what is left: `file` and `key` are the first ones that were not
    /// removed.
    fn partly(&self, file: usize, key: usize, source: Error) -> Error {
        let sources = &self.store.keys.sources;
        let keys = self.keys[key..].iter().map(|header| sources.whereabouts(header));
        let mut left = set_aside::listed(&self.folder, &self.files[file..]);
        left.extend(keys);
        let left = left.join(", ");
        Error::PartlyRemoved { left, source: Box::new(source) }
    }

    /// Opens a file with a key that is available without asking the user.
    ///
    /// # Errors
    /// Errors of the file system, and of a key source that did not say whether it has the key.
    fn prove(&self, name: &str) -> Result<Proof, Error> {
        let Some(open) = self.folder.open_file(name)? else { return Ok(Proof::Lacking) };
        let SealedPersistence { file, keys, .. } = self.store;
        let Ok(bytes) = file.read(&open) else { return Ok(Proof::Lacking) };
        let header = match file.inspect(&bytes, bytes.len() as u64) {
            Ok(header) => header,
            Err(SealError::OtherStore) => return Ok(Proof::OtherStore),
            Err(_) => return Ok(Proof::Lacking),
        };
        let Fetched::Key(key) = keys.recall(&header)? else { return Ok(Proof::Lacking) };
        Ok(match file.unseal(bytes, &key) {
            Ok((header, _)) => Proof::Given(header),
            Err(_) => Proof::Lacking,
        })
    }
}
