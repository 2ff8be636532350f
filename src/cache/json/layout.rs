//! Prints JSON. Nested values are stored on one line, and indented only when they are printed.

use crate::cache::json::text::Buffer;

/// The output of a printed document.
pub(crate) trait Sink {
    /// Unchanged text.
    fn text(&mut self, text: &str);

    /// A line end and the indentation of `depth` levels.
    fn line(&mut self, depth: usize);

    /// A canonical value at the nesting depth `depth`.
    fn value(&mut self, value: &str, depth: usize);
}

/// The text that `print` prints, laid out as Python's `json.dumps(…, indent=4)` does.
///
/// A value that indentation would make several times as large stays on one line; no peer writes
/// such values. The output is therefore never more than a small multiple of the input.
pub(crate) fn printed(print: impl Fn(&mut dyn Sink)) -> Buffer {
    // Counted first: a buffer that grows is copied and wiped as a whole.
    let size = Size::of(&print);
    let mut writer = Writer { out: Buffer::with_capacity(size.total()), indents: size.indents() };
    print(&mut writer);
    writer.out
}

/// The number of bytes of what [`printed`] returns.
pub(crate) fn printed_len(print: impl Fn(&mut dyn Sink)) -> usize {
    Size::of(&print).total()
}

/// The canonical value has members or items.
pub(crate) fn is_nested(value: &str) -> bool {
    value.len() > 2 && value.starts_with(['{', '['])
}

/// The end of the canonical string that begins at `start`.
pub(crate) fn string_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while bytes[at] != b'"' {
        // The byte after a backslash may be a quote that does not end the string.
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The number of bytes that are printed.
#[derive(Default)]
struct Size {
    flat: usize,
    /// Nested values: on one line, and indented.
    compact: usize,
    indented: usize,
}

impl Size {
    fn of(print: &impl Fn(&mut dyn Sink)) -> Self {
        let mut size = Self::default();
        print(&mut size);
        size
    }

    fn indents(&self) -> bool {
        self.indented <= self.compact * TIMES + ROOM
    }

    fn total(&self) -> usize {
        self.flat + if self.indents() { self.indented } else { self.compact }
    }
}

impl Sink for Size {
    fn text(&mut self, text: &str) {
        self.flat += text.len();
    }

    fn line(&mut self, depth: usize) {
        self.flat += line_len(depth);
    }

    fn value(&mut self, value: &str, depth: usize) {
        if !is_nested(value) {
            return self.text(value);
        }
        self.compact += value.len();
        lay_out(value, depth, |piece| {
            self.indented += match piece {
                Piece::Text(text) => text.len(),
                Piece::Line(depth) => line_len(depth),
            };
        });
    }
}

struct Writer {
    out: Buffer,
    indents: bool,
}

impl Sink for Writer {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn line(&mut self, depth: usize) {
        self.out.new_line(depth);
    }

    fn value(&mut self, value: &str, depth: usize) {
        if !self.indents || !is_nested(value) {
            return self.text(value);
        }
        lay_out(value, depth, |piece| match piece {
            Piece::Text(text) => self.out.push_str(text),
            Piece::Line(depth) => self.out.new_line(depth),
        });
    }
}

enum Piece<'v> {
    Text(&'v str),
    Line(usize),
}

fn lay_out<'v>(value: &'v str, mut depth: usize, mut take: impl FnMut(Piece<'v>)) {
    let bytes = value.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'"' {
            at = string_end(value, at);
            continue;
        }
        at += 1;
        match byte {
            // Python prints what is empty on one line.
            b'{' | b'[' if matches!(bytes[at], b'}' | b']') => at += 1,
            b'{' | b'[' | b',' => {
                depth += usize::from(byte != b',');
                take(Piece::Text(&value[from..at]));
                take(Piece::Line(depth));
                from = at;
            }
            b'}' | b']' => {
                depth -= 1;
                take(Piece::Text(&value[from..at - 1]));
                take(Piece::Line(depth));
                from = at - 1;
            }
            b':' => {
                take(Piece::Text(&value[from..at]));
                take(Piece::Text(" "));
                from = at;
            }
            _ => {}
        }
    }
    take(Piece::Text(&value[from..]));
}

fn line_len(depth: usize) -> usize {
    1 + 4 * depth
}

/// Indented nested values may have this many times their size,
const TIMES: usize = 4;

/// plus this many bytes, so that a few small values are always indented.
const ROOM: usize = 64 << 10;
