//! The examples that end by themselves, on each store.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use tokenkeep_test_support::{
    Tool,
    engines::{postgres, redis},
    example, need,
};
use tokenkeep_web::{KeyRing, postgres::SCHEMA};

const ON_BEHALF_OF: [&str; 5] = [
    "ada calls the API: 200, ada sees the orders of ada",
    "ada calls the API: 200, ada sees the orders of ada",
    "bob calls the API: 200, bob sees the orders of bob",
    "nobody calls the API: 401, the token is not valid",
    "The API asked the provider 2 times.",
];

const DAEMON: [&str; 4] = [
    "Two nodes at once: access-1 and access-1",
    "Instead of a refused one: access-2",
    "The other node, with the same refusal: access-2",
    "The provider was asked 2 times.",
];

/// Both programs say what they say on any store, and where their tokens are.
fn run_both(arguments: &[&str], store: &str) {
    let keys = KeyRing::generate().unwrap().to_text();
    for (name, expected) in [("on_behalf_of", &ON_BEHALF_OF[..]), ("daemon", &DAEMON[..])] {
        let mut command = Command::new(example(name));
        let output = command.args(arguments).env("TOKENKEEP_WEB_KEYS", &*keys).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}{error}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], format!("The tokens are kept in {store}."), "{name}");
        assert_eq!(lines[1..], *expected, "{name}");
    }
}

/// What `key_ring` prints when it gets this ring.
fn key_ring(arguments: &[&str], ring: &str) -> String {
    let mut command = Command::new(example("key_ring"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It reads none when it makes one.
    child.stdin.take().unwrap().write_all(ring.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_key_ring_is_rotated_as_the_document_says() {
    let first = key_ring(&["generate"], "");
    let second = key_ring(&["rotated"], &first);
    let third = key_ring(&["with-last-first"], &second);
    let ids = key_ring(&["ids"], &third);
    let [new, old] = ids.lines().collect::<Vec<_>>()[..] else { panic!("{ids}") };
    assert_eq!(key_ring(&["ids"], &first).trim(), old);
    let last = key_ring(&["without", old], &third);
    assert_eq!(key_ring(&["ids"], &last).trim(), new);
    let name = |ring: &str| ring.split(';').nth(1).unwrap().to_owned();
    assert_eq!(name(&last), name(&first), "the naming key stays");
}

#[test]
fn the_examples_tell_their_story_in_memory() {
    run_both(&[], "the memory of this process");
}

#[test]
fn the_examples_tell_their_story_on_redis() {
    if !need(Tool::Redis) {
        return;
    }
    let server = redis::Server::start(&[]);
    run_both(&["--redis", &server.url()], "Redis");
    let kept = server.cli(&["KEYS", "tk1:*:v"]);
    // One for each caller, and one for the application.
    assert_eq!(kept.matches("tk1:").count(), 3, "{kept}");
}

#[test]
fn the_examples_tell_their_story_on_postgresql() {
    if !need(Tool::Postgres) {
        return;
    }
    let server = postgres::Server::start(&[]);
    server.psql(SCHEMA);
    run_both(&["--postgres", &server.url()], "PostgreSQL");
    assert_eq!(server.psql("SELECT count(*) FROM tokenkeep_web").trim(), "3");
}
