//! A browser's part in a sign-in, without a browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A parameter of an address, decoded as far as addresses of tests need it.
///
/// # Panics
/// When the address has none of this name.
#[track_caller]
pub fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(found, _)| *found == name).map(|(_, value)| value);
    let value = value.unwrap_or_else(|| panic!("{name} is not in {url}"));
    value.replace("%3A", ":").replace("%2F", "/").replace('+', " ")
}

/// The whole answer to a GET of an `http://` address of this machine.
///
/// # Panics
/// When nobody answers there.
#[track_caller]
pub fn get(address: &str) -> String {
    let rest = address.strip_prefix("http://").expect("an address of this machine has no TLS");
    let (host, path) = rest.split_once('/').expect("the address has a path");
    let mut stream = TcpStream::connect(host).expect("somebody listens there");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}
