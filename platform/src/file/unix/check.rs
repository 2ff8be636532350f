//! Decides whether a file or folder is safe to use, and how the user can fix it if not.

use std::{fs, io, path::Path};

use rustix::{
    fs::{FileType, Mode, Stat},
    io::{Errno, retry_on_intr},
};

use super::{
    super::{FileError, Trust, own},
    FILE_MODE, group,
};
use crate::{
    text::{shell_word, shown_path},
    user::stands_for_many,
};

/// Checks a folder by the rules of its place.
pub(super) fn folder(path: &Path, stat: &Stat, place: Trust) -> Result<(), FileError> {
    kind(path, stat, FileType::Directory)?;
    owner(path, stat)?;
    let mode = mode_of(stat);
    let found = match place {
        Trust::Private if mode.intersects(OTHERS) => "can be entered or changed by others",
        Trust::Shared if others_may(mode, path, stat, OTHERS_WRITE) => "can be changed by others",
        _ => return Ok(()),
    };
    // Narrowing a sticky folder such as `/tmp` would break it for every other user.
    let is_own = place == Trust::Private && !mode.contains(Mode::SVTX) && own::is_own_folder(path);
    let fix = match is_own {
        true => format!("run `chmod 700 {}`", shell_word(path)),
        false if may_lie_below(mode, path, stat) => {
            "name a folder of its own below it, or another place".to_owned()
        }
        false => "name another place".to_owned(),
    };
    Err(unsafe_path(path, with_mode(found, mode), fix))
}

/// Checks a file by the rules of its place.
pub(super) fn file(path: &Path, stat: &Stat, place: Trust) -> Result<(), FileError> {
    ours(path, stat)?;
    let mode = mode_of(stat);
    let found = match place {
        Trust::Private if mode.intersects(OTHERS) => "can be read or written by others",
        Trust::Shared if others_may(mode, path, stat, OTHERS_WRITE) => "can be written by others",
        Trust::Private if stat.st_nlink > 1 => return Err(linked(path, stat)),
        _ => return Ok(()),
    };
    let fix = match place == Trust::Private && own::is_own_file(path) {
        true => narrow_file(path),
        false => "name another place".to_owned(),
    };
    Err(unsafe_path(path, with_mode(found, mode), fix))
}

/// Accepts any regular file of this user, whatever its mode.
pub(super) fn ours(path: &Path, stat: &Stat) -> Result<(), FileError> {
    kind(path, stat, FileType::RegularFile)?;
    owner(path, stat)
}

pub(super) fn is_own_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_uid == user()
}

/// Whether the mode grants anything to group or others. A group with no other members counts too.
pub(super) fn is_open_to_others(stat: &Stat) -> bool {
    mode_of(stat).intersects(OTHERS)
}

/// Whether users other than the owner may read it.
pub(super) fn is_readable_by_others(path: &Path, stat: &Stat) -> bool {
    others_may(mode_of(stat), path, stat, OTHERS)
}

/// Fails if no folder may be created in `stat`, which was found at `path`. It must belong to this
/// user or the system. Any other owner can replace what is created there, even in a sticky folder.
/// And a superuser would create something that the owner of the folder cannot use.
pub(super) fn may_make_in(path: &Path, stat: &Stat) -> Result<(), FileError> {
    if is_the_systems(stat) { Ok(()) } else { owner(path, stat) }
}

/// Checks a folder above a place, by its canonical path. Its owner can replace the place, and so
/// can anyone its mode lets write unless it is sticky.
pub(super) fn above(path: &Path, stat: &Stat) -> Result<(), FileError> {
    if stat.st_uid != user() && !is_the_systems(stat) {
        return Err(of_another(path, stat, ", and that user can replace all that lies below it"));
    }
    let mode = mode_of(stat);
    if may_lie_below(mode, path, stat) {
        return Ok(());
    }
    let found = with_mode("can be changed by others, and so can all that lies below it", mode);
    Err(unsafe_path(path, found, "name a place that does not lie below it".to_owned()))
}

/// Whether nobody else can replace what lies below a folder of this mode.
fn may_lie_below(mode: Mode, path: &Path, stat: &Stat) -> bool {
    mode.contains(Mode::SVTX) || !others_may(mode, path, stat, OTHERS_WRITE)
}

/// Checks a link on the way to a place, in `folder`. If everybody may create links there, it must
/// belong to this user or to the owner of the folder. Linux has the same rule
/// (`protected_symlinks`). Any other owner could redirect it.
pub(super) fn link_above(path: &Path, stat: &Stat, folder: &Stat) -> Result<(), FileError> {
    let mode = mode_of(folder);
    if stat.st_uid == folder.st_uid || !mode.contains(Mode::SVTX | Mode::WOTH) {
        return Ok(());
    }
    owner(path, stat)
}

/// Explains a failed open by what is at the path, else by the system's error.
pub(super) fn explain(
    operation: &'static str,
    path: &Path,
    errno: Errno,
    folder: bool,
) -> FileError {
    let expected = if folder { FileType::Directory } else { FileType::RegularFile };
    let plain = || FileError::from_io(operation, path, errno.into());
    let stat = match retry_on_intr(|| rustix::fs::lstat(path)) {
        Ok(stat) => stat,
        // The file cannot even be looked at, so the folder is what denies access.
        Err(Errno::ACCESS) if !folder => {
            let folder = path.parent().unwrap_or(path);
            return explain(operation, folder, errno, true);
        }
        Err(_) => return plain(),
    };
    if let Err(unsafe_path) = kind(path, &stat, expected).and_then(|()| owner(path, &stat)) {
        return unsafe_path;
    }
    let (needed, is_own, command) = match folder {
        true => (Mode::RUSR | Mode::XUSR, own::is_own_folder(path), "chmod 700"),
        false => (FILE_MODE, own::is_own_file(path), "chmod 600"),
    };
    let mode = mode_of(&stat);
    if errno != Errno::ACCESS || mode.contains(needed) {
        return plain();
    }
    let fix = match is_own && !mode.contains(Mode::SVTX) {
        true => format!("run `{command} {}`", shell_word(path)),
        false => "let its owner use it, or name another place".to_owned(),
    };
    unsafe_path(path, with_mode("cannot be used by its owner", mode), fix)
}

fn kind(path: &Path, stat: &Stat, expected: FileType) -> Result<(), FileError> {
    let found = FileType::from_raw_mode(stat.st_mode);
    if found == expected {
        return Ok(());
    }
    let fix = match found {
        FileType::Symlink => link_fix(path),
        _ if own::is_own_file(path) => "move it away, or name another place".to_owned(),
        _ => "name another place".to_owned(),
    };
    let found = match found {
        FileType::RegularFile => "is a file, not a folder",
        FileType::Directory => "is a directory",
        FileType::Symlink => "is a symbolic link",
        FileType::Fifo => "is a FIFO",
        FileType::Socket => "is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device",
        _ => "is not a regular file",
    };
    Err(unsafe_path(path, found.to_owned(), fix))
}

/// Names the target of a link, because otherwise a user cannot see why a path that works elsewhere
/// is refused.
fn link_fix(path: &Path) -> String {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) => {
            let target = fs::read_link(path).unwrap_or_default();
            let why = match error.kind() {
                io::ErrorKind::NotFound => "where nothing is",
                _ => "where this user cannot look",
            };
            return format!("it leads to `{}`, {why}; name another place", shown_path(&target));
        }
    };
    let target = shown_path(&target);
    match own::has_store_name(path) {
        true => format!(
            "it leads to `{target}`; put the file itself in its place, or name another folder"
        ),
        false => format!("name what it leads to, `{target}`"),
    }
}

fn owner(path: &Path, stat: &Stat) -> Result<(), FileError> {
    match stat.st_uid == user() {
        true => Ok(()),
        false => Err(of_another(path, stat, "")),
    }
}

fn of_another(path: &Path, stat: &Stat, and: &str) -> FileError {
    let found = match user() {
        ROOT => format!("belongs to user {}, not to root{and}", stat.st_uid),
        user => format!("belongs to user {}, not to {user}{and}", stat.st_uid),
    };
    let fix = match is_in_home_of_another(path) {
        true => "HOME is another user's: run as that user, or set HOME",
        false => "run as that user, or name another place",
    };
    unsafe_path(path, found, fix.to_owned())
}

/// The case of root whose `sudo` kept HOME.
fn is_in_home_of_another(path: &Path) -> bool {
    own::home().is_some_and(|home| {
        let is_anothers = |home: &Stat| home.st_uid != user();
        path.starts_with(&home) && rustix::fs::stat(&home).as_ref().is_ok_and(is_anothers)
    })
}

fn linked(path: &Path, stat: &Stat) -> FileError {
    let fix = match own::is_own_file(path) {
        true => {
            let name = shell_word(path);
            let copy = shell_word(with_suffix(path, ".copy"));
            format!("run `cp -p {name} {copy} && mv {copy} {name}`")
        }
        false => "name another place".to_owned(),
    };
    unsafe_path(path, format!("has {} hard links", stat.st_nlink), fix)
}

fn with_suffix(path: &Path, suffix: &str) -> std::ffi::OsString {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name
}

fn narrow_file(path: &Path) -> String {
    format!("run `chmod 600 {}`", shell_word(path))
}

fn with_mode(found: &str, mode: Mode) -> String {
    format!("{found} (mode {:04o})", mode.as_raw_mode())
}

fn unsafe_path(path: &Path, found: String, fix: String) -> FileError {
    FileError::Unsafe { path: path.to_owned(), found, fix }
}

/// Whether users other than the owner have one of `rights`. A group with only the owner in it does
/// not count.
fn others_may(mode: Mode, path: &Path, stat: &Stat, rights: Mode) -> bool {
    mode.intersects(rights & Mode::RWXO)
        || mode.intersects(rights & Mode::RWXG) && !group::is_owners_alone(path, stat)
}

/// Whether the owner counts as the system. In a container whose user namespace does not map root,
/// root's files show as the overflow user. The owner of the root folder can replace everything
/// anyway. Android has a separate system user.
fn is_the_systems(stat: &Stat) -> bool {
    let user = stat.st_uid;
    user == ROOT
        || cfg!(target_os = "android") && user == ANDROIDS_SYSTEM
        || rustix::fs::stat("/").is_ok_and(|root| root.st_uid == user)
        || stands_for_many(user).unwrap_or(false)
}

fn mode_of(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode)
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

const ROOT: u32 = 0;
const ANDROIDS_SYSTEM: u32 = 1000;
const OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);
const OTHERS_WRITE: Mode = Mode::WGRP.union(Mode::WOTH);
