//! Which file of a store's folder names a key.

use std::path::PathBuf;

use tokenkeep_platform::file::Folder;

use super::{FILE_NAME, SET_ASIDE};
use crate::{
    Error,
    persistence::set_aside::is_set_aside,
    seal::{Header, KeyId},
};

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
