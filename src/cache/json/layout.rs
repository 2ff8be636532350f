//! Printing: nested values are kept on one line, and laid out when they are printed.

use crate::cache::json::text::Buffer;

/// Where a document is printed to.
pub(crate) trait Sink {
    /// Text as it stands.
    fn text(&mut self, text: &str);

    /// A line end and the indentation of `depth` levels.
    fn line(&mut self, depth: usize);

    /// A canonical value that stands `depth` levels deep.
    fn value(&mut self, value: &str, depth: usize);
}

/// The text that `print` prints, as Python's `json.dumps(…, indent=4)` lays it out.
///
/// Values that would take several times their size in indentation, as no peer writes them, stay on
/// one line: what is printed is never more than a small multiple of what was read.
pub(crate) fn printed(print: impl Fn(&mut dyn Sink)) -> Buffer {
    let mut size = Size::default();
    print(&mut size);
    let indents = size.indented <= size.compact * TIMES + ROOM;
    let values = if indents { size.indented } else { size.compact };
    let mut writer = Writer { out: Buffer::with_capacity(size.flat + values), indents };
    print(&mut writer);
    writer.out
}

/// The canonical value has members or items.
pub(crate) fn is_nested(value: &str) -> bool {
    value.len() > 2 && value.starts_with(['{', '['])
}

/// Where the canonical string that begins at `start` has ended.
pub(crate) fn string_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// How many bytes are printed.
#[derive(Default)]
struct Size {
    flat: usize,
    /// Nested values on one line, and laid out.
    compact: usize,
    indented: usize,
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

/// Laid out, nested values may take so many times their size,
const TIMES: usize = 4;

/// and so many bytes more, so that a few small ones are always laid out.
const ROOM: usize = 64 << 10;
