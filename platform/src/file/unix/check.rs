//! Whether what was found at a path is safe to use, and the command that mends it.

use std::path::Path;

use rustix::{
    fs::{FileType, Mode, Stat},
    io::{Errno, retry_on_intr},
};

use super::super::{FileError, Place};
use crate::text::shell_word;

/// A folder by the rules of its place.
pub(super) fn folder(path: &Path, stat: &Stat, place: Place) -> Result<(), FileError> {
    kind(path, stat, FileType::Directory)?;
    owner(path, stat)?;
    let mode = mode_of(stat);
    match place {
        Place::Private if mode.intersects(OTHERS) => {
            Err(wide(path, mode, "can be entered or changed by others", "chmod 700"))
        }
        Place::Shared if mode.intersects(OTHERS_WRITE) => {
            Err(wide(path, mode, "can be changed by others", "chmod go-w"))
        }
        _ => Ok(()),
    }
}

/// A file by the rules of its place.
pub(super) fn file(path: &Path, stat: &Stat, place: Place) -> Result<(), FileError> {
    ours(path, stat)?;
    let mode = mode_of(stat);
    match place {
        Place::Private if mode.intersects(OTHERS) => {
            Err(wide(path, mode, "can be read or written by others", "chmod 600"))
        }
        Place::Private if stat.st_nlink > 1 => {
            let name = shell_word(path);
            Err(FileError::Unsafe {
                path: path.to_owned(),
                found: format!("has {} hard links", stat.st_nlink),
                mend: format!("run `cp -p {name} {name}.copy && mv {name}.copy {name}`"),
            })
        }
        Place::Shared if mode.intersects(OTHERS_WRITE) => {
            Err(wide(path, mode, "can be written by others", "chmod 600"))
        }
        _ => Ok(()),
    }
}

/// A regular file of this user's, whatever its mode.
pub(super) fn ours(path: &Path, stat: &Stat) -> Result<(), FileError> {
    kind(path, stat, FileType::RegularFile)?;
    owner(path, stat)
}

pub(super) fn is_own_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        && stat.st_uid == rustix::process::geteuid().as_raw()
}

pub(super) fn is_open_to_others(stat: &Stat) -> bool {
    mode_of(stat).intersects(OTHERS)
}

/// Why opening failed: by what lies there if that explains it, else by what the system said.
pub(super) fn explain(
    operation: &'static str,
    path: &Path,
    errno: Errno,
    folder: bool,
) -> FileError {
    let expected = if folder { FileType::Directory } else { FileType::RegularFile };
    let found = retry_on_intr(|| rustix::fs::lstat(path));
    match found.map(|stat| kind(path, &stat, expected).and_then(|()| owner(path, &stat))) {
        Ok(Err(unsafe_path)) => unsafe_path,
        _ => FileError::from_io(operation, path, errno.into()),
    }
}

fn kind(path: &Path, stat: &Stat, expected: FileType) -> Result<(), FileError> {
    let found = FileType::from_raw_mode(stat.st_mode);
    if found == expected {
        return Ok(());
    }
    let found = match found {
        FileType::RegularFile => "is a file, not a folder",
        FileType::Directory => "is a directory",
        FileType::Symlink => "is a symbolic link",
        FileType::Fifo => "is a FIFO",
        FileType::Socket => "is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device",
        _ => "is not a regular file",
    };
    let name = shell_word(path);
    let mend = format!("run `mv {name} {name}.moved`, or name another place");
    Err(FileError::Unsafe { path: path.to_owned(), found: found.to_owned(), mend })
}

fn owner(path: &Path, stat: &Stat) -> Result<(), FileError> {
    let user = rustix::process::geteuid().as_raw();
    if stat.st_uid == user {
        return Ok(());
    }
    Err(FileError::Unsafe {
        path: path.to_owned(),
        found: format!("belongs to user {}, not to {user}", stat.st_uid),
        mend: format!("run `chown {user} {}` as root, or name another place", shell_word(path)),
    })
}

fn wide(path: &Path, mode: Mode, found: &str, command: &str) -> FileError {
    FileError::Unsafe {
        path: path.to_owned(),
        found: format!("{found} (mode {:04o})", mode.as_raw_mode()),
        mend: format!("run `{command} {}`", shell_word(path)),
    }
}

fn mode_of(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode)
}

const OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);
const OTHERS_WRITE: Mode = Mode::WGRP.union(Mode::WOTH);
