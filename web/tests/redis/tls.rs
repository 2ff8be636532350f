//! TLS.

use std::io::Write as _;

use tokenkeep_test_support::{ServerCertificate, Tool, engines::redis::Server, need};
use tokenkeep_web::store::{Durability, Put, PutOutcome, Removal, Store as _};

use crate::support::{HOUR, expect_refused, key, patient, value};

/// A server that takes TLS on a port of its own, beside the one without, its URL, and the
/// certificate of its authority.
fn server() -> (Server, String, String) {
    let certificate = ServerCertificate::new(&["localhost"]);
    // The server reads them when its port is set.
    let files = [certificate.certificate(), certificate.key(), certificate.authority()];
    let files = files.map(|content| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    });
    let [certificate_file, key, authority] = files.each_ref().map(|file| file.path().display());
    let server = Server::start(&[
        &format!("tls-cert-file {certificate_file}"),
        &format!("tls-key-file {key}"),
        &format!("tls-ca-cert-file {authority}"),
        "tls-auth-clients no",
    ]);
    let port = (20_000..30_000).find(|port| {
        std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
            && server.cli(&["CONFIG", "SET", "tls-port", &port.to_string()]) == "OK"
    });
    (server, format!("rediss://localhost:{}", port.unwrap()), certificate.authority().to_owned())
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_given_authority_is_trusted() {
    if !need(Tool::Redis) {
        return;
    }
    let (_server, url, authority) = server();
    // Without a provider there is an error, and no panic.
    expect_refused(patient().connect(&url).await);
    if rustls_graviola::default_provider().install_default().is_err() {
        panic!("another test has installed a provider");
    }
    let store = patient().root_certificates(authority).connect(&url).await.unwrap();
    let (key, value) = (key(), value(100_000));
    let mut removals = store.removals("shop");
    assert_eq!(removals.next().await, Removal::Unsure);
    let outcome = store.put(&key, Put::new(None, &value, HOUR)).await.unwrap();
    assert_eq!(outcome, PutOutcome::Stored);
    store.remove(&key, Durability::Local).await.unwrap();
    assert_eq!(removals.next().await, Removal::One(key));

    // The system does not trust it.
    expect_refused(patient().connect(&url).await);
    let certificate = patient().root_certificates("no certificate");
    expect_refused(certificate.connect(&url).await);
}
