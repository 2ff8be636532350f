//! Ctrl-C, SIGTERM and SIGHUP while a provider is asked.
// Not on Windows: it has no such signals
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may, and it prints figures")]

mod support;

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use support::{Place, TOKEN, heeding_signals, text};
use tokenkeep::{
    KeySource, PersistedTokenCache, SignInRecord, TokenRequest, persistence::SealedPersistence,
};
use tokenkeep_test_support::http_response;

/// A provider that has been asked, and has not answered.
struct Asked(TcpStream);

/// A cache whose token has expired, and the provider's next request.
fn expired(place: &Place) -> Receiver<Asked> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let builder = SealedPersistence::builder("tokenkeep")
        .folder(place.folder())
        .key_source(KeySource::KeyFile(place.key()));
    let cache = PersistedTokenCache::new(builder.open().unwrap()).clock(|| 1_000_000_000);
    let answer = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 3600}"#;
    cache.add_response(&TokenRequest::new("client", &*issuer, ["s1"]), answer).unwrap();
    let record = SignInRecord::new("client", &*issuer)
        .with_token_endpoint(format!("{issuer}/token"))
        .with_revocation_endpoint(format!("{issuer}/revoke"));
    cache.set_record(&record).unwrap();
    let (send, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            send.send(Asked(stream)).unwrap();
        }
    });
    asked
}

impl Asked {
    fn answer(mut self) {
        let body = r#"{"access_token": "a1", "refresh_token": "r1", "expires_in": 3600}"#;
        self.0.write_all(&http_response("200 OK", &[], body)).unwrap();
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn token(place: &Place, errors: Stdio) -> Child {
    let mut command = place.command();
    let mut command = heeding_signals(command.args(TOKEN));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap()
}

#[test]
fn the_first_signal_lets_a_renewal_be_kept() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let place = Place::new();
        let asked = expired(&place);
        let mut child = token(&place, Stdio::piped());
        let asked = asked.recv().unwrap();
        signal(&child, name);
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let note = errors.next().unwrap().unwrap();
        assert!(note.contains("finishing the renewal"), "{name}: {note}");
        asked.answer();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
        assert_eq!(errors.next().unwrap().unwrap(), "tokenkeep: stopped; the sign-in is kept");
        let kept = place.run(&[&TOKEN[..], &["--no-refresh"]].concat());
        assert_eq!(text(&kept.stdout), "a1\n", "{name}: {}", text(&kept.stderr));
    }
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    for name in ["-HUP", "-INT"] {
        let place = Place::new();
        let asked = expired(&place);
        let command = place.command();
        let mut ignoring = Command::new("sh");
        let script = format!("trap '' {}; exec \"$@\"", &name[1..]);
        ignoring.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => ignoring.env(name, value),
                None => ignoring.env_remove(name),
            };
        }
        ignoring.args(TOKEN).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = ignoring.spawn().unwrap();
        let asked = asked.recv().unwrap();
        signal(&child, name);
        asked.answer();
        let done = child.wait_with_output().unwrap();
        assert_eq!(text(&done.stdout), "a1\n", "{name}: {}", text(&done.stderr));
    }
}

#[test]
fn a_signal_ends_the_program_though_nobody_reads_what_it_says() {
    let (reader, writer) = io::pipe().unwrap();
    let mut fills = writer.try_clone().unwrap();
    // More than a pipe holds; the thread ends with its reader.
    thread::spawn(move || while fills.write_all(&[b'.'; 4096]).is_ok() {});
    let place = Place::new();
    let asked = expired(&place);
    let mut child = token(&place, writer.into());
    let _held = asked.recv().unwrap();
    let begun = Instant::now();
    signal(&child, "-TERM");
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it goes on");
        thread::sleep(Duration::from_millis(5));
    }
    println!("measured: it ended {:?} after the signal", begun.elapsed());
    drop(reader);
}
