//! The cache as a file under DPAPI.

use tokenkeep_platform::{
    file::{self, Folder, Parents},
    protect::{ProtectError, protect_described, unprotect},
    text::shown_path,
};

use super::{Found, MsalExtensionsLocation};
use crate::{
    Error,
    persistence::{
        Stamp,
        location::FileLocation,
        recognise::{LARGEST_GIVEN_UP, refuse_another},
    },
};

#[derive(Debug)]
pub(super) struct ProtectedFile {
    description: String,
    entropy: Option<Vec<u8>>,
}

impl ProtectedFile {
    pub(super) fn new(identity: &MsalExtensionsLocation) -> Self {
        Self {
            description: identity.blob_description().to_owned(),
            entropy: identity.blob_entropy().map(<[u8]>::to_vec),
        }
    }

    /// What the file holds, and its stamp from before it was read.
    pub(super) fn read(&self, place: &FileLocation, limit: u64) -> Result<(Found, Stamp), Error> {
        let file = match Folder::open_shared(&place.folder)? {
            Some(folder) => folder.open_file(&place.name)?,
            None => None,
        };
        let Some(file) = file else { return Ok((Found::Absent, Stamp::unlike_any())) };
        // Taken before the read, so that a change during the read makes the stamp differ.
        let stamp = Stamp::of_file(file.stamp()).settled();
        let bytes = file.read_all(limit.saturating_add(OVERHEAD))?;
        refuse_another(&bytes, &place.path, EXPECTED, |_| may_be_blob(&bytes))?;
        let content =
            unprotect(&bytes, self.entropy.as_deref()).map_err(|error| refused(error, place))?;
        Ok((Found::Content(content), stamp))
    }

    pub(super) fn write(&self, content: &[u8], place: &FileLocation) -> Result<(), Error> {
        let blob = protect_described(content, &self.description, self.entropy.as_deref())
            .map_err(|error| refused(error, place))?;
        // Only now, so that a protection that fails leaves no folder behind.
        let folder = Folder::create_shared(&place.folder, Parents::Create)?;
        folder.replace(&place.name, &blob)?;
        Ok(())
    }

    /// Whether there is a file. Fails if it is known to be something other than a cache.
    pub(super) fn check_given_up(
        folder: &Folder,
        place: &FileLocation,
        limit: u64,
    ) -> Result<bool, Error> {
        let Some(file) = folder.open_file(&place.name)? else { return Ok(false) };
        let bytes = file.read_all(limit.saturating_add(OVERHEAD).max(LARGEST_GIVEN_UP))?;
        refuse_another(&bytes, &place.path, EXPECTED, |_| may_be_blob(&bytes))?;
        Ok(true)
    }

    /// Whether Windows encrypts and decrypts now. Nothing is written.
    pub(super) fn check_protection(&self, place: &FileLocation) -> Result<(), Error> {
        let proof = b"tokenkeep";
        let entropy = self.entropy.as_deref();
        protect_described(proof, &self.description, entropy)
            .and_then(|blob| unprotect(&blob, entropy))
            .map(drop)
            .map_err(|error| refused(error, place))
    }

    pub(super) fn verify(&self, place: &FileLocation) -> Result<(), Error> {
        self.check_protection(place)?;
        let folder = Folder::create_shared(&place.folder, Parents::Create)?;
        Ok(folder.probe(&place.name)?)
    }

    /// Proves that there is room for the next save now. The folder is other programs' too, so no
    /// file may stay in it.
    pub(super) fn check_room(place: &FileLocation, tag: &str) -> Result<(), Error> {
        let folder = Folder::create_shared(&place.folder, Parents::Create)?;
        drop(folder.reserve(&place.name, tag)?);
        Ok(())
    }

    pub(super) fn stamp(place: &FileLocation) -> Result<Option<Stamp>, Error> {
        Ok(file::stamp(&place.path)?.map(Stamp::of_file))
    }
}

fn refused(error: ProtectError, place: &FileLocation) -> Error {
    let corrupt = |detail: &str, source| {
        let what = format!("the cache in `{}`", shown_path(&place.path));
        Error::Corrupt { what, detail: detail.into(), source }
    };
    match error {
        ProtectError::Empty => corrupt("it is empty", None),
        ProtectError::NotData { source } => {
            let detail = "it is damaged, in plain text, or protected with another entropy";
            corrupt(detail, Some(source.into()))
        }
        ProtectError::OtherKey { source } => {
            Error::WrongKey { path: place.path.clone(), source: Some(source.into()) }
        }
        other => Error::from_protection(other, &place.path),
    }
}

/// A blob is a few hundred bytes larger than what it protects.
const OVERHEAD: u64 = 4096;

/// Blobs of Windows, and of Wine, begin with their version, 1. No text does.
fn may_be_blob(bytes: &[u8]) -> bool {
    bytes.starts_with(&[1, 0, 0, 0])
}

const EXPECTED: &str = "a token cache under DPAPI";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_said_is_in_the_error_with_its_number() {
        let place = FileLocation::of("cache.bin".as_ref()).unwrap();
        let error = |code| refused(ProtectError::from_code(code), &place);
        for (code, is_expected) in [
            (13, matches!(error(13), Error::Corrupt { .. })),
            (-2_146_893_813, matches!(error(-2_146_893_813), Error::WrongKey { .. })),
            (-2_146_892_987, matches!(error(-2_146_892_987), Error::VaultMissing { .. })),
            (5, matches!(error(5), Error::VaultFailed { .. })),
        ] {
            assert!(is_expected, "{:?}", error(code));
            assert_eq!(error(code).os_code(), Some(code.into()));
        }
        assert_eq!(error(87).os_code(), None, "an empty file is found without Windows");
    }
}
