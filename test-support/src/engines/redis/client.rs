//! As much of Redis's protocol as a test needs to ask a server something.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A connection, on which one command is sent after another.
#[derive(Debug)]
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(port: u16, password: Option<&str>) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::new(stream) };
        if let Some(password) = password {
            client.ask(&["AUTH", password])?;
        }
        Ok(client)
    }

    /// The reply to a command as `redis-cli` prints it into a pipe, an error's text too.
    pub(super) fn ask<T: AsRef<[u8]>>(&mut self, arguments: &[T]) -> io::Result<String> {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            let argument = argument.as_ref();
            request.extend(format!("${}\r\n", argument.len()).into_bytes());
            request.extend(argument);
            request.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        let Some(rest) = line.get(1..) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let length = || rest.parse::<i64>().map_err(io::Error::other);
        match line.as_bytes()[0] {
            b'+' | b'-' | b':' => Ok(rest.to_owned()),
            b'$' => match usize::try_from(length()?) {
                Ok(length) => self.bulk(length),
                Err(_) => Ok(String::new()),
            },
            b'*' => {
                let parts = (0..length()?).map(|_| self.reply());
                Ok(parts.collect::<io::Result<Vec<_>>>()?.join("\n"))
            }
            _ => Err(io::Error::other(format!("not a reply: {}", line.escape_debug()))),
        }
    }

    fn bulk(&mut self, length: usize) -> io::Result<String> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }
}

const LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
impl Client {
    /// Whether a command brings no reply for a tenth of a second.
    pub(super) fn is_silent(&mut self) -> bool {
        self.stream.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let error = self.ask(&["PING"]).unwrap_err().kind();
        matches!(error, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
    }
}
