//! gnome-keyring's daemon: how it starts, unlocks and where its files are.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::{Keyring, PATIENCE};

/// Starts a daemon with an unlocked login collection and waits until it answers.
pub(super) fn start(keyring: &Keyring) -> io::Result<Child> {
    let mut daemon = keyring
        .command("gnome-keyring-daemon")
        .args(["--foreground", "--unlock", "--components=secrets"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = daemon.stdin.take() {
        stdin.write_all(PASSWORD.as_bytes())?;
    }
    keyring.wait_for_daemon()?;
    Ok(daemon)
}

/// The protocol of gnome-keyring's PAM module: a byte for the credentials; length, operation,
/// password; the result.
pub(super) fn unlock(keyring: &Keyring) -> io::Result<()> {
    let control = Path::new(keyring.variable("XDG_RUNTIME_DIR")).join("keyring/control");
    let mut socket = UnixStream::connect(control)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let password = PASSWORD.as_bytes();
    let size = u32::try_from(password.len()).map_err(io::Error::other)?;
    let mut request = vec![0];
    for number in [12 + size, UNLOCK, size] {
        request.extend(number.to_be_bytes());
    }
    request.extend(password);
    socket.write_all(&request)?;
    let mut reply = [0; 8];
    socket.read_exact(&mut reply)?;
    match reply {
        [.., 0] => Ok(()),
        _ => Err(io::Error::other(format!("gnome-keyring did not unlock: {reply:?}"))),
    }
}

pub(super) fn files(keyring: &Keyring) -> PathBuf {
    Path::new(keyring.variable("XDG_DATA_HOME")).join("keyrings")
}

pub(super) const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";
const PASSWORD: &str = "a password of the tests";
/// The number of this operation in gnome-keyring's control protocol.
const UNLOCK: u32 = 1;
