//! A provider on loopback.
#![allow(dead_code, reason = "no test uses all of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use tokenkeep_adapters::endpoint::Endpoint;
use tokenkeep_test_support::http_response;

/// Answers each request with what `answer` makes of its path and its body. Returns its address.
pub fn provider(mut answer: impl FnMut(&str, &str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            stream.read_line(&mut line).unwrap();
            loop {
                let mut field = String::new();
                stream.read_line(&mut field).unwrap();
                let Some((name, value)) = field.trim_end().split_once(": ") else { break };
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.parse().unwrap();
                }
            }
            let mut body = String::new();
            stream.by_ref().take(length).read_to_string(&mut body).unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default();
            let answer = http_response("200 OK", &[("Connection", "close")], &answer(path, &body));
            // Who asked may be gone.
            stream.get_mut().write_all(&answer).ok();
        }
    });
    address
}

/// An answer with these tokens.
pub fn tokens(access: &str, refresh: &str, expires_in: u64) -> String {
    format!(
        r#"{{"access_token": "{access}", "token_type": "Bearer", "refresh_token": "{refresh}", "expires_in": {expires_in}}}"#
    )
}

/// An endpoint at this address.
pub fn endpoint(address: &str) -> Endpoint {
    // The first one installs it.
    rustls_graviola::default_provider().install_default().ok();
    Endpoint::new(address).unwrap()
}
