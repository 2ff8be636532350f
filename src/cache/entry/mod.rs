//! One entry of the cache: its JSON text, and the few fields that lookups need.
//!
//! `fields` reads the named fields of an entry.

pub(super) mod builder;
mod fields;
pub(super) mod key;

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
};

use zeroize::Zeroizing;

pub(super) use self::fields::{
    ASKED, ENVIRONMENT, EXTENSION_FIELDS, ISSUER, KEY_FIELDS, NO_EXPIRY, scopes_in,
};
use self::{builder::Draft, fields::Members};
use crate::{
    Error,
    cache::{
        json::{Printer, Sink, check_len, decode, is_nested, printed, quoted},
        schema::CredentialType,
        span::Span,
        time,
    },
};

/// An entry of the cache. A clone is cheap.
///
/// An entry is kept as text and printed as it was read. Its memory is wiped when the last clone is
/// dropped. `Debug` prints only its kind.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    /// The entry's text, then its key as the inside of a canonical string. Then the decoded secret,
    /// if the secret is escaped in the text.
    all: Zeroizing<Box<str>>,
    text: u32,
    key: u32,
    /// Where these values are in `all`.
    secret: Span,
    home: Span,
    environment: Span,
    target: Span,
    token_type: Span,
    issuer: Span,
    /// [`NEVER`] if the field is absent or not a time.
    expires_on: i64,
    refresh_on: i64,
    cached_at: i64,
    /// The indented text, made when it is first needed. `None` if the entry has no nested values.
    laid_out: Option<Box<OnceLock<Zeroizing<Box<str>>>>>,
    kind: CredentialType,
    bound_to_key: bool,
    extended: bool,
    asked: bool,
    no_expiry: bool,
}

impl Entry {
    /// Reads an entry from JSON, for [`TokenCache::put`](crate::TokenCache::put).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if `json` is not one JSON object, if a field of its key is not text, or
    /// if it is too large for an entry.
    pub fn from_json(kind: CredentialType, json: &[u8]) -> Result<Self, Error> {
        let invalid = |detail: String| Error::Invalid { detail: format!("not an entry: {detail}") };
        let mut printer = Printer::new(json).map_err(|error| invalid(error.to_string()))?;
        if printer.peek() != Some(b'{') {
            return Err(invalid("it is not a JSON object".to_owned()));
        }
        printer
            .entry(DEPTH)
            .and_then(|()| printer.end())
            .and_then(|()| check_size("", printer.out.as_str()))
            .map_err(|error| invalid(error.to_string()))?;
        let read = Self::from_canonical(kind, "", printer.out.as_str());
        match key::plain(&read) {
            Some(key) => Ok(read.respelled(&key)),
            None => Err(invalid("a field that is part of its key is not text".to_owned())),
        }
    }

    /// The kind of the entry, which is also its section.
    pub fn kind(&self) -> CredentialType {
        self.0.kind
    }

    /// The entry as JSON, printed as in [`serialize`](crate::SerializableTokenCache::serialize).
    ///
    /// The text contains the secret.
    pub fn as_json(&self) -> &str {
        let Some(laid_out) = &self.0.laid_out else { return self.canonical() };
        laid_out.get_or_init(|| Zeroizing::new(printed(|sink| self.print(sink)).as_str().into()))
    }

    /// Appends the entry as it is printed in the cache.
    pub(crate) fn print(&self, sink: &mut dyn Sink) {
        if self.0.laid_out.is_none() {
            return sink.text(self.canonical());
        }
        let mut from = 0;
        for (_, value) in self.members().filter(|(_, value)| is_nested(value)) {
            let at = value.as_ptr().addr() - self.canonical().as_ptr().addr();
            sink.text(&self.canonical()[from..at]);
            sink.value(value, DEPTH + 1);
            from = at + value.len();
        }
        match from {
            // The entry is not an object.
            0 => sink.value(self.canonical(), DEPTH),
            _ => sink.text(&self.canonical()[from..]),
        }
    }

    /// The entry's text, in which nested values have no white space.
    pub(crate) fn canonical(&self) -> &str {
        &self.0.all[..self.0.text as usize]
    }

    /// The entry's key in its section, as the inside of a canonical JSON string.
    pub(crate) fn spelled_key(&self) -> &str {
        &self.0.all[self.0.text as usize..self.0.key as usize]
    }

    /// Takes text that is already canonical. Text and key together have at most 4 GiB.
    pub(crate) fn from_canonical(kind: CredentialType, key: &str, text: &str) -> Self {
        let mut inner = Inner {
            all: Zeroizing::default(),
            text: offset(text.len()),
            key: offset(text.len() + key.len()),
            secret: Span::NONE,
            home: Span::NONE,
            environment: Span::NONE,
            target: Span::NONE,
            token_type: Span::NONE,
            issuer: Span::NONE,
            expires_on: NEVER,
            refresh_on: NEVER,
            cached_at: NEVER,
            laid_out: None,
            kind,
            bound_to_key: false,
            extended: false,
            asked: false,
            no_expiry: false,
        };
        let mut has_nested = is_nested(text) && !text.starts_with(OBJECT);
        let mut decoded = Zeroizing::new(String::new());
        for (name, value) in Members::of(text) {
            let is_set = !matches!(value, "null" | "\"\"");
            has_nested |= is_nested(value);
            match inside(name) {
                "secret" => match decode(value) {
                    Some(Cow::Borrowed(plain)) => inner.secret = Span::locate(text, plain),
                    Some(Cow::Owned(secret)) => {
                        decoded = Zeroizing::new(secret);
                        inner.secret = Span::new(inner.key, inner.key + offset(decoded.len()));
                    }
                    None => inner.secret = Span::NONE,
                },
                "home_account_id" => inner.home = Span::locate(text, value),
                ENVIRONMENT => inner.environment = Span::locate(text, value),
                "target" => inner.target = Span::locate(text, value),
                "token_type" => inner.token_type = Span::locate(text, value),
                "expires_on" => inner.expires_on = stored(time::read(value)),
                "refresh_on" => inner.refresh_on = stored(time::read(value)),
                "cached_at" => inner.cached_at = stored(time::read(value)),
                ISSUER => inner.issuer = Span::locate(text, value),
                ASKED => inner.asked = is_set,
                NO_EXPIRY => inner.no_expiry = value == "\"true\"",
                name if KEY_FIELDS.contains(&name) => inner.bound_to_key |= is_set,
                name if EXTENSION_FIELDS.contains(&name) => inner.extended |= is_set,
                _ => {}
            }
        }
        inner.laid_out = has_nested.then(Box::default);
        let mut all = String::with_capacity(text.len() + key.len() + decoded.len());
        [text, key, &decoded].into_iter().for_each(|part| all.push_str(part));
        inner.all = Zeroizing::new(all.into_boxed_str());
        Self(Arc::new(inner))
    }

    /// This entry under `key`.
    pub(crate) fn respelled(&self, key: &str) -> Self {
        let key = quoted(key);
        if inside(&key) == self.spelled_key() {
            return self.clone();
        }
        Self::from_canonical(self.kind(), inside(&key), self.canonical())
    }

    /// This entry with some fields replaced in place, or appended if they are absent. If `changes`
    /// names a field twice, the last change counts.
    pub(crate) fn with(&self, changes: &[(String, Zeroizing<String>)]) -> Self {
        let numbered = changes.iter().enumerate();
        let last: HashMap<&str, usize> = numbered.map(|(nth, (name, _))| (&**name, nth)).collect();
        let mut is_new = vec![true; changes.len()];
        let mut draft = Draft::new(self.kind());
        for (name, value) in self.members() {
            let change = last.get(name).copied();
            draft.member(name, change.map_or(value, |nth| &changes[nth].1));
            if let Some(nth) = change {
                is_new[nth] = false;
            }
        }
        for (nth, (name, value)) in changes.iter().enumerate() {
            if is_new[nth] && last[name.as_str()] == nth {
                draft.member(name, value);
            }
        }
        let text = draft.close();
        Self::from_canonical(self.kind(), self.spelled_key(), text.as_str())
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.spelled_key() == other.spelled_key() && self.canonical() == other.canonical())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// A string token without its quotes.
pub(crate) fn inside(token: &str) -> &str {
    token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token)
}

/// # Errors
///
/// [`Error::TooLarge`] if an entry with this key and text is too large for [`Entry`].
pub(crate) fn check_size(key: &str, text: &str) -> Result<(), Error> {
    // The key can repeat the text, and the secret is decoded beside it.
    let size = key.len().saturating_add(text.len().saturating_mul(3));
    check_len(size).map(drop)
}

fn stored(time: Option<i64>) -> i64 {
    // A time that equals `NEVER` would count as absent.
    time.map_or(NEVER, |time| time.max(NEVER + 1))
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("an entry has less than 4 GiB")
}

/// Stands for a time that is absent.
const NEVER: i64 = i64::MIN;

/// The nesting depth of an entry in the cache.
pub(crate) const DEPTH: usize = 2;

/// The start of an object with members.
const OBJECT: &str = "{\n";
