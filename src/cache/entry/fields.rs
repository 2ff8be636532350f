//! The named fields of an entry, read from its text.

use std::borrow::Cow;

use super::{Entry, NEVER, inside};
use crate::cache::{
    authority::{Authority, is_microsoft, issuer_name},
    json::{decode, quoted},
    span::Span,
    time,
};

impl Entry {
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
        self.text(ENVIRONMENT)
    }

    /// `client_id`: the client that the entry was issued to.
    pub fn client_id(&self) -> Option<Cow<'_, str>> {
        self.text("client_id")
    }

    /// `realm`: the tenant.
    pub fn realm(&self) -> Option<Cow<'_, str>> {
        self.text("realm")
    }

    /// `issuer`: the address of the provider that issued the entry, as the sign-in named it. Only
    /// this crate writes it, and only outside Microsoft's clouds; in them it means nothing, and
    /// this returns `None`.
    pub fn issuer(&self) -> Option<Cow<'_, str>> {
        let issuer = decode(self.at(self.0.issuer)?).filter(|issuer| !issuer.is_empty())?;
        let is_elsewhere = !self.environment().is_some_and(|host| is_microsoft(&host));
        is_elsewhere.then_some(issuer)
    }

    /// The [`issuer`](Self::issuer) as it is compared. A text that is no address stands for itself.
    pub(crate) fn issuer_name(&self) -> Option<String> {
        let issuer = self.issuer()?;
        Some(issuer_name(&issuer).unwrap_or_else(|| issuer.into_owned()))
    }

    /// The address of the entry's authority, as [`TokenRequest::new`] takes it: the
    /// [`issuer`](Self::issuer), or if it has none, the address of its host and tenant. Returns
    /// `None` if there is no such address.
    ///
    /// [`TokenRequest::new`]: crate::TokenRequest::new
    pub fn authority(&self) -> Option<String> {
        let is_address = |issuer: &Cow<'_, str>| {
            Authority::parse(issuer).is_ok_and(|read| read.issuer.is_some())
        };
        match self.issuer().filter(is_address) {
            Some(issuer) => Some(issuer.into_owned()),
            None => Authority::address(&self.environment()?, self.realm().as_deref()),
        }
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

    /// `expires_on` as it decides whether a token is valid.
    pub(crate) fn valid_until(&self) -> Option<i64> {
        self.expires_on().map(|end| if self.has_no_expiry() { i64::MAX } else { end })
    }

    /// The access token is valid until it is refused; see [`NO_EXPIRY`].
    pub(crate) fn has_no_expiry(&self) -> bool {
        self.0.no_expiry
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

    /// `issuer` as a canonical token.
    pub(crate) fn issuer_token(&self) -> Option<&str> {
        self.at(self.0.issuer)
    }

    fn at(&self, span: Span) -> Option<&str> {
        span.of(&self.0.all)
    }

    /// The value of a field as a canonical JSON token.
    pub(crate) fn token(&self, name: &str) -> Option<&str> {
        if name == ENVIRONMENT {
            // Read with each token that is found. In an access token it stands behind the secret.
            return self.at(self.0.environment);
        }
        // The usual name stands between quotes as it is.
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let escaped = (!is_plain).then(|| quoted(name));
        let wanted = escaped.as_deref().map_or(name, inside);
        self.members().find(|(name, _)| inside(name) == wanted).map(|(_, value)| value)
    }

    /// Names and values of the fields as canonical JSON tokens, in order.
    pub(crate) fn members(&self) -> Members<'_> {
        Members::of(self.canonical())
    }

    /// The token is bound to a key that the caller must hold.
    pub(crate) fn is_bound_to_key(&self) -> bool {
        self.0.bound_to_key
    }

    /// The token was issued for parameters beyond account, client, tenant and scopes.
    pub(crate) fn is_extended(&self) -> bool {
        self.0.extended
    }
}

/// Walks the members of an entry's canonical text.
pub(crate) struct Members<'e> {
    text: &'e str,
    at: usize,
}

impl<'e> Members<'e> {
    pub(super) fn of(text: &'e str) -> Self {
        Self { text, at: 1 }
    }
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

const MEMBER: &str = "\n            ";

/// The names that the MSAL libraries use for the key that a token is bound to.
pub(crate) const KEY_FIELDS: [&str; 3] = ["key_id", "kid", "keyid"];

/// The names that the MSAL libraries use for the digest of further parameters.
pub(crate) const EXTENSION_FIELDS: [&str; 3] =
    ["ext_cache_key", "ext", "additionalCacheKeyComponents"];

/// A field that only this crate writes into an access token's entry, with the text `true`: the
/// provider gave the token no lifetime and no refresh token, so that it is valid until an API
/// refuses it. Other programs see the `expires_on` beside it.
pub(crate) const NO_EXPIRY: &str = "x_no_expiry";

/// The field with the host of the authority.
pub(crate) const ENVIRONMENT: &str = "environment";

/// A field that only this crate writes: the issuer of an entry outside Microsoft's clouds.
pub(crate) const ISSUER: &str = "issuer";

/// A field that only this crate writes into an access token's entry: the requested scopes, written
/// as in `target`, if the granted scopes do not cover them. The same request finds the token by
/// this field.
pub(crate) const ASKED: &str = "requested_target";
