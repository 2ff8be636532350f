//! Kills at all points, and what another process finds after each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    os::unix::process::ExitStatusExt as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokenkeep::{Error, silent::TokenReply};
use tokenkeep_test_support::strace::{self, Call};

use crate::{
    points::{self, Fate, NAMED, Point, renames_the_cache},
    provider::{Leeway, Provider, exchange},
    support::Place,
    worker::{self, request},
};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) problems: Vec<String>,
    /// How many kills ended how.
    found: BTreeMap<(Leeway, Found), usize>,
    named: BTreeSet<(Leeway, usize)>,
}

/// What the next process got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// A token for the refresh token that was never sent.
    Renewed,
    /// The token of the process that was killed, from the cache.
    Kept,
    /// The answer that had died, from the provider.
    Healed,
    /// The user has to sign in.
    Lost,
}

pub(crate) fn run(test: impl Fn() + Copy + Sync, kills: usize) -> Tally {
    let (named, others) = points::find(test);
    let providers = [Leeway::None, Leeway::SameSuccessor].map(|one| (one, Provider::start(one)));
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let kill = next.fetch_add(1, Ordering::Relaxed);
                    if kill >= kills {
                        return;
                    }
                    let (point, leeway) = choice(kill, kills, &named, &others);
                    let (leeway, provider) = &providers[leeway];
                    let found = strike(test, point, *leeway, provider, &format!("k{kill}"));
                    tally.lock().unwrap().add(point, *leeway, found);
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

/// The point and the number of the provider. First each named point with both, then the others:
/// evenly over all of them where there are more than kills, else one after the other.
fn choice<'p>(
    kill: usize,
    kills: usize,
    named: &'p [Point],
    others: &'p [Point],
) -> (&'p Point, usize) {
    let Some(later) = kill.checked_sub(2 * named.len()) else {
        return (&named[kill / 2], kill % 2);
    };
    let left = kills - 2 * named.len();
    match left < others.len() {
        true => (&others[later * others.len() / left], later % 2),
        false => (&others[later % others.len()], later / others.len() % 2),
    }
}

/// Kills one process at the point, and lets another one ask.
fn strike(
    test: impl Fn(),
    point: &Point,
    leeway: Leeway,
    provider: &Provider,
    name: &str,
) -> Result<Found, String> {
    let place = worker::sign_in(name);
    let command = worker::command(test, &place, provider);
    let traced = strace::inject(&command, b"", &point.injection(), ALSO).unwrap();
    if traced.status.signal() != Some(libc::SIGKILL) || !traced.calls.iter().any(|c| point.is(c)) {
        return Err(format!("it was not killed there, but ended so: {}", traced.status));
    }
    let did = |is: &dyn Fn(&Call) -> bool| {
        traced.calls.iter().any(|call| call.result.is_some_and(|result| result >= 0) && is(call))
    };
    let fate = match (did(&|call| call.name == "sendto"), did(&renames_the_cache)) {
        (false, _) => Fate::NotSent,
        (true, false) => Fate::Unsaved,
        (true, true) => Fate::Saved,
    };
    if let Some(named) = point.named {
        let found = (fate, says_spending(&place));
        let (_, expected, is_noted) = NAMED[named];
        if found != (expected, is_noted) {
            return Err(format!("the kill left {found:?}"));
        }
    }
    if fate != Fate::NotSent {
        provider.wait_for_a_request(name);
    }
    next_process(&place, fate, leeway, provider, name)
}

fn next_process(
    place: &Place,
    fate: Fate,
    leeway: Leeway,
    provider: &Provider,
    name: &str,
) -> Result<Found, String> {
    let cache = worker::open(place.path());
    let result = cache.acquire_token_silent(&request(), |spend| exchange(provider.port(), spend));
    let requests = provider.requests(name);
    let kept: Vec<String> = cache
        .refresh_tokens(&request())
        .unwrap()
        .iter()
        .map(|token| token.secret().unwrap().to_owned())
        .collect();
    let (found, expected, token) = match (fate, leeway) {
        (Fate::NotSent, _) => (Found::Renewed, 1, "1"),
        (Fate::Saved, _) => (Found::Kept, 1, "1"),
        (Fate::Unsaved, Leeway::SameSuccessor) => (Found::Healed, 2, "1"),
        (Fate::Unsaved, Leeway::None) => (Found::Lost, 2, "0"),
    };
    let is_right = match &result {
        Ok(Some(token)) => found != Found::Lost && token.secret() == format!("a.{name}.1"),
        Err(Error::SignInNeeded { is_orphan, .. }) => found == Found::Lost && *is_orphan,
        _ => false,
    };
    if !is_right || requests != expected || kept != [format!("{name}.{token}")] {
        return Err(format!("{fate:?}: {result:?} after {requests} requests, kept is {kept:?}"));
    }
    if found == Found::Kept {
        // The note that the process left is about a token that nobody has any more.
        let later = cache.clock(|| LATER);
        let refusal = r#"{"error": "interaction_required"}"#;
        let refused = later.acquire_token_silent(&request(), |_| Ok(TokenReply::new(400, refusal)));
        if !matches!(refused, Err(Error::SignInNeeded { is_orphan: false, .. })) {
            return Err(format!("the note it left counts: {refused:?}"));
        }
    }
    Ok(found)
}

/// Whether a note says that a refresh token is being spent.
fn says_spending(place: &Place) -> bool {
    let notes = place.names().into_iter().filter(|name| name.ends_with(".note"));
    let texts = notes.map(|name| fs::read_to_string(place.folder().join(name)).unwrap());
    texts.into_iter().any(|text| text.contains("spending"))
}

impl Tally {
    fn add(&mut self, point: &Point, leeway: Leeway, found: Result<Found, String>) {
        match found {
            Ok(found) => {
                *self.found.entry((leeway, found)).or_default() += 1;
                self.named.extend(point.named.map(|named| (leeway, named)));
            }
            Err(problem) => {
                self.problems.push(format!("{}, {leeway:?}: {problem}", point.name()));
            }
        }
    }

    pub(crate) fn kills(&self) -> usize {
        self.found.values().sum()
    }

    /// How many of the named points were reached with this provider.
    pub(crate) fn points(&self, leeway: Leeway) -> usize {
        self.named.iter().filter(|(of, _)| *of == leeway).count()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kills of a renewal", self.kills())?;
        for ((leeway, found), count) in &self.found {
            let leeway = match leeway {
                Leeway::None => "no leeway",
                Leeway::SameSuccessor => "a leeway",
            };
            let found = match found {
                Found::Renewed => "were not sent and went on",
                Found::Kept => "had saved",
                Found::Healed => "got the lost answer once more",
                Found::Lost => "had to sign in, for the answer died",
            };
            write!(f, "; {leeway}: {count} {found}")?;
        }
        Ok(())
    }
}

/// Who is told to sign in has waited for another program's answer, so many kills overlap.
const THREADS: usize = 8;
/// What says how far the process came.
const ALSO: &str = "sendto,rename,renameat,renameat2";
/// When every token has expired, in Unix seconds.
const LATER: u64 = 4_000_000_000;
