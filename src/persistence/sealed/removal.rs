//! Removal of a cache: everything that goes with it is checked first, then removed.

use tokenkeep_platform::file::{Folder, OpenFile};

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
pub(super) struct Removal {
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

impl SealedPersistence {
    /// Plans the removal of a cache whose header was authenticated, or of what is left if there is
    /// no cache.
    ///
    /// # Errors
    /// Any error that would keep a part from being removed, as far as it can be known. Nothing was
    /// removed.
    pub(super) fn plan_clear(
        &self,
        cache: Option<&Authenticated>,
    ) -> Result<Option<Removal>, Error> {
        let Some(folder) = self.file.open_folder()? else { return Ok(None) };
        let mut removal = Removal { folder, files: Vec::new(), keys: Vec::new() };
        if let Some(header) = cache {
            removal.files.push(FILE_NAME.into());
            removal.keys.push(header.clone());
        }
        for name in all_set_aside(&removal.folder, SET_ASIDE)? {
            match self.prove(&removal.folder, &name)? {
                Proof::OtherStore => continue,
                Proof::Given(header) => removal.keys.push(header),
                Proof::Lacking => {}
            }
            removal.files.push(name);
        }
        removal.check_files()?;
        let mut owned = Vec::new();
        for header in removal.keys {
            if self.keys.owns(&header)? {
                owned.push(header);
            }
        }
        Ok(Some(Removal { keys: owned, ..removal }))
    }

    /// Plans the removal of a cache that is given up. An unreachable key source must not prevent
    /// that; the keys that it holds stay.
    ///
    /// # Errors
    /// Any error that would keep a file from being removed. Nothing was removed.
    pub(super) fn plan_reset(&self) -> Result<Option<Removal>, Error> {
        let Some(folder) = self.file.open_folder()? else { return Ok(None) };
        let mut removal = Removal { folder, files: Vec::new(), keys: Vec::new() };
        let mut names = vec![FILE_NAME.to_owned()];
        names.extend(all_set_aside(&removal.folder, SET_ASIDE)?);
        for name in names {
            match self.prove(&removal.folder, &name) {
                Ok(Proof::OtherStore) if name != FILE_NAME => continue,
                Ok(Proof::Given(header)) if matches!(self.keys.owns(&header), Ok(true)) => {
                    removal.keys.push(header);
                }
                _ => {}
            }
            removal.files.push(name);
        }
        removal.check_files()?;
        Ok(Some(removal))
    }

    /// Removes the files, then the keys: a kill in between leaves a key without a cache, and not a
    /// cache without its key.
    pub(super) fn carry_out(&self, removal: Removal, guard: &LockGuard) -> Result<(), Error> {
        // A temporary file that a killed writer left is not a cache, so its removal need not be
        // durable.
        removal.folder.sweep(FILE_NAME)?;
        self.remove_files(&removal)?;
        for (at, header) in removal.keys.iter().enumerate() {
            if let Err(error) = self.keys.delete(header, guard) {
                return Err(self.partly(&removal, removal.files.len(), at, error));
            }
        }
        Ok(())
    }

    fn remove_files(&self, removal: &Removal) -> Result<(), Error> {
        let mut is_begun = false;
        let removed = set_aside::remove_each(&removal.folder, &removal.files, || {
            is_begun = true;
            self.forget();
        });
        removed.map_err(|(at, error)| match is_begun {
            true => self.partly(removal, at, 0, error),
            false => error,
        })
    }

    fn forget(&self) {
        let mut state = self.state();
        state.prepared = None;
        state.keys.clear();
        drop(state);
        self.history.ended();
    }

    /// The error that lists what is left: `file` and `key` are the first ones that were not
    /// removed.
    fn partly(&self, removal: &Removal, file: usize, key: usize, source: Error) -> Error {
        let keys = removal.keys[key..].iter().map(|header| self.keys.whereabouts(header));
        let mut left = set_aside::listed(&removal.folder, &removal.files[file..]);
        left.extend(keys);
        let left = left.join(", ");
        Error::PartlyRemoved { left, source: Box::new(source) }
    }

    /// Opens a file with a key that is available without asking the user.
    ///
    /// # Errors
    /// Errors of the file system, and of a key source that did not say whether it has the key.
    fn prove(&self, folder: &Folder, name: &str) -> Result<Proof, Error> {
        let Some(file) = folder.open_file(name)? else { return Ok(Proof::Lacking) };
        self.prove_file(&file)
    }

    fn prove_file(&self, file: &OpenFile) -> Result<Proof, Error> {
        let Ok(bytes) = self.file.read(file) else { return Ok(Proof::Lacking) };
        let header = match self.file.inspect(&bytes, bytes.len() as u64) {
            Ok(header) => header,
            Err(SealError::OtherStore) => return Ok(Proof::OtherStore),
            Err(_) => return Ok(Proof::Lacking),
        };
        let known = self.state().key(&header.key_id).map(Fetched::Key);
        let Fetched::Key(key) = known.map_or_else(|| self.keys.recall(&header), Ok)? else {
            return Ok(Proof::Lacking);
        };
        Ok(match self.file.unseal(bytes, &key) {
            Ok((header, _)) => Proof::Given(header),
            Err(_) => Proof::Lacking,
        })
    }
}

impl Removal {
    fn check_files(&self) -> Result<(), Error> {
        self.folder.check_removal(TEMPORARY)?;
        for name in &self.files {
            self.folder.check_removal(name)?;
        }
        Ok(())
    }
}
