//! A line as it is typed, where the terminal neither shows nor erases what is typed.

use std::io::Write;

use zeroize::Zeroizing;

/// Makes lines of bytes, and shows them.
pub(super) struct Editor<W> {
    line: Zeroizing<Vec<u8>>,
    escape: Escape,
    screen: W,
}

/// What a byte completes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    More,
    Line(Zeroizing<String>),
    End,
}

/// The part of an escape sequence that was read (ECMA-48, section 5.4). A key such as an arrow
/// sends one. It is no text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Parameters,
}

impl<W: Write> Editor<W> {
    pub(super) fn new(screen: W) -> Self {
        Self { line: Zeroizing::default(), escape: Escape::None, screen }
    }

    pub(super) fn take(&mut self, byte: u8) -> Typed {
        match (self.escape, byte) {
            (Escape::Begun, b'[') => self.escape = Escape::Parameters,
            (Escape::Parameters, b' '..=b'?') => {}
            (Escape::Begun | Escape::Parameters, _) => self.escape = Escape::None,
            (Escape::None, ESCAPE) => self.escape = Escape::Begun,
            (Escape::None, b'\r' | b'\n') => {
                self.show(b"\n");
                let text = String::from_utf8_lossy(&self.line).into_owned();
                self.line.clear();
                return Typed::Line(Zeroizing::new(text));
            }
            (Escape::None, END) if self.line.is_empty() => return Typed::End,
            (Escape::None, BACKSPACE | DELETE) => self.erase_one(),
            (Escape::None, ERASE_LINE) => {
                while !self.line.is_empty() {
                    self.erase_one()
                }
            }
            (Escape::None, ERASE_WORD) => {
                while self.line.last() == Some(&b' ') {
                    self.erase_one();
                }
                while self.line.last().is_some_and(|&last| last != b' ') {
                    self.erase_one();
                }
            }
            // What goes beyond is dropped, and the line is no address.
            (Escape::None, _) if byte < b' ' || self.line.len() >= LONGEST => {}
            (Escape::None, _) => {
                self.line.push(byte);
                self.show(&[byte]);
            }
        }
        Typed::More
    }

    /// Erases the last character, whose bytes after the first are `10xxxxxx` in UTF-8.
    fn erase_one(&mut self) {
        while self.line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
        self.show(b"\x08 \x08");
    }

    /// An error of the write is ignored: the line counts, not what is seen of it.
    fn show(&mut self, bytes: &[u8]) {
        self.screen.write_all(bytes).and_then(|()| self.screen.flush()).ok();
    }
}

/// Ctrl-D.
const END: u8 = 4;
const BACKSPACE: u8 = 8;
/// Ctrl-U.
const ERASE_LINE: u8 = 21;
/// Ctrl-W.
const ERASE_WORD: u8 = 23;
const ESCAPE: u8 = 27;
const DELETE: u8 = 127;
/// No address is longer.
const LONGEST: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines, and what is shown.
    fn typed(bytes: &[u8]) -> (Vec<String>, String) {
        let mut shown = Vec::new();
        let mut editor = Editor::new(&mut shown);
        let mut lines = Vec::new();
        for &byte in bytes {
            match editor.take(byte) {
                Typed::More => {}
                Typed::Line(line) => lines.push(line.to_string()),
                Typed::End => lines.push("the end".into()),
            }
        }
        (lines, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn a_line_is_shown_as_it_is_typed() {
        assert_eq!(typed("aé b\r".as_bytes()), (vec!["aé b".into()], "aé b\n".into()));
        assert_eq!(typed(b"a\nb\n").0, ["a", "b"]);
    }

    #[test]
    fn characters_words_and_lines_are_erased() {
        let (lines, shown) = typed("aé\x7fb\n".as_bytes());
        assert_eq!((&*lines[0], &*shown), ("ab", "aé\x08 \x08b\n"));
        assert_eq!(typed(b"a bc  \x17d\n").0, ["a d"]);
        assert_eq!(typed(b"abc\x15d\n").0, ["d"]);
        assert_eq!(typed(b"\x7f\x15\x17a\n").0, ["a"]);
    }

    #[test]
    fn keys_that_are_no_text_are_left_out() {
        let (lines, shown) = typed(b"\x1b[200~a\x1b[A\x1b[1;5Cb\x1bxc\x00\x07\n");
        assert_eq!((&*lines[0], &*shown), ("abc", "abc\n"));
    }

    #[test]
    fn the_end_of_input_counts_in_an_empty_line_only() {
        assert_eq!(typed(b"a\x04b\n").0, ["ab"]);
        assert_eq!(typed(b"a\n\x04").0, ["a", "the end"]);
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_and_ends() {
        let bytes = [vec![b'x'; LONGEST + 5], b"\ny\n".to_vec()].concat();
        let (lines, _) = typed(&bytes);
        assert_eq!((lines[0].len(), &*lines[1]), (LONGEST, "y"));
    }
}
