//! A command that waits for the lock keeps nobody else waiting, and says whom it waits for.
// Not on Windows: it stops no process by a signal
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may, and it prints figures")]

mod support;

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use support::{EVENT, Place, run, text};
use tokenkeep_platform::lock::{CrossProcessLock, LockGuard};

/// How long anybody may be kept by somebody who stands still.
const FEW_SECONDS: Duration = Duration::from_secs(5);

fn guard(place: &Place) -> LockGuard {
    CrossProcessLock::new(place.folder(), "cache").acquire(&Default::default()).unwrap()
}

/// A command that adds a sign-in, with this standard error.
fn adding(place: &Place, errors: Stdio) -> Child {
    let mut command = place.command();
    command.arg("add").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors);
    let mut child = command.spawn().unwrap();
    let event = EVENT.replace("\"client\"", "\"waiter\"");
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    child
}

fn ends_within(child: &mut Child, time: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < time {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

/// Until the note of who is at the head of the queue names the process.
fn is_at_head(place: &Place, child: &Child) {
    let began = Instant::now();
    let pid = child.id().to_string();
    let noted = || {
        let notes = std::fs::read_to_string(place.folder().join("cache.holder")).unwrap();
        notes.lines().nth(1).is_some_and(|line| line.starts_with(&pid))
    };
    while !noted() {
        assert!(began.elapsed() < FEW_SECONDS, "it is not noted");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A pipe that nobody reads, full.
fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    let mut fills = writer.try_clone().unwrap();
    // More than a pipe holds; the thread ends with its reader.
    thread::spawn(move || while fills.write_all(&[b'.'; 4096]).is_ok() {});
    thread::sleep(Duration::from_millis(200));
    (reader, writer)
}

#[test]
fn a_waiter_whose_standard_error_is_full_keeps_nobody_and_saves_all_the_same() {
    let place = Place::signed_in();
    let held = guard(&place);
    let (reader, writer) = full_pipe();
    let mut waiter = adding(&place, writer.into());
    is_at_head(&place, &waiter);
    // Its notice is due after a second.
    thread::sleep(Duration::from_millis(1500));
    drop(held);
    let began = Instant::now();
    let added = run(place.command().arg("add"), EVENT);
    println!("measured: the next command took {:?}", began.elapsed());
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert!(began.elapsed() < FEW_SECONDS);
    let kept = || place.run(&["token", "--client-id", "waiter", "--scope", "s1"]).status.success();
    while !kept() {
        assert!(began.elapsed() < 2 * FEW_SECONDS, "the waiter hangs in its notice");
    }
    // Nobody has read what it says in the end either.
    drop(reader);
    assert!(ends_within(&mut waiter, FEW_SECONDS), "it hangs, though nobody can read it");
}

#[test]
fn a_waiter_that_was_stopped_keeps_nobody_and_a_stopped_holder_is_named() {
    let place = Place::signed_in();
    let held = guard(&place);
    let mut waiter = adding(&place, Stdio::null());
    is_at_head(&place, &waiter);
    let pid = waiter.id().to_string();
    let signal = |name: &str| {
        let done = std::process::Command::new("kill").args([name, &pid]).status();
        assert!(done.unwrap().success());
    };
    signal("-STOP");
    let mut told = adding(&place, Stdio::piped());
    let mut line = String::new();
    BufReader::new(told.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let own = format!("waiting for process {} (", std::process::id());
    assert!(line.starts_with(&own), "not the stopped one, while the lock is held: {line}");
    drop(held);
    let began = Instant::now();
    assert!(ends_within(&mut told, FEW_SECONDS), "it is not passed by");
    println!("measured: a stopped waiter was passed by after {:?}", began.elapsed());
    signal("-CONT");
    assert!(ends_within(&mut waiter, FEW_SECONDS), "who was stopped has its turn afterwards");
}
