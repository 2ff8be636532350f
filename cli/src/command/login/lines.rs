//! Lines that the user types or pastes while something else is waited for.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _, Read as _},
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
};

use tokenkeep_platform::terminal::{self, LongLines};
use zeroize::Zeroizing;

use super::editor::{Editor, Typed};

/// The lines of standard input as they come.
pub(super) struct Lines {
    lines: Receiver<Zeroizing<String>>,
    has_ended: Cell<bool>,
    _mode: LongLines,
}

impl Lines {
    /// `None` if nobody types: standard input is no terminal, or it is that of another program,
    /// which runs in the foreground.
    pub(super) fn of_the_terminal() -> Option<Self> {
        if !io::stdin().is_terminal() || !terminal::is_ours() {
            return None;
        }
        let mode = LongLines::begin();
        let (send, lines) = mpsc::channel();
        // It reads until the process ends; nothing can interrupt it.
        let reader = thread::Builder::new().spawn(move || {
            let mut editor = Editor::new(io::stderr());
            let mut byte = [0];
            let mut input = io::stdin().lock();
            while matches!(input.read(&mut byte), Ok(1)) {
                match editor.take(byte[0]) {
                    Typed::More => {}
                    Typed::Line(line) => {
                        if send.send(line).is_err() {
                            return;
                        }
                    }
                    Typed::End => return,
                }
            }
        });
        drop(reader);
        Some(Self { lines, has_ended: Cell::new(false), _mode: mode })
    }

    /// The next line, if there is one by now.
    pub(super) fn next(&self) -> Option<Zeroizing<String>> {
        match self.lines.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Disconnected) => {
                self.has_ended.set(true);
                None
            }
            Err(TryRecvError::Empty) => None,
        }
    }

    /// The terminal is closed, or the user typed Ctrl-D. Known after [`next`](Self::next).
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }
}
