//! The points of a renewal, found among the system calls of one that nobody disturbs.

use std::path::Path;

use tokenkeep_test_support::strace::{self, Call, Fault, Injection};

use crate::{
    provider::{Leeway, Provider},
    worker,
};

/// What has become of the refresh token when the process is killed at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    NotSent,
    /// The provider has replaced it, and the answer is not in the cache.
    Unsaved,
    Saved,
}

/// The points of the promise, in their order, with the fate of the refresh token, and whether a
/// note says that it is being spent.
pub(crate) const NAMED: [(&str, Fate, bool); 6] = [
    ("before the note", Fate::NotSent, false),
    ("after the note", Fate::NotSent, true),
    ("after the bytes of the request", Fate::Unsaved, true),
    ("after the answer", Fate::Unsaved, true),
    ("before the rename", Fate::Unsaved, true),
    ("after the rename", Fate::Saved, true),
];

/// A system call at which to kill.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// Which of the [`NAMED`] it is, if it is one.
    pub(crate) named: Option<usize>,
    call: String,
    time: usize,
    /// The file that it is about, if it is about one.
    file: String,
}

impl Point {
    pub(crate) fn injection(&self) -> Injection<'_> {
        Injection::new(&self.call, self.time, Fault::Kill)
    }

    /// Whether this is the call at which a process was killed.
    pub(crate) fn is(&self, call: &Call) -> bool {
        call.name == self.call && call.result.is_none() && file(call) == self.file
    }

    pub(crate) fn name(&self) -> String {
        match self.named {
            Some(named) => NAMED[named].0.to_owned(),
            None => format!("{} {} of `{}`", self.call, self.time, self.file),
        }
    }
}

/// The named points, and all other calls from the first of them on that reach a file or the
/// provider.
pub(crate) fn find(test: impl Fn()) -> (Vec<Point>, Vec<Point>) {
    let (place, provider) = (worker::sign_in("points"), Provider::start(Leeway::None));
    let traced = strace::record(&worker::command(test, &place, &provider), b"").unwrap();
    assert!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stdout));
    let thread = traced.calls.iter().find(|call| call.name == "connect").unwrap().thread;
    let calls: Vec<&Call> = traced.calls.iter().filter(|call| call.thread == thread).collect();
    let at = |is: &dyn Fn(&Call) -> bool| calls.iter().position(|call| is(call)).unwrap();
    let request = at(&|call| call.name == "connect");
    let note = calls[..request].iter().rposition(|call| is_opened_for_a_note(call)).unwrap();
    let read = at(&|call| call.name == "recvfrom");
    let rename = at(&renames_the_cache);
    let named = [note, request, read, read + 1, rename, rename + 1];
    // A kill at the same call of the thread that starts the program would come first.
    let is_of_another_thread = |point: &Point| {
        let is_same = |call: &&Call| call.thread != thread && call.name == point.call;
        traced.calls.iter().filter(is_same).count() >= point.time
    };
    let point = |at: usize| {
        let call = calls[at];
        let time = calls[..=at].iter().filter(|other| other.name == call.name).count();
        let named = named.iter().position(|named| *named == at);
        Point { named, call: call.name.clone(), time, file: file(call) }
    };
    let others = (note..calls.len())
        .filter(|at| !named.contains(at) && !file(calls[*at]).is_empty())
        .map(point)
        .filter(|point| !is_of_another_thread(point))
        .collect();
    let named: Vec<Point> = named.into_iter().map(point).collect();
    assert!(!named.iter().any(is_of_another_thread), "{named:?}");
    (named, others)
}

/// Whether it puts a new cache in the place of the old one.
pub(crate) fn renames_the_cache(call: &Call) -> bool {
    call.name.starts_with("rename") && file(call) == "cache.sealed"
}

fn is_opened_for_a_note(call: &Call) -> bool {
    call.name.starts_with("open") && file(call).ends_with(".note")
}

/// The file or socket that the call is about. What it reads or writes is no name, and a call that
/// was killed returned none.
fn file(call: &Call) -> String {
    let named = match call.name.contains("open") || call.name.ends_with("at") {
        true => call.paths().into_iter().rfind(|path| path.is_absolute()),
        false => call.descriptor(0).map(|(_, path)| path),
    };
    let name = named.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    // A socket has a number that differs.
    name.map_or("", |name| if name.starts_with("socket:") { "socket" } else { name }).to_owned()
}
