//! Files that are set aside under another name in their folder. They are removed with the file
//! itself.

use std::path::PathBuf;

use tokenkeep_platform::{
    file::{FileError, Folder},
    text::shown_path,
};

use super::key_source::random_key_id;
use crate::{Error, seal::KeyId};

/// The prefix of the names of files that are set aside from the file `name`.
pub(super) fn prefix_of(name: &str) -> String {
    format!("{name}.quarantine-")
}

/// Renames the file `name` to a unique name: `prefix` and 32 hexadecimal digits.
pub(super) fn set_aside(folder: &Folder, name: &str, prefix: &str) -> Result<PathBuf, Error> {
    // Random, because the rename replaces nothing that was set aside before.
    let aside = format!("{prefix}{}", random_key_id()?);
    folder.rename(name, &aside)?;
    Ok(folder.path().join(aside))
}

/// Whether [`set_aside`] gave a file this name.
pub(super) fn is_set_aside(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|id| KeyId::from_hex(id).is_some())
}

/// The files that were set aside with this prefix, sorted by name.
pub(super) fn all_set_aside(folder: &Folder, prefix: &str) -> Result<Vec<String>, Error> {
    let mut names = folder.names()?;
    names.retain(|name| is_set_aside(name, prefix));
    // The system lists a folder in any order; what users see must not change by itself.
    names.sort();
    Ok(names)
}

/// Removes files in their order, and what killed writers of the first one left. Nothing is removed
/// if a check shows that one of them cannot be.
pub(super) fn remove_all(folder: &Folder, files: &[String]) -> Result<(), Error> {
    for name in files {
        folder.check_removal(name)?;
    }
    if let Some(name) = files.first() {
        folder.sweep(name)?;
        folder.sweep_reserved(name)?;
    }
    let mut is_begun = false;
    remove_each(folder, files, || is_begun = true).map_err(|(at, error)| match is_begun {
        true => Error::PartlyRemoved {
            left: listed(folder, &files[at..]).join(", "),
            source: Box::new(error),
        },
        false => error,
    })
}

/// Removes files in their order, and calls `removed_one` for each. An error comes with the index of
/// its file.
pub(super) fn remove_each(
    folder: &Folder,
    files: &[String],
    mut removed_one: impl FnMut(),
) -> Result<(), (usize, Error)> {
    for (at, name) in files.iter().enumerate() {
        let removed = folder.remove(name);
        // After `NotDurable` the file is gone too, but a power cut may bring it back.
        if matches!(removed, Ok(true) | Err(FileError::NotDurable { .. })) {
            removed_one();
        }
        removed.map_err(|error| (at, error.into()))?;
    }
    Ok(())
}

/// The files as a message lists them.
pub(super) fn listed(folder: &Folder, files: &[String]) -> Vec<String> {
    files.iter().map(|name| format!("`{}`", shown_path(folder.path().join(name)))).collect()
}
