//! An update in the layout of msal-extensions is killed at every system call, and every call of it
//! that reaches a file fails.
//!
//! The process is ready when strace comes, so only the update's own calls count. strace counts
//! calls by name and thread: each thread is watched alone, and the connection to the vault is
//! there. Once more the vault is first called within the update, and all threads are watched
//! together; which calls that leaves out is printed.
//!
//! Of the calls of the vault's thread one in four is killed. Of those that reach a file one in two
//! fails. `TOKENKEEP_STEP=1` strikes all.
//!
//! After each fault the cache is the old one or the new one, whole and once; the next update
//! succeeds, soon, and leaves nothing but the cache.
//!
//! gnome-keyring itself may crash when a client is killed while it opens a session. What was struck
//! meanwhile is struck again, and the crashes are counted and printed.
// Not on Windows: strace and the Secret Service
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its updates talk")]

#[path = "msal_extensions_kills/campaign.rs"]
mod campaign;
#[path = "msal_extensions_kills/daemon.rs"]
mod daemon;
#[path = "msal_extensions_kills/place.rs"]
mod place;
mod support;
#[path = "msal_extensions_kills/update.rs"]
mod update;

use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokenkeep_test_support::{
    Tool, again, hexadecimal,
    keyring::{Keyring, Session, State},
    need, say, task,
};

use self::place::{Kept, Start};

#[test]
fn a_kill_at_any_system_call_leaves_the_old_cache_or_the_new_and_stops_nobody() {
    let test = a_kill_at_any_system_call_leaves_the_old_cache_or_the_new_and_stops_nobody;
    if let Some(task) = task() {
        return work(test, &task.into_string().unwrap());
    }
    if !need(Tool::SecretService) || !need(Tool::Strace) {
        return;
    }
    let session = Session::start(State::Unlocked).unwrap();
    let status = session.enter(&mut again(test, CAMPAIGN)).status().unwrap();
    assert!(status.success(), "{status}");
}

/// Within the session: all faults, or one update.
fn work(test: impl Fn() + Copy + Sync, task: &str) {
    if task != CAMPAIGN {
        let mut words = task.splitn(3, ' ');
        let start = STARTS[words.next().unwrap().parse::<usize>().unwrap()];
        let is_linked = words.next() == Some("true");
        return update::update(start, is_linked, Path::new(words.next().unwrap()));
    }
    let keyring = Keyring::current().unwrap();
    let tally = campaign::run(&STARTS, &keyring, |start, is_linked, place| {
        let number = STARTS.iter().position(|other| *other == start).unwrap();
        again(test, format!("{number} {is_linked} {}", place.folder().display()))
    });
    say(&tally.to_string());
    assert!(tally.cut_short().is_empty(), "{:?}", tally.cut_short());
    let problems = &tally.problems;
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn hash(location: &Path) -> String {
    hexadecimal(Sha256::digest(location.to_str().unwrap()))
}

const CAMPAIGN: &str = "campaign";
const STARTS: [Start; 6] = [
    Start::new("item, signal", Kept::Item, true, true),
    Start::new("item, no signal", Kept::Item, true, false),
    Start::new("no item, signal", Kept::Item, false, true),
    Start::new("no item, no signal", Kept::Item, false, false),
    Start::new("plain file", Kept::File, true, false),
    Start::new("no plain file", Kept::File, false, false),
];
