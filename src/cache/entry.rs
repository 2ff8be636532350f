//! One entry of the cache: its JSON text, and the few fields that lookups need.

use std::{borrow::Cow, fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        authority::Authority,
        credential::CredentialType,
        json::{Buffer, Printer, decode, quoted},
        key,
        span::Span,
        time,
    },
};

/// An entry of the cache; cheap to clone.
///
/// It is kept as text and printed again as it came. Its memory is wiped when the last clone is
/// dropped, and `Debug` shows its kind alone.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    text: Zeroizing<Box<str>>,
    expires_on: Option<i64>,
    refresh_on: Option<i64>,
    cached_at: Option<i64>,
    secret: Text,
    home: Span,
    target: Span,
    token_type: Span,
    kind: CredentialType,
    bound_to_key: bool,
    extended: bool,
    asked: bool,
    key: Box<str>,
}

/// Where a text lies: in the entry as it is, or decoded beside it.
enum Text {
    Missing,
    At(usize, usize),
    Decoded(Zeroizing<String>),
}

impl Entry {
    /// Reads an entry from JSON, as [`TokenCache::put`](crate::TokenCache::put) takes it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `json` is not one JSON object.
    pub fn from_json(kind: CredentialType, json: &[u8]) -> Result<Self, Error> {
        let invalid = |detail: String| Error::Invalid { detail: format!("not an entry: {detail}") };
        let mut printer = Printer::new(json).map_err(|error| invalid(error.to_string()))?;
        if printer.peek() != Some(b'{') {
            return Err(invalid("it is not a JSON object".to_owned()));
        }
        printer
            .value(DEPTH)
            .and_then(|()| printer.end())
            .map_err(|error| invalid(error.to_string()))?;
        let read = Self::from_canonical(kind, "", printer.out.as_str());
        match key::own(&read) {
            Some(key) => Ok(Self::from_canonical(kind, inside(&quoted(&key)), read.as_json())),
            None => Err(invalid("a field that is part of its key is not text".to_owned())),
        }
    }

    /// The kind of section it is in.
    pub fn kind(&self) -> CredentialType {
        self.0.kind
    }

    /// The entry as JSON, printed as in [`serialize`](crate::SerializableTokenCache::serialize).
    ///
    /// Holds the secret.
    pub fn as_json(&self) -> &str {
        &self.0.text
    }

    /// The text of a field; none if it is absent, not text, or not valid Unicode.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        decode(self.token(name)?)
    }

    /// The token, refresh token or ID token itself.
    pub fn secret(&self) -> Option<&str> {
        match &self.0.secret {
            Text::Missing => None,
            Text::At(from, to) => Some(&self.0.text[*from..*to]),
            Text::Decoded(text) => Some(text),
        }
    }

    /// `home_account_id`: whose it is, in all tenants.
    pub fn home_account_id(&self) -> Option<Cow<'_, str>> {
        decode(self.home()?)
    }

    /// `environment`: the host of the authority.
    pub fn environment(&self) -> Option<Cow<'_, str>> {
        self.text("environment")
    }

    /// `client_id`: the program it was issued to.
    pub fn client_id(&self) -> Option<Cow<'_, str>> {
        self.text("client_id")
    }

    /// `realm`: the tenant.
    pub fn realm(&self) -> Option<Cow<'_, str>> {
        self.text("realm")
    }

    /// The address of the authority that it is from, as [`TokenRequest::new`] takes it; none if no
    /// address means its host and tenant.
    ///
    /// [`TokenRequest::new`]: crate::TokenRequest::new
    pub fn authority(&self) -> Option<String> {
        Authority::address(&self.environment()?, self.realm().as_deref())
    }

    /// The scopes in `target`, in its order; empty if there are none.
    pub fn scopes(&self) -> Vec<String> {
        let target = self.target().and_then(decode).unwrap_or_default();
        scopes_in(&target).map(str::to_owned).collect()
    }

    /// `expires_on` in Unix seconds, where it can be read as a whole number.
    pub fn expires_on(&self) -> Option<i64> {
        self.0.expires_on
    }

    /// `refresh_on` in Unix seconds: from then on the token should be renewed.
    pub fn refresh_on(&self) -> Option<i64> {
        self.0.refresh_on
    }

    /// `cached_at` in Unix seconds: when it was kept.
    pub(crate) fn cached_at(&self) -> Option<i64> {
        self.0.cached_at
    }

    /// What was asked for, where it is not what was granted; see [`ASKED`].
    pub(crate) fn asked(&self) -> Option<Cow<'_, str>> {
        if self.0.asked { self.text(ASKED) } else { None }
    }

    /// `last_modification_time` in Unix seconds, where it can be read as a whole number.
    pub fn last_modification_time(&self) -> Option<i64> {
        time::read(self.token("last_modification_time")?)
    }

    /// Whose it says it is, as a canonical token.
    pub(crate) fn home(&self) -> Option<&str> {
        self.at(self.0.home)
    }

    /// `target` as a canonical token.
    pub(crate) fn target(&self) -> Option<&str> {
        self.at(self.0.target)
    }

    /// `token_type` as a canonical token.
    pub(crate) fn token_type(&self) -> Option<&str> {
        self.at(self.0.token_type)
    }

    fn at(&self, span: Span) -> Option<&str> {
        span.of(&self.0.text)
    }

    /// The field's value as a canonical JSON token.
    pub(crate) fn token(&self, name: &str) -> Option<&str> {
        let wanted = quoted(name);
        self.members().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// Names and values as canonical JSON tokens, in order.
    pub(crate) fn members(&self) -> Members<'_> {
        Members { text: &self.0.text, at: 1 }
    }

    /// The key it stands under, as the inside of a canonical JSON string.
    pub(crate) fn spelled_key(&self) -> &str {
        &self.0.key
    }

    /// It is bound to a key that the caller must hold.
    pub(crate) fn is_bound_to_key(&self) -> bool {
        self.0.bound_to_key
    }

    /// It was issued for parameters beyond account, client, tenant and scopes.
    pub(crate) fn is_extended(&self) -> bool {
        self.0.extended
    }

    /// Takes text that is canonical already.
    pub(crate) fn from_canonical(kind: CredentialType, key: &str, text: &str) -> Self {
        let mut inner = Inner {
            text: Zeroizing::new(text.into()),
            key: key.into(),
            kind,
            expires_on: None,
            refresh_on: None,
            cached_at: None,
            secret: Text::Missing,
            home: Span::NONE,
            target: Span::NONE,
            token_type: Span::NONE,
            bound_to_key: false,
            extended: false,
            asked: false,
        };
        for (name, value) in (Members { text, at: 1 }) {
            let is_set = !matches!(value, "null" | "\"\"");
            match inside(name) {
                "secret" => inner.secret = Text::locate(text, value),
                "home_account_id" => inner.home = Span::locate(text, value),
                "target" => inner.target = Span::locate(text, value),
                "token_type" => inner.token_type = Span::locate(text, value),
                "expires_on" => inner.expires_on = time::read(value),
                "refresh_on" => inner.refresh_on = time::read(value),
                "cached_at" => inner.cached_at = time::read(value),
                ASKED => inner.asked = is_set,
                name if KEY_FIELDS.contains(&name) => inner.bound_to_key |= is_set,
                name if EXTENSION_FIELDS.contains(&name) => inner.extended |= is_set,
                _ => {}
            }
        }
        Self(Arc::new(inner))
    }

    /// This entry under the key that its fields make.
    pub(crate) fn respelled(&self, key: &str) -> Self {
        Self::from_canonical(self.kind(), inside(&quoted(key)), self.as_json())
    }

    /// This entry with some fields replaced in place, or added at its end.
    pub(crate) fn with(&self, changes: &[(String, Zeroizing<String>)]) -> Self {
        let mut draft = Draft::new(self.kind());
        for (name, value) in self.members() {
            let change = changes.iter().rev().find(|(changed, _)| changed == name);
            draft.member(name, change.map_or(value, |(_, value)| value));
        }
        for (nth, (name, value)) in changes.iter().enumerate() {
            let is_last = !changes[nth + 1..].iter().any(|(later, _)| later == name);
            if is_last && self.members().all(|(known, _)| known != name) {
                draft.member(name, value);
            }
        }
        let text = draft.close();
        Self::from_canonical(self.kind(), self.spelled_key(), text.as_str())
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.key == other.0.key && self.0.text == other.0.text)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Text {
    fn locate(text: &str, value: &str) -> Self {
        match decode(value) {
            None => Self::Missing,
            Some(Cow::Owned(decoded)) => Self::Decoded(Zeroizing::new(decoded)),
            Some(Cow::Borrowed(plain)) => {
                let from = plain.as_ptr().addr() - text.as_ptr().addr();
                Self::At(from, from + plain.len())
            }
        }
    }
}

/// Walks the members of an entry's canonical text.
pub(crate) struct Members<'e> {
    text: &'e str,
    at: usize,
}

impl<'e> Iterator for Members<'e> {
    type Item = (&'e str, &'e str);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.text.starts_with('{') {
            return None;
        }
        let rest = self.text.get(self.at..)?.strip_prefix(MEMBER)?;
        let mut escaped = false;
        let close = rest.bytes().skip(1).position(|byte| {
            let found = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            found
        })?;
        let (name, rest) = rest.split_at(close + 2);
        let value = rest.strip_prefix(": ")?;
        let is_open = value.starts_with("{\n") || value.starts_with("[\n");
        let end = if is_open {
            let close = if value.starts_with('{') { CLOSE_OBJECT } else { CLOSE_ARRAY };
            value.find(close)? + close.len()
        } else {
            let line = &value[..value.find('\n')?];
            line.len() - usize::from(line.ends_with(','))
        };
        let value = &value[..end];
        self.at += MEMBER.len() + name.len() + 2 + value.len();
        self.at += usize::from(self.text[self.at..].starts_with(','));
        Some((name, value))
    }
}

/// An entry under construction, its fields in the order in which they are given.
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
        crate::cache::json::push_escaped(value, &mut self.out);
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

    /// The entry under the key that its fields make.
    pub(crate) fn finish(self) -> Entry {
        let kind = self.kind;
        let text = self.close();
        let entry = Entry::from_canonical(kind, "", text.as_str());
        let key = key::own(&entry).expect("the key fields of a draft are text or null");
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

    fn close(mut self) -> Buffer {
        if self.out.as_str().len() > 1 {
            self.out.new_line(DEPTH);
        }
        self.out.push('}');
        self.out
    }
}

/// The scopes of a target, split where Python's `str.split` splits.
pub(crate) fn scopes_in(target: &str) -> impl Iterator<Item = &str> {
    target
        .split(|c: char| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'))
        .filter(|scope| !scope.is_empty())
}

/// A string token without its quotes.
pub(crate) fn inside(token: &str) -> &str {
    token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token)
}

/// Entries stand two levels deep in the cache.
pub(crate) const DEPTH: usize = 2;

const MEMBER: &str = "\n            ";
const CLOSE_OBJECT: &str = "\n            }";
const CLOSE_ARRAY: &str = "\n            ]";

/// How the members of the family name the key that a token is bound to.
pub(crate) const KEY_FIELDS: [&str; 3] = ["key_id", "kid", "keyid"];

/// How they name the digest of further parameters.
pub(crate) const EXTENSION_FIELDS: [&str; 3] =
    ["ext_cache_key", "ext", "additionalCacheKeyComponents"];

/// A field of our own in an access token's entry: the scopes that were asked for, written as those in
/// `target`, where the granted ones do not cover them. The same request finds the token again by it.
pub(crate) const ASKED: &str = "requested_target";
