//! The ready token endpoint: what it sends, what it makes of each behaviour of a server, and what
//! it never does.
#![allow(clippy::unwrap_used, missing_docs, reason = "it is a test")]

#[path = "http_endpoint/revocation.rs"]
mod revocation;
#[path = "http_endpoint/scene.rs"]
mod scene;

use std::{
    env,
    error::Error as _,
    io::{self, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokenkeep::{
    Error, PersistedTokenCache,
    silent::{Answer, HttpEndpoint, SilentOptions, Spend, TokenEndpoint as _},
};
use tokenkeep_test_support::{HttpServer, Script, again, http_response, task};

use scene::{
    AUTHORITY, CERTIFICATE, LONG, NOW, SHORT, TOKENS, assert_answered, authority, both, encrypted,
    exchange, good, not_sent, only_request, plain, request, spend, tls_server, unknown,
};

#[test]
fn a_form_is_posted_and_the_answer_comes_back() {
    let server = HttpServer::start(good());
    let reply = exchange(plain(&server)).unwrap();
    assert_eq!((reply.status(), reply.body().expose_str()), (200, Some(TOKENS)));
    let sent = only_request(&server);
    assert_eq!(sent.line, "POST /token");
    let form = "grant_type=refresh_token&client_id=a+client&refresh_token=first+refresh&scope=read";
    assert_eq!(sent.body, form);
    let agent = concat!("tokenkeep/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("accept", Some("application/json")),
        ("authorization", None),
        ("connection", Some("close")),
        ("content-type", Some("application/x-www-form-urlencoded")),
        ("host", Some(server.host().as_str())),
        ("transfer-encoding", None),
        ("user-agent", Some(agent)),
    ] {
        assert_eq!(sent.field(name), value, "{name}");
    }
}

#[test]
fn a_silent_sign_in_renews_through_it() {
    let server = HttpServer::start(good());
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    let cache = PersistedTokenCache::in_memory().clock(move || now.load(Ordering::SeqCst));
    let first = r#"{"access_token": "0", "refresh_token": "first refresh", "expires_in": 60}"#;
    cache.add_response(&request(), first).unwrap();
    clock.store(NOW + 60, Ordering::SeqCst);
    let mut endpoint = plain(&server);
    for _ in 0..2 {
        let options = SilentOptions::new();
        let token = cache.acquire_token_silent_with(&request(), &options, &mut endpoint).unwrap();
        assert_eq!(token.unwrap().secret(), "first-access");
    }
    only_request(&server);
}

#[test]
fn a_refusal_passes_through() {
    let refusal = r#"{"error": "invalid_grant"}"#;
    let server = HttpServer::start(Script::Answer(http_response("400 Bad", &[], refusal)));
    let reply = exchange(plain(&server)).unwrap();
    assert_eq!((reply.status(), reply.body().expose_str()), (400, Some(refusal)));
}

#[test]
fn when_to_ask_again_is_handed_on() {
    let response = http_response("503 Busy", &[("Retry-After", "7")], "");
    let reply = exchange(plain(&HttpServer::start(Script::Answer(response)))).unwrap();
    let Answer::Unavailable { status: 503, retry_after, .. } = reply.read(NOW) else {
        panic!("{reply:?}")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn an_answer_in_chunks_is_put_together() {
    let (first, second) = TOKENS.split_at(20);
    let response = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let reply = exchange(plain(&HttpServer::start(Script::Answer(response.into())))).unwrap();
    assert_eq!(reply.body().expose_str(), Some(TOKENS));
}

#[test]
fn a_redirect_is_not_followed() {
    let other = HttpServer::start(good());
    for status in ["302 Found", "307 Temporary", "308 Permanent"] {
        let place = format!("http://{}/token", other.host());
        let response = http_response(status, &[("Location", &place)], "");
        let reply = exchange(plain(&HttpServer::start(Script::Answer(response)))).unwrap();
        assert_eq!(reply.status().to_string(), status[..3]);
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn two_requests_use_two_connections() {
    for (server, mut endpoint) in both(good()) {
        for _ in 0..2 {
            assert_eq!(endpoint.exchange(&spend(LONG)).unwrap().status(), 200);
        }
        let requests = server.requests();
        let [first, second] = &requests[..] else { panic!("{requests:?}") };
        assert_ne!(first.connection, second.connection);
    }
}

#[test]
fn what_cannot_be_reached_was_not_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [
        &format!("http://{closed}/token"),
        &format!("https://{closed}/token"),
        "https://nobody.invalid/token",
    ] {
        not_sent(exchange(HttpEndpoint::new(address).unwrap()));
    }
    // The time was over before it began.
    let server = HttpServer::start(good());
    not_sent(plain(&server).exchange(&spend(Duration::ZERO)));
    assert!(server.requests().is_empty());
}

#[test]
fn a_certificate_is_trusted_only_through_its_authority() {
    let server = tls_server(good());
    let reason = not_sent(exchange(encrypted(&server)));
    assert!(reason.contains("certificate"), "{reason}");
    // The server is none of its own authority.
    not_sent(exchange(
        encrypted(&server).root_certificates(CERTIFICATE.certificate().as_bytes()).unwrap(),
    ));
    assert!(server.requests().is_empty());

    let trusting = encrypted(&server).root_certificates(&authority()).unwrap();
    assert_eq!(exchange(trusting).unwrap().body().expose_str(), Some(TOKENS));
    assert!(only_request(&server).body.contains("refresh_token=first+refresh"));
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let server = tls_server(good());
    let address = format!("https://{}/token", server.host().replace("127.0.0.1", "localhost"));
    let trusting = HttpEndpoint::new(&address).unwrap().root_certificates(&authority()).unwrap();
    let reason = not_sent(exchange(trusting));
    assert!(reason.contains("certificate"), "{reason}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_server_that_says_nothing_is_unknown_at_the_deadline() {
    for (server, mut endpoint) in both(Script::Silence) {
        // A handshake in a test build takes some time.
        let spend = spend(3 * SHORT);
        unknown(endpoint.exchange(&spend));
        only_request(&server);
        assert_ends_at(&spend);
    }
}

/// The exchange has just ended at the deadline. A slow machine may be late.
#[track_caller]
fn assert_ends_at(spend: &Spend) {
    let late = spend.deadline().elapsed();
    assert!(spend.left().is_zero() && late < Duration::from_secs(10), "{late:?}");
}

#[test]
fn a_handshake_that_does_not_end_was_not_sent() {
    // The kernel accepts the connection, and nobody reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/token", listener.local_addr().unwrap());
    let spend = spend(SHORT);
    not_sent(HttpEndpoint::new(&address).unwrap().exchange(&spend));
    assert_ends_at(&spend);
}

#[test]
fn a_server_that_only_says_continue_is_unknown_at_the_deadline() {
    let again = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let some = Script::Endless(Vec::new(), again.clone(), Duration::from_millis(10));
    for (_server, mut endpoint) in both(some) {
        let spend = spend(3 * SHORT);
        unknown(endpoint.exchange(&spend));
        assert_ends_at(&spend);
    }
    // As many as it can: the request may end sooner.
    let flood = HttpServer::start(Script::Endless(Vec::new(), again, Duration::ZERO));
    unknown(exchange(plain(&flood)));
}

#[test]
fn an_answer_that_is_cut_off_is_unknown() {
    let whole = http_response("200 OK", &[], TOKENS);
    for length in [0, 10, whole.len() - 1] {
        for (server, endpoint) in both(Script::Close(whole[..length].to_vec())) {
            unknown(exchange(endpoint));
            assert_eq!(server.connections(), 1, "it is not sent again");
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_read_no_further() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let endless = HttpServer::start(Script::Endless(head, vec![b' '; 4096], Duration::ZERO));
    let two_megabytes = " ".repeat(2 << 20);
    let large = HttpServer::start(Script::Close(http_response("200 OK", &[], &two_megabytes)));
    for server in [endless, large] {
        let reply = exchange(plain(&server)).unwrap();
        assert_eq!(reply.body().expose().len(), (1 << 20) + 1);
        let Answer::Unusable { detail } = reply.read(NOW) else { panic!("{reply:?}") };
        assert!(detail.contains("1 MiB"), "{detail}");
    }
    let most = " ".repeat(1 << 20);
    let server = HttpServer::start(Script::Answer(http_response("200 OK", &[], &most)));
    assert_eq!(exchange(plain(&server)).unwrap().body().expose().len(), 1 << 20);
}

#[test]
fn a_client_authenticates_itself_by_its_secret() {
    let secret = "s:e/c ret%ü";
    let server = HttpServer::start(good());
    assert_answered(plain(&server).client_secret_basic(secret));
    let sent = only_request(&server);
    // `a+client:s%3Ae%2Fc+ret%25%C3%BC`
    let basic = "Basic YStjbGllbnQ6cyUzQWUlMkZjK3JldCUyNSVDMyVCQw==";
    assert_eq!(sent.field("authorization"), Some(basic));
    assert_eq!(sent.body, "grant_type=refresh_token&refresh_token=first+refresh&scope=read");

    let server = HttpServer::start(good());
    assert_answered(plain(&server).client_secret_post(secret));
    let sent = only_request(&server);
    assert_eq!(sent.field("authorization"), None);
    let form = "&client_id=a+client&refresh_token=first+refresh&scope=read\
                &client_secret=s%3Ae%2Fc+ret%25%C3%BC";
    assert_eq!(sent.body, format!("grant_type=refresh_token{form}"));
}

#[test]
fn an_address_that_is_not_safe_is_refused() {
    let endpoint = || HttpEndpoint::new("https://id.example/token").unwrap();
    for (address, is_safe) in [
        ("https://id.example:8443/token?key=1", true),
        ("http://127.0.0.1:8080/token", true),
        ("http://[::1]:8080/token", true),
        ("http://localhost:8080/token", true),
        ("http://id.example/token", false),
        ("http://localhost.example/token", false),
        ("http://user@127.0.0.1/token", false),
        ("https://id.example/token#part", false),
        ("id.example/token", false),
        ("", false),
    ] {
        for result in [
            HttpEndpoint::new(address).map(drop),
            endpoint().revocation_endpoint(address, "a client").map(drop),
        ] {
            match result {
                Ok(()) => assert!(is_safe, "{address}"),
                Err(Error::Invalid { detail }) => assert!(!is_safe, "{address}: {detail}"),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    for pem in [
        &b""[..],
        CERTIFICATE.key().as_bytes(),
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
    ] {
        assert!(matches!(endpoint().root_certificates(pem), Err(Error::Invalid { .. })));
    }
}

/// `command` without the settings of the user who runs the tests.
fn with_no_proxy_set(mut command: Command) -> Command {
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

#[test]
fn a_proxy_is_used_for_other_machines_alone() {
    if let Some(own) = task() {
        let own = own.into_string().unwrap();
        for host in [own.clone(), own.replace("127.0.0.1", "localhost")] {
            assert_answered(HttpEndpoint::new(&format!("http://{host}/token")).unwrap());
        }
        not_sent(exchange(HttpEndpoint::new("https://id.example/token").unwrap()));
        return;
    }
    let refuses = Script::Answer(http_response("403 Forbidden", &[], ""));
    let (server, proxy) = (HttpServer::start(good()), HttpServer::start(refuses));
    let itself = again(a_proxy_is_used_for_other_machines_alone, server.host());
    let mut itself = with_no_proxy_set(itself);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        itself.env(name, format!("http://{}", proxy.host()));
    }
    assert!(itself.status().unwrap().success());
    assert_eq!(server.requests().len(), 2);
    assert_eq!(only_request(&proxy).line, "CONNECT id.example:443");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_of_the_environment_replaces_the_certificates_of_the_system() {
    if let Some(host) = task() {
        let address = format!("https://{}/token", host.into_string().unwrap());
        assert_answered(HttpEndpoint::new(&address).unwrap());
        return;
    }
    let server = tls_server(good());
    let itself =
        again(a_file_of_the_environment_replaces_the_certificates_of_the_system, server.host());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&authority()).unwrap();
    let mut itself = with_no_proxy_set(itself);
    itself.env_remove("SSL_CERT_DIR").env("SSL_CERT_FILE", file.path());
    assert!(itself.status().unwrap().success());
    only_request(&server);
}

/// Keeps every line of the log up to a level.
struct Log {
    lines: Mutex<Vec<String>>,
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let traced = env::var_os(TRACED).is_some() || !metadata.target().starts_with("ureq_proto");
        metadata.level() <= log::Level::Debug || traced
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Set where the logger takes everything.
const TRACED: &str = "TOKENKEEP_TEST_TRACED";

#[test]
fn no_secret_reaches_the_log_or_a_text() {
    static LOG: Log = Log { lines: Mutex::new(Vec::new()) };
    let Some(host) = task() else {
        let server = tls_server(good());
        let itself = || {
            let mut itself = again(no_secret_reaches_the_log_or_a_text, server.host());
            itself.env(AUTHORITY, CERTIFICATE.authority());
            itself
        };
        assert!(itself().status().unwrap().success());
        only_request(&server);
        assert!(itself().env(TRACED, "yes").status().unwrap().success());
        only_request(&server);
        return;
    };
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let address = format!("https://{}/token", host.into_string().unwrap());
    let endpoint = HttpEndpoint::new(&address).unwrap().client_secret_basic("client-secret");
    let mut endpoint = endpoint.root_certificates(&authority()).unwrap();
    let reply = endpoint.exchange(&spend(LONG));
    let mut texts = vec![format!("{endpoint:?} {reply:?}")];
    if env::var_os(TRACED).is_some() {
        let reason = not_sent(reply);
        assert!(reason.contains("ureq_proto"), "{reason}");
    } else {
        assert_eq!(reply.unwrap().body().expose_str(), Some(TOKENS));
    }
    texts.extend(LOG.lines.lock().unwrap().clone());
    // The client logs bytes in rows of 16, in hexadecimal too.
    let secrets = ["client-secret", "YStjbGll", "+refresh", "-access", "-refresh", "2d61 6363"];
    for text in texts {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn an_error_keeps_its_cause() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = TcpStream::connect(closed).unwrap_err().kind();
    let error = exchange(HttpEndpoint::new(&format!("http://{closed}/t")).unwrap()).unwrap_err();
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(cause.kind(), refused);
}
