//! A key in a file of its own, unencrypted or encrypted by the operating system.

use std::path::{Component, Path, PathBuf};

use tokenkeep_platform::{
    file::{Folder, Parents, real_path},
    protect::{protect, unprotect},
    text::shown_path,
};
use zeroize::Zeroizing;

use super::{Fetched, NewKey, random_key, random_key_id};
use crate::{
    Error,
    lock::LockGuard,
    persistence::location::FileLocation,
    seal::{Authenticated, Header, KeyFile, KeyId, KeyParameters},
};

#[derive(Debug)]
pub(super) struct FileKey {
    store: String,
    /// The cache's folder.
    place: PathBuf,
    path: PathBuf,
    folder: PathBuf,
    name: String,
    form: Form,
}

/// How the key file is stored on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Clear,
    Dpapi,
}

impl FileKey {
    pub(super) fn new(store: &str, place: &Path, path: PathBuf) -> Result<Self, Error> {
        Self::in_form(store, place, &path, Form::Clear)
    }

    /// Beside the cache in `place`: a copy of both files cannot be read elsewhere.
    pub(super) fn under_dpapi(store: &str, place: &Path) -> Result<Self, Error> {
        Self::in_form(store, place, &place.join(DPAPI_NAME), Form::Dpapi)
    }

    fn in_form(store: &str, place: &Path, path: &Path, form: Form) -> Result<Self, Error> {
        let FileLocation { path, folder, name } = FileLocation::of(path)?;
        let (store, place) = (store.to_owned(), place.to_owned());
        Ok(Self { store, place, path, folder, name, form })
    }

    pub(super) fn read(&self) -> Result<Option<KeyFile>, Error> {
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(None) };
        let Some(file) = folder.open_file(&self.name)? else { return Ok(None) };
        let bytes = file.read_all(MAX_SIZE)?;
        let text = match self.form {
            Form::Clear => bytes,
            Form::Dpapi => {
                unprotect(&bytes, None).map_err(|e| Error::from_protection(e, &self.path))?
            }
        };
        let key_file = KeyFile::parse(&text).map_err(|e| e.at(&self.path, &self.store))?;
        if !key_file.belongs_to(&self.store) {
            return Err(Error::OtherStore { path: self.path.clone(), name: self.store.clone() });
        }
        Ok(Some(key_file))
    }

    /// The key file. If there is none, proves that one could be encrypted, because a logon over the
    /// network may not have the protection.
    fn known(&self) -> Result<Option<KeyFile>, Error> {
        let file = self.read()?;
        if file.is_none() {
            self.wrapped(Zeroizing::new(vec![0]))?;
        }
        Ok(file)
    }

    fn check_place(&self, file: &KeyFile) -> Result<(), Error> {
        if file.lies_for(&self.way()) {
            return Ok(());
        }
        Err(Error::InvalidKeyFile {
            path: self.path.clone(),
            detail: "it was made for a cache in another folder".into(),
            source: None,
        })
    }

    fn remove(&self) -> Result<(), Error> {
        if let Some(folder) = Folder::open(&self.folder)? {
            folder.remove(&self.name)?;
            folder.sweep(&self.name)?;
        }
        Ok(())
    }

    fn parameters(&self) -> KeyParameters {
        match self.form {
            Form::Clear => KeyParameters::KeyFile,
            Form::Dpapi => KeyParameters::Dpapi,
        }
    }

    /// The relative path from the key file's folder to the cache's, with links resolved.
    fn way(&self) -> Vec<u8> {
        // A folder that cannot be looked at keeps its text; opening it reports the cause.
        let real = |path: &Path| real_path(path).unwrap_or_else(|_| path.to_owned());
        way(&real(&self.folder), &real(&self.place)).into_os_string().into_encoded_bytes()
    }

    /// Whether the file holds the key that authenticated the header, and was made for this very
    /// cache.
    fn is_of(&self, file: &KeyFile, header: &Authenticated) -> bool {
        file.key_id == header.key_id && header.is_of(&file.key) && file.lies_for(&self.way())
    }

    fn write(&self, new_key: &NewKey) -> Result<bool, Error> {
        let (id, key) = (new_key.id, new_key.key.clone());
        // Before the folder is made, so that a protection that fails leaves nothing behind.
        let text = self.wrapped(KeyFile::new(&self.store, &self.way(), id, key).print())?;
        let folder = Folder::create(&self.folder, Parents::Require)?;
        // Never replaces a file: it may hold the key of another cache.
        Ok(folder.create_new(&self.name, &text)?)
    }

    fn wrapped(&self, text: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.form {
            Form::Clear => Ok(text),
            Form::Dpapi => protect(&text, None)
                .map(Zeroizing::new)
                .map_err(|e| Error::from_protection(e, &self.path)),
        }
    }
}

impl super::KeyProvider for FileKey {
    fn name(&self) -> &'static str {
        match self.form {
            Form::Clear => "key file",
            Form::Dpapi => "DPAPI",
        }
    }

    fn sealed(&self, parameters: &KeyParameters) -> bool {
        *parameters == self.parameters()
    }

    fn reach(&self) -> Result<(), Error> {
        self.known().map(drop)
    }

    fn fetch(&self, header: &Header) -> Result<Fetched, Error> {
        Ok(match self.read()? {
            // By its id alone, so that a cache that was moved keeps its key file.
            Some(file) if file.key_id == header.key_id => Fetched::Key(file.key),
            Some(_) => Fetched::Another,
            None => Fetched::Gone,
        })
    }

    fn recall(&self, header: &Header) -> Result<Fetched, Error> {
        self.fetch(header)
    }

    fn new_key(&self) -> Result<NewKey, Error> {
        let (id, key) = match self.known()? {
            Some(file) => {
                self.check_place(&file)?;
                (file.key_id, file.key)
            }
            None => random_key()?,
        };
        Ok(NewKey { id, key, parameters: self.parameters() })
    }

    /// The file is created here, with the lock held, so that two first runs never make two keys.
    fn confirm(&self, new_key: &NewKey) -> Result<bool, Error> {
        if self.write(new_key)? {
            return Ok(true);
        }
        // The file was there before, or another first save has made it; only its key may be used.
        Ok(self.read()?.is_some_and(|file| file.key_id == new_key.id))
    }

    /// A file beside the cache that Windows does not decrypt belongs to that cache only and would
    /// block the next one. It is not removed, because Windows may decrypt it again.
    fn abandon(&self) -> Result<(), Error> {
        if self.form == Form::Clear || !matches!(self.read(), Err(Error::InvalidKeyFile { .. })) {
            return Ok(());
        }
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(()) };
        let aside = format!("{}.quarantine-{}", self.name, random_key_id()?);
        Ok(folder.rename(&self.name, &aside)?)
    }

    fn reach_for_new(&self) -> Result<(), Error> {
        self.known()?.map_or(Ok(()), |file| self.check_place(&file))
    }

    /// A key file that does not exist yet needs its folder, and room in it. DPAPI makes a round
    /// trip that needs no file.
    fn verify(&self) -> Result<(), Error> {
        match self.form {
            Form::Clear if self.read()?.is_none() => {
                Ok(Folder::create(&self.folder, Parents::Require)?.probe(&self.name)?)
            }
            Form::Clear => Ok(()),
            Form::Dpapi => prove_dpapi(),
        }
    }

    fn owns(&self, header: &Authenticated) -> Result<bool, Error> {
        let owns = self.read()?.is_some_and(|file| self.is_of(&file, header));
        if owns && let Some(folder) = Folder::open(&self.folder)? {
            folder.check_removal(&self.name)?;
            // `remove` sweeps this one too.
            folder.check_removal(&format!("{}.tmp", self.name))?;
        }
        Ok(owns)
    }

    fn delete(&self, header: &Authenticated, _guard: &LockGuard) -> Result<(), Error> {
        match self.read()?.is_some_and(|file| self.is_of(&file, header)) {
            true => self.remove(),
            false => Ok(()),
        }
    }

    fn whereabouts(&self, _: &KeyId) -> String {
        format!("the key file `{}`", shown_path(&self.path))
    }
}

fn prove_dpapi() -> Result<(), Error> {
    let (_, key) = random_key()?;
    let failed = |error| Error::from_protection(error, Path::new(DPAPI_NAME));
    let returned =
        unprotect(&protect(key.expose(), None).map_err(failed)?, None).map_err(failed)?;
    match *returned == key.expose() {
        true => Ok(()),
        false => Err(Error::VaultFailed {
            vault: "DPAPI",
            source: "it gave back something else than was encrypted".into(),
        }),
    }
}

/// The relative path from one folder to another, which stays right if both are moved together.
fn way(from: &Path, to: &Path) -> PathBuf {
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    from.map(|_| Component::ParentDir).chain(to).collect()
}

/// A key file has about 200 bytes, and DPAPI adds about as many.
const MAX_SIZE: u64 = 4096;

/// The file beside the cache that DPAPI encrypts.
const DPAPI_NAME: &str = "key.dpapi";

/// Whether a key file at `key` would be in the cache's `folder` or below it, with links resolved.
pub(in crate::persistence) fn lies_in(key: &Path, folder: &Path) -> bool {
    let real = |path: &Path| real_path(path).unwrap_or_else(|_| path.to_owned());
    real(key).starts_with(real(folder))
}
