//! The record of a sign-in: what a later run needs to renew it or to sign it out.

use std::{borrow::Cow, fmt};

use zeroize::Zeroizing;

use crate::{
    Error, Secret,
    cache::{
        authority::{Authority, issuer_name},
        json::{Buffer, decode, items, members, quoted},
        time,
    },
};

/// The record of one client's sign-in at one issuer: where its tokens are renewed and revoked, and
/// how the client authenticates there.
///
/// A program that signs in stores it with [`TokenCache::set_record`](crate::TokenCache::set_record)
/// in the transaction that stores the tokens. It is part of the cache, in a section of its own that
/// no MSAL library reads. Members that this version does not know are kept.
///
/// A refresh token goes to the [`token_endpoint`](Self::token_endpoint). The record does not prove
/// that it is the issuer's: who can write the cache can write the record. If other programs
/// write the cache, as in the store of msal-extensions, the program that sends the token must first
/// confirm the endpoint with the issuer's own metadata (RFC 8414, OpenID Connect Discovery), by an
/// address of the issuer that is not the record's. `silent::HttpEndpoint::confirm` does that.
///
/// `Debug` prints no secret.
///
/// ```
/// use tokenkeep::{SignInRecord, TokenCache, TokenRequest};
///
/// let mut cache = TokenCache::new();
/// let record = SignInRecord::new("client", "https://id.example/realms/a")
///     .with_token_endpoint("https://id.example/realms/a/protocol/openid-connect/token")
///     .with_scopes(["openid", "offline_access"]);
/// cache.set_record(&record)?;
/// let request = TokenRequest::new("client", "https://id.example/realms/a", ["openid"]);
/// assert_eq!(cache.record(&request), Some(record));
/// # Ok::<(), tokenkeep::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SignInRecord {
    client_id: String,
    issuer: String,
    /// The other members: names and values as canonical tokens, in order.
    members: Vec<(String, Zeroizing<String>)>,
}

/// How a client authenticates at the token endpoint: `token_endpoint_auth_method` of RFC 7591,
/// section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthMethod {
    /// `none`: a public client, which has no secret.
    None,
    /// `client_secret_basic`: the secret is in the header `Authorization`.
    ClientSecretBasic,
    /// `client_secret_post`: the secret is in the form.
    ClientSecretPost,
}

impl ClientAuthMethod {
    const ALL: [Self; 3] = [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost];

    /// The name in the record, and at the provider.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }

    /// The method with this name. Letter case matters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

impl SignInRecord {
    /// A record of the client `client_id` at `issuer`, the address of the issuer as its metadata
    /// spells it.
    pub fn new(client_id: impl Into<String>, issuer: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), issuer: issuer.into(), members: Vec::new() }
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The address of the issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The authority of the requests whose tokens are renewed with this record. The
    /// [`issuer`](Self::issuer) if the record names no other, as it may in Microsoft's clouds.
    pub fn authority(&self) -> Cow<'_, str> {
        self.text(AUTHORITY).unwrap_or(Cow::Borrowed(&self.issuer))
    }

    /// The address at which tokens are requested and renewed.
    pub fn token_endpoint(&self) -> Option<Cow<'_, str>> {
        self.text(TOKEN_ENDPOINT)
    }

    /// The address at which a sign-in on another device begins (RFC 8628).
    pub fn device_authorization_endpoint(&self) -> Option<Cow<'_, str>> {
        self.text(DEVICE_AUTHORIZATION_ENDPOINT)
    }

    /// The address at which tokens are revoked (RFC 7009).
    pub fn revocation_endpoint(&self) -> Option<Cow<'_, str>> {
        self.text(REVOCATION_ENDPOINT)
    }

    /// The address that says who signed in (OpenID Connect Core, 5.3).
    pub fn userinfo_endpoint(&self) -> Option<Cow<'_, str>> {
        self.text(USERINFO_ENDPOINT)
    }

    /// How the client authenticates. Returns `None` if the record does not say, or names a method
    /// that this version does not know.
    pub fn auth_method(&self) -> Option<ClientAuthMethod> {
        ClientAuthMethod::from_name(&self.text(AUTH_METHOD)?)
    }

    /// The client's secret.
    pub fn client_secret(&self) -> Option<Secret> {
        Some(Secret::new(self.text(CLIENT_SECRET)?.into_owned()))
    }

    /// The address to which the browser was sent back.
    pub fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        self.text(REDIRECT_URI)
    }

    /// The `audience` that the sign-in asked for, as some providers call it.
    pub fn audience(&self) -> Option<Cow<'_, str>> {
        self.text(AUDIENCE)
    }

    /// The resources that the sign-in asked for (RFC 8707).
    pub fn resources(&self) -> Vec<String> {
        self.list(RESOURCES)
    }

    /// The scopes that the sign-in asked for.
    pub fn scopes(&self) -> Vec<String> {
        self.list(SCOPES)
    }

    /// The program that wrote the record, and its version.
    pub fn written_by(&self) -> Option<Cow<'_, str>> {
        self.text(WRITTEN_BY)
    }

    /// When the record was written, in Unix seconds.
    pub fn updated(&self) -> Option<u64> {
        time::read(self.value(UPDATED)?).and_then(|time| u64::try_from(time).ok())
    }

    /// Sets the [`authority`](Self::authority).
    #[must_use]
    pub fn with_authority(self, address: impl AsRef<str>) -> Self {
        self.with_text(AUTHORITY, address.as_ref())
    }

    /// Sets the [`token_endpoint`](Self::token_endpoint).
    #[must_use]
    pub fn with_token_endpoint(self, address: impl AsRef<str>) -> Self {
        self.with_text(TOKEN_ENDPOINT, address.as_ref())
    }

    /// Sets the [`device_authorization_endpoint`](Self::device_authorization_endpoint).
    #[must_use]
    pub fn with_device_authorization_endpoint(self, address: impl AsRef<str>) -> Self {
        self.with_text(DEVICE_AUTHORIZATION_ENDPOINT, address.as_ref())
    }

    /// Sets the [`revocation_endpoint`](Self::revocation_endpoint).
    #[must_use]
    pub fn with_revocation_endpoint(self, address: impl AsRef<str>) -> Self {
        self.with_text(REVOCATION_ENDPOINT, address.as_ref())
    }

    /// Sets the [`userinfo_endpoint`](Self::userinfo_endpoint).
    #[must_use]
    pub fn with_userinfo_endpoint(self, address: impl AsRef<str>) -> Self {
        self.with_text(USERINFO_ENDPOINT, address.as_ref())
    }

    /// Sets the [`auth_method`](Self::auth_method).
    #[must_use]
    pub fn with_auth_method(self, method: ClientAuthMethod) -> Self {
        self.with_text(AUTH_METHOD, method.as_str())
    }

    /// Sets the [`client_secret`](Self::client_secret). A `PersistedTokenCache` in plain text
    /// refuses to store a record that has one.
    #[must_use]
    pub fn with_client_secret(self, secret: &str) -> Self {
        self.with_text(CLIENT_SECRET, secret)
    }

    /// Sets the [`redirect_uri`](Self::redirect_uri).
    #[must_use]
    pub fn with_redirect_uri(self, address: impl AsRef<str>) -> Self {
        self.with_text(REDIRECT_URI, address.as_ref())
    }

    /// Sets the [`audience`](Self::audience).
    #[must_use]
    pub fn with_audience(self, audience: impl AsRef<str>) -> Self {
        self.with_text(AUDIENCE, audience.as_ref())
    }

    /// Sets the [`resources`](Self::resources).
    #[must_use]
    pub fn with_resources(self, addresses: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.with_list(RESOURCES, addresses)
    }

    /// Sets the [`scopes`](Self::scopes).
    #[must_use]
    pub fn with_scopes(self, scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.with_list(SCOPES, scopes)
    }

    /// Sets [`written_by`](Self::written_by).
    #[must_use]
    pub fn with_written_by(self, program: impl AsRef<str>) -> Self {
        self.with_text(WRITTEN_BY, program.as_ref())
    }

    /// Sets when the record was written, in Unix seconds.
    #[must_use]
    pub fn with_updated(self, time: u64) -> Self {
        self.with_text(UPDATED, &time.to_string())
    }

    /// Reads a record from its canonical text. Returns `None` if it does not name its client and
    /// its issuer.
    pub(super) fn read(value: &str) -> Option<Self> {
        let mut read = Self::new("", "");
        for (name, value) in members(value) {
            match decode(name).as_deref() {
                Some(CLIENT_ID) => read.client_id = decode(value)?.into_owned(),
                Some(ISSUER) => read.issuer = decode(value)?.into_owned(),
                _ => read.members.push((name.to_owned(), Zeroizing::new(value.to_owned()))),
            }
        }
        (!read.client_id.is_empty() && !read.issuer.is_empty()).then_some(read)
    }

    /// Appends the record as its canonical text.
    pub(super) fn print(&self, out: &mut Buffer) {
        out.push('{');
        for (name, value) in [(ISSUER, &self.issuer), (CLIENT_ID, &self.client_id)] {
            let separator = if name == ISSUER { "" } else { "," };
            out.push_str(&format!("{separator}{}:{}", quoted(name), quoted(value)));
        }
        for (name, value) in &self.members {
            for part in [",", name, ":", value] {
                out.push_str(part);
            }
        }
        out.push('}');
    }

    /// The host of the authority, and a text that tells issuers apart.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the issuer is not the address of an authority.
    pub(super) fn place(&self) -> Result<(String, String), Error> {
        let environment = Authority::parse(&self.issuer)?.environment;
        Ok((environment, issuer_name(&self.issuer).unwrap_or_else(|| self.issuer.clone())))
    }

    /// The record is of this issuer or authority, an [`issuer_name`].
    pub(super) fn is_at(&self, name: &str) -> bool {
        [Cow::Borrowed(&*self.issuer), self.authority()]
            .iter()
            .any(|address| issuer_name(address).as_deref() == Some(name))
    }

    /// Takes over the members of an earlier record that this version does not know.
    pub(super) fn keep_unknown_of(&mut self, earlier: Self) {
        let is_unknown =
            |name: &str| decode(name).is_none_or(|name| !KNOWN.contains(&name.as_ref()));
        for (name, value) in earlier.members {
            if is_unknown(&name) && !self.members.iter().any(|(known, _)| *known == name) {
                self.members.push((name, value));
            }
        }
    }

    /// Removes the client's secret. Returns whether there was one.
    pub(super) fn remove_client_secret(&mut self) -> bool {
        let (before, secret) = (self.members.len(), quoted(CLIENT_SECRET));
        self.members.retain(|(name, _)| *name != secret);
        self.members.len() < before
    }

    fn value(&self, name: &str) -> Option<&str> {
        let name = quoted(name);
        self.members.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        decode(self.value(name)?).filter(|text| !text.is_empty())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = self.value(name).unwrap_or_default();
        items(list).filter_map(decode).map(Cow::into_owned).collect()
    }

    fn with_text(self, name: &str, text: &str) -> Self {
        self.with_value(name, quoted(text))
    }

    fn with_list(self, name: &str, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let texts: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
        self.with_value(name, format!("[{}]", texts.join(",")))
    }

    fn with_value(mut self, name: &str, value: String) -> Self {
        let (name, value) = (quoted(name), Zeroizing::new(value));
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.members.push((name, value)),
        }
        self
    }
}

impl fmt::Debug for SignInRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRecord")
            .field("client_id", &self.client_id)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

const ISSUER: &str = "issuer";
const CLIENT_ID: &str = "client_id";
const AUTHORITY: &str = "authority";
const TOKEN_ENDPOINT: &str = "token_endpoint";
const DEVICE_AUTHORIZATION_ENDPOINT: &str = "device_authorization_endpoint";
const REVOCATION_ENDPOINT: &str = "revocation_endpoint";
const USERINFO_ENDPOINT: &str = "userinfo_endpoint";
const AUTH_METHOD: &str = "auth_method";
const CLIENT_SECRET: &str = "client_secret";
const REDIRECT_URI: &str = "redirect_uri";
const AUDIENCE: &str = "audience";
const RESOURCES: &str = "resources";
const SCOPES: &str = "scopes";
const WRITTEN_BY: &str = "written_by";
const UPDATED: &str = "updated";

/// The members that this version knows, besides issuer and client id.
const KNOWN: [&str; 13] = [
    AUTHORITY,
    TOKEN_ENDPOINT,
    DEVICE_AUTHORIZATION_ENDPOINT,
    REVOCATION_ENDPOINT,
    USERINFO_ENDPOINT,
    AUTH_METHOD,
    CLIENT_SECRET,
    REDIRECT_URI,
    AUDIENCE,
    RESOURCES,
    SCOPES,
    WRITTEN_BY,
    UPDATED,
];
