//! Ports of loopback that no other test takes.

use std::env;
use std::fs::{DirBuilder, File};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

/// A port that stays this test's own while its server is down.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    _reservation: File,
}

impl Port {
    /// Reserves a port that nobody listens on.
    pub(super) fn reserve() -> Self {
        let folder = reservations();
        let first = usize::try_from(RandomState::new().hash_one(())).unwrap_or_default();
        let ports = usize::from(PORTS.end - PORTS.start);
        let tries = (0..ports).map(|nth| (first % ports + nth) % ports);
        tries
            .filter_map(|nth| Some(PORTS.start + u16::try_from(nth).ok()?))
            .find_map(|number| {
                let file = File::create(folder.join(number.to_string())).ok()?;
                flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
                TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
                Some(Self { number, _reservation: file })
            })
            .expect("there is a free port")
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// One file for each port, locked while the port is reserved.
fn reservations() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let folder = env::temp_dir().join(format!("tokenkeep-test-ports-{user}"));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// The operating systems take ports of outgoing connections from above these.
const PORTS: core::ops::Range<u16> = 10_000..32_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_port_is_reserved_once() {
        let ports: Vec<Port> = (0..500).map(|_| Port::reserve()).collect();
        let numbers: BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
    }
}
