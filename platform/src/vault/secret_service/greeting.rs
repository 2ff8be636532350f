//! The D-Bus greeting before the first message: authenticates us and returns the bus id.
//!
//! Done here and not by zbus: a peer that is not a bus may send anything, and until it has sent its
//! id it is not known to be the user's bus. The protocol is that of
//! <https://dbus.freedesktop.org/doc/dbus-specification.html#auth-protocol>.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::error::Fault;
use crate::text::{hexadecimal, shown};
use crate::vault::VaultError;

/// Greets the bus at the other end of `stream` and returns its id. Messages follow.
pub(super) fn exchange(stream: &UnixStream, until: Instant) -> Result<String, Fault> {
    stream.set_nonblocking(true).map_err(lost)?;
    let user = rustix::process::geteuid().as_raw().to_string();
    let user = hexadecimal(user);
    say(stream, format!("\0AUTH EXTERNAL {user}\r\n").as_bytes(), until)?;
    let id = bus_id(&line(stream, until)?)?;
    say(stream, b"BEGIN\r\n", until)?;
    Ok(id)
}

/// The id in the answer to `AUTH`.
fn bus_id(answer: &[u8]) -> Result<String, Fault> {
    let text = str::from_utf8(answer).map_err(|_| no_bus("bytes that are no text"))?;
    let id = text.strip_prefix("OK ").map(str::trim_end);
    match id {
        Some(id) if id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(id.to_owned())
        }
        _ if text.starts_with("REJECTED") => {
            Err(VaultError::failed("the session bus does not admit this user").into())
        }
        _ => Err(no_bus(&format!("`{}`", shown(text)))),
    }
}

/// Reads one line without its line end. A bus sends nothing more before `BEGIN`.
fn line(stream: &UnixStream, until: Instant) -> Result<Vec<u8>, Fault> {
    let mut line = Vec::new();
    let mut part = [0; LINE_LIMIT];
    loop {
        wait_for(stream, PollFlags::IN, until)?;
        let count = match recv(stream, &mut part, RecvFlags::empty()) {
            Ok((0, _)) => return Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(error) => return Err(lost(error.into())),
        };
        line.extend_from_slice(&part[..count]);
        match line.iter().position(|byte| *byte == b'\n') {
            Some(end) if end + 1 < line.len() => return Err(no_bus("more than one line")),
            Some(_) => break,
            None if line.len() >= LINE_LIMIT => return Err(no_bus("a line without an end")),
            None => {}
        }
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(line.to_vec()),
        None => Err(no_bus("a line that does not end as a bus ends one")),
    }
}

fn say(stream: &UnixStream, mut text: &[u8], until: Instant) -> Result<(), Fault> {
    while !text.is_empty() {
        match send(stream, text, SendFlags::NOSIGNAL) {
            Ok(count) => text = &text[count..],
            Err(Errno::AGAIN) => wait_for(stream, PollFlags::OUT, until)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(lost(error.into())),
        }
    }
    Ok(())
}

fn wait_for(stream: &UnixStream, what: PollFlags, until: Instant) -> Result<(), Fault> {
    let left = until.saturating_duration_since(Instant::now());
    let wait = Timespec::try_from(left).ok();
    match poll(&mut [PollFd::new(stream, what)], wait.as_ref()) {
        // Checked first: data that keeps arriving must not extend the deadline.
        _ if left == Duration::ZERO => Err(Fault::Elapsed),
        Ok(0) => Err(Fault::Elapsed),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(lost(error.into())),
    }
}

fn lost(error: io::Error) -> Fault {
    Fault::Lost(error.into())
}

fn no_bus(greeting: &str) -> Fault {
    let text =
        format!("what listens at the address of the session bus is none: it sent {greeting}");
    VaultError::failed(text).into()
}

/// The length of a bus id in hexadecimal digits.
const ID_LENGTH: usize = 32;
/// Longer than any answer of a bus.
const LINE_LIMIT: usize = 1024;
