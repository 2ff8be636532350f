//! The file `NAME.holder`: who had the lock last, and who waits at the head of its queue.
//!
//! Two notes of one size, one after the other. They are hints for a person, so no failure to write
//! one changes anything.

use std::fs::File;

use super::content::Here;
use crate::file::{read_at, write_at};

/// The file, and what this process notes in it.
#[derive(Debug)]
pub(super) struct Notes {
    file: File,
    own: Box<[u8; NOTE_BYTES]>,
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// Who took the lock last.
    Lock,
    /// Who has waited for a while at the head of the queue; empty while nobody has.
    Queue,
}

impl Notes {
    pub(super) fn new(file: File) -> Self {
        Self { file, own: Box::new(padded(&Here::find().content())) }
    }

    /// Written only where it says something else, for a write makes the next sync on this file
    /// system dearer.
    pub(super) fn write(&self, note: Note) {
        let mut bytes = [0; NOTE_BYTES];
        let there = read_at(&self.file, &mut bytes, note.offset());
        if !there.is_ok_and(|read| read == NOTE_BYTES && bytes == *self.own) {
            write_at(&self.file, &*self.own, note.offset()).ok();
        }
    }

    pub(super) fn erase(&self, note: Note) {
        write_at(&self.file, &padded(""), note.offset()).ok();
    }

    pub(super) fn read(&self, note: Note) -> Vec<u8> {
        let mut bytes = [0; NOTE_BYTES];
        let read = read_at(&self.file, &mut bytes, note.offset()).unwrap_or(0);
        bytes[..read].trim_ascii_end().to_vec()
    }
}

impl Note {
    fn offset(self) -> u64 {
        match self {
            Self::Lock => 0,
            Self::Queue => NOTE_BYTES as u64,
        }
    }
}

/// Of one size always, so that a shorter one leaves no tail of a longer one.
fn padded(text: &str) -> [u8; NOTE_BYTES] {
    let mut bytes = [b' '; NOTE_BYTES];
    let text = text.as_bytes();
    let len = text.len().min(NOTE_BYTES - 1);
    bytes[..len].copy_from_slice(&text[..len]);
    bytes[NOTE_BYTES - 1] = b'\n';
    bytes
}

/// More than a note has, whose program's name is cut.
const NOTE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_note_is_read_as_it_was_written_and_can_be_erased() {
        let notes = Notes::new(tempfile::tempfile().unwrap());
        assert!(notes.read(Note::Lock).is_empty());
        notes.write(Note::Queue);
        notes.write(Note::Lock);
        let own = Here::find().content().into_bytes();
        assert_eq!((notes.read(Note::Lock), notes.read(Note::Queue)), (own.clone(), own.clone()));
        notes.erase(Note::Queue);
        assert_eq!((notes.read(Note::Lock), notes.read(Note::Queue)), (own, Vec::new()));
    }

    #[test]
    fn a_note_has_one_size_and_ends_a_line() {
        for text in ["", "812 az", &"x".repeat(400)] {
            let note = padded(text);
            assert_eq!(str::from_utf8(&note).unwrap().lines().count(), 1, "{text}");
        }
    }
}
