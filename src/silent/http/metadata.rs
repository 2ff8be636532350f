//! What a provider announces of itself.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::{http::Uri, tls::RootCerts};

use super::{Url, client::Target, trimmed};
use crate::{
    Error, IssuerSource, SignInFailure,
    cache::{Address, is_microsoft},
    silent::{Answer, ExchangeError, TokenReply},
};

/// What a provider announces of itself: OpenID Provider Metadata (OpenID Connect Discovery 1.0,
/// section 3), which is also the authorization server metadata of RFC 8414.
///
/// Every endpoint is an address of `https://`, or of `http://` on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderMetadata {
    /// The issuer as the provider spells it. Microsoft's clouds have `{tenantid}` in it where an
    /// authority is for more than one tenant.
    pub issuer: String,
    /// Where a browser signs in.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are requested and renewed.
    pub token_endpoint: Option<String>,
    /// Where a sign-in on another device begins (RFC 8628).
    pub device_authorization_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Who signed in.
    pub userinfo_endpoint: Option<String>,
    /// The scopes that the provider lists. `None` if it lists none.
    pub scopes_supported: Option<Vec<String>>,
    /// The methods of PKCE that the provider lists. `None` if it lists none.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// How a client may authenticate itself at the token endpoint. `None` if the provider does not
    /// say; then it is `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// The values of `prompt` that the provider lists (Initiating User Registration via OpenID
    /// Connect 1.0, section 4). `None` if it lists none.
    pub prompt_values_supported: Option<Vec<String>>,
    /// They are those of a provider of OpenID Connect, which issues ID tokens.
    pub(crate) is_openid: bool,
    /// The redirect names the issuer (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
}

impl ProviderMetadata {
    /// Metadata of an issuer that announces none. Set the endpoints afterwards.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..Self::default() }
    }

    /// Reads the metadata of `issuer`. The address is `/.well-known/openid-configuration` after the
    /// issuer's, and if nothing is there, `/.well-known/oauth-authorization-server` between its
    /// host and its path.
    pub(crate) fn fetch(issuer: &str, roots: &RootCerts) -> Result<Self, Error> {
        let deadline = Instant::now() + LIMIT;
        let url = Url::parse("issuer", issuer)?;
        let mut path = url.uri.path().trim_end_matches('/').to_owned();
        // The metadata without it are those of another protocol version, with another issuer.
        if url.uri.host().is_some_and(is_microsoft) && !path.ends_with(V2) && !is_adfs(&path) {
            path.push_str(V2);
        }
        let of_openid = format!("{path}/.well-known/openid-configuration");
        let of_oauth = format!("/.well-known/oauth-authorization-server{path}");
        let mut reply = get(&url, &of_openid, roots, deadline)?;
        let is_openid = reply.status() != NOT_FOUND;
        if !is_openid {
            reply = get(&url, &of_oauth, roots, deadline)?;
        }
        let metadata = Self { is_openid, ..Self::read(&reply, url.is_loopback)? };
        match metadata.is_of(issuer) {
            true => Ok(metadata),
            false => Err(SignInFailure::OtherIssuer {
                from: IssuerSource::Metadata,
                expected: issuer.to_owned(),
                announced: Some(metadata.issuer),
            }
            .into()),
        }
    }

    /// Reads a response. Only an issuer on loopback (`is_loopback`) can have endpoints there:
    /// another one would have tokens sent to any program of this machine.
    fn read(reply: &TokenReply, is_loopback: bool) -> Result<Self, Error> {
        match reply.status() {
            200 => {}
            status if status == 429 || status >= 500 => {
                return Err(Error::ProviderUnavailable {
                    status: Some(status),
                    retry_in: match reply.read(0) {
                        Answer::Unavailable { retry_after, .. } => retry_after,
                        _ => None,
                    },
                    source: None,
                });
            }
            NOT_FOUND => return Err(answer("it has no metadata at this issuer (status 404)")),
            status => return Err(answer(&format!("its metadata came with the status {status}"))),
        }
        let no_metadata = || answer("its metadata are no JSON object with an issuer");
        let read: Value =
            serde_json::from_slice(reply.body().expose()).map_err(|_| no_metadata())?;
        let text = |name: &str| read.get(name).and_then(Value::as_str).map(str::to_owned);
        let endpoint = |name: &str| match text(name) {
            // An endpoint that cannot be used is as none, and does not stop the use of others.
            Some(address) => Url::parse(name, &address)
                .is_ok_and(|url| is_loopback || !url.is_loopback)
                .then(|| trimmed(&address)),
            None => None,
        };
        let list = |name: &str| {
            let values = read.get(name)?.as_array()?;
            Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        Ok(Self {
            issuer: text("issuer").ok_or_else(no_metadata)?,
            authorization_endpoint: endpoint("authorization_endpoint"),
            token_endpoint: endpoint("token_endpoint"),
            device_authorization_endpoint: endpoint("device_authorization_endpoint"),
            revocation_endpoint: endpoint("revocation_endpoint"),
            userinfo_endpoint: endpoint("userinfo_endpoint"),
            scopes_supported: list("scopes_supported"),
            code_challenge_methods_supported: list("code_challenge_methods_supported"),
            token_endpoint_auth_methods_supported: list("token_endpoint_auth_methods_supported"),
            prompt_values_supported: list("prompt_values_supported"),
            is_openid: false,
            authorization_response_iss_parameter_supported: read
                .get("authorization_response_iss_parameter_supported")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
        })
    }

    /// The metadata are of this issuer: the same text, but for one slash at the end. In Microsoft's
    /// clouds an authority has several names, and its host decides.
    pub(crate) fn is_of(&self, issuer: &str) -> bool {
        let host = |address: &str| Address::parse(address).ok().map(|read| read.host);
        match host(issuer).filter(|host| is_microsoft(host)) {
            Some(_) => host(&self.issuer).is_some_and(|host| is_microsoft(&host)),
            None => without_slash(&self.issuer) == without_slash(issuer),
        }
    }
}

fn get(
    issuer: &Url,
    path: &str,
    roots: &RootCerts,
    deadline: Instant,
) -> Result<TokenReply, Error> {
    let mut parts = issuer.uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    let uri = Uri::from_parts(parts)
        .map_err(|_| Error::Invalid { detail: "the issuer is no web address".into() })?;
    let limit = deadline.saturating_duration_since(Instant::now());
    let target = Target { uri: &uri, is_loopback: issuer.is_loopback, roots, limit };
    target.get(None).map_err(unreachable)
}

/// The request was one that may be repeated, so it does not matter how far it came.
pub(crate) fn unreachable(error: ExchangeError) -> Error {
    match error {
        ExchangeError::NotSent(source) | ExchangeError::Unknown(source) => {
            Error::ProviderUnreachable { source }
        }
    }
}

pub(crate) fn without_slash(address: &str) -> &str {
    address.strip_suffix('/').unwrap_or(address)
}

fn answer(detail: &str) -> Error {
    Error::ProviderAnswer { detail: detail.into() }
}

fn is_adfs(path: &str) -> bool {
    path.split('/').nth(1).is_some_and(|first| first.eq_ignore_ascii_case("adfs"))
}

/// Somebody waits for the sign-in to begin.
const LIMIT: Duration = Duration::from_secs(10);
const NOT_FOUND: u16 = 404;
/// The protocol version of Microsoft's clouds that is OpenID Connect.
const V2: &str = "/v2.0";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoints(announced: &str, is_loopback: bool) -> [Option<String>; 2] {
        let json = json!({
            "issuer": "https://id.example", "authorization_endpoint": "https://id.example/a",
            "token_endpoint": announced, "userinfo_endpoint": announced,
        });
        let reply = TokenReply::new(200, json.to_string());
        let read = ProviderMetadata::read(&reply, is_loopback).unwrap();
        assert!(read.authorization_endpoint.is_some());
        [read.token_endpoint, read.userinfo_endpoint]
    }

    #[test]
    fn only_an_issuer_on_loopback_has_endpoints_there() {
        for address in ["http://127.0.0.1:1/t", "https://localhost/t", "http://[::1]/t"] {
            assert_eq!(endpoints(address, false), [None, None]);
            assert_eq!(endpoints(address, true), [Some(address.into()), Some(address.into())]);
        }
        assert_eq!(endpoints("http://id.example/t", true), [None, None]);
    }

    #[test]
    fn an_endpoint_is_kept_without_the_white_space_around_it() {
        let expected = Some("https://id.example/t".to_owned());
        let read = endpoints(" \thttps://id.example/t\r\n", false);
        assert_eq!(read, [expected.clone(), expected]);
    }
}
