//! Lines of any length from a terminal.

use cfg_if::cfg_if;

/// While it lives, a line that is typed or pasted into the terminal of standard input may have any
/// length. In the terminal's own line mode Linux cuts a line after 4,095 bytes, and macOS after
/// 1,024 (`MAX_CANON`). Without that mode the reader gets each byte at once. It has to show what is
/// typed, and to handle the characters that erase (127, 8, 21, 23) and the end of input (4).
///
/// Changes nothing if standard input is no terminal, and on Windows, whose console has no such
/// limit below 8,191 characters.
#[derive(Debug)]
pub struct LongLines(());

impl LongLines {
    /// Turns the line mode off.
    pub fn begin() -> Self {
        os::begin();
        Self(())
    }
}

impl Drop for LongLines {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether this process may read from the terminal of standard input. A terminal stops a process in
/// the background that reads from it or changes its modes. Always `true` on Windows.
pub fn is_ours() -> bool {
    os::is_ours()
}

/// Turns the line mode on again, as it was before. For the end of the process, at which no value is
/// dropped.
pub fn restore() {
    os::restore();
}

cfg_if! {
    if #[cfg(unix)] {
        mod os {
            use std::sync::{Mutex, PoisonError};

            use rustix::{
                process::getpgrp,
                stdio::stdin,
                termios::{
                    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
                    tcsetattr,
                },
            };

            static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

            pub(super) fn is_ours() -> bool {
                // A terminal that is not the controlling one stops nobody.
                tcgetpgrp(stdin()).map_or(true, |group| group == getpgrp())
            }

            pub(super) fn begin() {
                let Ok(before) = tcgetattr(stdin()) else { return };
                let mut changed = before.clone();
                // The terminal would show the characters that erase as `^?` and the like.
                changed.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
                // A read waits for one byte.
                changed.special_codes[SpecialCodeIndex::VMIN] = 1;
                changed.special_codes[SpecialCodeIndex::VTIME] = 0;
                let mut kept = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.is_none() && tcsetattr(stdin(), OptionalActions::Now, &changed).is_ok() {
                    *kept = Some(before);
                }
            }

            pub(super) fn restore() {
                let mut kept = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(before) = kept.take() {
                    tcsetattr(stdin(), OptionalActions::Now, &before).ok();
                }
            }
        }
    } else {
        mod os {
            pub(super) fn is_ours() -> bool {
                true
            }

            pub(super) fn begin() {}
            pub(super) fn restore() {}
        }
    }
}
