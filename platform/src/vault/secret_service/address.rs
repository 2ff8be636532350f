//! Where the session bus is, and what to say when it is not there.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use zbus::address::Transport;
use zbus::address::transport::UnixSocket;

use crate::vault::VaultError;

/// A stream to the person's session bus. Never starts one.
pub(super) fn connect() -> Result<UnixStream, VaultError> {
    let Some(list) = std::env::var(VARIABLE).ok().filter(|list| !list.is_empty()) else {
        let socket = runtime_folder().join("bus");
        return UnixStream::connect(&socket).map_err(|error| VaultError::ServiceMissing {
            reason: format!(
                "{VARIABLE} is not set and no session bus answers at {}; log in with a desktop session, \
                 or start the program under `dbus-run-session`",
                socket.display()
            ),
            source: Some(error.into()),
        });
    };
    let mut failure = None;
    for address in list.split(';').filter(|address| !address.is_empty()) {
        match connect_to(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(VaultError::ServiceMissing {
        reason: format!(
            "no session bus answers at the address in {VARIABLE}; start one, for instance with \
             `dbus-run-session`"
        ),
        source: failure.map(Into::into),
    })
}

fn connect_to(address: &str) -> io::Result<UnixStream> {
    let address: zbus::Address = address.parse().map_err(io::Error::other)?;
    let Transport::Unix(unix) = address.transport() else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the bus is not a unix socket"));
    };
    match unix.path() {
        UnixSocket::File(path) => UnixStream::connect(path),
        #[cfg(target_os = "linux")]
        UnixSocket::Abstract(name) => {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(name.as_encoded_bytes())?)
        }
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "the bus address names no socket")),
    }
}

/// The XDG base directory specification's runtime folder, where systemd and others put the bus of a login session.
fn runtime_folder() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map_or_else(
        || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw())),
        PathBuf::from,
    )
}

const VARIABLE: &str = "DBUS_SESSION_BUS_ADDRESS";
