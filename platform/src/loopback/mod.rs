//! A small HTTP/1.1 server on loopback, for a program that waits for a browser.
//!
//! It has no thread of its own: connections are accepted and read inside [`Listener::next`]. A
//! connection that sends nothing, or sends slowly, delays no other.

mod bind;
mod connection;
mod head;
mod request;
#[cfg(windows)]
mod windows;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

pub use bind::Hosts;
pub use request::Request;

use connection::{Connection, Progress};

/// A listener on loopback alone. When it is dropped, its port is free and its connections are
/// closed, except those of a [`Request`] that is held.
///
/// # Limits
///
/// - There are at most 8 connections at a time, with those of held requests. Further ones wait
///   until one ends. If all are in use, a new one replaces the oldest that has not sent its request
///   within 1 s.
/// - A request has at most 8 KiB of head with at most 64 fields, and 64 KiB of body. It arrives
///   within 10 s. It has a `Content-Length` if it has a body.
/// - What exceeds this, or is no HTTP, is answered here with an empty response (RFC 9110, section
///   15.5) and never returned.
/// - Each connection carries one request: every response has `Connection: close`.
///
/// # Other programs
///
/// Child processes do not inherit the port. On Windows no other program can bind the port at the
/// same time (`SO_EXCLUSIVEADDRUSE`), which std does not ask for.
pub struct Listener {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    /// Each connection has a clone.
    slot: Arc<()>,
    unfinished: Mutex<Vec<Connection>>,
}

impl Listener {
    /// Listens on `port` of these hosts. With 0 the operating system chooses a free port.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] if the port is taken, [`io::ErrorKind::PermissionDenied`] if
    /// this user may not open it or, on Windows, if the system or another program has reserved it.
    /// Another error of the operating system if loopback cannot be used at all.
    pub fn bind(port: u16, hosts: Hosts) -> io::Result<Self> {
        let sockets = bind::bind(port, hosts)?;
        let addresses = sockets.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        Ok(Self { sockets, addresses, slot: Arc::default(), unfinished: Mutex::default() })
    }

    /// The addresses that it listens on: one or two, of the same port.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// The next request that has arrived whole.
    ///
    /// `None` if none has at `until`, or as soon as `stop` says so, which is asked at least every
    /// 25 ms. Connections that are not finished then are read on at the next call.
    ///
    /// # Errors
    ///
    /// If the operating system accepts no connection, as when the process has too many open files.
    pub fn next(&self, until: Instant, stop: &dyn Fn() -> bool) -> io::Result<Option<Request>> {
        let mut pause = SHORTEST_PAUSE;
        while !stop() {
            let step = self.step()?;
            if let Step::Arrived(request) = step {
                return Ok(Some(request));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            pause = match step {
                Step::Idle => (pause * 2).min(LONGEST_PAUSE),
                _ => SHORTEST_PAUSE,
            };
            thread::sleep(pause.min(left));
        }
        Ok(None)
    }

    /// Accepts and reads what is there.
    fn step(&self) -> io::Result<Step> {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        let mut moved = self.accept(&mut unfinished)?;
        let mut at = 0;
        while let Some(connection) = unfinished.get_mut(at) {
            match connection.advance() {
                Progress::Waiting => at += 1,
                Progress::Moved => {
                    moved = true;
                    at += 1;
                }
                Progress::Ended => drop(unfinished.remove(at)),
                Progress::Complete(head) => {
                    return Ok(Step::Arrived(unfinished.remove(at).into_request(head)));
                }
            }
        }
        Ok(if moved { Step::Moved } else { Step::Idle })
    }

    fn accept(&self, unfinished: &mut Vec<Connection>) -> io::Result<bool> {
        let mut moved = false;
        for socket in &self.sockets {
            while self.has_room(unfinished) {
                match socket.accept() {
                    Ok((stream, _)) => {
                        if self.is_full() {
                            // They are in the order of their arrival.
                            unfinished.remove(0);
                        }
                        unfinished.extend(Connection::new(stream, Arc::clone(&self.slot)).ok());
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(moved)
    }

    fn has_room(&self, unfinished: &[Connection]) -> bool {
        !self.is_full() || unfinished.first().is_some_and(Connection::may_be_replaced)
    }

    fn is_full(&self) -> bool {
        Arc::strong_count(&self.slot) > MAX_CONNECTIONS
    }
}

/// What one look at the sockets brought.
enum Step {
    Arrived(Request),
    Moved,
    Idle,
}

/// A client that went away before its connection was accepted is no error of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

const MAX_CONNECTIONS: usize = 8;
/// After something has happened, more is likely to.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests;
