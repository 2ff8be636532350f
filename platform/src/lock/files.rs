//! The three files of a lock, opened by one process for one thread at a time.

use std::{env, fs::File, io, path::Path, process};

use super::{kernel, own::Names};
use crate::file::{FileError, Folder, Identity, read_at, write_at};

/// Descriptors of the process that opened them. A forked child opens its own.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) lock: LockFile,
    pub(super) queue: LockFile,
    holder: File,
    note: [u8; NOTE_BYTES],
    pid: u32,
}

/// One file and the identity it had when it was opened, which it keeps.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    identity: Identity,
}

/// What came of trying to lock a file.
pub(super) enum Attempt {
    Locked,
    Held,
    /// Locked, but the path leads to another file by now, so this lock means nothing.
    Replaced,
}

impl Files {
    pub(super) fn open(names: &Names) -> Result<Self, FileError> {
        let missing = || FileError::MissingParent { path: names.folder.clone() };
        let folder = Folder::open(&names.folder)?.ok_or_else(missing)?;
        let open = |path: &Path, suffix: &str| LockFile::open(&folder, path, &names.name, suffix);
        let pid = process::id();
        Ok(Self {
            lock: open(&names.lock, "lock")?,
            queue: open(&names.queue, "queue")?,
            holder: folder.open_lock_file(&format!("{}.holder", names.name))?,
            note: note(pid, &program_name()),
            pid,
        })
    }

    /// The process that opened them.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    #[cfg(test)]
    pub(super) fn pretend_forked(&mut self) {
        self.pid += 1;
    }

    /// Says who holds the lock. Only a hint, so a failure changes nothing. Written only where it says
    /// something else, for a write makes the next sync on this file system dearer.
    pub(super) fn write_note(&self) {
        let mut bytes = [0; NOTE_BYTES];
        if !read_at(&self.holder, &mut bytes, 0).is_ok_and(|_| bytes == self.note) {
            write_at(&self.holder, &self.note, 0).ok();
        }
    }

    /// Who said last that it holds the lock.
    pub(super) fn read_note(&self) -> Option<String> {
        let mut bytes = [0; NOTE_BYTES];
        let read = read_at(&self.holder, &mut bytes, 0).ok()?;
        let text = str::from_utf8(&bytes[..read]).ok()?.trim_end();
        (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
    }
}

impl Drop for Files {
    /// Closing alone would leave the locks to a forked child; in a forked child they are its parent's.
    fn drop(&mut self) {
        if self.pid == process::id() {
            self.lock.unlock().ok();
            self.queue.unlock().ok();
        }
    }
}

impl LockFile {
    fn open(folder: &Folder, path: &Path, name: &str, suffix: &str) -> Result<Self, FileError> {
        let file = folder.open_lock_file(&format!("{name}.{suffix}"))?;
        let identity =
            Identity::of(&file).map_err(|source| FileError::from_io("look at", path, source))?;
        Ok(Self { file, identity })
    }

    pub(super) fn attempt(&self, path: &Path) -> Result<Attempt, FileError> {
        let locked = kernel::try_lock(&self.file);
        if !locked.map_err(|source| FileError::from_io("lock", path, source))? {
            return Ok(Attempt::Held);
        }
        Ok(if self.is_at(path)? { Attempt::Locked } else { Attempt::Replaced })
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_at(&self, path: &Path) -> Result<bool, FileError> {
        let now =
            Identity::at(path).map_err(|source| FileError::from_io("look at", path, source))?;
        Ok(now == Some(self.identity))
    }

    /// Releases the lock at once, even if a forked child has the descriptor too.
    pub(super) fn unlock(&self) -> io::Result<()> {
        kernel::unlock(&self.file)
    }
}

/// The file name that this program was started by.
pub(super) fn program_name() -> String {
    let program = env::args_os().next().unwrap_or_default();
    Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
impl LockFile {
    pub(super) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Of one size always, so that a shorter one leaves no tail of a longer one.
fn note(pid: u32, program: &str) -> [u8; NOTE_BYTES] {
    let mut bytes = [b' '; NOTE_BYTES];
    let mut text = format!("process {pid}");
    if !program.is_empty() {
        text.push_str(&format!(" ({})", program.replace(char::is_control, "?")));
    }
    while text.len() > NOTE_BYTES - 1 {
        text.pop();
    }
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes[NOTE_BYTES - 1] = b'\n';
    bytes
}

const NOTE_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_one_size_and_is_text_whatever_the_program_is_called() {
        for program in ["", "tokenkeep", "a\nb", &"ü".repeat(70)] {
            let note = note(u32::MAX, program);
            let text = str::from_utf8(&note).expect("a note is text");
            assert!(text.starts_with("process 4294967295"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}
