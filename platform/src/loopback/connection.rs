//! A connection whose request has not arrived whole.

use std::{
    io::{self, Read},
    mem,
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{
    head::{FIELDS_TOO_LARGE, Head, MAX_HEAD, TIMEOUT},
    request::{Request, write},
};

/// A connection that is read without waiting.
pub(super) struct Connection {
    stream: TcpStream,
    since: Instant,
    state: State,
    slot: Arc<()>,
}

enum State {
    Reading(Reading),
    /// A response was sent before the request had arrived. What the client still sends is read and
    /// dropped, because closing the connection at once would take the response from it.
    Refused(Instant),
}

/// What has arrived of a request.
struct Reading {
    /// As large as it may become, so that no copy of a part of it is left unwiped.
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
    head: Option<Head>,
}

/// What one look at a connection brought.
pub(super) enum Progress {
    /// Nothing.
    Waiting,
    /// Something that is not the whole request.
    Moved,
    /// The connection is over.
    Ended,
    /// The whole request.
    Complete(Head),
}

impl Connection {
    pub(super) fn new(stream: TcpStream, slot: Arc<()>) -> io::Result<Self> {
        // Only some systems take this over from the listener.
        stream.set_nonblocking(true)?;
        let buffer = Zeroizing::new(vec![0; MAX_HEAD]);
        let state = State::Reading(Reading { buffer, filled: 0, head: None });
        Ok(Self { stream, since: Instant::now(), state, slot })
    }

    /// Whether it has had the time that a browser needs.
    pub(super) fn may_be_replaced(&self) -> bool {
        self.since.elapsed() >= USUAL
    }

    /// Reads once.
    pub(super) fn advance(&mut self) -> Progress {
        match &mut self.state {
            State::Reading(reading) if self.since.elapsed() >= LONGEST => match reading.filled {
                0 => Progress::Ended,
                _ => self.refuse(TIMEOUT),
            },
            State::Reading(reading) => match reading.read(&mut self.stream) {
                Ok(progress) => progress,
                Err(status) => self.refuse(status),
            },
            State::Refused(since) if since.elapsed() >= LINGER => Progress::Ended,
            State::Refused(_) => match self.stream.read(&mut [0; 4096]) {
                Ok(0) => Progress::Ended,
                Ok(_) => Progress::Moved,
                Err(error) => of_error(&error),
            },
        }
    }

    /// The request, once it is complete.
    pub(super) fn into_request(self, head: Head) -> Request {
        let body = match self.state {
            State::Reading(mut reading) => {
                let end = head.end + head.length;
                reading.buffer.copy_within(head.end..end, 0);
                // No longer than before, so it is not moved.
                let mut body = mem::take(&mut reading.buffer);
                wipe_behind(&mut body, head.length);
                body
            }
            State::Refused(_) => Zeroizing::default(),
        };
        Request::new(self.stream, head, body, self.slot)
    }

    fn refuse(&mut self, status: u16) -> Progress {
        self.state = State::Refused(Instant::now());
        match write(&self.stream, status, &[], &[], true) {
            Ok(()) => Progress::Moved,
            Err(_) => Progress::Ended,
        }
    }
}

impl Reading {
    /// # Errors
    ///
    /// The status that refuses the request.
    fn read(&mut self, stream: &mut TcpStream) -> Result<Progress, u16> {
        match stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Ok(Progress::Ended),
            Ok(count) => self.filled += count,
            Err(error) => return Ok(of_error(&error)),
        }
        if self.head.is_none() {
            self.head = Head::parse(&self.buffer[..self.filled])?;
            match &self.head {
                Some(head) => self.make_room(head.end + head.length),
                None if self.filled == MAX_HEAD => return Err(FIELDS_TOO_LARGE),
                None => {}
            }
        }
        let is_complete = |head: &mut Head| head.end + head.length <= self.filled;
        Ok(self.head.take_if(is_complete).map_or(Progress::Moved, Progress::Complete))
    }

    /// Makes the buffer as large as the request.
    fn make_room(&mut self, size: usize) {
        if size > self.buffer.len() {
            let mut larger = Zeroizing::new(vec![0; size]);
            larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.buffer = larger;
        }
    }
}

fn of_error(error: &io::Error) -> Progress {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Progress::Waiting,
        _ => Progress::Ended,
    }
}

/// Shortens `bytes`, whose whole capacity is wiped when they are dropped.
fn wipe_behind(bytes: &mut Zeroizing<Vec<u8>>, length: usize) {
    bytes[length..].fill(0);
    bytes.truncate(length);
}

/// For the whole request.
const LONGEST: Duration = Duration::from_secs(10);
/// A browser sends its request at once, unless it has opened the connection in advance.
const USUAL: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(1);
