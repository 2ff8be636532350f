//! The plain text layout, used only where a program chose it by name.

use std::path::{Path, PathBuf};

use tokenkeep_platform::{
    file::{self, Folder, OpenFile, Parents},
    text::shown_path,
};

use super::{
    DEFAULT_SIZE_LIMIT, Intent, Loaded, Persistence, Protection, Reservation, Saved, Stamp,
    location::FileLocation,
    recognise::{Found, LARGEST_GIVEN_UP, refuse_another},
    set_aside::{all_set_aside, prefix_of, remove_all, set_aside},
};
use crate::{
    Error, Secret,
    lock::{CrossProcessLock, LockGuard},
};

/// A cache in PLAIN TEXT: anyone who reads the file can use the sign-ins.
///
/// No other type falls back to this one. The file is MSAL's JSON. It is created with mode 0600 and
/// replaced as a whole. Its folder may be one that others can read, but not one that others can
/// write. A file that others can read becomes 0600 at the next save. On Windows, an access list for
/// its user, SYSTEM and Administrators only takes the place of mode 0600.
///
/// A file with other content, such as another program's settings, is
/// [`OtherBackend`](Error::OtherBackend). It is not rewritten, set aside or removed. Content that a
/// cache can become by damage (a part of one, blanks or zero bytes) is [`Corrupt`](Error::Corrupt).
/// Only [`reset`](crate::PersistedTokenCache::reset) and
/// [`quarantine`](crate::PersistedTokenCache::quarantine) give it up.
///
/// [`OpaqueStore`](super::OpaqueStore) keeps anything else in such a file.
///
/// Programs in other languages may use the file too. It is locked as they lock it, by
/// [`CrossProcessLock::msal_extensions`].
#[derive(Debug)]
pub struct PlaintextPersistence {
    folder: PathBuf,
    name: String,
    path: PathBuf,
    size_limit: u64,
}

impl PlaintextPersistence {
    /// The cache in the file `path`, which need not exist yet. Its folder is created with mode 0700
    /// if the folder above it exists.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `path` names no file, or begins with `~`, which is not expanded here.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, Error> {
        let FileLocation { path, folder, name } = FileLocation::of(path.as_ref())?;
        Ok(Self { folder, name, path, size_limit: DEFAULT_SIZE_LIMIT })
    }

    /// Like [`new`](Self::new), but also checks the folders above the folder of the file. The file
    /// and its own folder are checked only when the file is read, saved or removed.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new). [`Error::UnsafePath`] if others can change one of these
    /// folders. [`Error::PermissionDenied`] if the file cannot be looked at.
    ///
    /// # Platform differences
    /// On Windows the folders above are not checked.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let persistence = Self::new(path)?;
        persistence.reach()?;
        Ok(persistence)
    }

    /// Reads and writes at most `bytes` bytes.
    #[must_use]
    pub fn size_limit(mut self, bytes: u64) -> Self {
        self.size_limit = bytes;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the folders above and at the file, and creates nothing.
    pub(super) fn reach(&self) -> Result<(), Error> {
        self.check_place()?;
        self.stamp().map(drop)
    }

    /// Refuses a place below a folder that others may change.
    fn check_place(&self) -> Result<(), Error> {
        Ok(file::check_above(&self.folder)?)
    }

    fn open_file(&self) -> Result<Option<OpenFile>, Error> {
        match Folder::open_shared(&self.folder)? {
            Some(folder) => Ok(folder.open_file(&self.name)?),
            None => Ok(None),
        }
    }

    /// What the file holds, whatever it is, and a stamp from before it was read.
    pub(super) fn read_any(&self) -> Result<Option<(Secret, Stamp)>, Error> {
        let Some(file) = self.open_file()? else { return Ok(None) };
        // Taken before the read, so that a change during the read makes the stamp differ.
        let stamp = Stamp::of_file(file.stamp()).settled();
        Ok(Some((Secret::wiped(file.read_all(self.size_limit)?), stamp)))
    }

    /// Replaces the file with any content, an empty one too.
    pub(super) fn write_any(&self, content: &[u8]) -> Result<Stamp, Error> {
        let size = content.len() as u64;
        if size > self.size_limit {
            let what = format!("`{}`", shown_path(&self.path));
            return Err(Error::TooLarge { what, size, limit: self.size_limit });
        }
        let folder = Folder::create_shared(&self.folder, Parents::Require)?;
        Ok(Stamp::of_file(folder.replace(&self.name, content)?))
    }

    /// Whether there is a file. Fails if the file is known to be something other than a cache in
    /// plain text.
    fn check_given_up(&self) -> Result<bool, Error> {
        let Some(file) = self.open_file()? else { return Ok(false) };
        let content = file.read_all(self.size_limit.max(LARGEST_GIVEN_UP))?;
        refuse_another(&content, &self.path, EXPECTED, |_| false)?;
        Ok(true)
    }
}

impl Persistence for PlaintextPersistence {
    fn prepare(&self, intent: Intent) -> Result<(), Error> {
        // Again before each change: a folder above may have been opened to others since.
        self.check_place()?;
        if intent != Intent::Read {
            Folder::create_shared(&self.folder, Parents::Require)?;
        }
        Ok(())
    }

    fn load(&self, _known: Option<&Stamp>) -> Result<Loaded, Error> {
        // Read in full each time: peers write in place, so no stamp proves what the file holds.
        let Some((content, stamp)) = self.read_any()? else { return Ok(Loaded::Absent) };
        if content.expose().is_empty() {
            // An interrupted writer leaves an empty file, which must not pass for an empty cache.
            let what = format!("`{}`", shown_path(&self.path));
            return Err(Error::Corrupt { what, detail: "it is empty".into(), source: None });
        }
        // Content that is not JSON is examined by `check_unreadable`, once parsing it has failed.
        refuse_another(content.expose(), &self.path, EXPECTED, |found| found == Found::Other)?;
        Ok(Loaded::Content(content, stamp))
    }

    fn save(
        &self,
        content: &[u8],
        _base: Option<&Stamp>,
        _guard: &LockGuard,
    ) -> Result<Saved, Error> {
        if content.is_empty() {
            // An empty file could not be told from one that an interrupted writer left.
            let path = shown_path(&self.path);
            let detail = format!("an empty cache cannot be kept in `{path}`; save `{{}}`");
            return Err(Error::Invalid { detail });
        }
        self.write_any(content).map(Saved::Done)
    }

    fn is_written_in_place(&self) -> bool {
        true
    }

    fn confirm(&self) -> Result<(), Error> {
        Ok(Folder::open_shared(&self.folder)?.map_or(Ok(()), |folder| folder.confirm())?)
    }

    fn delete(&self, _base: Option<&Stamp>, _guard: &LockGuard) -> Result<(), Error> {
        if let Some(folder) = Folder::open_shared(&self.folder)? {
            let mut files = vec![self.name.clone()];
            files.extend(all_set_aside(&folder, &prefix_of(&self.name))?);
            remove_all(&folder, &files)?;
        }
        Ok(())
    }

    fn check_unreadable(&self, content: &[u8]) -> Result<(), Error> {
        refuse_another(content, &self.path, EXPECTED, |_| false)
    }

    fn stamp(&self) -> Result<Option<Stamp>, Error> {
        Ok(file::stamp(&self.path)?.map(Stamp::of_file))
    }

    fn protection(&self) -> Protection {
        // The error is ignored: the next read or write of this file reports it.
        let exposed = self.open_file().ok().flatten().is_some_and(|f| f.readable_by_others());
        Protection::Plaintext { path: self.path.clone(), exposed }
    }

    fn lock(&self) -> Option<CrossProcessLock> {
        Some(CrossProcessLock::msal_extensions(&self.path))
    }

    fn reserve(&self, tag: &str) -> Result<Reservation, Error> {
        let folder = Folder::create_shared(&self.folder, Parents::Require)?;
        // Free again at once: the folder is other programs' too, and a kill would leave the file.
        drop(folder.reserve(&self.name, tag)?);
        Ok(Reservation::none())
    }

    fn verify(&self) -> Result<(), Error> {
        let folder = Folder::create_shared(&self.folder, Parents::Require)?;
        Ok(folder.probe(&self.name)?)
    }

    fn reset(&self, guard: &LockGuard) -> Result<(), Error> {
        self.check_given_up()?;
        self.delete(None, guard)
    }

    fn quarantine(&self, _guard: &LockGuard) -> Result<Option<PathBuf>, Error> {
        let Some(folder) = Folder::open_shared(&self.folder)? else { return Ok(None) };
        if !self.check_given_up()? {
            return Ok(None);
        }
        Ok(Some(set_aside(&folder, &self.name, &prefix_of(&self.name))?))
    }
}

const EXPECTED: &str = "a token cache in plain text";
