//! Files that are set aside under another name in their folder, and removed with the file itself.

use std::path::PathBuf;

use tokenkeep_platform::{
    file::{FileError, Folder},
    text::shown_path,
};

use super::key_source::random_key_id;
use crate::{Error, seal::KeyId};

/// How the names begin of what is set aside of a file that a user named.
pub(super) fn prefix_of(name: &str) -> String {
    format!("{name}.quarantine-")
}

/// Gives the file `name` a name that no other one has: `prefix` and 32 hexadecimal digits.
pub(super) fn set_aside(folder: &Folder, name: &str, prefix: &str) -> Result<PathBuf, Error> {
    let aside = format!("{prefix}{}", random_key_id()?);
    folder.rename(name, &aside)?;
    Ok(folder.path().join(aside))
}

/// Whether [`set_aside`] gave a file this name.
pub(super) fn is_set_aside(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|id| KeyId::from_hex(id).is_some())
}

/// The files that were set aside with this prefix, by their names.
pub(super) fn all_set_aside(folder: &Folder, prefix: &str) -> Result<Vec<String>, Error> {
    let mut names = folder.names()?;
    names.retain(|name| is_set_aside(name, prefix));
    names.sort();
    Ok(names)
}

/// Removes files in their order, and what killed writers of the first one left. Nothing is removed
/// if it can be told before that one of them cannot be.
pub(super) fn remove_all(folder: &Folder, files: &[String]) -> Result<(), Error> {
    for name in files {
        folder.check_removal(name)?;
    }
    if let Some(name) = files.first() {
        folder.sweep(name)?;
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

/// Removes files in their order; each that is gone is told. With an error comes the number of the
/// file that it is about.
pub(super) fn remove_each(
    folder: &Folder,
    files: &[String],
    mut removed_one: impl FnMut(),
) -> Result<(), (usize, Error)> {
    for (at, name) in files.iter().enumerate() {
        let removed = folder.remove(name);
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
