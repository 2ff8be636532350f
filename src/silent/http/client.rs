//! One HTTP request, sent once.

use std::{
    error::Error as StdError,
    io::{self, Read},
    mem,
    time::Duration,
};

use log::Level;
use ureq::{
    Agent, Body, SendBody, Timeout,
    http::{
        HeaderValue, Response, Uri,
        header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
    },
    tls::{RootCerts, TlsConfig},
};
use zeroize::Zeroizing;

use super::crypto;
use crate::silent::{ExchangeError, TokenReply, answer::LARGEST};

/// Where a request goes, and how long it may take.
pub(super) struct Target<'a> {
    pub(super) uri: &'a Uri,
    pub(super) is_loopback: bool,
    pub(super) roots: &'a RootCerts,
    pub(super) limit: Duration,
}

/// A form to send.
pub(super) struct Post<'a> {
    pub(super) target: Target<'a>,
    pub(super) authorization: Option<&'a Zeroizing<String>>,
    pub(super) form: &'a [u8],
}

impl Post<'_> {
    pub(super) fn send(self) -> Result<TokenReply, ExchangeError> {
        if log::log_enabled!(target: "ureq_proto::util", Level::Trace) {
            return Err(ExchangeError::not_sent(Logged));
        }
        let mut request = self
            .target
            .agent()
            .map_err(ExchangeError::not_sent)?
            .post(self.target.uri.clone())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            // With it the form is sent in one piece, and not in chunks.
            .header(CONTENT_LENGTH, self.form.len());
        if let Some(authorization) = self.authorization {
            let mut value =
                HeaderValue::from_str(authorization).map_err(ExchangeError::not_sent)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut form = Watched { bytes: self.form, was_read: false };
        let reply = request.send(SendBody::from_reader(&mut form));
        let mut reply = match reply {
            Ok(reply) => reply,
            // The form is read once the connection stands and the head of the request is sent. The
            // errors themselves do not tell how far a request came.
            Err(error) if form.was_read => return Err(ExchangeError::unknown(source(error))),
            Err(error) => return Err(ExchangeError::not_sent(source(error))),
        };
        received(&mut reply)
    }
}

impl Target<'_> {
    /// Asks for what is there: for everybody, or for who has this access token.
    pub(super) fn get(&self, token: Option<&str>) -> Result<TokenReply, ExchangeError> {
        let agent = self.agent().map_err(ExchangeError::not_sent)?;
        let mut request = agent.get(self.uri.clone()).header(CONNECTION, "close");
        if let Some(token) = token {
            let bearer = Zeroizing::new(format!("Bearer {token}"));
            let mut value = HeaderValue::from_str(&bearer).map_err(ExchangeError::not_sent)?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        received(&mut request.call().map_err(|error| ExchangeError::unknown(source(error)))?)
    }

    /// A client for this one request. Nothing of it is left for the next one: no connection, and no
    /// session of TLS.
    fn agent(&self) -> Result<Agent, crypto::Lacks> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!self.is_loopback)
            .max_redirects(0)
            .max_idle_connections(0)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(self.limit))
            .accept("application/json")
            .user_agent(concat!("tokenkeep/", env!("CARGO_PKG_VERSION")));
        if self.is_loopback {
            config = config.proxy(None);
        }
        if self.uri.scheme_str() != Some("http") {
            let tls = TlsConfig::builder()
                .root_certs(self.roots.clone())
                .unversioned_rustls_crypto_provider(crypto::provider()?);
            config = config.tls_config(tls.build());
        }
        Ok(config.build().into())
    }
}

fn received(reply: &mut Response<Body>) -> Result<TokenReply, ExchangeError> {
    let retry_after = reply.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let body = read(reply.body_mut().as_reader())
        .map_err(|error| ExchangeError::unknown(source(error.into())))?;
    Ok(TokenReply::new(reply.status().as_u16(), body).retry_after(retry_after.as_deref()))
}

/// The client's reader of the form, which tells whether it was read.
struct Watched<'a> {
    bytes: &'a [u8],
    was_read: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.was_read = true;
        self.bytes.read(buffer)
    }
}

/// The logger would get the tokens.
#[derive(Debug, thiserror::Error)]
#[error("the program's logger takes the level `trace` of `ureq_proto`, which has tokens in it")]
struct Logged;

/// The body, up to one byte more than is needed. No copy of a part of it is left.
fn read(mut body: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; USUAL]);
    let mut filled = 0;
    while filled <= LARGEST {
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; (filled * 2).min(LARGEST + 1)]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
        match body.read(&mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(mem::take(&mut *bytes))
}

/// The error as it is for a user.
fn source(error: ureq::Error) -> Box<dyn StdError + Send + Sync> {
    match error {
        ureq::Error::Io(error) => error.into(),
        ureq::Error::Timeout(Timeout::Resolve) => "the host was not found in time".into(),
        ureq::Error::Timeout(Timeout::Connect) => "no connection was made in time".into(),
        ureq::Error::Timeout(_) => "the time for the request was over".into(),
        error => error.into(),
    }
}

const CONNECT: Duration = Duration::from_secs(5);
/// More than a token endpoint usually answers.
const USUAL: usize = 16 << 10;
