//! The addresses and secrets of servers.

use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, ProtocolVersion,
    RedisError, TlsCertificates,
};

/// What the builder was given for connections.
#[derive(Clone, Default)]
pub(super) struct Tls {
    pub(super) root: Option<Vec<u8>>,
    pub(super) client: Option<[Vec<u8>; 2]>,
}

impl Tls {
    /// The server of a URL.
    pub(super) fn server(&self, url: &str) -> Result<ConnectionInfo, RedisError> {
        let info = url.into_connection_info()?;
        // The client would panic.
        if is_tls(info.addr()) && rustls::crypto::CryptoProvider::get_default().is_none() {
            let what = "install a provider of rustls as the default of the process";
            return Err((ErrorKind::InvalidClientConfig, what).into());
        }
        let redis = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            // The library's name is of no use to the engine, and would need a right of its own.
            .set_skip_set_lib_name();
        let info = info.set_redis_settings(redis);
        if self.root.is_none() && self.client.is_none() || !is_tls(info.addr()) {
            return Ok(info);
        }
        let has_root = |pem: &Vec<u8>| pem.windows(BEGIN.len()).any(|window| window == BEGIN);
        if !self.root.as_ref().is_none_or(has_root) {
            return Err((ErrorKind::InvalidClientConfig, "there is no root certificate").into());
        }
        let certificates = TlsCertificates {
            root_cert: self.root.clone(),
            client_tls: self.client.clone().map(|[client_cert, client_key]| {
                redis::ClientTlsConfig { client_cert, client_key }
            }),
        };
        let client = Client::build_with_tls(info, certificates)?;
        Ok(client.get_connection_info().clone())
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Host and port of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads `host:port`, where the host may be an IPv6 address without brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }

    /// The address of a server. `None` for a socket in the file system.
    pub(super) fn of(server: &ConnectionInfo) -> Option<Self> {
        match server.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self { host: host.clone(), port: *port })
            }
            _ => None,
        }
    }

    /// A server at this address, reached as `like` is.
    pub(super) fn server(&self, like: &ConnectionInfo) -> ConnectionInfo {
        let Self { host, port } = self.clone();
        let address = match like.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                let (insecure, tls_params) = (*insecure, tls_params.clone());
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        like.clone().set_addr(address)
    }
}

pub(super) fn is_tls(address: &ConnectionAddr) -> bool {
    matches!(address, ConnectionAddr::TcpTls { .. })
}

/// Whether what is sent there may be read on the way.
pub(super) fn is_open(address: &ConnectionAddr) -> bool {
    let ConnectionAddr::Tcp(host, _) = address else { return false };
    let is_loopback = host
        .parse::<std::net::IpAddr>()
        .map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
    !is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_tls_is_open_unless_it_stays_here() {
        for (url, open) in [
            ("redis://127.0.0.1", false),
            ("redis://localhost:1", false),
            ("redis://[::1]:1", false),
            ("redis://10.0.0.1", true),
            ("redis://cache", true),
        ] {
            let server = Tls::default().server(url).expect("a good address");
            assert_eq!(is_open(server.addr()), open, "{url}");
        }
    }
}
