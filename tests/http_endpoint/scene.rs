//! Servers, endpoints that reach them, and what came of a request.

use std::{
    env,
    io::{self, Write},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokenkeep::{
    TokenCache, TokenRequest,
    silent::{ExchangeError, HttpEndpoint, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_test_support::{
    Connection, HttpRequest, HttpServer, Script, ServerCertificate, http_response,
};

/// A certificate for 127.0.0.1 that only its authority vouches for.
pub(crate) static CERTIFICATE: LazyLock<ServerCertificate> =
    LazyLock::new(|| ServerCertificate::new(&["127.0.0.1"]));

/// The authority of that certificate, or of the one of the test that started this process.
pub(crate) fn authority() -> Vec<u8> {
    let own = || CERTIFICATE.authority().to_owned();
    env::var(AUTHORITY).unwrap_or_else(|_| own()).into_bytes()
}

/// Hands the authority to another process.
pub(crate) const AUTHORITY: &str = "TOKENKEEP_TEST_AUTHORITY";

pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const TOKENS: &str =
    r#"{"access_token": "first-access", "refresh_token": "second-refresh", "expires_in": 3600}"#;
/// Longer than any test needs.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Shorter than what a server is waited for.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn request() -> TokenRequest {
    TokenRequest::new("a client", "https://id.example/tenant", ["read"])
}

/// Spends the refresh token `first refresh`.
pub(crate) fn spend(limit: Duration) -> Spend {
    let mut cache = TokenCache::new();
    let answer = r#"{"access_token": "a", "refresh_token": "first refresh", "expires_in": 3600}"#;
    cache.add_response(&request(), answer, NOW).unwrap();
    let token = &cache.refresh_tokens(&request()).unwrap()[0];
    Spend::of_refresh_token(&request(), token, Instant::now() + limit).unwrap()
}

pub(crate) fn plain(server: &HttpServer) -> HttpEndpoint {
    HttpEndpoint::new(&format!("http://{}/token", server.host())).unwrap()
}

pub(crate) fn encrypted(server: &HttpServer) -> HttpEndpoint {
    HttpEndpoint::new(&format!("https://{}/token", server.host())).unwrap()
}

pub(crate) fn exchange(mut endpoint: HttpEndpoint) -> Result<TokenReply, ExchangeError> {
    endpoint.exchange(&spend(LONG))
}

#[track_caller]
pub(crate) fn assert_answered(endpoint: HttpEndpoint) {
    assert_eq!(exchange(endpoint).unwrap().status(), 200);
}

pub(crate) fn good() -> Script {
    Script::Answer(http_response("200 OK", &[], TOKENS))
}

/// A server whose connections are encrypted, with a certificate that only [`authority`] vouches
/// for.
pub(crate) fn tls_server(script: Script) -> HttpServer {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(CERTIFICATE.certificate().as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(CERTIFICATE.key().as_bytes()).unwrap();
    let provider = Arc::new(rustls_graviola::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    HttpServer::start_on(script, move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.flush()?;
        Ok(Box::new(stream) as Box<dyn Connection>)
    })
}

/// A server without and one with encryption, each with an endpoint that reaches it.
pub(crate) fn both(script: Script) -> [(HttpServer, HttpEndpoint); 2] {
    let (clear, tls) = (HttpServer::start(script.clone()), tls_server(script));
    let (reaches_clear, reaches_tls) =
        (plain(&clear), encrypted(&tls).root_certificates(&authority()));
    [(clear, reaches_clear), (tls, reaches_tls.unwrap())]
}

#[track_caller]
pub(crate) fn only_request(server: &HttpServer) -> HttpRequest {
    let requests = server.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    request.clone()
}

#[track_caller]
pub(crate) fn not_sent(reply: Result<TokenReply, ExchangeError>) -> String {
    match reply {
        Err(ExchangeError::NotSent(source)) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn unknown(reply: Result<TokenReply, ExchangeError>) -> String {
    match reply {
        Err(ExchangeError::Unknown(source)) => source.to_string(),
        other => panic!("{other:?}"),
    }
}
