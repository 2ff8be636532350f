//! Finds the session bus, and words the error if it is missing or not this user's.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::error::Fault;
use super::greeting;
use super::owner;
use crate::text::shown;
use crate::vault::VaultError;

/// Connects to the user's own session bus. Returns a stream on which the greeting is done, and the
/// bus id. Never starts a bus.
///
/// If there are several addresses, they are tried in order until one is the user's bus.
pub(super) fn connect(until: Instant) -> Result<(UnixStream, String), Fault> {
    let Some(list) = std::env::var_os(VARIABLE).filter(|list| !list.is_empty()) else {
        return reach(&Address::of_login(), until).map_err(|failure| match failure {
            Failure::Unreachable { socket, source } => missing(
                format!("{VARIABLE} is not set and no session bus answers at {socket}"),
                Some(source),
            ),
            other => other.into(),
        });
    };
    let mut failure = None;
    for address in list.as_bytes().split(|byte| *byte == b';').filter(|text| !text.is_empty()) {
        match Address::parse(address).and_then(|address| reach(&address, until)) {
            Ok(bus) => return Ok(bus),
            // No time is left for another address.
            Err(Failure::Greeting(fault @ Fault::Elapsed)) => return Err(fault),
            // "Belongs to another user" tells the user more than "not reachable".
            Err(refused @ Failure::Refused { .. }) => failure = Some(refused),
            Err(other) => failure = failure.or(Some(other)),
        }
    }
    Err(failure.map_or_else(|| missing(not_there(), None), Into::into))
}

/// Writes nothing before the owner is known, and nothing but the greeting before the id is known.
fn reach(address: &Address, until: Instant) -> Result<(UnixStream, String), Failure> {
    let socket = address.socket();
    let unreachable = |source| Failure::Unreachable { socket: socket.to_string(), source };
    let stream = address.open().map_err(unreachable)?;
    if let Some(owner) = owner::of_another(&stream).map_err(unreachable)? {
        return Err(Failure::Refused {
            reason: format!(
                "the bus at {socket} belongs to {owner} and not to this user; nothing was sent to it"
            ),
        });
    }
    let id = greeting::exchange(&stream, until).map_err(Failure::Greeting)?;
    if address.guid.as_ref().is_some_and(|expected| !expected.eq_ignore_ascii_case(id.as_bytes())) {
        return Err(Failure::Refused {
            reason: format!(
                "the bus at {socket} is not the one that {VARIABLE} names, but a later one; nothing \
                 was sent to it"
            ),
        });
    }
    Ok((stream, id))
}

/// Why an address does not lead to the user's bus.
enum Failure {
    /// Nobody listens, or the address is not that of a unix socket.
    Unreachable { socket: String, source: io::Error },
    /// Another user, or a later bus, listens.
    Refused { reason: String },
    /// The listener did not greet as a bus does.
    Greeting(Fault),
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable { source, .. } => missing(not_there(), Some(source)),
            Failure::Refused { reason } => missing(reason, None),
            Failure::Greeting(fault) => fault,
        }
    }
}

fn missing(reason: String, source: Option<io::Error>) -> Fault {
    VaultError::ServiceMissing { reason, source: source.map(Into::into) }.into()
}

fn not_there() -> String {
    format!("no session bus answers at the address in {VARIABLE}")
}

/// One address of a bus:
/// <https://dbus.freedesktop.org/doc/dbus-specification.html#addresses>.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    place: SocketPlace,
    /// The id that the bus must have, if the address names one.
    guid: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum SocketPlace {
    Path(PathBuf),
    Abstract(OsString),
}

impl Address {
    /// The bus address that systemd and others use for a login session.
    fn of_login() -> Self {
        Self { place: SocketPlace::Path(runtime_folder().join("bus")), guid: None }
    }

    fn parse(text: &[u8]) -> Result<Self, Failure> {
        let unreachable = |what: &str| Failure::Unreachable {
            socket: shown(&String::from_utf8_lossy(text)).into_owned(),
            source: io::Error::new(io::ErrorKind::Unsupported, what),
        };
        let options = text.strip_prefix(b"unix:");
        let options = options.ok_or_else(|| unreachable("the bus is not a unix socket"))?;
        let malformed = || unreachable("the bus address is malformed");
        let (mut place, mut guid) = (None, None);
        for option in options.split(|byte| *byte == b',').filter(|option| !option.is_empty()) {
            let end = option.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let value = unescaped(&option[end + 1..]).ok_or_else(malformed)?;
            let path = |value| OsString::from_vec(value);
            let is_twice = match &option[..end] {
                b"path" => place.replace(SocketPlace::Path(path(value).into())).is_some(),
                b"abstract" => place.replace(SocketPlace::Abstract(path(value))).is_some(),
                b"guid" => guid.replace(value).is_some(),
                _ => false,
            };
            if is_twice {
                return Err(malformed());
            }
        }
        let place = place.ok_or_else(|| unreachable("the bus address names no socket"))?;
        Ok(Self { place, guid })
    }

    fn open(&self) -> io::Result<UnixStream> {
        match &self.place {
            SocketPlace::Path(path) => UnixStream::connect(path),
            #[cfg(target_os = "linux")]
            SocketPlace::Abstract(name) => {
                use std::os::linux::net::SocketAddrExt as _;
                use std::os::unix::net::SocketAddr;
                UnixStream::connect_addr(&SocketAddr::from_abstract_name(name.as_bytes())?)
            }
            #[cfg(not(target_os = "linux"))]
            SocketPlace::Abstract(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "abstract sockets are Linux's alone",
            )),
        }
    }

    /// The socket as shown to a user.
    fn socket(&self) -> Cow<'_, str> {
        let text = |name: &OsStr| shown(&name.to_string_lossy()).into_owned();
        match &self.place {
            SocketPlace::Path(path) => text(path.as_os_str()).into(),
            SocketPlace::Abstract(name) => format!("the abstract socket {}", text(name)).into(),
        }
    }
}

/// A value without its `%` escapes. Returns `None` if an escape is cut off or not a number.
fn unescaped(value: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = value.iter();
    let mut plain = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => *byte,
        });
    }
    Some(plain)
}

/// The runtime folder of the XDG base directory specification.
fn runtime_folder() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map_or_else(
        || Path::new("/run/user").join(rustix::process::geteuid().as_raw().to_string()),
        PathBuf::from,
    )
}

const VARIABLE: &str = "DBUS_SESSION_BUS_ADDRESS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_the_socket_is_and_which_bus_listens_there() {
        let parse = |text: &str| Address::parse(text.as_bytes()).ok();
        let path = |path: &str| SocketPlace::Path(path.into());
        let address = |place, guid: Option<&str>| {
            Some(Address { place, guid: guid.map(|guid| guid.as_bytes().to_vec()) })
        };
        assert_eq!(parse("unix:path=/run/bus"), address(path("/run/bus"), None));
        assert_eq!(parse("unix:guid=0a,path=/a%20b%2Cc,x=y"), address(path("/a b,c"), Some("0a")));
        let name = SocketPlace::Abstract("/tmp/dbus-X".into());
        assert_eq!(parse("unix:abstract=/tmp/dbus-X,guid=0a"), address(name, Some("0a")));
        for text in [
            "",
            "unix",
            "unix:",
            "unix:guid=0a",
            "unix:path",
            "unix:path=/a,path=/b",
            "unix:path=/a,abstract=b",
            "unix:path=/a,guid=0a,guid=0b",
            "unix:path=/a%2",
            "unix:path=/a%zz",
            "unix:path=/a%+1",
            "tcp:host=localhost,port=1",
            "autolaunch:",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
