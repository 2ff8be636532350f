use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use super::*;
use crate::engines::wait::{PATIENCE, within};

/// A server that answers with what it receives.
fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(length) = stream.read(&mut buffer) {
                    if length == 0 || stream.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

fn start() -> Proxy {
    Proxy::start(echo(), || |turn: &[u8]| turn.starts_with(b"w"))
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = try_connect(proxy).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn try_connect(proxy: &Proxy) -> std::io::Result<TcpStream> {
    TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, proxy.port())))
}

fn ask(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text)?;
    let mut reply = vec![0; text.len()];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let read = stream.read(&mut [0]).map_err(|error| error.kind());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    matches!(read, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn turns_and_connections_are_counted() {
    let proxy = start();
    let (mut one, mut two) = (connect(&proxy), connect(&proxy));
    for text in [b"read".as_slice(), b"write", &[b'w'; 300]] {
        assert_eq!(ask(&mut one, text).unwrap(), text);
    }
    ask(&mut two, b"read").unwrap();
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.writes, counts.faults), (2, 2, 0));
    proxy.forget();
    ask(&mut one, b"read").unwrap();
    assert_eq!((proxy.counts().connections, proxy.counts().round_trips), (0, 1));
    // It is answered in parts while it is sent, so it is more than one turn.
    assert_eq!(ask(&mut one, &[b'w'; 300_000]).unwrap(), [b'w'; 300_000]);
}

#[test]
fn the_answer_to_the_nth_write_is_lost() {
    let proxy = start();
    proxy.on_write(2, Fault::CutAfter(0));
    let mut stream = connect(&proxy);
    for text in [b"w".as_slice(), b"r", b"r"] {
        ask(&mut stream, text).unwrap();
    }
    assert_eq!(ask(&mut stream, b"w").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(proxy.counts().faults, 1);
    ask(&mut connect(&proxy), b"w").unwrap();
}

#[test]
fn an_answer_ends_in_its_middle_or_never_comes() {
    let proxy = start();
    proxy.on_answer(2, Fault::CutAfter(3));
    let mut stream = connect(&proxy);
    ask(&mut stream, b"first").unwrap();
    stream.write_all(b"second").unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"sec");
    proxy.on_answer(1, Fault::Silence);
    let mut stream = connect(&proxy);
    stream.write_all(b"third").unwrap();
    assert!(is_silent(&mut stream));
    stream.write_all(b"fourth").unwrap();
    assert!(is_silent(&mut stream));
    assert_eq!(proxy.counts().faults, 2);
}

#[test]
fn a_black_hole_holds_back_what_it_has() {
    let proxy = start();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"before").unwrap();
    proxy.set(Mode::BlackHole);
    stream.write_all(b"inside").unwrap();
    let mut late = connect(&proxy);
    late.write_all(b"late").unwrap();
    assert!(is_silent(&mut stream) && is_silent(&mut late));
    proxy.set(Mode::Pass);
    let mut reply = [0; 6];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"inside");
    late.read_exact(&mut reply[..4]).unwrap();
}

#[test]
fn delay_and_bandwidth_take_their_time() {
    let proxy = start();
    let mut stream = connect(&proxy);
    let mut took = |mode, text: &[u8]| {
        proxy.set(mode);
        let start = Instant::now();
        ask(&mut stream, text).unwrap();
        start.elapsed()
    };
    let delay = Duration::from_millis(50);
    assert!(took(Mode::Delay(delay), b"text") >= delay);
    assert!(took(Mode::Bandwidth(10_000), &[7; 500]) >= Duration::from_millis(50));
}

#[test]
fn connections_are_reset_and_refused() {
    let proxy = start();
    for mode in [Mode::Reset, Mode::Refuse] {
        let mut stream = connect(&proxy);
        ask(&mut stream, b"text").unwrap();
        proxy.set(mode);
        let error = ask(&mut stream, b"text").unwrap_err().kind();
        assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        if mode == Mode::Refuse {
            assert_eq!(try_connect(&proxy).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        } else {
            ask(&mut connect(&proxy), b"text").unwrap_err();
        }
        proxy.set(Mode::Pass);
        ask(&mut connect(&proxy), b"text").unwrap();
    }
}

#[test]
fn a_half_open_connection_answers_nothing_and_is_reset_later() {
    let proxy = start();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"text").unwrap();
    proxy.set(Mode::HalfOpen);
    stream.write_all(b"lost").unwrap();
    assert!(is_silent(&mut stream));
    let mut new = connect(&proxy);
    new.write_all(b"lost").unwrap();
    assert!(is_silent(&mut new));
    proxy.set(Mode::Pass);
    for mut stream in [stream, new] {
        let is_reset = || stream.write_all(b"text").and(stream.read(&mut [0])).err();
        let error = within(PATIENCE, is_reset).unwrap().kind();
        assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
    ask(&mut connect(&proxy), b"text").unwrap();
}

#[test]
fn a_client_learns_that_the_server_is_down() {
    let proxy = start();
    let free = Port::reserve();
    proxy.lead_to(free.number());
    assert!(ask(&mut connect(&proxy), b"text").is_err());
}
