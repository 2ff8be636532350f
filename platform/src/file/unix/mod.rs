//! Unix: all operations are relative to an open folder, and a link in the last component is never
//! followed.

mod above;
mod check;
mod disk;
mod group;
mod make;
mod stamp;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fd::OwnedFd,
    fs::{Access, AtFlags, Dir, Mode, OFlags},
    io::{Errno, retry_on_intr},
};

use self::make::make_folder;
pub use self::stamp::FileStamp;
pub(crate) use self::{above::check_above, disk::sync_file, make::may_make, stamp::Identity};
use super::{FileError, Parents, Trust, opened::Opened};

/// An open folder.
#[derive(Debug)]
pub(crate) struct Directory {
    descriptor: OwnedFd,
}

impl Directory {
    pub(crate) fn open(path: &Path, place: Trust) -> Result<Option<Self>, FileError> {
        let follow = match place {
            Trust::Private => OFlags::NOFOLLOW,
            Trust::Shared => OFlags::empty(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
        let descriptor = match retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(descriptor) => descriptor,
            // `NOFOLLOW` makes a dangling link an error of its own, so here nothing is at the path.
            Err(Errno::NOENT) if place == Trust::Private => return Ok(None),
            Err(Errno::NOENT) => return dangling_or_absent(path),
            Err(errno) => return Err(check::explain("open", path, errno, true)),
        };
        let stat = retry_on_intr(|| rustix::fs::fstat(&descriptor))
            .map_err(|errno| FileError::from_io("look at", path, errno.into()))?;
        check::folder(path, &stat, place)?;
        Ok(Some(Self { descriptor }))
    }

    pub(crate) fn create(path: &Path, parents: Parents, place: Trust) -> Result<Self, FileError> {
        if let Some(directory) = Self::open(path, place)? {
            return Ok(directory);
        }
        make_folder(path, parents)?;
        Self::open(path, place)?.ok_or_else(|| FileError::MissingParent { path: path.to_owned() })
    }

    pub(crate) fn open_file(
        &self,
        path: &Path,
        name: &str,
        place: Trust,
    ) -> Result<Option<Opened>, FileError> {
        let flags = OFlags::RDONLY | OPEN_SAFELY;
        let file = match self.open_at(name, flags) {
            Ok(descriptor) => Arc::new(File::from(descriptor)),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(check::explain("open", path, errno, false)),
        };
        let stat = retry_on_intr(|| rustix::fs::fstat(&file))
            .map_err(|errno| FileError::from_io("look at", path, errno.into()))?;
        // Checked by descriptor, so the name cannot be swapped in between.
        self.check_stat(path, name, &stat, place)?;
        let readable_by_others = check::is_readable_by_others(path, &stat);
        let stamp = FileStamp::new(&stat, Some(Arc::clone(&file)));
        Ok(Some(Opened { file, stamp, readable_by_others }))
    }

    /// Opens or creates a file for locking or touching it. An empty file that others may read,
    /// where that is allowed, becomes 0600. A file with content may belong to another program and
    /// keeps its mode.
    pub(crate) fn open_or_create(
        &self,
        path: &Path,
        name: &str,
        place: Trust,
    ) -> Result<File, FileError> {
        let file = match self.open_at(name, OFlags::RDWR | OFlags::CREATE | OPEN_SAFELY) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => {
                let parent = path.parent().unwrap_or(path).to_owned();
                return Err(FileError::MissingParent { path: parent });
            }
            Err(errno) => return Err(check::explain("open", path, errno, false)),
        };
        let failed = |errno: Errno| FileError::from_io("look at", path, errno.into());
        let stat = retry_on_intr(|| rustix::fs::fstat(&file)).map_err(failed)?;
        check::file(path, &stat, place)?;
        if check::is_open_to_others(&stat) && stat.st_size == 0 {
            retry_on_intr(|| rustix::fs::fchmod(&file, FILE_MODE)).map_err(failed)?;
        }
        widen_to_owner(&file, &stat).map_err(failed)?;
        Ok(file)
    }

    /// Creates a file whose existence is a lock. Returns `None` if the name is taken.
    pub(crate) fn create_presence_file(
        &self,
        path: &Path,
        name: &str,
    ) -> Result<Option<File>, FileError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OPEN_SAFELY;
        let file = match self.open_at(name, flags) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::EXIST) => return Ok(None),
            Err(Errno::NOENT) => {
                let parent = path.parent().unwrap_or(path).to_owned();
                return Err(FileError::MissingParent { path: parent });
            }
            Err(errno) => return Err(check::explain("create", path, errno, false)),
        };
        let stat = retry_on_intr(|| rustix::fs::fstat(&file));
        if let Err(errno) = stat.and_then(|stat| widen_to_owner(&file, &stat)) {
            // A file that is left would look like a held lock.
            self.unlink(name).ok();
            return Err(FileError::from_io("look at", path, errno.into()));
        }
        Ok(Some(file))
    }

    /// Opens a lock file that any program created, whatever its mode.
    pub(crate) fn open_presence_file(
        &self,
        path: &Path,
        name: &str,
    ) -> Result<Option<File>, FileError> {
        let file = match self.open_at(name, OFlags::RDWR | OPEN_SAFELY) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(check::explain("open", path, errno, false)),
        };
        let stat = retry_on_intr(|| rustix::fs::fstat(&file))
            .map_err(|errno| FileError::from_io("look at", path, errno.into()))?;
        check::ours(path, &stat)?;
        Ok(Some(file))
    }

    /// The identity of the file with this name, or `None` if there is none.
    pub(crate) fn identity_at(&self, name: &str) -> io::Result<Option<Identity>> {
        Ok(self.stat(name)?.map(|stat| Identity::new(&stat)))
    }

    /// Creates a new file with mode 0600, whatever the umask. On failure no file is left.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OPEN_SAFELY;
        let file = File::from(self.open_at(name, flags)?);
        let stat = retry_on_intr(|| rustix::fs::fstat(&file));
        if let Err(errno) = stat.and_then(|stat| widen_to_owner(&file, &stat)) {
            self.unlink(name).ok();
            return Err(errno.into());
        }
        Ok(file)
    }

    /// Whether the name is taken. Fails if the file with that name must not be replaced.
    pub(crate) fn check(&self, path: &Path, name: &str, place: Trust) -> Result<bool, FileError> {
        match self.stat_at(path, name)? {
            Some(stat) => self.check_stat(path, name, &stat, place).map(|()| true),
            None => Ok(false),
        }
    }

    /// Fails if the name is taken by anything but a regular file of this user, whatever its mode.
    pub(crate) fn check_removable(&self, path: &Path, name: &str) -> Result<(), FileError> {
        self.stat_at(path, name)?.map_or(Ok(()), |stat| check::ours(path, &stat))
    }

    /// Whether the name is taken. Fails if this user may not remove it. Removes nothing.
    pub(crate) fn check_unlink(&self, name: &str) -> io::Result<bool> {
        if self.stat(name)?.is_none() {
            return Ok(false);
        }
        // The folder's mode decides, not the file's. `EACCESS`: for the effective user, as
        // unlink(2) does.
        let may = Access::WRITE_OK | Access::EXEC_OK;
        let folder = &self.descriptor;
        retry_on_intr(|| rustix::fs::accessat(folder, ".", may, AtFlags::EACCESS))?;
        Ok(true)
    }

    /// The names in the folder that are UTF-8.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.descriptor)? {
            match entry?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    pub(crate) fn unlink(&self, name: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()))?)
    }

    pub(crate) fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let folder = &self.descriptor;
        Ok(retry_on_intr(|| rustix::fs::renameat(folder, from, folder, to))?)
    }

    /// Renames without replacing. Fails with `AlreadyExists` if the name is taken.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let folder = &self.descriptor;
        match retry_on_intr(|| disk::rename_no_replace(folder, from, to)) {
            // The kernel or the file system cannot rename without replacing.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return Ok(result?),
        }
        // Hard link and unlink: `link` never replaces. A kill in between leaves two links; see
        // `check_stat`.
        match retry_on_intr(|| rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())) {
            Ok(()) => {
                // The new name is there, so this has succeeded. A later sweep removes the old one.
                self.unlink(from).ok();
                Ok(())
            }
            // The file system has no hard links. The store's lock protects the check and the
            // rename.
            Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => {
                match self.stat(to)? {
                    Some(_) => Err(Errno::EXIST.into()),
                    None => self.rename_over(from, to),
                }
            }
            Err(errno) => Err(errno.into()),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(disk::sync_folder(&self.descriptor)?)
    }

    fn open_at(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        retry_on_intr(|| rustix::fs::openat(&self.descriptor, name, flags, FILE_MODE))
    }

    fn stat(&self, name: &str) -> Result<Option<rustix::fs::Stat>, Errno> {
        let folder = &self.descriptor;
        match retry_on_intr(|| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn stat_at(&self, path: &Path, name: &str) -> Result<Option<rustix::fs::Stat>, FileError> {
        self.stat(name).map_err(|errno| FileError::from_io("look at", path, errno.into()))
    }

    /// Checks a file by the rules of its place. Accepts a second link named `NAME.tmp`, which a
    /// creator that was killed in [`rename_new`](Self::rename_new) leaves behind.
    fn check_stat(
        &self,
        path: &Path,
        name: &str,
        stat: &rustix::fs::Stat,
        place: Trust,
    ) -> Result<(), FileError> {
        check::file(path, stat, place).or_else(|error| {
            let same = |other: rustix::fs::Stat| Identity::new(&other) == Identity::new(stat);
            let temporary = self.stat(&format!("{name}.tmp")).ok().flatten();
            if stat.st_nlink == 2 && temporary.is_some_and(same) {
                // The second link is a creator's own, so the file is judged as if it had one.
                let mut single = *stat;
                single.st_nlink = 1;
                return check::file(path, &single, place);
            }
            Err(error)
        })
    }
}

/// Syncs the folder that holds `path`, so that the name of `path` itself is durable. A folder that
/// this user may not list belongs to the system and is not synced.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match open_parent(path) {
        Err(Errno::ACCESS) => Ok(()),
        opened => Ok(disk::sync_folder(&opened?)?),
    }
}

pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(bytes, offset)
}

/// An open descriptor does not block a rename on Unix, and it keeps the inode from being reused.
pub(crate) fn keep_open(file: Option<File>) -> Option<File> {
    file
}

/// Handles a missing folder in a shared place: it may be reached through a link, but not through a
/// dangling one.
fn dangling_or_absent(path: &Path) -> Result<Option<Directory>, FileError> {
    match retry_on_intr(|| rustix::fs::lstat(path)) {
        Err(Errno::NOENT) => Ok(None),
        Ok(_) => Err(check::explain("open", path, Errno::LOOP, true)),
        Err(errno) => Err(FileError::from_io("look at", path, errno.into())),
    }
}

/// Opens the file at `path` to read a few bytes. Follows no link and never blocks.
pub(crate) fn open_to_look(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OPEN_SAFELY;
    Ok(File::from(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?))
}

fn open_parent(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = parent_of(path);
    retry_on_intr(|| rustix::fs::open(&parent, flags, Mode::empty()))
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

/// The umask may remove the owner's own bits. It never adds any.
fn widen_to_owner(file: &File, stat: &rustix::fs::Stat) -> Result<(), Errno> {
    if Mode::from_raw_mode(stat.st_mode).contains(FILE_MODE) {
        return Ok(());
    }
    retry_on_intr(|| rustix::fs::fchmod(file, FILE_MODE))
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Follows no link, is not inherited by child processes, and does not block on a FIFO.
const OPEN_SAFELY: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
