//! Converts strings to canonical JSON tokens and back, in buffers that leave no copy behind.

use std::{borrow::Cow, fmt::Write as _};

use zeroize::Zeroizing;

/// A string under construction. Its memory is wiped when it grows and when it is dropped.
#[derive(Default)]
pub(crate) struct Buffer(Zeroizing<String>);

impl Buffer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(bytes)))
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        if self.0.capacity() - self.0.len() < text.len() {
            self.grow(text.len());
        }
        self.0.push_str(text);
    }

    pub(crate) fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    /// A line end and the indentation of `depth` levels.
    pub(crate) fn new_line(&mut self, depth: usize) {
        self.push('\n');
        for _ in 0..depth {
            self.push_str("    ");
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_inner(self) -> Zeroizing<String> {
        self.0
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        // Grows by half, not to double: both buffers are in memory during the copy, and unused
        // capacity is wiped as well.
        let wanted = (self.0.len() + more).max(self.0.capacity() / 2 * 3);
        let mut larger = Zeroizing::new(String::with_capacity(wanted));
        larger.push_str(&self.0);
        self.0 = larger;
    }
}

/// Appends `text` as the inside of a JSON string, escaped as Python's `ensure_ascii` does.
pub(crate) fn push_escaped(text: &str, out: &mut Buffer) {
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if is_plain(c) {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + c.len_utf8();
        push_char(c, out);
    }
    out.push_str(&text[plain..]);
}

/// Appends one character, escaped if needed.
pub(super) fn push_char(c: char, out: &mut Buffer) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        _ if is_plain(c) => out.push(c),
        _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|&unit| push_unit(unit, out)),
    }
}

/// Appends a UTF-16 unit as an escape. Half a surrogate pair is kept.
pub(super) fn push_unit(unit: u16, out: &mut Buffer) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from(DIGITS[usize::from(unit >> shift & 0xf)]));
    }
}

/// `text` as a JSON string with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    if text.chars().all(is_plain) {
        let mut token = String::with_capacity(text.len() + 2);
        write!(token, "\"{text}\"").expect("a String takes every write");
        return token;
    }
    // Enough for any text: no character has escapes of more than six times its length.
    let mut out = Buffer::with_capacity(text.len() * 6 + 2);
    out.push('"');
    push_escaped(text, &mut out);
    out.push('"');
    out.as_str().to_owned()
}

/// The text of a string token. Returns `None` for any other token and for half a surrogate pair.
pub(crate) fn decode(token: &str) -> Option<Cow<'_, str>> {
    let inside = token.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    let units = units(inside)?;
    // Large enough from the start: a string that grows leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(units.len() * 3));
    for c in char::decode_utf16(units.iter().copied()) {
        text.push(c.ok()?);
    }
    Some(Cow::Owned(std::mem::take(&mut *text)))
}

/// A string token in canonical form. Half a surrogate pair is kept.
pub(crate) fn canonical(token: &str) -> Cow<'_, str> {
    let inside = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token);
    if inside.chars().all(is_plain) {
        return Cow::Borrowed(token);
    }
    let mut out = Buffer::with_capacity(token.len() * 6);
    out.push('"');
    for c in char::decode_utf16(units(inside).iter().flat_map(|units| units.iter().copied())) {
        match c {
            Ok(c) => push_char(c, &mut out),
            Err(half) => push_unit(half.unpaired_surrogate(), &mut out),
        }
    }
    out.push('"');
    Cow::Owned(out.as_str().to_owned())
}

/// The UTF-16 units of the inside of a string token.
fn units(inside: &str) -> Option<Zeroizing<Vec<u16>>> {
    // Never more units than bytes, so it does not grow.
    let mut units: Zeroizing<Vec<u16>> = Zeroizing::new(Vec::with_capacity(inside.len()));
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let mut unit = 0;
                    for _ in 0..4 {
                        unit = unit << 4 | u16::try_from(rest.next()?.to_digit(16)?).ok()?;
                    }
                    units.push(unit);
                    continue;
                }
                other => other,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Some(units)
}

fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}
