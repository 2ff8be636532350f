//! Listening on loopback: which addresses, and what is tried when one cannot be had.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

/// The loopback addresses to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hosts {
    /// `127.0.0.1`.
    Ipv4,
    /// `::1`.
    Ipv6,
    /// `127.0.0.1`, or `::1` where the system has no `127.0.0.1`.
    Ipv4OrIpv6,
    /// `127.0.0.1` and `::1` on the same port, because `localhost` may be either. One of them where
    /// the system has no other. With port 0, up to 10 ports are tried for one that both have free.
    Both,
}

pub(super) fn bind(port: u16, hosts: Hosts) -> io::Result<Vec<TcpListener>> {
    let sockets = match hosts {
        Hosts::Ipv4 => vec![listen(IPV4, port)?],
        Hosts::Ipv6 => vec![listen(IPV6, port)?],
        Hosts::Ipv4OrIpv6 => vec![listen(IPV4, port).or_else(|error| other(port, error))?],
        Hosts::Both => both(port)?,
    };
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    Ok(sockets)
}

fn both(port: u16) -> io::Result<Vec<TcpListener>> {
    // Kept until the end, so that the system does not offer the same port again.
    let mut half = Vec::new();
    loop {
        let first = match listen(IPV4, port) {
            Ok(first) => first,
            Err(error) => return Ok(vec![other(port, error)?]),
        };
        match listen(IPV6, first.local_addr()?.port()) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if !is_of_port(&error) => return Ok(vec![first]),
            Err(error) if port != 0 || half.len() + 1 == TRIES => return Err(error),
            Err(_) => half.push(first),
        }
    }
}

/// `::1`, if `error` says that there is no `127.0.0.1`.
fn other(port: u16, error: io::Error) -> io::Result<TcpListener> {
    if is_of_port(&error) {
        return Err(error);
    }
    listen(IPV6, port).map_err(|_| error)
}

/// Whether the address is there, and only this port of it cannot be had.
fn is_of_port(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn listen(host: IpAddr, port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    #[cfg(windows)]
    return super::windows::listen(address);
    // On Unix std sets `SO_REUSEADDR`. There it allows a port whose old connections have not timed
    // out yet, and not one that another program listens on.
    #[cfg(not(windows))]
    TcpListener::bind(address)
}

const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const TRIES: usize = 10;
