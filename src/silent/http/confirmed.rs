//! Confirms with an issuer's metadata that an endpoint is its own.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{HttpEndpoint, Url};
use crate::{
    Error,
    silent::{Answer, ExchangeError, TokenReply},
};

impl HttpEndpoint {
    /// Confirms that the issuer announces these endpoints in its metadata (OpenID Connect Discovery
    /// 1.0, section 4; RFC 8414, section 3). Call this before a token is sent to an endpoint that a
    /// record names, if other programs can write the cache: they could have sent it elsewhere.
    ///
    /// Asks twice at most, for 10 s together. One trailing slash of the issuer does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::ProviderAnswer`] if the metadata name other endpoints or another issuer, or are no
    /// metadata. [`Error::ProviderUnreachable`] and [`Error::ProviderUnavailable`] if they cannot be
    /// read. [`Error::Invalid`] if the issuer's address cannot be used.
    pub fn confirm(&self, issuer: &str) -> Result<(), Error> {
        let metadata = self.metadata(issuer)?;
        let announced = |name: &str| metadata.get(name).and_then(Value::as_str);
        let is_same = |one: &str, other: &str| {
            one.strip_suffix('/').unwrap_or(one) == other.strip_suffix('/').unwrap_or(other)
        };
        if !announced("issuer").is_some_and(|theirs| is_same(theirs, issuer)) {
            return Err(answer("its metadata name another issuer"));
        }
        let is_announced = |name: &str, url: &Url| {
            let theirs = announced(name).and_then(|address| Url::parse(name, address).ok());
            theirs.is_some_and(|theirs| theirs.uri == url.uri)
        };
        if !is_announced("token_endpoint", &self.token) {
            return Err(answer("the issuer announces another token endpoint"));
        }
        match &self.revocation {
            Some((url, _)) if !is_announced("revocation_endpoint", url) => {
                Err(answer("the issuer announces another revocation endpoint"))
            }
            _ => Ok(()),
        }
    }

    fn metadata(&self, issuer: &str) -> Result<Value, Error> {
        let deadline = Instant::now() + LIMIT;
        let issuer = Url::parse("issuer", issuer)?;
        let path = issuer.uri.path().trim_end_matches('/');
        let of_openid = format!("{path}/.well-known/openid-configuration");
        let of_oauth = format!("/.well-known/oauth-authorization-server{path}");
        let mut reply = self.get(&issuer, &of_openid, deadline)?;
        if reply.status() == NOT_FOUND {
            reply = self.get(&issuer, &of_oauth, deadline)?;
        }
        match reply.status() {
            200 => serde_json::from_slice(reply.body().expose())
                .map_err(|_| answer("its metadata are no JSON")),
            status if status == 429 || status >= 500 => Err(Error::ProviderUnavailable {
                status: Some(status),
                retry_in: match reply.read(0) {
                    Answer::Unavailable { retry_after, .. } => retry_after,
                    _ => None,
                },
                source: None,
            }),
            status => Err(answer(&format!("its metadata came with the status {status}"))),
        }
    }

    fn get(&self, issuer: &Url, path: &str, deadline: Instant) -> Result<TokenReply, Error> {
        let mut parts = issuer.uri.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        let uri = ureq::http::Uri::from_parts(parts)
            .map_err(|_| Error::Invalid { detail: "the issuer is no web address".into() })?;
        let url = Url { uri, is_loopback: issuer.is_loopback };
        let left = deadline.saturating_duration_since(Instant::now());
        self.target(&url, left).get().map_err(|error| match error {
            ExchangeError::NotSent(source) | ExchangeError::Unknown(source) => {
                Error::ProviderUnreachable { source }
            }
        })
    }
}

fn answer(detail: &str) -> Error {
    Error::ProviderAnswer { detail: detail.into() }
}

const LIMIT: Duration = Duration::from_secs(10);
const NOT_FOUND: u16 = 404;
