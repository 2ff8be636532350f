use std::{
    cell::Cell,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{again, say, started, task};

use super::{Hosts, Listener, MAX_CONNECTIONS, Request};

fn listener() -> Listener {
    Listener::bind(0, Hosts::Ipv4).unwrap()
}

fn client(listener: &Listener) -> TcpStream {
    let stream = TcpStream::connect(listener.addresses()[0]).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send(listener: &Listener, text: &str) -> TcpStream {
    let mut stream = client(listener);
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn next(listener: &Listener) -> Request {
    let request = listener.next(Instant::now() + PATIENCE, &|| false).unwrap();
    request.expect("a request has arrived")
}

/// Looks at the sockets until `stop` says so. No request may arrive.
fn look(listener: &Listener, stop: &dyn Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    assert!(listener.next(until, stop).unwrap().is_none());
    assert!(Instant::now() < until, "it never came");
}

/// The whole response that `client` gets while the listener works.
fn response(listener: &Listener, client: &mut TcpStream) -> String {
    client.set_nonblocking(true).unwrap();
    let received = Cell::new(Vec::new());
    let read = || {
        let mut bytes = received.take();
        let end = loop {
            let mut buffer = [0; 1024];
            match client.try_clone().unwrap().read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => bytes.extend(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) => panic!("{error}; until then: {}", String::from_utf8_lossy(&bytes)),
            }
        };
        received.set(bytes);
        end
    };
    look(listener, &read);
    String::from_utf8(received.take()).unwrap()
}

fn all(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: here\r\nX-One: 1\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_request_arrives_in_pieces_and_is_answered() {
    let listener = listener();
    let mut client = client(&listener);
    let (head, body) = ("POST /a?b=c HTTP/1.1\r\nhost: here\r\nContent-Length: 5\r\n\r\n", "hello");
    for byte in head.bytes().chain(body.bytes().take(4)) {
        client.write_all(&[byte]).unwrap();
        assert!(listener.next(Instant::now(), &|| false).unwrap().is_none());
    }
    client.write_all(b"o and more").unwrap();
    let request = next(&listener);
    assert_eq!((request.method(), request.target()), ("POST", "/a?b=c"));
    assert_eq!((request.header("HOST"), request.header("other")), (Some("here"), None));
    assert_eq!(request.body(), b"hello");
    assert!(!format!("{request:?}").contains("b=c"));
    request.respond(200, &[("X-Two", "2")], b"well").unwrap();
    let expected =
        "HTTP/1.1 200 \r\nConnection: close\r\nX-Two: 2\r\nContent-Length: 4\r\n\r\nwell";
    assert_eq!(all(client), expected);
}

#[test]
fn a_held_request_is_answered_after_others_and_its_client_may_go() {
    let listener = listener();
    let (mut first, second) = (send(&listener, GET), send(&listener, GET));
    let (held, other) = (next(&listener), next(&listener));
    other.respond(204, &[], b"").unwrap();
    assert_eq!(all(second), "HTTP/1.1 204 \r\nConnection: close\r\n\r\n");
    assert!(!held.is_abandoned());
    held.respond(200, &[], b"late").unwrap();
    let mut text = String::new();
    first.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\nlate"), "{text}");

    let gone = send(&listener, GET);
    let held = next(&listener);
    gone.shutdown(Shutdown::Both).unwrap();
    drop(gone);
    let until = Instant::now() + PATIENCE;
    look(&listener, &|| held.is_abandoned() || Instant::now() > until);
    assert!(held.is_abandoned());
}

#[test]
fn what_is_no_request_or_too_large_is_answered_and_not_returned() {
    let head = |field: &str| format!("POST / HTTP/1.1\r\nHost: here\r\n{field}\r\n\r\n");
    let large = format!("{}X: {}", "Y: 1\r\n".repeat(60), "x".repeat(8 << 10));
    let refused = [
        ("\x16\x03\x01\x02\x00\x01\x00".to_owned(), 400),
        (head("Content-Length: +1"), 400),
        (head("Content-Length: 1\r\nContent-Length: 2"), 400),
        (head("Host: there"), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (head("Transfer-Encoding: chunked"), 411),
        (head("Content-Length: 65537"), 413),
        (head("Content-Length: 99999999999999999999999"), 413),
        (head("Content-Length: 1000000") + &"x".repeat(1_000_000), 413),
        (head("Y: 1\r\n".repeat(65).trim_end()), 431),
        (head(&large), 431),
    ];
    let listener = listener();
    for (text, status) in refused {
        let mut client = client(&listener);
        // One is longer than what is read before it is refused, so the write fails or waits.
        let (mut sender, sent) = (client.try_clone().unwrap(), text.clone());
        thread::spawn(move || sender.write_all(sent.as_bytes()).ok());
        let answer = response(&listener, &mut client);
        let start = text.get(..60).unwrap_or(&text);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{start:?}: {answer}");
        // It is read on for a second, because a reset could take the response from the client.
        let more = client.write(b"more").map_err(|error| error.kind());
        assert!(matches!(more, Ok(_) | Err(io::ErrorKind::WouldBlock)), "{start:?}: {more:?}");
    }
    let largest = head("Content-Length: 65536") + &"x".repeat(64 << 10);
    let _client = send(&listener, &largest);
    assert_eq!(next(&listener).body().len(), 64 << 10);
}

#[test]
fn a_header_field_cannot_be_split() {
    let listener = listener();
    let _client = send(&listener, GET);
    let failed = next(&listener).respond(303, &[("Location", "/\r\nX: y")], b"").unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_head_request_gets_the_head_alone() {
    let listener = listener();
    let client = send(&listener, &GET.replace("GET", "HEAD"));
    next(&listener).respond(200, &[], b"well").unwrap();
    assert!(all(client).ends_with("Content-Length: 4\r\n\r\n"));
}

#[test]
fn idle_and_slow_connections_do_not_delay_a_request() {
    let listener = listener();
    let idle: Vec<_> = (0..MAX_CONNECTIONS / 2).map(|_| client(&listener)).collect();
    let slow: Vec<_> = idle.iter().map(|_| send(&listener, "GET /")).collect();
    // All connections are in use. The real one replaces one after a second.
    let began = Instant::now();
    let real = send(&listener, GET);
    next(&listener).respond(200, &[], b"").unwrap();
    assert!(all(real).starts_with("HTTP/1.1 200 "));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}: not before the slow ones end");
    drop((idle, slow));
}

#[test]
fn held_requests_are_not_replaced_and_the_next_waits() {
    let listener = listener();
    let clients: Vec<_> = (0..MAX_CONNECTIONS).map(|_| send(&listener, GET)).collect();
    let mut held: Vec<_> = clients.iter().map(|_| next(&listener)).collect();
    let _ninth = send(&listener, &GET.replace("/a", "/ninth"));
    let soon = Instant::now() + Duration::from_millis(1500);
    assert!(listener.next(soon, &|| false).unwrap().is_none());
    held.pop();
    assert_eq!(next(&listener).target(), "/ninth?b=c");
}

#[test]
fn a_slow_request_is_refused_after_ten_seconds_and_an_idle_connection_closed() {
    let listener = listener();
    let (mut slow, mut idle) = (send(&listener, "GET / HT"), client(&listener));
    let began = Instant::now();
    assert!(response(&listener, &mut slow).starts_with("HTTP/1.1 408 "));
    assert_eq!(response(&listener, &mut idle), "");
    assert!((9..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn a_wait_ends_when_it_is_told_to_without_much_work() {
    let listener = listener();
    let (asked, last, longest) = (Cell::new(0), Cell::new(None), Cell::new(Duration::ZERO));
    let began = Instant::now();
    let stop = || {
        let now = Instant::now();
        let pause = last.replace(Some(now)).map_or(Duration::ZERO, |last: Instant| now - last);
        longest.set(longest.get().max(pause));
        asked.set(asked.get() + 1);
        began.elapsed() >= Duration::from_secs(1)
    };
    assert!(listener.next(began + PATIENCE, &stop).unwrap().is_none());
    say(&format!("asked {} times in a second, at most {:?} apart", asked.get(), longest.get()));
    assert!(asked.get() < 100, "{}", asked.get());
}

#[test]
fn both_hosts_answer_on_one_port_and_neither_to_the_network() {
    let listener = Listener::bind(0, Hosts::Both).unwrap();
    if listener.addresses().len() == 1 {
        say("skipped: this system has one loopback address alone");
        return;
    }
    for host in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let address = SocketAddr::new(host, listener.port());
        assert!(listener.addresses().contains(&address));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(GET.as_bytes()).unwrap();
        next(&listener).respond(204, &[], b"").unwrap();
        assert!(all(stream).starts_with("HTTP/1.1 204 "));
    }
    assert!(listener.addresses().iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn a_port_that_is_taken_is_an_error_unless_any_will_do() {
    let taken = listener();
    for hosts in [Hosts::Ipv4, Hosts::Ipv4OrIpv6, Hosts::Both] {
        let failed = Listener::bind(taken.port(), hosts).err().expect("the port is taken");
        assert_eq!(failed.kind(), io::ErrorKind::AddrInUse, "{hosts:?}");
    }
    if let Ok(other) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        let port = other.local_addr().unwrap().port();
        let failed = Listener::bind(port, Hosts::Both).err().expect("half of it is taken");
        assert_eq!(failed.kind(), io::ErrorKind::AddrInUse);
    }
}

/// Whether it is so once in a few tries. Another program may get a port as soon as it is free.
fn is_seen(is_so: impl Fn() -> bool) -> bool {
    (0..10).any(|_| is_so())
}

#[test]
fn a_port_is_closed_once_its_listener_is_dropped() {
    assert!(is_seen(|| {
        let listener = listener();
        let mut unfinished = send(&listener, "GET /");
        let accepted = || listener.unfinished.lock().unwrap().len() == 1;
        look(&listener, &accepted);
        let address = listener.addresses()[0];
        drop(listener);
        assert_eq!(unfinished.read(&mut [0]).unwrap_or_default(), 0, "the connection is closed");
        TcpStream::connect(address).is_err()
    }));
}

#[test]
fn a_child_process_does_not_keep_the_port() {
    if task().is_some() {
        // Until the parent closes it.
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    assert!(is_seen(|| {
        let listener = listener();
        let mut child = again(a_child_process_does_not_keep_the_port, "wait");
        child.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = started(|| child.spawn()).unwrap();
        let port = listener.port();
        drop(listener);
        let bound = Listener::bind(port, Hosts::Ipv4);
        drop(child.stdin.take());
        child.wait().unwrap();
        bound.is_ok()
    }));
}
