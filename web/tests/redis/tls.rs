//! TLS.

use std::path::Path;

use tokenkeep_test_support::{Tool, engines::redis::Server, need};
use tokenkeep_web::store::{Durability, Put, PutOutcome, Removal, Store as _};

use crate::support::{HOUR, expect_refused, key, patient, value};

/// The certificates are valid until 2126. Nobody has the key of the authority.
fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/tls")
}

/// A server that takes TLS on a port of its own, beside the one without.
fn server() -> (Server, String) {
    let folder = folder();
    let folder = folder.display();
    let server = Server::start(&[
        &format!("tls-cert-file {folder}/server.pem"),
        &format!("tls-key-file {folder}/server.key"),
        &format!("tls-ca-cert-file {folder}/authority.pem"),
        "tls-auth-clients no",
    ]);
    let port = (20_000..30_000).find(|port| {
        std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
            && server.cli(&["CONFIG", "SET", "tls-port", &port.to_string()]) == "OK"
    });
    (server, format!("rediss://localhost:{}", port.unwrap()))
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_given_authority_is_trusted() {
    if !need(Tool::Redis) {
        return;
    }
    let (_server, url) = server();
    // Without a provider there is an error, and no panic.
    expect_refused(patient().connect(&url).await);
    if rustls_graviola::default_provider().install_default().is_err() {
        panic!("another test has installed a provider");
    }
    let authority = std::fs::read(folder().join("authority.pem")).unwrap();
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
