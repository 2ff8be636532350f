//! The whole cache from JSON and back.

use std::sync::Arc;

use crate::{
    Error, Secret,
    cache::{
        Content, Member, TokenCache,
        credential::CredentialType,
        entry::{DEPTH, Entry, inside},
        json::{Buffer, Printer, quoted},
        section::Section,
    },
};

impl TokenCache {
    /// Reads a cache in the MSAL unified schema; nothing at all is an empty cache.
    ///
    /// Unknown sections, unknown fields and entries that make no sense are kept.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the bytes are not one JSON object in UTF-8; it names the place.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let mut cache = Self::new();
        if json.is_empty() {
            return Ok(cache);
        }
        let mut printer = Printer::new(json)?;
        if printer.peek() != Some(b'{') {
            printer.value(0)?;
            return Err(Error::Corrupt {
                what: "the token cache".to_owned(),
                detail: "its root is not a JSON object".to_owned(),
            });
        }
        printer.expect(b'{')?;
        if printer.peek() != Some(b'}') {
            loop {
                printer.out.clear();
                printer.string()?;
                let name: Box<str> = printer.out.as_str().into();
                printer.expect(b':')?;
                let content = read_section(&mut printer, &name)?;
                match cache.members.iter_mut().find(|member| member.name == name) {
                    Some(member) => member.content = content,
                    None => cache.members.push(Member { name, content }),
                }
                if !printer.take(b',') {
                    break;
                }
            }
        }
        printer.expect(b'}')?;
        printer.end()?;
        Ok(cache)
    }

    /// The cache as JSON, byte for byte as Python's msal 1.39 prints the same entries.
    pub fn to_json(&self) -> Secret {
        let mut out = Buffer::with_capacity(self.json_len());
        out.push('{');
        for (nth, member) in self.members.iter().enumerate() {
            separate(&mut out, nth, 1);
            out.push_str(&member.name);
            out.push_str(": ");
            match &member.content {
                Content::Raw(text) => out.push_str(text),
                Content::Entries(section) => print_section(section, &mut out),
            }
        }
        if !self.members.is_empty() {
            out.new_line(0);
        }
        out.push('}');
        Secret::new(std::mem::take(&mut *out.into_inner()))
    }

    fn json_len(&self) -> usize {
        let members = self.members.iter().map(|member| {
            member.name.len()
                + 16
                + match &member.content {
                    Content::Raw(text) => text.len(),
                    Content::Entries(section) => section
                        .entries()
                        .map(|entry| entry.spelled_key().len() + entry.as_json().len() + 16)
                        .sum(),
                }
        });
        members.sum::<usize>() + 16
    }
}

fn read_section(printer: &mut Printer<'_>, name: &str) -> Result<Content, Error> {
    let known = CredentialType::from_name(inside(name));
    let Some(kind) = known.filter(|_| printer.peek() == Some(b'{')) else {
        printer.out.clear();
        printer.value(DEPTH - 1)?;
        return Ok(Content::Raw(Arc::new(zeroize::Zeroizing::new(printer.out.as_str().into()))));
    };
    let mut section = Section::default();
    printer.expect(b'{')?;
    if printer.peek() != Some(b'}') {
        loop {
            printer.out.clear();
            printer.string()?;
            let key: Box<str> = inside(printer.out.as_str()).into();
            printer.expect(b':')?;
            printer.out.clear();
            printer.value(DEPTH)?;
            section.load(Entry::from_canonical(kind, &key, printer.out.as_str()));
            if !printer.take(b',') {
                break;
            }
        }
    }
    printer.expect(b'}')?;
    Ok(Content::Entries(Arc::new(section)))
}

fn print_section(section: &Section, out: &mut Buffer) {
    out.push('{');
    for (nth, entry) in section.entries().enumerate() {
        separate(out, nth, DEPTH);
        out.push('"');
        out.push_str(entry.spelled_key());
        out.push_str("\": ");
        out.push_str(entry.as_json());
    }
    if section.len() > 0 {
        out.new_line(DEPTH - 1);
    }
    out.push('}');
}

fn separate(out: &mut Buffer, nth: usize, depth: usize) {
    if nth > 0 {
        out.push(',');
    }
    out.new_line(depth);
}

/// The name of a section as a member of the root.
pub(crate) fn section_name(kind: CredentialType) -> Box<str> {
    quoted(kind.as_str()).into()
}
