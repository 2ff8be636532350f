use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use tokenkeep_test_support::say;

use super::client::{host, redirect};
use crate::sign_in::redirect::{Redirect, RedirectTo};

fn failed(to: RedirectTo<'_>) -> String {
    Redirect::listen(to).expect_err("it is refused").to_string()
}

#[test]
fn the_redirect_uri_has_the_port_that_is_listened_at() {
    let redirect = redirect();
    let port: u16 = host(&redirect).rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(redirect.uri(), format!("http://127.0.0.1:{port}/callback"));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
}

#[test]
fn the_host_localhost_is_listened_at_on_both_its_addresses() {
    let redirect = Redirect::listen(RedirectTo::Localhost(0)).unwrap();
    let port: u16 = host(&redirect).rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(redirect.uri(), format!("http://localhost:{port}"));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        say("skipped in part: this system has no ::1");
        return;
    }
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
}

#[test]
fn a_given_redirect_uri_keeps_its_text_and_gets_a_port_if_it_has_none() {
    for (uri, start, end) in [
        ("http://127.0.0.1/a/b", "http://127.0.0.1:", "/a/b"),
        ("http://localhost", "http://localhost:", ""),
        ("http://localhost/", "http://localhost:", "/"),
        ("http://127.0.0.1?x=1", "http://127.0.0.1:", "?x=1"),
    ] {
        let redirect = Redirect::listen(RedirectTo::Uri(uri)).unwrap();
        let port = redirect.uri().strip_prefix(start).unwrap().strip_suffix(end).unwrap();
        assert!(port.parse::<u16>().is_ok(), "{}", redirect.uri());
        let path = end.split('?').next().unwrap();
        assert_eq!(redirect.place.path, if path.is_empty() { "/" } else { path });
    }
    // A port that the system has just given is free, unless another program gets it meanwhile.
    let given = (0..10).find_map(|_| {
        let uri = redirect().uri().replace("/callback", "/here");
        Redirect::listen(RedirectTo::Uri(&uri)).ok().map(|redirect| (redirect, uri))
    });
    let (redirect, uri) = given.expect("a port is free");
    assert_eq!(redirect.uri(), uri);
}

#[test]
fn a_redirect_uri_to_another_place_is_refused() {
    for uri in [
        "https://127.0.0.1/",
        "http://127.0.0.2/",
        "http://0.0.0.0/",
        "http://example.org/",
        "http://localhost.example.org/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:port/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1/#part",
        "http://127.0.0.1/a b",
        "127.0.0.1/",
        "",
    ] {
        let error = failed(RedirectTo::Uri(uri));
        assert!(error.starts_with("the redirect URI is not one of `http://`"), "{uri}: {error}");
    }
}

#[test]
fn a_port_that_is_taken_or_not_allowed_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let uri = format!("http://127.0.0.1:{port}/callback");
    for to in [RedirectTo::Loopback(port), RedirectTo::Localhost(port), RedirectTo::Uri(&uri)] {
        assert_eq!(failed(to), format!("port {port} is taken by another program"));
    }
}

#[test]
fn the_scheme_s_own_port_is_not_in_the_host_field() {
    // Only root may open it, and another program may have it.
    match Redirect::listen(RedirectTo::Loopback(80)) {
        Ok(redirect) => assert_eq!(redirect.place.host, "127.0.0.1"),
        Err(error) => {
            let error = error.to_string();
            let reasons = ["port 80 is taken by", "port 80 may not be opened by this user"];
            assert!(reasons.iter().any(|reason| error.starts_with(reason)), "{error}");
        }
    }
}

#[test]
fn the_port_of_both_addresses_is_the_same() {
    let redirect = Redirect::listen(RedirectTo::Localhost(0)).unwrap();
    let addresses = redirect.place.listener.addresses();
    let ports = addresses.iter().map(SocketAddr::port);
    assert!(ports.into_iter().all(|port| port == redirect.place.listener.port()));
}
