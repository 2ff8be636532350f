//! Reading and writing the sealed file.

use std::path::{Path, PathBuf};

use tokenkeep_platform::file::{self, FileStamp, Folder, OpenFile, Parents};
use zeroize::Zeroizing;

use crate::{
    Error,
    persistence::{key_source::fill_random, set_aside::is_set_aside},
    seal::{self, Authenticated, Header, Key, KeyId, KeyParameters, SealError, Sealing},
};

/// The sealed file of one store. It never asks for a key.
pub(super) struct SealedFile {
    store: String,
    folder: PathBuf,
    path: PathBuf,
    parents: Parents,
    size_limit: u64,
}

/// The parameters that a save is sealed with.
pub(super) struct Plan {
    pub(super) key: Key,
    pub(super) key_id: KeyId,
    pub(super) parameters: KeyParameters,
    pub(super) identity: [u8; 16],
    pub(super) generation: u64,
}

impl SealedFile {
    pub(super) fn new(store: String, folder: PathBuf, parents: Parents, size_limit: u64) -> Self {
        let path = folder.join(FILE_NAME);
        Self { store, folder, path, parents, size_limit }
    }

    pub(super) fn store(&self) -> &str {
        &self.store
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn stamp(&self) -> Result<Option<FileStamp>, Error> {
        Ok(file::stamp(&self.path)?)
    }

    pub(super) fn open_folder(&self) -> Result<Option<Folder>, Error> {
        Ok(Folder::open(&self.folder)?)
    }

    pub(super) fn create_folder(&self) -> Result<Folder, Error> {
        Ok(Folder::create(&self.folder, self.parents)?)
    }

    pub(super) fn open(&self) -> Result<Option<OpenFile>, Error> {
        match self.open_folder()? {
            Some(folder) => Ok(folder.open_file(FILE_NAME)?),
            None => Ok(None),
        }
    }

    /// The header of `open`, not authenticated: enough to find a key to try.
    pub(super) fn header_of(&self, open: &OpenFile) -> Result<Header, Error> {
        self.header(&open.read_head(Header::MAX_LEN)?, open.len())
    }

    /// The header in `bytes`, which are the first bytes of the file or all of them.
    pub(super) fn header(&self, bytes: &[u8], file_len: u64) -> Result<Header, Error> {
        self.inspect(bytes, file_len).map_err(|error| self.at(error))
    }

    /// Like [`header`](Self::header), but says why there is none.
    pub(super) fn inspect(&self, bytes: &[u8], file_len: u64) -> Result<Header, SealError> {
        seal::inspect(bytes, file_len, &self.store, self.size_limit)
    }

    pub(super) fn read(&self, open: &OpenFile) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(open.read_all(self.size_limit)?)
    }

    pub(super) fn unseal(
        &self,
        bytes: Zeroizing<Vec<u8>>,
        key: &Key,
    ) -> Result<(Authenticated, Zeroizing<Vec<u8>>), Error> {
        seal::open(bytes, key, &self.store, self.size_limit).map_err(|error| self.at(error))
    }

    /// Replaces the file with `content`, sealed as `plan` says.
    pub(super) fn write(
        &self,
        plan: &Plan,
        content: &[u8],
    ) -> Result<(FileStamp, Authenticated), Error> {
        let sealing = Sealing {
            key_id: plan.key_id,
            key: &plan.key,
            parameters: plan.parameters.clone(),
            store: &self.store,
            identity: plan.identity,
            generation: plan.generation,
        };
        let (header, sealed) = seal::seal(&sealing, content, self.size_limit, &mut fill_random)
            .map_err(|error| self.at(error))?;
        Ok((self.create_folder()?.replace(FILE_NAME, &sealed)?, header))
    }

    fn at(&self, error: SealError) -> Error {
        error.at(&self.path, &self.store)
    }
}

/// Whether `open` still begins with the header of the save that `known` was authenticated for.
pub(super) fn is_same_save(open: &OpenFile, known: &Authenticated) -> Result<bool, Error> {
    let head = open.read_head(Header::MAX_LEN)?;
    Ok(Header::parse(&head).is_ok_and(|(header, _)| header == **known))
}

/// The file in `folder` that names the key, whatever the file is called.
///
/// # Errors
/// If the header of a cache there, or of one that was set aside, cannot be read.
pub(in crate::persistence) fn file_naming(
    folder: &Folder,
    id: &KeyId,
) -> Result<Option<PathBuf>, Error> {
    for name in folder.names()? {
        let is_cache = name == FILE_NAME || is_set_aside(&name, SET_ASIDE);
        match key_named_in(folder, &name) {
            Ok(Some(key_id)) if key_id == *id => return Ok(Some(folder.path().join(name))),
            Err(error) if is_cache => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

fn key_named_in(folder: &Folder, name: &str) -> Result<Option<KeyId>, Error> {
    let Some(file) = folder.open_file(name)? else { return Ok(None) };
    let head = file.read_head(Header::MAX_LEN)?;
    let parsed = Header::parse(&head).map_err(|error| error.at(file.path(), ""))?;
    Ok(Some(parsed.0.key_id))
}

/// The name of the sealed file in its folder.
pub(super) const FILE_NAME: &str = "cache.sealed";

/// The temporary file, which a killed writer leaves behind.
pub(super) const TEMPORARY: &str = "cache.sealed.tmp";

/// The prefix of a file that was set aside; 32 hexadecimal digits follow.
pub(super) const SET_ASIDE: &str = "cache.quarantine-";
