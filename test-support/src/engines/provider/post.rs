//! One HTTP request, as a node sends it.

use core::fmt;
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::form::encoded;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The header field `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
}

/// Nothing came back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unanswered {
    /// Whether the server may have the request.
    pub was_sent: bool,
    /// What the operating system said.
    pub error: io::Error,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.was_sent { "no answer came" } else { "the request was not sent" })
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// Sends a form to an address `http://host:port/path` in one request on a connection of its own,
/// and waits for the answer. A program with other things to do calls it on a thread.
///
/// # Errors
/// When no whole answer came within `limit`.
pub fn post(url: &str, form: &[(&str, &str)], limit: Duration) -> Result<Reply, Unanswered> {
    let end = Instant::now() + limit;
    let (host, path) = parts(url);
    let unsent = |error| Unanswered { was_sent: false, error };
    let mut stream = connect(host, end).map_err(unsent)?;
    let body = encoded(form);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let lost = |error| Unanswered { was_sent: true, error };
    stream.write_all(request.as_bytes()).map_err(lost)?;
    read(&mut stream, end).and_then(|answer| parse(&answer)).map_err(lost)
}

fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

fn connect(host: &str, end: Instant) -> io::Result<TcpStream> {
    let address = host.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, left(end)?)?;
    stream.set_write_timeout(Some(left(end)?))?;
    Ok(stream)
}

/// Everything until the server closes the connection.
fn read(stream: &mut TcpStream, end: Instant) -> io::Result<Vec<u8>> {
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(&mut buffer)? {
            0 => return Ok(answer),
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn parse(answer: &[u8]) -> io::Result<Reply> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let field = |name: &str| {
        let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(theirs, _)| theirs.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = field("content-length").and_then(|length| length.parse::<usize>().ok());
    match (status, length) {
        (Some(status), Some(length)) if length == body.len() => {
            let retry_after = field("retry-after").map(str::to_owned);
            Ok(Reply { status, body: body.to_owned(), retry_after })
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
