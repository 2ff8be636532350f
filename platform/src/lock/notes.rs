//! The file `NAME.holder`: the last holder of the lock, and the process at the head of its queue.
//!
//! It has two notes of equal size, one after the other. They are hints for a user, so write errors
//! are ignored.

use std::fs::File;

use super::{content::Here, standstill::LastHolder};
use crate::file::{read_at, write_at};

/// The file, and the text that this process writes to it.
#[derive(Debug)]
pub(super) struct Notes {
    file: File,
    own: Box<[u8; NOTE_BYTES]>,
}

/// The subject of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The last process that took the lock.
    Lock,
    /// The process that has waited for a while at the head of the queue. Empty if there is none.
    Queue,
}

impl Notes {
    pub(super) fn new(file: File) -> Self {
        Self { file, own: Box::new(padded(&Here::find().content())) }
    }

    /// Writes only if the content differs, because a write makes the next sync on this file system
    /// slower.
    pub(super) fn write(&self, note: Note) {
        self.write_marked(note, b' ');
    }

    /// Records that this process took the lock past the head of the queue, which stands still.
    pub(super) fn write_past_queue(&self) {
        self.write_marked(Note::Lock, PAST_QUEUE);
    }

    fn write_marked(&self, note: Note, mark: u8) {
        let mut own = *self.own;
        own[MARK] = mark;
        let mut bytes = [0; NOTE_BYTES];
        let there = read_at(&self.file, &mut bytes, note.offset());
        if !there.is_ok_and(|read| read == NOTE_BYTES && bytes == own) {
            write_at(&self.file, &own, note.offset()).ok();
        }
    }

    pub(super) fn last_holder(&self) -> LastHolder {
        let mut bytes = [0; NOTE_BYTES];
        let read = read_at(&self.file, &mut bytes, Note::Lock.offset()).unwrap_or(0);
        let is_past_queue = bytes[MARK] == PAST_QUEUE;
        LastHolder { note: bytes[..read].to_vec(), is_past_queue }
    }

    pub(super) fn erase(&self, note: Note) {
        write_at(&self.file, &padded(""), note.offset()).ok();
    }

    pub(super) fn read(&self, note: Note) -> Vec<u8> {
        let mut bytes = [0; NOTE_BYTES];
        let read = read_at(&self.file, &mut bytes, note.offset()).unwrap_or(0);
        // Without the mark and the line end.
        bytes[..read.min(MARK)].trim_ascii_end().to_vec()
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

/// Fixed size: a shorter note leaves nothing of a longer one behind.
fn padded(text: &str) -> [u8; NOTE_BYTES] {
    let mut bytes = [b' '; NOTE_BYTES];
    let text = text.as_bytes();
    let len = text.len().min(MARK);
    bytes[..len].copy_from_slice(&text[..len]);
    bytes[NOTE_BYTES - 1] = b'\n';
    bytes
}

/// Long enough for any note: a long program name is omitted.
const NOTE_BYTES: usize = 256;
/// The offset of the mark in a note, before the newline.
const MARK: usize = NOTE_BYTES - 2;
const PAST_QUEUE: u8 = b'+';

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
    fn a_note_tells_who_came_past_the_queue_and_names_the_same_process() {
        let notes = Notes::new(tempfile::tempfile().unwrap());
        notes.write(Note::Lock);
        let (in_turn, name) = (notes.last_holder(), notes.read(Note::Lock));
        notes.write_past_queue();
        let past = notes.last_holder();
        assert_eq!((in_turn.is_past_queue, past.is_past_queue), (false, true));
        assert_eq!(notes.read(Note::Lock), name);
        notes.write(Note::Lock);
        assert_eq!(notes.last_holder(), in_turn);
    }

    #[test]
    fn a_note_has_one_size_and_ends_a_line() {
        for text in ["", "812 az", &"x".repeat(400)] {
            let note = padded(text);
            assert_eq!(str::from_utf8(&note).unwrap().lines().count(), 1, "{text}");
        }
    }
}
