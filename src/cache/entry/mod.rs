//! One entry of the cache: its JSON text, and the few fields that lookups need.

pub(super) mod builder;
pub(super) mod key;

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
};

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        authority::Authority,
        entry::builder::Draft,
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
    target: Span,
    token_type: Span,
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
        match key::own(&read) {
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

    /// The text of a field. Returns `None` if the field is absent, not text, or not valid Unicode.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        decode(self.token(name)?)
    }

    /// The access token, refresh token or ID token itself. Returns `None` if the entry has none.
    pub fn secret(&self) -> Option<&str> {
        self.at(self.0.secret)
    }

    /// `home_account_id`: the account that the entry belongs to, in all tenants.
    pub fn home_account_id(&self) -> Option<Cow<'_, str>> {
        decode(self.home()?)
    }

    /// `environment`: the host of the authority.
    pub fn environment(&self) -> Option<Cow<'_, str>> {
        self.text("environment")
    }

    /// `client_id`: the client that the entry was issued to.
    pub fn client_id(&self) -> Option<Cow<'_, str>> {
        self.text("client_id")
    }

    /// `realm`: the tenant.
    pub fn realm(&self) -> Option<Cow<'_, str>> {
        self.text("realm")
    }

    /// The address of the entry's authority, as [`TokenRequest::new`] takes it. Returns `None` if
    /// no address stands for its host and tenant.
    ///
    /// [`TokenRequest::new`]: crate::TokenRequest::new
    pub fn authority(&self) -> Option<String> {
        Authority::address(&self.environment()?, self.realm().as_deref())
    }

    /// The scopes in `target`, in the same order. Empty if there are none.
    pub fn scopes(&self) -> Vec<String> {
        let target = self.target().and_then(decode).unwrap_or_default();
        scopes_in(&target).map(str::to_owned).collect()
    }

    /// `expires_on` in Unix seconds. Returns `None` if it cannot be read as a whole number.
    pub fn expires_on(&self) -> Option<i64> {
        Some(self.0.expires_on).filter(|&time| time != NEVER)
    }

    /// `refresh_on` in Unix seconds: from this time on the token should be renewed. Returns `None`
    /// if it cannot be read as a whole number.
    pub fn refresh_on(&self) -> Option<i64> {
        Some(self.0.refresh_on).filter(|&time| time != NEVER)
    }

    /// `cached_at` in Unix seconds: when the token was stored.
    pub(crate) fn cached_at(&self) -> Option<i64> {
        Some(self.0.cached_at).filter(|&time| time != NEVER)
    }

    /// The requested scopes, if the granted ones do not cover them; see [`ASKED`].
    pub(crate) fn asked(&self) -> Option<Cow<'_, str>> {
        if self.0.asked { self.text(ASKED) } else { None }
    }

    /// `last_modification_time` in Unix seconds. Returns `None` if it cannot be read as a whole
    /// number.
    pub fn last_modification_time(&self) -> Option<i64> {
        time::read(self.token("last_modification_time")?)
    }

    /// `home_account_id` as a canonical token.
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
        span.of(&self.0.all)
    }

    /// The value of a field as a canonical JSON token.
    pub(crate) fn token(&self, name: &str) -> Option<&str> {
        let wanted = quoted(name);
        self.members().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// Names and values of the fields as canonical JSON tokens, in order.
    pub(crate) fn members(&self) -> Members<'_> {
        Members { text: self.canonical(), at: 1 }
    }

    /// The entry's key in its section, as the inside of a canonical JSON string.
    pub(crate) fn spelled_key(&self) -> &str {
        &self.0.all[self.0.text as usize..self.0.key as usize]
    }

    /// The token is bound to a key that the caller must hold.
    pub(crate) fn is_bound_to_key(&self) -> bool {
        self.0.bound_to_key
    }

    /// The token was issued for parameters beyond account, client, tenant and scopes.
    pub(crate) fn is_extended(&self) -> bool {
        self.0.extended
    }

    /// Takes text that is already canonical. Text and key together have at most 4 GiB.
    pub(crate) fn from_canonical(kind: CredentialType, key: &str, text: &str) -> Self {
        let mut inner = Inner {
            all: Zeroizing::default(),
            text: offset(text.len()),
            key: offset(text.len() + key.len()),
            secret: Span::NONE,
            home: Span::NONE,
            target: Span::NONE,
            token_type: Span::NONE,
            expires_on: NEVER,
            refresh_on: NEVER,
            cached_at: NEVER,
            laid_out: None,
            kind,
            bound_to_key: false,
            extended: false,
            asked: false,
        };
        let mut has_nested = is_nested(text) && !text.starts_with(OBJECT);
        let mut decoded = Zeroizing::new(String::new());
        for (name, value) in (Members { text, at: 1 }) {
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
                "target" => inner.target = Span::locate(text, value),
                "token_type" => inner.token_type = Span::locate(text, value),
                "expires_on" => inner.expires_on = stored(time::read(value)),
                "refresh_on" => inner.refresh_on = stored(time::read(value)),
                "cached_at" => inner.cached_at = stored(time::read(value)),
                ASKED => inner.asked = is_set,
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

    /// This entry under `key`, which is computed from its fields.
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
        // Canonical values contain no line end, so the next one ends the member.
        let line = &value[..value.find('\n')?];
        let value = line.strip_suffix(',').unwrap_or(line);
        self.at += MEMBER.len() + name.len() + 2 + value.len();
        self.at += usize::from(self.text[self.at..].starts_with(','));
        Some((name, value))
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

const MEMBER: &str = "\n            ";
/// The start of an object with members.
const OBJECT: &str = "{\n";

/// The names that the MSAL libraries use for the key that a token is bound to.
pub(crate) const KEY_FIELDS: [&str; 3] = ["key_id", "kid", "keyid"];

/// The names that the MSAL libraries use for the digest of further parameters.
pub(crate) const EXTENSION_FIELDS: [&str; 3] =
    ["ext_cache_key", "ext", "additionalCacheKeyComponents"];

/// A field that only this crate writes into an access token's entry: the requested scopes, written
/// as in `target`, if the granted scopes do not cover them. The same request finds the token by
/// this field.
pub(crate) const ASKED: &str = "requested_target";
