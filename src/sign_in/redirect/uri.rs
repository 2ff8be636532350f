//! The redirect URI, and the port behind it.

use std::{fmt, io};

use tokenkeep_platform::loopback::{Hosts, Listener};
use ureq::http::Uri;

use crate::{Error, SignInFailure};

/// Where the browser is sent at the end of a sign-in. Port 0 stands for any free one (RFC 8252,
/// section 7.3).
#[derive(Clone, Copy, Debug)]
pub(crate) enum RedirectTo<'a> {
    /// `http://127.0.0.1:PORT/callback`, or with `[::1]` where the system has no `127.0.0.1`.
    Loopback(u16),
    /// `http://localhost:PORT`, as Microsoft's identity platform wants it. `localhost` may be
    /// `127.0.0.1` or `[::1]` for a browser, so both are listened on.
    Localhost(u16),
    /// This URI. It has the scheme `http`, and the host `127.0.0.1`, `[::1]` or `localhost`. If it
    /// has no port, a free one is put in.
    Uri(&'a str),
}

/// A redirect URI that somebody listens at.
pub(super) struct Place {
    pub(super) listener: Listener,
    pub(super) uri: String,
    /// The host with the port, as a browser sends it.
    pub(super) host: String,
    /// The path, at least `/`.
    pub(super) path: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl RedirectTo<'_> {
    /// Listens there.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the URI cannot be used. [`Error::SignInFailed`] if the port is taken
    /// or may not be opened.
    pub(super) fn listen(self) -> Result<Place, Error> {
        match self {
            Self::Loopback(port) => {
                let listener = bind(port, Hosts::Ipv4OrIpv6)?;
                let is_old = listener.addresses().iter().any(|address| address.is_ipv4());
                Ok(Place::new(listener, if is_old { "127.0.0.1" } else { "[::1]" }, "/callback"))
            }
            Self::Localhost(port) => Ok(Place::new(bind(port, Hosts::Both)?, "localhost", "")),
            Self::Uri(uri) => {
                let (host, port, rest) = parts(uri).ok_or_else(|| invalid(UNUSABLE))?;
                let hosts = match host {
                    "127.0.0.1" => Hosts::Ipv4,
                    "[::1]" => Hosts::Ipv6,
                    "localhost" => Hosts::Both,
                    _ => return Err(invalid(UNUSABLE)),
                };
                Ok(Place::new(bind(port, hosts)?, host, rest))
            }
        }
    }
}

impl Place {
    fn new(listener: Listener, host: &str, rest: &str) -> Self {
        let port = listener.port();
        // A browser leaves the scheme's own port out of `Host` (RFC 9110, section 7.2).
        let host_field = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        let path = match rest.split('?').next() {
            Some("") | None => "/",
            Some(path) => path,
        };
        let path = path.to_owned();
        Self { uri: format!("http://{host}:{port}{rest}"), host: host_field, path, listener }
    }
}

/// Host, port and the rest of a URI; port 0 if it has none. `None` if it has another form.
fn parts(uri: &str) -> Option<(&str, u16, &str)> {
    let after = uri.strip_prefix("http://")?;
    // A fragment is not allowed (RFC 6749, section 3.1.2).
    if uri.contains('#') || uri.parse::<Uri>().is_err() {
        return None;
    }
    let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
    let (host, port) = match authority.rsplit_once(':') {
        // The colon is inside `[::1]`.
        Some((_, port)) if port.ends_with(']') => (authority, 0),
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (authority, 0),
    };
    Some((host, port, rest))
}

fn bind(port: u16, hosts: Hosts) -> Result<Listener, Error> {
    Listener::bind(port, hosts).map_err(|source| {
        let failure = match source.kind() {
            io::ErrorKind::AddrInUse if port != 0 => SignInFailure::PortTaken { port, source },
            io::ErrorKind::PermissionDenied if port != 0 => {
                SignInFailure::PortDenied { port, source }
            }
            _ => SignInFailure::NoLoopback { source },
        };
        failure.into()
    })
}

fn invalid(detail: &str) -> Error {
    Error::Invalid { detail: detail.into() }
}

const UNUSABLE: &str = "the redirect URI is not one of `http://` on this machine (`127.0.0.1`, \
                        `[::1]`, `localhost`)";
