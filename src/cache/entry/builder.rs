//! Builds the text of an entry field by field.

use crate::cache::{
    entry::key,
    entry::{DEPTH, Entry},
    json::{Buffer, push_escaped, quoted},
    schema::CredentialType,
};

/// An entry under construction. Fields are written in the order in which they are added.
pub(crate) struct Draft {
    kind: CredentialType,
    out: Buffer,
}

impl Draft {
    pub(crate) fn new(kind: CredentialType) -> Self {
        let mut out = Buffer::with_capacity(4 << 10);
        out.push('{');
        Self { kind, out }
    }

    /// A field that is text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.begin(&quoted(name));
        self.out.push('"');
        push_escaped(value, &mut self.out);
        self.out.push('"');
    }

    /// A field that is text or null.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.member(&quoted(name), "null"),
        }
    }

    /// A field whose name and value are canonical tokens.
    pub(crate) fn member(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.out.push_str(value);
    }

    /// The entry under the key that msal computes from its fields.
    pub(crate) fn finish(self) -> Entry {
        let kind = self.kind;
        let text = self.close();
        let entry = Entry::from_canonical(kind, "", text.as_str());
        let key = key::plain(&entry).expect("the key fields of a draft are text or null");
        entry.respelled(&key)
    }

    fn begin(&mut self, name: &str) {
        if self.out.as_str().len() > 1 {
            self.out.push(',');
        }
        self.out.new_line(DEPTH + 1);
        self.out.push_str(name);
        self.out.push_str(": ");
    }

    /// Closes the object and returns its text.
    pub(crate) fn close(mut self) -> Buffer {
        if self.out.as_str().len() > 1 {
            self.out.new_line(DEPTH);
        }
        self.out.push('}');
        self.out
    }
}
