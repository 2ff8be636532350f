//! A token endpoint over HTTPS, for programs that bring no HTTP client of their own.

mod client;
mod confirmed;
mod crypto;
mod form;
mod metadata;

use std::{fmt, time::Duration};

use ureq::{
    http::Uri,
    tls::{PemItem, RootCerts, parse_pem},
};

pub use self::metadata::ProviderMetadata;
use self::{
    client::{Post, Target},
    form::Form,
};
#[cfg(feature = "desktop")]
pub(crate) use self::{
    form::encoded_form,
    metadata::{unreachable, without_slash},
};
use super::{ExchangeError, Revoked, Spend, TokenEndpoint, TokenReply};
use crate::{ClientAuthMethod, Error, Secret, SignInEvent, SignInRecord, cache::Address};

/// A provider's token endpoint, reached over HTTPS by this crate itself (feature `ureq`).
///
/// ```no_run
/// use tokenkeep::{
///     PersistedTokenCache, TokenRequest,
///     silent::{HttpEndpoint, SilentOptions},
/// };
///
/// let cache = PersistedTokenCache::open("com.example.mytool")?;
/// let request = TokenRequest::new("client", "https://login.example.com/tenant", ["read"]);
/// let mut endpoint = HttpEndpoint::new("https://login.example.com/tenant/token")?;
/// let token =
///     cache.acquire_token_silent_with(&request, &SilentOptions::new(), &mut endpoint)?;
/// # Ok::<(), tokenkeep::Error>(())
/// ```
///
/// # What it does
///
/// - It sends each request once, on a connection of its own. It does not retry or follow a
///   redirect: a redirect is a response like any other.
/// - A request ends at its [deadline](Spend::deadline), whatever the provider sends. Finding the
///   host and connecting may take 5 s each.
/// - It reads at most 1 MiB of a response, and one byte more if there is more.
/// - [`ExchangeError::NotSent`] means that no byte of the form was handed to the connection.
/// - Nothing is set up before a request begins. Each request loads the trusted certificates again.
/// - The form and the response are wiped from this crate's memory. The buffers of the HTTP client
///   and of TLS are not wiped.
///
/// # What it trusts
///
/// The certificates that the operating system trusts, or those of
/// [`root_certificates`](Self::root_certificates). On Linux the variables `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` replace those of the system.
///
/// TLS uses the provider that the program has installed as rustls's process default. If there is
/// none it uses graviola, which is written in Rust and assembly. graviola needs a 64-bit processor
/// of Intel or AMD with `adx`, `aes`, `avx`, `avx2`, `bmi1` and `pclmulqdq`, or a 64-bit one of ARM
/// with `aes`, `neon`, `pmull` and `sha2`. On another processor a request is `NotSent`.
///
/// # Proxies
///
/// The first of the variables `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY` names a proxy, by HTTP or
/// SOCKS. `NO_PROXY` lists the hosts that are reached without it. This machine always is.
///
/// # Logs
///
/// At the level `trace` the HTTP client logs the bytes of responses, with the tokens in them. A
/// request is `NotSent` if the program's logger takes that level from `ureq_proto`.
#[derive(Clone)]
#[must_use]
pub struct HttpEndpoint {
    token: Url,
    revocation: Option<(Url, String)>,
    authentication: Authentication,
    roots: RootCerts,
}

/// The address of an endpoint.
#[derive(Clone, Debug)]
struct Url {
    uri: Uri,
    /// It is this machine, which is reached without a proxy.
    is_loopback: bool,
}

/// How the client authenticates itself, by the names of RFC 7591, section 2
/// (`token_endpoint_auth_method`).
#[derive(Clone)]
enum Authentication {
    None,
    ClientSecretBasic(Secret),
    ClientSecretPost(Secret),
}

impl HttpEndpoint {
    /// The token endpoint at this address, for a client that has no secret.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the address is not one of `https://`, or of `http://` on this machine
    /// (`127.0.0.0/8`, `[::1]`, `localhost`), or has a fragment (RFC 6749, section 3.2).
    pub fn new(token_endpoint: &str) -> Result<Self, Error> {
        Ok(Self {
            token: Url::parse("token endpoint", token_endpoint)?,
            revocation: None,
            authentication: Authentication::None,
            roots: RootCerts::PlatformVerifier,
        })
    }

    /// The token endpoint that a record names, with its revocation endpoint and the way in which
    /// the client authenticates itself. [`confirm`](Self::confirm) says when to trust it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). [`Error::Invalid`] also if the record names no token endpoint, or
    /// lacks the secret of a client that authenticates itself with one.
    pub fn of_record(record: &SignInRecord) -> Result<Self, Error> {
        let invalid = |detail: &str| Error::Invalid { detail: detail.into() };
        let address = record.token_endpoint();
        let address =
            address.ok_or_else(|| invalid("the record of the sign-in names no token endpoint"))?;
        let mut endpoint = Self::new(&address)?;
        if let Some(address) = record.revocation_endpoint() {
            endpoint = endpoint.revocation_endpoint(&address, record.client_id())?;
        }
        let secret = record.client_secret().ok_or(());
        let secret = secret.as_ref().map(text);
        match (record.auth_method(), secret) {
            (Some(ClientAuthMethod::None), _) => Ok(endpoint),
            (Some(ClientAuthMethod::ClientSecretBasic), Ok(secret)) => {
                Ok(endpoint.client_secret_basic(secret))
            }
            (Some(ClientAuthMethod::ClientSecretPost), Ok(secret)) => {
                Ok(endpoint.client_secret_post(secret))
            }
            (Some(_), _) => Err(invalid("the record of the sign-in lacks the client's secret")),
            // The default of RFC 7591, section 2, if the client has a secret.
            (None, Ok(secret)) => Ok(endpoint.client_secret_basic(secret)),
            (None, Err(())) => Ok(endpoint),
        }
    }

    /// The provider's revocation endpoint (RFC 7009), and the client whose tokens are revoked.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn revocation_endpoint(
        mut self,
        address: &str,
        client_id: impl Into<String>,
    ) -> Result<Self, Error> {
        self.revocation = Some((Url::parse("revocation endpoint", address)?, client_id.into()));
        Ok(self)
    }

    /// The client authenticates itself by HTTP Basic authentication, `client_secret_basic` (RFC
    /// 6749, section 2.3.1). The form has no `client_id` then.
    pub fn client_secret_basic(mut self, secret: impl Into<String>) -> Self {
        self.authentication = Authentication::ClientSecretBasic(Secret::new(secret.into()));
        self
    }

    /// The client authenticates itself in the form, `client_secret_post` (RFC 6749, section 2.3.1).
    pub fn client_secret_post(mut self, secret: impl Into<String>) -> Self {
        self.authentication = Authentication::ClientSecretPost(Secret::new(secret.into()));
        self
    }

    /// Sends a form of a sign-in to another endpoint of the provider, as this client.
    #[cfg(feature = "desktop")]
    pub(crate) fn send(
        &self,
        address: &str,
        fields: &[(&str, &str)],
        limit: Duration,
    ) -> Result<TokenReply, ExchangeError> {
        let url = Url::parse("endpoint", address).map_err(ExchangeError::not_sent)?;
        let client_id = fields.iter().find(|(name, _)| *name == "client_id");
        let client_id = client_id.map(|(_, id)| *id).unwrap_or_default();
        self.post(&url, client_id, fields.iter().copied(), limit)
    }

    /// The token endpoint is on this machine.
    #[cfg(feature = "desktop")]
    pub(crate) fn is_loopback(&self) -> bool {
        self.token.is_loopback
    }

    /// What an address says to who has this access token.
    #[cfg(feature = "desktop")]
    pub(crate) fn get_with(
        &self,
        address: &str,
        token: &str,
        limit: Duration,
    ) -> Result<TokenReply, ExchangeError> {
        let url = Url::parse("endpoint", address).map_err(ExchangeError::not_sent)?;
        self.target(&url, limit).get(Some(token))
    }

    /// Trusts these certificates, in PEM, instead of those that the operating system trusts.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is no certificate, or one that cannot be read.
    pub fn root_certificates(self, pem: &[u8]) -> Result<Self, Error> {
        Ok(self.with_root_certificates(root_certificates(pem)?))
    }

    pub(crate) fn with_root_certificates(mut self, roots: RootCerts) -> Self {
        self.roots = roots;
        self
    }

    /// Sends these fields as the client `client_id`, which is one of them.
    fn post<'f>(
        &self,
        url: &Url,
        client_id: &str,
        fields: impl Iterator<Item = (&'f str, &'f str)>,
        limit: Duration,
    ) -> Result<TokenReply, ExchangeError> {
        let mut form = Form::new();
        let mut authorization = None;
        match &self.authentication {
            Authentication::None => form.extend(fields),
            Authentication::ClientSecretBasic(secret) => {
                authorization = Some(form::basic(client_id, text(secret)));
                form.extend(fields.filter(|(name, _)| *name != "client_id"));
            }
            Authentication::ClientSecretPost(secret) => {
                form.extend(fields);
                form.extend([("client_secret", text(secret))]);
            }
        }
        let (target, authorization) = (self.target(url, limit), authorization.as_ref());
        Post { target, authorization, form: form.as_bytes() }.send()
    }

    fn target<'a>(&'a self, url: &'a Url, limit: Duration) -> Target<'a> {
        Target { uri: &url.uri, is_loopback: url.is_loopback, roots: &self.roots, limit }
    }
}

impl TokenEndpoint for HttpEndpoint {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        self.post(&self.token, spend.client_id(), spend.form(), spend.left())
    }

    /// [`Revoked::NotSupported`] also if the provider answers `unsupported_token_type` (RFC 7009,
    /// section 2.2.1). It takes at most 5 s.
    fn revoke(&mut self, token: &Secret) -> Revoked {
        let Some((url, client_id)) = &self.revocation else { return Revoked::NotSupported };
        let Some(token) = token.expose_str() else {
            return Revoked::Failed(ExchangeError::not_sent("the token is not text"));
        };
        let fields =
            [("token", token), ("token_type_hint", "refresh_token"), ("client_id", client_id)];
        match self.post(url, client_id, fields.into_iter(), REVOCATION) {
            // The status alone says it (section 2.2). An unknown token is answered with 200 too.
            Ok(reply) if (200..300).contains(&reply.status()) => Revoked::Done,
            Ok(reply) => match SignInEvent::refusal(reply.body().expose()) {
                Ok(Some(refusal)) if refusal.code() == "unsupported_token_type" => {
                    Revoked::NotSupported
                }
                _ => Revoked::Failed(ExchangeError::unknown(format!(
                    "the revocation endpoint answered with the status {}",
                    reply.status()
                ))),
            },
            Err(error) => Revoked::Failed(error),
        }
    }
}

/// The address of an endpoint, without the white space around it.
///
/// # Errors
///
/// [`Error::Invalid`] if it is not `https://`, or `http://` on this machine.
#[cfg(feature = "desktop")]
pub(crate) fn endpoint_address(what: &str, address: &str) -> Result<String, Error> {
    Url::parse(what, address).map(|_| trimmed(address))
}

/// An address without the white space that its reader ignores.
fn trimmed(address: &str) -> String {
    address.trim().to_owned()
}

impl Url {
    fn parse(what: &str, address: &str) -> Result<Self, Error> {
        let invalid =
            |reason: &str| Error::Invalid { detail: format!("the address of the {what} {reason}") };
        let read = Address::parse(address).map_err(invalid)?;
        if !read.is_https && !read.is_loopback() {
            return Err(invalid("begins with http://, which is for this machine only"));
        }
        if address.contains('#') {
            return Err(invalid("has a fragment"));
        }
        let uri = address.trim().parse().map_err(|_| invalid("is no web address"))?;
        Ok(Self { uri, is_loopback: read.is_loopback() })
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint")
            .field("token_endpoint", &self.token.uri)
            .finish_non_exhaustive()
    }
}

/// Certificates in PEM.
///
/// # Errors
///
/// [`Error::Invalid`] if there is none, or one that cannot be read.
pub(crate) fn root_certificates(pem: &[u8]) -> Result<RootCerts, Error> {
    let invalid = |detail: &str| Error::Invalid { detail: detail.into() };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(invalid("the root certificates are no PEM text")),
        }
    }
    match certificates.is_empty() {
        true => Err(invalid("there is no certificate in the PEM text of root certificates")),
        false => Ok(RootCerts::new_with_certs(&certificates)),
    }
}

/// A secret that was made of text.
fn text(secret: &Secret) -> &str {
    secret.expose_str().unwrap_or_default()
}

/// A revocation is made while somebody waits for a sign-out.
const REVOCATION: Duration = Duration::from_secs(5);
