//! Confirms with an issuer's metadata that an endpoint is its own.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{HttpEndpoint, Url};
use crate::{
    Error,
    cache::{Address, is_microsoft},
    silent::{Answer, ExchangeError, TokenReply},
};

impl HttpEndpoint {
    /// Confirms that the issuer announces this token endpoint in its metadata (OpenID Connect
    /// Discovery 1.0, section 4; RFC 8414, section 3). Call this before a token is sent to an
    /// endpoint that a record names, if other programs can write the cache: they could have sent it
    /// elsewhere. So `issuer` must not come from the record, but from the request or the user.
    ///
    /// A revocation endpoint that the issuer does not announce is not used afterwards.
    ///
    /// Asks twice at most, for 10 s together. One trailing slash of the issuer does not matter. In
    /// Microsoft's clouds `issuer` is the authority, and its metadata may name another tenant.
    ///
    /// # Errors
    ///
    /// [`Error::ProviderAnswer`] if the metadata name another token endpoint or another issuer, or
    /// are no metadata. [`Error::ProviderUnreachable`] and [`Error::ProviderUnavailable`] if they
    /// cannot be read. [`Error::Invalid`] if the issuer's address cannot be used.
    pub fn confirm(&mut self, issuer: &str) -> Result<(), Error> {
        let metadata = self.metadata(issuer)?;
        let announced = |name: &str| metadata.get(name).and_then(Value::as_str);
        if !announced("issuer").is_some_and(|theirs| is_issuer(theirs, issuer)) {
            return Err(answer("its metadata name another issuer"));
        }
        let is_announced = |name: &str, url: &Url| {
            let theirs = announced(name).and_then(|address| Url::parse(name, address).ok());
            theirs.is_some_and(|theirs| theirs.uri == url.uri)
        };
        if !is_announced("token_endpoint", &self.token) {
            return Err(answer("the issuer announces another token endpoint"));
        }
        self.revocation.take_if(|(url, _)| !is_announced("revocation_endpoint", url));
        Ok(())
    }

    fn metadata(&self, issuer: &str) -> Result<Value, Error> {
        let deadline = Instant::now() + LIMIT;
        let issuer = Url::parse("issuer", issuer)?;
        let mut path = issuer.uri.path().trim_end_matches('/').to_owned();
        // Without it the metadata are those of another protocol, with other endpoints.
        if issuer.uri.host().is_some_and(is_microsoft) && !path.ends_with(V2) {
            path.push_str(V2);
        }
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

/// Whether the metadata are of this issuer. In Microsoft's clouds an authority has several names,
/// and its host decides.
fn is_issuer(announced: &str, issuer: &str) -> bool {
    let host = |address: &str| Address::parse(address).map(|read| read.host).unwrap_or_default();
    let plain = |address: &'_ str| address.strip_suffix('/').unwrap_or(address).to_owned();
    match is_microsoft(&host(issuer)) {
        true => is_microsoft(&host(announced)),
        false => plain(announced) == plain(issuer),
    }
}

fn answer(detail: &str) -> Error {
    Error::ProviderAnswer { detail: detail.into() }
}

const LIMIT: Duration = Duration::from_secs(10);
const NOT_FOUND: u16 = 404;
/// The protocol version of Microsoft's clouds that is OpenID Connect.
const V2: &str = "/v2.0";
