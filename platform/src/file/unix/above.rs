//! Checks the folders above a place. A user who may change one of them can replace the place.

use std::{
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::FileType,
    io::{Errno, retry_on_intr},
};

use super::{super::FileError, check};

/// Follows `path` component by component. Refuses folders above it that others may change, and
/// links that others may redirect. `path` itself is not checked, because the code that opens it
/// does so. If it is a link, the folder it leads to is not checked either: a shared place may be
/// opened through a link.
///
/// Stops at a component that is missing or cannot be looked at. Opening the place then reports it.
pub(crate) fn check_above(path: &Path) -> Result<(), FileError> {
    let Ok(path) = std::path::absolute(path) else { return Ok(()) };
    let mut rest = components(&path);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    check(&at, false)?;
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let Some(target) = check(&next, rest.is_empty())? else { return Ok(()) };
        let Some(target) = target else {
            at = next;
            continue;
        };
        // A loop of links would never end otherwise.
        links += 1;
        if links > MAX_LINKS {
            let source = io::Error::from(Errno::LOOP);
            return Err(FileError::from_io("follow", &next, source));
        }
        if target.is_absolute() {
            // A relative target is resolved from the folder that holds the link, which is still
            // `at`.
            at = PathBuf::from("/");
        }
        rest.extend(components(&target));
    }
    Ok(())
}

/// Checks one component. Returns the target of a link, or an inner `None` for a folder. Returns an
/// outer `None` if there is nothing more to follow.
fn check(path: &Path, is_last: bool) -> Result<Option<Option<PathBuf>>, FileError> {
    let Ok(stat) = retry_on_intr(|| rustix::fs::lstat(path)) else { return Ok(None) };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if is_last => Ok(None),
        FileType::Directory => check::above(path, &stat).map(|()| Some(None)),
        FileType::Symlink => {
            let folder = path.parent().unwrap_or(path);
            if let Ok(folder) = retry_on_intr(|| rustix::fs::lstat(folder)) {
                check::link_above(path, &stat, &folder)?;
            }
            Ok(fs::read_link(path).ok().map(Some))
        }
        _ => Ok(None),
    }
}

/// The components in reverse order, so that `pop` returns the next one.
fn components(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}

/// Linux's own limit.
const MAX_LINKS: u32 = 40;
