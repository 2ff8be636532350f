//! The bus of a session and the daemon on it, from start to end.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, BufReader, Write};
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::handle::{ADDRESS, Keyring, NAMES};
use super::{Provider, Setup, State};

/// A bus and a keyring of their own, both ended when this is dropped.
#[derive(Debug)]
pub struct Session {
    keyring: Keyring,
    bus: Child,
    daemon: Option<Child>,
    _folder: TempDir,
}

impl Session {
    /// Starts the bus and the keyring and waits until both answer.
    ///
    /// # Errors
    /// When a program is missing or does not answer within 10 s.
    pub fn start(setup: impl Into<Setup>) -> io::Result<Self> {
        let Setup { provider, state } = setup.into();
        let folder = folder()?;
        for name in ["run", "data", "config"] {
            DirBuilder::new().mode(0o700).create(folder.path().join(name))?;
        }
        let mut keyring = Keyring::new(provider, variables(folder.path()));
        let mut bus = keyring
            .command("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .args(bus_options(provider, state, folder.path())?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut address = String::new();
        if let Some(stdout) = bus.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        keyring.set(ADDRESS, address.trim());
        let mut session = Self { keyring, bus, daemon: None, _folder: folder };
        if state != State::Absent {
            session.daemon = Some(provider.start(&session.keyring)?);
        }
        if state == State::Locked {
            session.keyring.lock()?;
        }
        Ok(session)
    }
}

impl Deref for Session {
    type Target = Keyring;

    fn deref(&self) -> &Keyring {
        &self.keyring
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The bus or a test may have started another daemon after the first was killed.
        drop(self.keyring.kill_daemon());
        for child in self.daemon.iter_mut().chain([&mut self.bus]) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// In memory where the system has a folder for that: the daemon waits for the disk at every change.
fn folder() -> io::Result<TempDir> {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new())
}

fn variables(folder: &Path) -> Vec<(OsString, OsString)> {
    let folders = ["", "data", "config", "run"].map(|name| folder.join(name).into_os_string());
    NAMES.iter().map(OsString::from).zip(folders).collect()
}

/// Only gnome-keyring may be started by the bus: beside another provider a second one would answer
/// by accident.
fn bus_options(provider: Provider, state: State, folder: &Path) -> io::Result<[OsString; 1]> {
    if provider == Provider::GnomeKeyring && state != State::Absent {
        return Ok(["--session".into()]);
    }
    let config = folder.join("bus.conf");
    let listen = folder.join("run/bus");
    let text = format!(
        r#"<busconfig><type>session</type><listen>unix:path={}</listen><policy context="default">
        <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
        </policy>{}</busconfig>"#,
        listen.display(),
        // As on every session bus: what is too large is not the bus's affair.
        ["max_incoming_bytes", "max_outgoing_bytes", "max_message_size"]
            .map(|name| format!(r#"<limit name="{name}">1000000000</limit>"#))
            .concat()
    );
    File::create(&config)?.write_all(text.as_bytes())?;
    let mut option = OsString::from("--config-file=");
    option.push(config);
    Ok([option])
}
