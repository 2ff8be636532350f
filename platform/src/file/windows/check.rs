//! Decides whether a file or folder is safe to use: its kind, links, owner and access list.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::windows::fs::OpenOptionsExt as _,
    path::Path,
};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, READ_CONTROL,
};

use super::{
    super::{
        FileError, Trust,
        access_list::{self, Descriptor, Fault, Kind, Sid},
        own,
    },
    access, native, patiently,
};
use crate::text::shown_path;

/// What must be known about a path before it is used.
pub(super) struct Found {
    pub(super) information: BY_HANDLE_FILE_INFORMATION,
    descriptor: Descriptor,
    user: Sid,
    tag: Option<u32>,
}

impl Found {
    /// Looks at an open file or folder.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let information = native::information(file)?;
        let is_link = information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
        let tag = if is_link { Some(native::reparse_tag(file)?) } else { None };
        let (descriptor, user) = (access::descriptor(file)?, access::user()?);
        Ok(Self { information, descriptor, user, tag })
    }

    /// Looks at `path`. Returns `None` if nothing exists there. Never conflicts with another open
    /// handle.
    pub(super) fn at(path: &Path, links: Links) -> Result<Option<Self>, FileError> {
        let flags = match links {
            Links::Seen => FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
            Links::Followed => FILE_FLAG_BACKUP_SEMANTICS,
        };
        let mut options = OpenOptions::new();
        options.access_mode(FILE_READ_ATTRIBUTES | READ_CONTROL).custom_flags(flags);
        match patiently(|| options.open(path).and_then(|file| Self::of(&file))) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::from_io("look at", path, source)),
        }
    }

    /// Checks a folder by the rules of its place.
    pub(super) fn check_folder(&self, path: &Path, place: Trust) -> Result<(), FileError> {
        self.check_kind(path, Kind::Folder)?;
        self.judge(path, Kind::Folder, place).map(drop)
    }

    /// Checks a file by the rules of its place. Returns whether others can read it.
    pub(super) fn check_file(&self, path: &Path, place: Trust) -> Result<bool, FileError> {
        self.check_kind(path, Kind::File)?;
        let readable_by_others = self.judge(path, Kind::File, place)?;
        let links = self.information.nNumberOfLinks;
        if place == Trust::Private && links > 1 {
            let fix = match own::is_own_file(path) {
                true => "copy it to a new file and put that in its place",
                false => "name another place",
            };
            return Err(unsafe_path(path, format!("has {links} hard links"), fix.to_owned()));
        }
        Ok(readable_by_others)
    }

    /// Accepts any regular file or folder of this user, whatever its access list grants to others.
    pub(super) fn check_ours(&self, path: &Path, kind: Kind) -> Result<(), FileError> {
        self.check_kind(path, kind)?;
        access_list::ours(&self.descriptor, &self.user).map_err(|fault| faulty(path, kind, &fault))
    }

    fn check_kind(&self, path: &Path, expected: Kind) -> Result<(), FileError> {
        let is_folder = self.information.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0;
        let found = match (self.tag, is_folder, expected) {
            (Some(SYMBOLIC_LINK), ..) => "is a symbolic link",
            (Some(JUNCTION), ..) => "is a junction",
            (Some(_), ..) => "is a reparse point",
            (None, true, Kind::File) => "is a directory",
            (None, false, Kind::Folder) => "is a file, not a folder",
            _ => return Ok(()),
        };
        let fix = match self.tag {
            Some(_) => link_fix(path),
            None if own::is_own_file(path) => "move it away, or name another place".to_owned(),
            None => "name another place".to_owned(),
        };
        Err(unsafe_path(path, found.to_owned(), fix))
    }

    fn judge(&self, path: &Path, kind: Kind, place: Trust) -> Result<bool, FileError> {
        access_list::judge(&self.descriptor, &self.user, kind, place)
            .map_err(|fault| faulty(path, kind, &fault))
    }
}

/// Whether a link itself or its target is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// The link itself.
    Seen,
    /// The target of the link.
    Followed,
}

/// Explains a failed open by what is at the path, else by the system's error.
pub(super) fn explain(
    operation: &'static str,
    path: &Path,
    source: io::Error,
    kind: Kind,
) -> FileError {
    match Found::at(path, Links::Seen) {
        Ok(Some(found)) => match found.check_ours(path, kind) {
            Err(error) => error,
            Ok(()) => FileError::from_io(operation, path, source),
        },
        _ => FileError::from_io(operation, path, source),
    }
}

fn faulty(path: &Path, kind: Kind, fault: &Fault) -> FileError {
    let is_own = match kind {
        Kind::Folder => own::is_own_folder,
        Kind::File => own::is_own_file,
    };
    unsafe_path(path, fault.found.clone(), fault.fix(path, is_own))
}

/// Names the target of a link, because otherwise a user cannot see why a path that works elsewhere
/// is refused.
fn link_fix(path: &Path) -> String {
    match fs::canonicalize(path) {
        Ok(target) if own::has_store_name(path) => format!(
            "it leads to `{}`; put the file itself in its place, or name another folder",
            shown_path(&target)
        ),
        Ok(target) => format!("name what it leads to, `{}`", shown_path(&target)),
        Err(_) => "it leads nowhere; name another place".to_owned(),
    }
}

fn unsafe_path(path: &Path, found: String, fix: String) -> FileError {
    FileError::Unsafe { path: path.to_owned(), found, fix }
}

/// `IO_REPARSE_TAG_SYMLINK` and `IO_REPARSE_TAG_MOUNT_POINT` of winnt.h.
const SYMBOLIC_LINK: u32 = 0xA000_000C;
const JUNCTION: u32 = 0xA000_0003;
