//! What a browser brings back, without a browser.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// A parameter of an address, decoded as far as these addresses need it.
pub(crate) fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').unwrap().1;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    let value = value.unwrap_or_else(|| panic!("{name} in {url}"));
    value.replace("%3A", ":").replace("%2F", "/").replace('+', " ")
}

/// What is answered at an address of this machine.
pub(crate) fn get(address: &str) -> String {
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The redirect at the end of a sign-in whose address is `url`, with this code or error in it.
pub(crate) fn redirect(url: &str, response: &str) -> String {
    let (to, state) = (parameter(url, "redirect_uri"), parameter(url, "state"));
    format!("{to}?{response}&state={state}")
}

/// The page that a browser shows in the end.
pub(crate) fn follow(redirect: &str) -> String {
    let first = get(redirect);
    assert!(first.starts_with("HTTP/1.1 303"), "{first}");
    let to = first.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap();
    let host = redirect.split('/').nth(2).unwrap();
    get(&format!("http://{host}{}", to.trim()))
}
