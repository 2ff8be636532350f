//! Reads a whole cache from JSON and prints it.

use std::{mem, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    Error, Secret,
    cache::{
        Content, Member, TokenCache,
        entry::{DEPTH, Entry, check_size, inside},
        json::{Printer, Sink, printed, printed_len},
        schema::CredentialType,
        section::Section,
        unknown::{Arriving, keep_last},
    },
};

impl TokenCache {
    /// Reads a cache in the MSAL unified schema. Empty input is an empty cache.
    ///
    /// Unknown sections, unknown fields and entries that are not valid are kept.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the bytes are not one JSON object in UTF-8; it names the place.
    /// [`Error::TooLarge`] if a part has more than 4 GiB.
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let mut cache = Self::new();
        if json.is_empty() {
            return Ok(cache);
        }
        let mut printer = Printer::new(json)?;
        if printer.peek() != Some(b'{') {
            // Reads the value first, so that a syntax error is reported with its place.
            printer.value(0)?;
            return Err(Error::Corrupt {
                what: "the token cache".to_owned(),
                detail: "its root is not a JSON object".to_owned(),
                source: None,
            });
        }
        printer.expect(b'{')?;
        if printer.peek() != Some(b'}') {
            let mut unknown = Arriving::default();
            loop {
                cache.read_member(&mut printer, &mut unknown)?;
                if !printer.take(b',') {
                    break;
                }
            }
            unknown.finish(&mut cache.members)?;
        }
        printer.expect(b'}')?;
        printer.end()?;
        // Only at the end: members with one name may be in different runs.
        keep_last(&mut cache.members)?;
        Ok(cache)
    }

    fn read_member(
        &mut self,
        printer: &mut Printer<'_>,
        unknown: &mut Arriving,
    ) -> Result<(), Error> {
        printer.out.clear();
        printer.string()?;
        let Some(kind) = CredentialType::from_name(inside(printer.out.as_str())) else {
            let name = Zeroizing::new(printer.out.as_str().to_owned());
            printer.expect(b':')?;
            return unknown.read(&name, printer);
        };
        printer.expect(b':')?;
        let content = read_section(printer, kind)?;
        match self.content_mut(kind) {
            // The last section of a name counts, in the place of the first, as in a Python dict.
            Some(earlier) => *earlier = content,
            None => {
                // The unknown members before this section keep their place.
                unknown.finish(&mut self.members)?;
                self.members.push(Member::Known(kind, content));
            }
        }
        Ok(())
    }

    /// Returns the cache as JSON, byte for byte as Python's msal 1.39 prints the same entries.
    ///
    /// A nested value that indentation would make several times as large is printed on one line. No
    /// peer writes such values.
    pub fn to_json(&self) -> Secret {
        let mut out = printed(|sink| self.print(sink)).into_inner();
        // Moved out without a copy; `Secret` wipes it from now on.
        Secret::new(mem::take(&mut *out))
    }

    /// The number of bytes of [`to_json`](Self::to_json). Cheaper than printing, and leaves no copy
    /// of a secret.
    pub fn json_len(&self) -> usize {
        printed_len(|sink| self.print(sink))
    }

    fn print(&self, sink: &mut dyn Sink) {
        let mut is_first = true;
        let mut begin = |sink: &mut dyn Sink| separate(sink, mem::take(&mut is_first), 1);
        sink.text("{");
        for member in &self.members {
            match member {
                Member::Unknown(run) => {
                    for (name, value) in run.members() {
                        begin(sink);
                        sink.text(name);
                        sink.text(": ");
                        sink.value(value, 1);
                    }
                }
                Member::Known(kind, content) => {
                    begin(sink);
                    sink.text("\"");
                    sink.text(kind.as_str());
                    sink.text("\": ");
                    match content {
                        Content::Raw(text) => sink.value(text, 1),
                        Content::Entries(section) => print_section(section, sink),
                    }
                }
            }
        }
        if !self.members.is_empty() {
            sink.line(0);
        }
        sink.text("}");
    }
}

fn read_section(printer: &mut Printer<'_>, kind: CredentialType) -> Result<Content, Error> {
    if printer.peek() != Some(b'{') {
        printer.out.clear();
        printer.value(1)?;
        return Ok(Content::Raw(Arc::new(Zeroizing::new(printer.out.as_str().into()))));
    }
    let mut section = Section::default();
    printer.expect(b'{')?;
    if printer.peek() != Some(b'}') {
        loop {
            printer.out.clear();
            printer.string()?;
            let key: Box<str> = inside(printer.out.as_str()).into();
            printer.expect(b':')?;
            printer.out.clear();
            printer.entry(DEPTH)?;
            check_size(&key, printer.out.as_str())?;
            section.load(Entry::from_canonical(kind, &key, printer.out.as_str()));
            if !printer.take(b',') {
                break;
            }
        }
    }
    printer.expect(b'}')?;
    Ok(Content::Entries(Arc::new(section)))
}

fn print_section(section: &Section, sink: &mut dyn Sink) {
    sink.text("{");
    for (nth, entry) in section.entries().enumerate() {
        separate(sink, nth == 0, DEPTH);
        sink.text("\"");
        sink.text(entry.spelled_key());
        sink.text("\": ");
        entry.print(sink);
    }
    if section.len() > 0 {
        sink.line(DEPTH - 1);
    }
    sink.text("}");
}

fn separate(sink: &mut dyn Sink, is_first: bool, depth: usize) {
    if !is_first {
        sink.text(",");
    }
    sink.line(depth);
}
