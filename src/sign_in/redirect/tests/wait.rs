use std::{
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::client::{Client, PATIENCE, RIGHT, done, host, judge, redirect, wait_during};
use crate::sign_in::redirect::{Redirect, RedirectTo, Verdict};

#[test]
fn only_the_browser_s_redirect_itself_ends_the_wait() {
    let (arrived, ()) = wait_during(redirect(), |host| {
        let status = |method: &str, target: &str, fields: &str| {
            Client::send(host, method, target, fields, "").answer().status
        };
        assert_eq!(status("GET", "/favicon.ico", ""), 404);
        assert_eq!(status("GET", "/done", ""), 404);
        assert_eq!(status("GET", "/callback/?code=SECRET&state=right", ""), 404);
        assert_eq!(status("GET", "/Callback?code=SECRET&state=right", ""), 404);
        assert_eq!(status("HEAD", RIGHT, ""), 405);
        assert_eq!(status("PUT", RIGHT, ""), 405);
        assert_eq!(status("OPTIONS", RIGHT, "Access-Control-Request-Method: GET\r\n"), 204);
        assert_eq!(status("GET", RIGHT, "Sec-Purpose: prefetch;prerender\r\n"), 204);
        assert_eq!(status("GET", RIGHT, "Purpose: prefetch\r\n"), 204);
        // A form in the encoding of a page's script, and one without its type.
        let text = "Content-Type: text/plain\r\nContent-Length: 0\r\n";
        assert_eq!(status("POST", "/callback", text), 405);
        assert_eq!(status("POST", "/callback", ""), 405);
        // Names of the web that were made to point here.
        for wrong in ["rebound.example.org", "localhost", "127.0.0.1", "127.0.0.1:1"] {
            assert_eq!(status("GET", RIGHT, &format!("Host: {wrong}\r\n")), 400, "{wrong}");
        }
        let redirected = Client::get(host, "/callback?code=late&state=right");
        drop(redirected);
    });
    assert_eq!(arrived.response(), "code=late&state=right");
    assert!(!format!("{arrived:?}").contains("late"));
}

#[test]
fn a_wrong_state_is_told_so_three_times_and_the_right_one_ends_the_wait() {
    let (arrived, client) = wait_during(redirect(), |host| {
        for wrong in ["code=x&state=wrong", "code=x", "error=access_denied&state=other"] {
            let answer = Client::get(host, &format!("/callback?{wrong}")).answer();
            assert_eq!(answer.status, 400);
            assert!(answer.body.contains("not the sign-in this program waits for"));
            assert!(!answer.body.contains("access_denied"));
        }
        assert_eq!(Client::post(host, "/callback", "state=wrong").answer().status, 400);
        Client::get(host, RIGHT)
    });
    assert_eq!(arrived.response(), "code=SECRET&state=right");
    thread::scope(|scope| {
        let client = scope.spawn(|| client.answer().status);
        arrived.finish(done());
        assert_eq!(client.join().unwrap(), 303);
    });
}

#[test]
fn a_form_that_the_browser_posts_is_a_response_too() {
    let form = "code=SECRET&state=right";
    let (arrived, client) = wait_during(redirect(), |host| Client::post(host, "/callback", form));
    assert_eq!(arrived.response(), form);
    thread::scope(|scope| {
        let client = scope.spawn(|| client.answer());
        arrived.finish(done());
        let answer = client.join().unwrap();
        assert_eq!((answer.status, answer.field("Location")), (303, Some("/done")));
    });
}

#[test]
fn a_redirect_uri_without_a_path_is_reached_at_the_root() {
    let redirect = Redirect::listen(RedirectTo::Localhost(0)).unwrap();
    let (arrived, ()) = wait_during(redirect, |host| {
        drop(Client::get(host, "/?code=SECRET&state=right"));
    });
    assert_eq!(arrived.response(), "code=SECRET&state=right");
}

#[test]
fn connections_that_send_nothing_or_little_do_not_end_or_delay_the_wait() {
    let began = Instant::now();
    let (arrived, _slow) = wait_during(redirect(), |host| {
        let slow: Vec<_> = (0..8).map(|at| Client::send_raw(host, &"GET /callb"[..at])).collect();
        drop(Client::get(host, RIGHT));
        slow
    });
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(arrived.response(), "code=SECRET&state=right");
}

#[test]
fn what_is_too_large_never_reaches_the_judge() {
    let (arrived, ()) = wait_during(redirect(), |host| {
        let large = format!("/callback?state=right&code={}", "x".repeat(8 << 10));
        assert_eq!(Client::get(host, &large).answer().status, 431);
        let large = format!("state=right&code={}", "x".repeat(64 << 10));
        let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
        let fields = format!("{fields}Content-Length: {}\r\n", large.len());
        assert_eq!(Client::send(host, "POST", "/callback", &fields, "").answer().status, 413);
        drop(Client::get(host, RIGHT));
    });
    assert_eq!(arrived.response(), "code=SECRET&state=right");
}

#[test]
fn a_wait_ends_at_its_time_or_when_it_is_told_to_and_the_port_is_closed() {
    // Another program may get a port as soon as it is free.
    let is_closed = (0..10).any(|_| {
        let redirect = redirect();
        let host = host(&redirect);
        assert!(redirect.wait(&judge, Instant::now(), &|| false).unwrap().is_none());
        TcpStream::connect(host).is_err()
    });
    assert!(is_closed);

    let redirect = redirect();
    let host = host(&redirect);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let judge = |_: &str| {
            stop.store(true, Ordering::SeqCst);
            Verdict::NotOurs
        };
        scope.spawn(|| drop(Client::get(&host, RIGHT)));
        let stop = || stop.load(Ordering::SeqCst);
        assert!(redirect.wait(&judge, Instant::now() + PATIENCE, &stop).unwrap().is_none());
    });
}
