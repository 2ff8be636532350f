//! A request that has arrived whole, and the response to it.

use std::{
    fmt,
    io::{self, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

use super::head::Head;

/// A request. It may be held while others are answered. If it is dropped without a response, its
/// connection is closed.
///
/// The target and the body are wiped from memory when it is dropped.
pub struct Request {
    stream: TcpStream,
    head: Head,
    body: Zeroizing<Vec<u8>>,
    _slot: Arc<()>,
}

impl Request {
    pub(super) fn new(
        stream: TcpStream,
        head: Head,
        body: Zeroizing<Vec<u8>>,
        slot: Arc<()>,
    ) -> Self {
        Self { stream, head, body, _slot: slot }
    }

    /// The method, as `GET`.
    pub fn method(&self) -> &str {
        &self.head.method
    }

    /// The target as it was received: for a browser's request the path with the query.
    pub fn target(&self) -> &str {
        &self.head.target
    }

    /// The value of the first field with this name, in letters of either case. `None` also if it is
    /// not UTF-8. A request of HTTP/1.1 has exactly one `Host`.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.values(name).next().and_then(|value| str::from_utf8(value).ok())
    }

    /// The body. It is empty if there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the client has closed the connection.
    pub fn is_abandoned(&self) -> bool {
        match self.stream.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Sends the response and closes the connection. `Connection: close` and `Content-Length` are
    /// added. The response to `HEAD` has no body.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if a header field has a control character. Otherwise the
    /// client has closed the connection, or does not take the response within 2 s.
    pub fn respond(self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        write(&self.stream, status, headers, body, self.method() != "HEAD")
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.head.method).finish_non_exhaustive()
    }
}

/// Sends a response, and says that nothing follows it.
pub(super) fn write(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    with_body: bool,
) -> io::Result<()> {
    // The reason is empty, as RFC 9112, section 4, allows.
    let mut response = format!("HTTP/1.1 {status} \r\nConnection: close\r\n");
    for (name, value) in headers {
        if [name, value].iter().any(|text| text.contains(|c: char| c.is_control())) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        response += &format!("{name}: {value}\r\n");
    }
    // RFC 9110, section 8.6.
    if status != NO_CONTENT {
        response += &format!("Content-Length: {}\r\n", body.len());
    }
    response += "\r\n";
    let mut response = response.into_bytes();
    if with_body && status != NO_CONTENT {
        response.extend(body);
    }
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(WRITE))?;
    stream.write_all(&response)?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_nonblocking(true)
}

const NO_CONTENT: u16 = 204;
const WRITE: Duration = Duration::from_secs(2);
