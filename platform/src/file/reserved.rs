//! Room on a disk that is reserved for a coming write.

use std::process;

use super::{FileError, Folder, folder::size_of_next};

/// Room for the next [`replace`](Folder::replace) of a file. It is free again when this is dropped,
/// so drop it right before the write. In a forked child, dropping it does nothing, because the room
/// is the parent's.
#[derive(Debug)]
#[must_use = "the room is free again when this is dropped"]
pub struct Reserved {
    folder: Folder,
    name: String,
    pid: u32,
}

impl Folder {
    /// Reserves room for the next write of the file `name`: 64 KiB more than the file has, at most
    /// 64 MiB. The room is a file of its own, `NAME.reserved-TAG`, so no lock is needed. One that a
    /// killed process left is used again for the same tag.
    ///
    /// # Errors
    ///
    /// As [`probe`](Self::probe). Nothing is left then.
    pub fn reserve(self, name: &str, tag: &str) -> Result<Reserved, FileError> {
        let size = size_of_next(self.open_file(name)?.as_ref());
        let name = reserved_name(name, tag);
        let reserved = Reserved { folder: self, name, pid: process::id() };
        // Not synced: who reserves room wants it taken, and nothing has to survive.
        reserved.folder.overwrite(&reserved.name, &vec![0; size])?;
        Ok(reserved)
    }

    /// Removes what killed processes left of room that they had [reserved](Self::reserve).
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove), without the promise of durability.
    pub fn sweep_reserved(&self, name: &str) -> Result<(), FileError> {
        let prefix = reserved_name(name, "");
        for left in self.names()?.iter().filter(|left| left.starts_with(&prefix)) {
            self.discard(left)?;
        }
        Ok(())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.pid == process::id() {
            self.folder.discard(&self.name).ok();
        }
    }
}

fn reserved_name(name: &str, tag: &str) -> String {
    format!("{name}.reserved-{tag}")
}
