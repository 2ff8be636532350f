//! A scripted HTTP/1.1 server on loopback.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A server that treats all requests alike, and keeps what it received. It lives as long as the
/// process.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// Makes an answer of a request.
type Answer = dyn Fn(&HttpRequest) -> Vec<u8> + Send + Sync;

/// What the server does with a request.
#[derive(Clone)]
#[non_exhaustive]
pub enum Script {
    /// Sends this, and waits for the next request on the same connection.
    Answer(Vec<u8>),
    /// Sends what this makes of the request, and closes the connection.
    Each(Arc<Answer>),
    /// Sends this, and closes the connection.
    Close(Vec<u8>),
    /// Sends the first, then the second over and over until the client closes the connection, with
    /// this pause after each.
    Endless(Vec<u8>, Vec<u8>, Duration),
    /// Sends nothing until the client closes the connection.
    Silence,
}

impl Script {
    /// [`Each`](Self::Each) of a closure.
    pub fn each(answer: impl Fn(&HttpRequest) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::Each(Arc::new(answer))
    }
}

/// A request as it was received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// Its first line, without the version.
    pub line: String,
    /// The header fields in their order, with names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A connection, encrypted or not.
pub trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    requests: Vec<HttpRequest>,
}

impl HttpServer {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn start(script: Script) -> Self {
        Self::start_on(script, |stream| Ok(Box::new(stream)))
    }

    /// [`start`](Self::start) on what `accept` makes of each connection. A connection for which it
    /// fails is closed.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn start_on(
        script: Script,
        accept: impl Fn(TcpStream) -> io::Result<Box<dyn Connection>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it has an address");
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let server = Self { address, seen: Arc::clone(&seen) };
        let serve = Arc::new((script, accept));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serve, seen) = (Arc::clone(&serve), Arc::clone(&seen));
                let number = with(&seen, |seen| {
                    seen.connections += 1;
                    seen.connections - 1
                });
                // The client may close at any time.
                thread::spawn(move || {
                    serve.1(stream).and_then(|stream| talk(stream, number, &serve.0, &seen)).ok()
                });
            }
        });
        server
    }

    /// The host and port, as in an address of the web.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The connections that were made so far.
    pub fn connections(&self) -> usize {
        with(&self.seen, |seen| seen.connections)
    }

    /// The requests that were received whole so far.
    pub fn requests(&self) -> Vec<HttpRequest> {
        with(&self.seen, |seen| seen.requests.clone())
    }
}

impl HttpRequest {
    /// The path of its address, without the query.
    pub fn path(&self) -> &str {
        let address = self.line.split(' ').nth(1).unwrap_or_default();
        address.split('?').next().unwrap_or_default()
    }

    /// The first header field of this name, which is in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(theirs, _)| theirs == name).map(|(_, value)| value.as_str())
    }
}

/// A response with this status line, these further header fields, and a body of known length.
pub fn http_response(status: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn talk(
    stream: Box<dyn Connection>,
    connection: usize,
    script: &Script,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream, connection)? {
        with(seen, |seen| seen.requests.push(request.clone()));
        let client = stream.get_mut();
        match script {
            Script::Each(answer) => {
                client.write_all(&answer(&request))?;
                return client.flush();
            }
            Script::Answer(bytes) => {
                client.write_all(bytes)?;
                client.flush()?;
            }
            Script::Close(bytes) => {
                client.write_all(bytes)?;
                return client.flush();
            }
            Script::Endless(first, again, pause) => {
                client.write_all(first)?;
                loop {
                    client.write_all(again)?;
                    client.flush()?;
                    thread::sleep(*pause);
                }
            }
            Script::Silence => return io::copy(client, &mut io::sink()).map(drop),
        }
    }
    Ok(())
}

/// The next request. `None` if the client closed the connection.
fn read(stream: &mut impl BufRead, connection: usize) -> io::Result<Option<HttpRequest>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut fields = Vec::new();
    loop {
        let mut field = String::new();
        stream.read_line(&mut field)?;
        let Some((name, value)) = field.trim_end().split_once(':') else { break };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = HttpRequest { connection, line, fields, body: String::new() };
    let length = request.field("content-length").and_then(|length| length.parse().ok());
    stream.take(length.unwrap_or_default()).read_to_string(&mut request.body)?;
    Ok(Some(request))
}

fn with<T>(seen: &Mutex<Seen>, work: impl FnOnce(&mut Seen) -> T) -> T {
    work(&mut seen.lock().unwrap_or_else(PoisonError::into_inner))
}
