//! The folders above a place: who may change one of them can put another place in its stead.

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

/// Follows the way to `path` component by component, and refuses folders above it that others may
/// change and links that others may lead elsewhere. `path` itself is left to who opens it; if it is
/// a link, then the folder that it leads to is, for a shared place may be opened through a link.
///
/// What is missing or cannot be looked at ends the way: opening says so.
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
        links += 1;
        if links > MAX_LINKS {
            let source = io::Error::from(Errno::LOOP);
            return Err(FileError::from_io("follow", &next, source));
        }
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        rest.extend(components(&target));
    }
    Ok(())
}

/// What a link leads to, or that it is a folder; `None` where the way ends.
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

/// The components in reverse, so that the next one is the last.
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

/// As many as Linux follows.
const MAX_LINKS: u32 = 40;
