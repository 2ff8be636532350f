//! Reads JSON and prints it in canonical form in one pass.

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::json::{
        layout::string_end,
        repeated::{NONE, standing},
        text::{Buffer, push_char, push_unit},
    },
};

/// A reader of one document that appends its canonical form to a buffer.
///
/// Values are printed on one line without white space, so that nesting does not make them larger;
/// see [`printed`](crate::cache::json::printed). Numbers are copied unchanged. Strings are escaped
/// as Python escapes them, which loses nothing. Of members with the same name, the last one counts
/// and takes the place of the first one.
pub(crate) struct Printer<'s> {
    source: &'s str,
    at: usize,
    pub(crate) out: Buffer,
}

impl<'s> Printer<'s> {
    /// A reader at the first token of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the bytes are not UTF-8 or begin with a byte order mark.
    pub(crate) fn new(bytes: &'s [u8]) -> Result<Self, Error> {
        let source = std::str::from_utf8(bytes)
            .map_err(|error| corrupt(format!("it is not UTF-8 at byte {}", error.valid_up_to())))?;
        // Python refuses it as well, so that neither reads a cache which the other cannot.
        if source.starts_with('\u{feff}') {
            return Err(corrupt("it begins with a byte order mark".to_owned()));
        }
        let mut reader = Self { source, at: 0, out: Buffer::with_capacity(8 << 10) };
        reader.skip_space();
        Ok(reader)
    }

    /// The next byte that is not white space.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// Skips `byte` and the white space after it, if `byte` is next. Returns whether it was.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.skip_space();
        }
        found
    }

    /// Skips `byte` and the white space after it.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Checks that the document ends here.
    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.at == self.source.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Prints the next value, which is at the nesting depth `depth`.
    pub(crate) fn value(&mut self, depth: usize) -> Result<(), Error> {
        // Each level is a call, and the stack is bounded.
        if depth > MAX_DEPTH {
            return Err(corrupt(format!("more than {MAX_DEPTH} levels at {}", self.place())));
        }
        match self.peek() {
            Some(b'{') => self.object(depth, &COMPACT)?,
            Some(b'[') => self.array(depth)?,
            // Skips the white space after it by itself.
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return Err(self.unexpected()),
        }
        self.skip_space();
        Ok(())
    }

    /// Prints the next value as an entry: each member of an object is on its own line.
    pub(crate) fn entry(&mut self, depth: usize) -> Result<(), Error> {
        if self.peek() != Some(b'{') {
            return self.value(depth);
        }
        let line = format!("\n{}", "    ".repeat(depth));
        let inner = format!("{line}    ");
        let next = format!(",{inner}");
        self.object(depth, &Style { first: &inner, next: &next, colon: ": ", end: &line })
    }

    /// Prints the next string with its quotes.
    pub(crate) fn string(&mut self) -> Result<(), Error> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.out.push('"');
        self.at += 1;
        loop {
            let rest = &self.source[self.at..];
            let plain = rest
                .bytes()
                .position(|byte| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\')
                .ok_or_else(|| self.unexpected_end())?;
            self.out.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes()[plain] {
                b'"' => break,
                b'\\' => self.escape()?,
                0x00..=0x1f => return Err(self.unexpected()),
                _ => {
                    let c = rest[plain..].chars().next().ok_or_else(|| self.unexpected_end())?;
                    push_char(c, &mut self.out);
                    self.at += c.len_utf8();
                }
            }
        }
        self.out.push('"');
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Error> {
        let code = self.source.as_bytes().get(self.at + 1).copied();
        let c = match code {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let digits = self.source.as_bytes().get(self.at + 2..self.at + 6);
                let unit = digits
                    .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|digits| std::str::from_utf8(digits).ok())
                    .and_then(|digits| u16::from_str_radix(digits, 16).ok())
                    .ok_or_else(|| self.unexpected())?;
                match u8::try_from(unit) {
                    // An ASCII character has one canonical form, whether it was escaped or not.
                    Ok(byte) if byte < 0x80 => push_char(char::from(byte), &mut self.out),
                    _ => push_unit(unit, &mut self.out),
                }
                self.at += 6;
                return Ok(());
            }
            _ => return Err(self.unexpected()),
        };
        push_char(c, &mut self.out);
        self.at += 2;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Error> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.out.push_str(&self.source[start..self.at]);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        if !self.source[self.at..].starts_with(word) {
            return Err(self.unexpected());
        }
        self.out.push_str(word);
        self.at += word.len();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Error> {
        self.expect(b'[')?;
        self.out.push('[');
        if self.peek() != Some(b']') {
            loop {
                self.value(depth + 1)?;
                if !self.take(b',') {
                    break;
                }
                self.out.push(',');
            }
        }
        self.expect(b']')?;
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, depth: usize, style: &Style<'_>) -> Result<(), Error> {
        self.expect(b'{')?;
        self.out.push('{');
        let start = self.out.as_str().len();
        let mut ends = Vec::new();
        if self.peek() != Some(b'}') {
            loop {
                self.out.push_str(if ends.is_empty() { style.first } else { style.next });
                self.string()?;
                self.expect(b':')?;
                self.out.push_str(style.colon);
                self.value(depth + 1)?;
                ends.push(check_len(self.out.as_str().len() - start)?);
                if !self.take(b',') {
                    break;
                }
            }
            self.keep_last(start, &ends, style);
            self.out.push_str(style.end);
        }
        self.expect(b'}')?;
        self.out.push('}');
        Ok(())
    }

    /// Keeps the last member of each name. The members begin at `start` and have the ends `ends`.
    fn keep_last(&mut self, start: usize, ends: &[u32], style: &Style<'_>) {
        let member = |nth: usize| match nth {
            0 => style.first.len()..ends[0] as usize,
            _ => ends[nth - 1] as usize + style.next.len()..ends[nth] as usize,
        };
        let text = &self.out.as_str()[start..];
        let name = |nth| {
            let from = member(nth).start;
            &text[from..string_end(text, from)]
        };
        let Some(standing) = standing(ends.len(), name) else { return };
        // The text may contain secrets.
        let old = Zeroizing::new(text.to_owned());
        self.out.truncate(start);
        for (place, &nth) in standing.iter().filter(|&&nth| nth != NONE).enumerate() {
            self.out.push_str(if place == 0 { style.first } else { style.next });
            self.out.push_str(&old[member(nth as usize)]);
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> Error {
        let rest = &self.source[self.at.min(self.source.len())..];
        // Python writes these, so the error names them.
        let number =
            ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word));
        match number {
            Some(word) => corrupt(format!("{word}, which is not JSON, at {}", self.place())),
            None if rest.is_empty() => self.unexpected_end(),
            None => corrupt(format!("unexpected text at {}", self.place())),
        }
    }

    fn unexpected_end(&self) -> Error {
        corrupt(format!("it ends in the middle, at byte {}", self.source.len()))
    }

    fn place(&self) -> String {
        let line = 1 + self.source[..self.at].bytes().filter(|&byte| byte == b'\n').count();
        format!("byte {} (line {line})", self.at)
    }
}

/// The text around the members of an object.
struct Style<'t> {
    first: &'t str,
    next: &'t str,
    colon: &'t str,
    end: &'t str,
}

const COMPACT: Style<'static> = Style { first: "", next: ",", colon: ":", end: "" };

/// The length of a canonical text as `u32`, which takes half the memory.
///
/// # Errors
///
/// [`Error::TooLarge`] if it has 4 GiB or more.
pub(crate) fn check_len(len: usize) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| Error::TooLarge {
        what: "a part of the token cache".to_owned(),
        size: len as u64,
        limit: u64::from(u32::MAX),
    })
}

fn corrupt(detail: String) -> Error {
    Error::Corrupt { what: "the token cache".to_owned(), detail, source: None }
}

/// The limit on nesting. Peers write values that are four levels deep.
const MAX_DEPTH: usize = 128;
