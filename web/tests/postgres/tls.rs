//! TLS, by a connector of the program's own.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokenkeep_test_support::{
    Tool,
    engines::{Certificates, postgres::Server},
    need,
};
use tokenkeep_web::{
    PostgresStore,
    postgres::SCHEMA,
    store::{Durability, Removal, Store as _, StoreError},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Config, Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{TlsConnector, client};

use crate::scene::{filled, run, until};

#[test]
fn a_server_with_a_certificate_of_a_given_authority_is_trusted() {
    if !need(Tool::Postgres) {
        return;
    }
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Server::start_with_tls(&certificates, &[]);
    server.psql(SCHEMA);
    run(async {
        let url = format!("{}?sslmode=require", server.url());
        let config: Config = url.parse().expect("it is an address");
        let store = PostgresStore::connect_with(config.clone(), Connector::new(&certificates));
        let store = store.expect("the pool is made");
        let mut removals = store.removals("shop");
        assert_eq!(removals.next().await, Removal::Unsure);
        let (key, _) = filled(&store).await;
        store.remove(&key, Durability::Local).await.expect("the server answers");
        assert_eq!(removals.next().await, Removal::One(key));
        // The pool's connection, and the one that listens.
        let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
        assert_eq!(server.psql(encrypted), "2");

        let store = PostgresStore::connect_with(config.clone(), Connector::new(&others));
        let store = store.expect("the pool is made");
        let refused = store.load(&crate::scene::key(), None).await;
        let Err(error) = &refused else { panic!("{refused:?}") };
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        let text = crate::scene::whole(error);
        assert!(text.contains("TLS") && text.contains("certificate"), "{text}");
        // A client without TLS takes none.
        let store = PostgresStore::connect(&url).expect("it is an address");
        let refused = store.load(&crate::scene::key(), None).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
        until("no other connection is there", async || server.psql(encrypted) == "2").await;
    });
}

/// TLS by rustls.
#[derive(Clone)]
struct Connector(Arc<ClientConfig>);

impl Connector {
    fn new(certificates: &Certificates) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&certificates.authority()) {
            roots.add(certificate.expect("it is PEM")).expect("it is a certificate");
        }
        let provider = Arc::new(rustls_graviola::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().expect("graviola has them");
        Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Encrypted;
    type TlsConnect = To;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<To, Self::Error> {
        Ok(To(TlsConnector::from(Arc::clone(&self.0)), ServerName::try_from(domain)?.to_owned()))
    }
}

/// TLS to one server.
struct To(TlsConnector, ServerName<'static>);

impl TlsConnect<Socket> for To {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(Box::new(self.0.connect(self.1, socket).await?))) })
    }
}

struct Encrypted(Box<client::TlsStream<Socket>>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
