//! The operations that are disturbed, and what a reader finds before and after each.

use std::{collections::BTreeMap, fs, path::Path};

use tempfile::TempDir;
use tokenkeep_test_support::strace::{self, Call};

use crate::keep::{Contents, Keep, Request, temporary_folder};

/// One operation with the state that it starts from.
pub(crate) struct Operation {
    pub(crate) request: Request,
    /// For each system call of the operation, which call of its name is the first that counts.
    pub(crate) calls: BTreeMap<String, usize>,
    pub(crate) count: usize,
    pub(crate) old: State,
    pub(crate) new: State,
    start: TempDir,
}

/// What is found in a state, and after the next write to it.
pub(crate) struct State {
    pub(crate) contents: Contents,
    pub(crate) after_next: Contents,
    pub(crate) sealed: Option<Vec<u8>>,
}

impl Operation {
    fn new(request: Request, before: &[Request]) -> Self {
        let start = temporary_folder();
        let keep = Keep::new(start.path());
        for request in before {
            keep.must(request).unwrap();
        }
        let old = State::of(&keep, &[]);
        let new = State::of(&keep, &[request]);
        let (calls, count) = record(&keep, &request);
        Self { request, calls, count, old, new, start }
    }

    /// The start, copied into an empty folder.
    pub(crate) fn start_in(&self, folder: &Path) -> Keep {
        Keep::new(self.start.path()).copy_to(folder)
    }
}

impl State {
    fn of(start: &Keep, requests: &[Request]) -> Self {
        let folder = temporary_folder();
        let keep = start.copy_to(folder.path());
        for request in requests {
            keep.must(request).unwrap();
        }
        let (contents, sealed) = (keep.contents().unwrap(), keep.sealed());
        keep.must(&NEXT).unwrap();
        Self { contents, after_next: keep.contents().unwrap(), sealed }
    }
}

pub(crate) fn all() -> Vec<Operation> {
    let update = Request::add("update", "ada", "two");
    let sign_out =
        Request::new("sign-out", &["sign-out", "--everywhere", "--account", "ada@example.com"]);
    let clear = Request::new("clear", &["clear"]);
    vec![
        Operation::new(FIRST, &[]),
        Operation::new(update, &[FIRST]),
        Operation::new(sign_out, &[FIRST, SECOND]),
        Operation::new(clear, &[FIRST]),
    ]
}

/// The calls that count, of an undisturbed run.
fn record(start: &Keep, request: &Request) -> (BTreeMap<String, usize>, usize) {
    let folder = temporary_folder();
    let root = fs::canonicalize(folder.path()).unwrap();
    let keep = start.copy_to(&root);
    let traced = strace::record(&keep.command(request), &request.input()).unwrap();
    assert!(traced.status.success(), "{} under strace: {}", request.name, traced.status);
    let places = [root.join("store"), root.join("keys")];
    let touches = |call: &Call| {
        call.name != "execve"
            && call.paths().iter().any(|path| places.iter().any(|place| path.starts_with(place)))
    };
    let first = traced.calls.iter().position(touches).expect("the operation touches the store");
    let mut counted = BTreeMap::new();
    for (at, call) in traced.calls.iter().enumerate().skip(first) {
        let same = |other: &&Call| other.name == call.name && other.thread == call.thread;
        let time = traced.calls[..=at].iter().filter(same).count();
        let least: &mut usize = counted.entry(call.name.clone()).or_insert(time);
        *least = time.min(*least);
    }
    (counted, traced.calls.len() - first)
}

const FIRST: Request = Request::add("first add", "ada", "one");
const SECOND: Request = Request::add("second add", "bob", "one");
/// The write that must succeed whatever happened before.
pub(crate) const NEXT: Request = Request::add("next add", "eve", "three");
