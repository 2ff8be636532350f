//! Ctrl-C and its like at each stage of a sign-in: the exit code is 130, and nothing is kept.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokenkeep_test_support::{HttpServer, Script, providers::Scripted, redirect::get};

use crate::{
    pseudo_terminal::OnTerminal,
    redirect::redirect,
    session::Session,
    support::{Place, text},
};

/// Waits until the server was asked `count` times.
fn asked(server: &HttpServer, count: usize) {
    while server.requests().len() < count {
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_while_the_user_is_waited_for_ends_the_sign_in() {
    let provider = Scripted::start();
    provider.then_refuses("authorization_pending");
    let issuer = provider.issuer();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for (way, waits) in [
            (&["--browser", "--no-open"][..], "Waiting for the browser"),
            (&["--device"], "Waiting. Ctrl-C stops."),
        ] {
            let place = Place::signed_in();
            let before = place.sealed();
            let mut session =
                Session::start(&place, &[&[&*issuer, "--client-id", "app"], way].concat());
            session.line(|line| line.starts_with(waits));
            session.signal(signal);
            let end = session.end();
            assert_eq!(end.code, Some(130), "{way:?}: {}", end.said);
            assert!(
                end.said.ends_with("tokenkeep: stopped; nothing was changed\n"),
                "{}",
                end.said
            );
            assert_eq!(place.sealed(), before);
        }
    }
}

#[test]
fn a_signal_while_an_address_is_pasted_gives_the_terminal_back() {
    let provider = Scripted::start();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let place = Place::signed_in();
        let before = place.sealed();
        let mut command = place.command();
        command.args(["login", &provider.issuer(), "--client-id", "app", "--paste"]);
        command.env("TERM", "dumb");
        let session = OnTerminal::start(command, 80);
        let usual = session.modes();
        session.until("and paste it here:");
        assert_ne!(session.modes(), usual, "it takes long lines");
        session.type_in("http://127.0.0.1:43121/callb");
        session.signal(signal);
        session.until("stopped; nothing was changed");
        let (code, modes) = session.end_with_modes();
        assert_eq!((code, modes), (Some(130), usual));
        assert_eq!(place.sealed(), before);
    }
}

#[test]
fn a_stopped_sign_in_is_an_event() {
    let provider = Scripted::start();
    let place = Place::signed_in();
    let arguments = [&*provider.issuer(), "--client-id", "app", "--browser", "--no-open", "--json"];
    let session = Session::start(&place, &arguments);
    session.event();
    session.signal(Signal::INT);
    assert_eq!(session.event()["kind"], "canceled");
    assert_eq!(session.end().code, Some(130));
}

#[test]
fn a_signal_before_the_provider_has_answered_ends_the_program_at_once() {
    let silent = HttpServer::start(Script::Silence);
    let place = Place::signed_in();
    let before = place.sealed();
    let issuer = format!("http://{}", silent.host());
    for (asks, signal) in [(1, Signal::INT), (2, Signal::TERM)] {
        let session = Session::start(&place, &[&issuer, "--client-id", "app", "--json"]);
        asked(&silent, asks);
        let began = Instant::now();
        session.signal(signal);
        let end = session.end();
        assert_eq!(end.code, Some(130));
        // A sign-in that has begun gets 5 s.
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        let last: Value = serde_json::from_str(end.events.last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["kind"]), (&json!("failed"), &json!("canceled")));
        assert_eq!(place.sealed(), before);
    }
}

#[test]
fn a_second_signal_ends_an_exchange_that_does_not_end() {
    let (provider, silent) = (Scripted::start(), HttpServer::start(Script::Silence));
    let place = Place::signed_in();
    let before = place.sealed();
    let token_endpoint = format!("http://{}/token", silent.host());
    let authorize = format!("{}/authorize", provider.issuer());
    let issuer = provider.issuer();
    let mut session = Session::start(
        &place,
        &[
            &*issuer,
            "--client-id",
            "app",
            "--browser",
            "--no-open",
            "--token-endpoint",
            &token_endpoint,
            "--authorization-endpoint",
            &authorize,
            "--json",
        ],
    );
    let url = session.event()["url"].as_str().unwrap().to_owned();
    let browser = std::thread::spawn(move || get(&redirect(&url, "code=x")));
    asked(&silent, 1);
    session.signal(Signal::INT);
    session.line(|line| line.starts_with("finishing the sign-in, a moment"));
    session.signal(Signal::TERM);
    let end = session.end();
    assert_eq!(end.code, Some(130));
    let last: Value = serde_json::from_str(end.events.last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["kind"]), (&json!("failed"), &json!("canceled")));
    assert_eq!(end.events.len(), 1, "{:?}", end.events);
    assert_eq!(place.sealed(), before);
    browser.join().ok();
}

#[test]
fn a_signal_during_the_revocation_of_the_former_sign_in_leaves_the_new_one() {
    let (provider, silent) = (Scripted::start(), HttpServer::start(Script::Silence));
    provider
        .announces(json!({ "revocation_endpoint": format!("http://{}/revoke", silent.host()) }));
    let place = Place::new();
    let arguments = [&*provider.issuer(), "--client-id", "app", "--device"];
    provider.then_issues("one");
    provider.then_issues("two");
    assert_eq!(Session::start(&place, &arguments).end().code, Some(0));
    let mut session = Session::start(&place, &arguments);
    session.line(|line| line.starts_with("Signed in as ada."));
    asked(&silent, 1);
    session.signal(Signal::INT);
    session.signal(Signal::INT);
    let end = session.end();
    assert_eq!(end.code, Some(130));
    assert!(end.said.ends_with("tokenkeep: stopped; the sign-in is kept\n"), "{}", end.said);
    assert_eq!(text(&place.run(&["token", "--no-refresh"]).stdout), "access-two\n");
}

#[test]
fn a_signal_ends_a_question_to_the_provider_that_is_not_answered() {
    let (provider, silent) = (Scripted::start(), HttpServer::start(Script::Silence));
    provider.announces(json!({ "token_endpoint": format!("http://{}/token", silent.host()) }));
    let place = Place::signed_in();
    let before = place.sealed();
    let arguments = [&*provider.issuer(), "--client-id", "app", "--device", "--json"];
    let session = Session::start(&place, &arguments);
    asked(&silent, 1);
    let began = Instant::now();
    session.signal(Signal::INT);
    let end = session.end();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(end.code, Some(130));
    let last: Value = serde_json::from_str(end.events.last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["kind"]), (&json!("failed"), &json!("canceled")));
    assert_eq!(place.sealed(), before);
}
