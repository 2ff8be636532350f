use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use super::client::{Answer, Client, RIGHT, done, host, redirect, refused, wait_during};
use crate::sign_in::{pages::Outcome, redirect::Arrived};

/// Finishes while `visits` runs.
fn finish_during<T: Send>(
    arrived: Arrived,
    outcome: Outcome,
    visits: impl FnOnce() -> T + Send,
) -> T {
    thread::scope(|scope| {
        let visits = scope.spawn(visits);
        arrived.finish(outcome);
        visits.join().unwrap()
    })
}

/// What a browser gets that follows the redirect.
fn follow(host: &str, client: Client) -> Answer {
    let answer = client.answer();
    assert_eq!(answer.status, 303);
    assert!(answer.body.is_empty());
    let location = answer.field("Location").unwrap();
    assert!(!location.contains('?'), "the code is not in the final address");
    Client::get(host, location).answer()
}

#[test]
fn the_page_comes_when_the_sign_in_is_finished_and_without_the_code() {
    let mut closed = 0;
    for (outcome, text) in [
        (done(), "You are signed in"),
        (refused(), "You are not signed in"),
        (Outcome::Failed { reason: "the disk is full".into() }, "the disk is full"),
    ] {
        let redirect = redirect();
        let host = host(&redirect);
        let (arrived, client) = wait_during(redirect, |host| Client::get(host, RIGHT));
        let page = finish_during(arrived, outcome, || follow(&host, client));
        assert_eq!(page.status, 200);
        assert!(page.body.contains(text), "{}", page.body);
        assert!(!page.body.contains("SECRET"));
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
            ("Content-Type", "text/html; charset=utf-8"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            assert_eq!(page.field(name), Some(value));
        }
        assert!(page.field("Content-Security-Policy").unwrap().starts_with("default-src 'none'; "));
        closed += usize::from(TcpStream::connect(&host).is_err());
    }
    // Another program may get a port as soon as it is free.
    assert!(closed > 0);
}

#[test]
fn a_second_tab_is_told_that_it_is_done_and_a_reload_gets_the_outcome() {
    let redirect = redirect();
    let host = host(&redirect);
    let (arrived, first) = wait_during(redirect, |host| Client::get(host, RIGHT));
    for other in ["code=OTHER&state=right", "code=SECRET&state=wrong", ""] {
        let answer = Client::get(&host, &format!("/callback?{other}")).answer();
        assert_eq!(answer.status, 409, "{other}");
        assert!(answer.body.contains("already done"));
    }
    assert_eq!(Client::get(&host, "/favicon.ico").answer().status, 404);
    assert_eq!(Client::get(&host, "/done").answer().status, 404, "it is not done yet");
    drop(first);
    let reload = Client::get(&host, RIGHT);
    let page = finish_during(arrived, done(), || follow(&host, reload));
    assert!(page.body.contains("You are signed in"));
}

#[test]
fn a_browser_that_does_not_fetch_the_page_is_waited_for_two_seconds() {
    let (arrived, client) = wait_during(redirect(), |host| Client::get(host, RIGHT));
    let began = Instant::now();
    let answer = finish_during(arrived, done(), || client.answer());
    assert_eq!(answer.status, 303);
    let took = began.elapsed();
    assert!((2000..4000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_browser_that_was_closed_is_not_waited_for() {
    let (arrived, ()) = wait_during(redirect(), |host| drop(Client::get(host, RIGHT)));
    let began = Instant::now();
    arrived.finish(done());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_sign_in_without_an_outcome_has_failed_for_the_browser() {
    let redirect = redirect();
    let host = host(&redirect);
    let (arrived, client) = wait_during(redirect, |host| Client::get(host, RIGHT));
    drop(arrived);
    let page = follow(&host, client);
    assert!(page.body.contains("The sign-in failed: the program ended it."), "{}", page.body);
}

#[test]
fn a_browser_waits_forty_seconds_for_an_outcome() {
    let mut redirect = redirect();
    assert_eq!(redirect.hold, Duration::from_secs(40));
    redirect.hold = Duration::from_millis(400);
    let host = host(&redirect);
    let began = Instant::now();
    let (arrived, client) = wait_during(redirect, |host| Client::get(host, RIGHT));
    let page = follow(&host, client);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert!(page.body.contains("The sign-in is not finished"), "{}", page.body);
    arrived.finish(done());
}
