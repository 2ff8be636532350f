//! Every fault at every call of every update, and what was found after it.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    os::unix::process::ExitStatusExt as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokenkeep_test_support::{
    keyring::Keyring,
    strace::{Call, Fault, Injection, Target, attach},
};

use crate::{
    daemon::Daemon,
    place::{CACHE, Kept, LOCK, Place, Start, open, tokens},
    support::event,
    update::{Ended, Update},
};

/// Which calls of the process are struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Those of the thread that calls; the vault's connection is there.
    Caller,
    /// Those of the vault's thread; the connection is there.
    Vault,
    /// Those of all threads, and the connection is made within the update.
    Connecting,
}

/// One kind of fault at all calls of one name.
struct Series {
    start: Start,
    part: Part,
    call: String,
    fault: Fault,
    /// Which times are struck; `None` for one in `step` until there is no such call any more.
    times: Option<Vec<usize>>,
    step: usize,
}

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) problems: Vec<String>,
    rows: BTreeMap<(&'static str, Part, &'static str), Row>,
    /// Calls at which no kill could be placed: another thread's of the same name and number came
    /// before.
    left_out: Vec<String>,
    next: BTreeMap<bool, Duration>,
    took: Duration,
    crashes: usize,
}

#[derive(Default)]
struct Row {
    calls: usize,
    runs: usize,
    old: usize,
    new: usize,
    empty: usize,
    done: usize,
    locked: usize,
}

/// What is wrong after a fault.
enum Problem {
    /// The cache, or the update.
    Found(String),
    /// What the test needed did not work.
    Panic(Box<dyn Any + Send>),
}

/// What was found after a fault.
struct Found {
    is_new: bool,
    /// Whether there was an item without a content, where before there was none.
    is_empty: bool,
    done: bool,
    /// Whether the lock file was left behind.
    locked: bool,
    next: Duration,
}

/// Runs all of it; `command` makes the process that updates the cache in a folder.
pub(crate) fn run(
    starts: &[Start],
    keyring: &Keyring,
    command: impl Fn(Start, bool, &Place) -> Command + Sync,
) -> Tally {
    let began = Instant::now();
    let mut tally = Tally::default();
    let series = all_series(starts, &command, &mut tally);
    let (next, shared) = (AtomicUsize::new(0), Mutex::new(tally));
    let daemon = Daemon::new(keyring);
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(series) = series.get(next.fetch_add(1, Ordering::Relaxed)) {
                    series.run(&command, &daemon, &shared);
                }
            });
        }
    });
    let mut tally = shared.into_inner().unwrap();
    tally.crashes = daemon.crashes();
    tally.took = began.elapsed();
    tally
}

fn all_series(
    starts: &[Start],
    command: &(impl Fn(Start, bool, &Place) -> Command + Sync),
    tally: &mut Tally,
) -> Vec<Series> {
    let mut all = Vec::new();
    for start in starts {
        let parts: &[Part] = match start.kept {
            Kept::File => &[Part::Caller],
            // What comes before the connection is the same in each state.
            Kept::Item if start.has_content && start.has_signal => {
                &[Part::Caller, Part::Vault, Part::Connecting]
            }
            Kept::Item => &[Part::Caller, Part::Vault],
        };
        for part in parts {
            let place = Place::new(*start);
            place.reset();
            let calls = record(&place, *part, command(*start, *part != Part::Connecting, &place));
            tally.rows.entry((start.name, *part, "KILL")).or_default().calls = calls.len();
            tally.left_out.extend(left_out(start.name, &calls));
            let names: BTreeSet<&str> = calls.iter().map(|call| &*call.name).collect();
            let series = |call: &str, fault, times| Series {
                start: *start,
                part: *part,
                call: call.to_owned(),
                fault,
                times,
                step: step(*part),
            };
            for name in &names {
                all.push(series(name, Fault::Kill, None));
            }
            if *part != Part::Caller {
                continue;
            }
            for name in &names {
                let same = calls.iter().filter(|call| call.name == **name).enumerate();
                let reaches =
                    |call: &Call| call.paths().iter().any(|path| path.starts_with(place.folder()));
                let times = same.filter(|(_, call)| reaches(call)).map(|(at, _)| at + 1);
                // Several errors at one call, so fewer calls.
                let times: Vec<usize> = times.step_by(step(Part::Vault).div_ceil(2)).collect();
                if !times.is_empty() {
                    all.extend(
                        ERRORS.map(|error| series(name, Fault::Once(error), Some(times.clone()))),
                    );
                }
            }
        }
    }
    // The long ones first.
    all.sort_by_key(|series| std::cmp::Reverse(series.times.as_ref().map_or(99, Vec::len)));
    all
}

/// The calls of an undisturbed update.
fn record(place: &Place, part: Part, mut command: Command) -> Vec<Call> {
    let mut update = Update::start(&mut command);
    let attached = attach(target(part, &update), None).unwrap();
    update.go();
    let ended = update.end();
    assert_eq!(ended.said.as_deref(), Some("done"), "{part:?} in {}", place.folder().display());
    attached.finish().unwrap()
}

fn target(part: Part, update: &Update) -> Target {
    match part {
        Part::Caller => Target::Thread(update.threads[0]),
        Part::Vault => Target::Thread(update.threads[1]),
        Part::Connecting => Target::Process(update.process()),
    }
}

/// The calls that come after the same call, of the same number, of another thread.
fn left_out(start: &str, calls: &[Call]) -> Vec<String> {
    let (mut seen, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    let mut all = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let number = numbers.entry((call.thread, &call.name)).or_insert(0);
        *number += 1;
        if !seen.insert((&call.name, *number)) {
            all.push(format!("{start}: call {at}, {} {number}", call.name));
        }
    }
    all
}

impl Series {
    fn run(
        &self,
        command: &(impl Fn(Start, bool, &Place) -> Command + Sync),
        daemon: &Daemon<'_>,
        tally: &Mutex<Tally>,
    ) {
        let mut place = Place::new(self.start);
        let mut times = self.times.clone().map(Vec::into_iter);
        for next in (1..).step_by(self.step) {
            let Some(time) = times.as_mut().map_or(Some(next), Iterator::next) else { return };
            let what = || {
                let Self { start, part, call, fault, .. } = self;
                format!("{}, {part:?}: {fault:?} at {call} {time}", start.name)
            };
            let struck = daemon.unless_it_crashes(|| {
                let strike = AssertUnwindSafe(|| self.strike(time, &place, command));
                let struck = catch_unwind(strike).map_err(Problem::Panic);
                let struck = struck.and_then(|struck| struck.map_err(Problem::Found));
                if struck.is_err() {
                    place = Place::new(self.start);
                }
                struck
            });
            let mut tally = tally.lock().unwrap();
            match struck {
                Ok(None) => return,
                Ok(Some(found)) => tally.add(self, &found),
                Err(Problem::Panic(panic)) => resume_unwind(panic),
                Err(Problem::Found(problem)) => {
                    tally.problems.push(format!("{}: {problem}", what()));
                    if tally.problems.len() > 20 {
                        return;
                    }
                }
            }
        }
    }

    /// `None` where there was no such call.
    fn strike(
        &self,
        time: usize,
        place: &Place,
        command: &(impl Fn(Start, bool, &Place) -> Command + Sync),
    ) -> Result<Option<Found>, String> {
        let old = place.reset();
        let mut update =
            Update::start(&mut command(self.start, self.part != Part::Connecting, place));
        let injection = Injection::new(&self.call, time, self.fault);
        let attached = attach(target(self.part, &update), Some(&injection)).unwrap();
        update.go();
        let ended = update.end();
        let calls = attached.finish().unwrap();
        if ended.status.success() && !calls.iter().any(|call| call.injected) {
            return Ok(None);
        }
        self.judge(place, old.as_deref(), &ended).map(Some)
    }

    fn judge(&self, place: &Place, old: Option<&[u8]>, ended: &Ended) -> Result<Found, String> {
        let killed = ended.status.signal() == Some(KILL);
        ensure(killed || ended.status.success(), || format!("ended with {}", ended.status))?;
        let names = place.names();
        let known = |name: &&String| name.as_str() != CACHE && name.as_str() != LOCK;
        let others: Vec<_> = names.iter().filter(known).collect();
        let temporary = others.iter().all(|name| name.ends_with(".tmp"));
        let may_be = usize::from(self.start.kept == Kept::File);
        ensure(temporary && others.len() <= may_be, || format!("left {others:?}"))?;

        let content = place.content().map_err(|error| format!("cannot be read: {error}"))?;
        let found = tokens(content.as_deref()).map_err(|error| format!("torn: {error}"))?;
        let before: &[&str] = if self.start.has_content { &["one"] } else { &[] };
        let is_new = found == [before, &["two"]].concat();
        let is_empty = content.as_deref() == Some(b"");
        let is_old = content.as_deref() == old || is_empty && old.is_none();
        ensure(is_new != is_old, || format!("neither the old content nor the new: {found:?}"))?;
        let done = ended.said.as_deref() == Some("done");
        ensure(is_new || !done, || "it said that it was done".to_owned())?;
        let failed = ended.said.as_deref().is_some_and(|said| said.starts_with("failed"));
        ensure(is_old || !failed, || format!("new, and it {:?}", ended.said))?;

        let began = Instant::now();
        let next = open(self.start, place.folder()).add(&event("next", "three"));
        let next = next.map(|()| began.elapsed()).map_err(|error| format!("next: {error}"))?;
        ensure(next < STUCK, || format!("the next update took {next:?}"))?;
        let content = place.content().map_err(|error| format!("then: {error}"))?;
        let found = tokens(content.as_deref()).map_err(|error| format!("then: {error}"))?;
        let update: &[&str] = if is_new { &["two"] } else { &[] };
        ensure(found == [before, update, &["three"]].concat(), || format!("then: {found:?}"))?;
        ensure(place.names() == [CACHE], || format!("then there is {:?}", place.names()))?;
        let items = if self.start.kept == Kept::Item { place.items() } else { 1 };
        ensure(items == 1, || format!("{items} items"))?;
        Ok(Found { is_new, is_empty, done, locked: names.iter().any(|name| name == LOCK), next })
    }
}

impl Tally {
    /// The runs of kills that struck far fewer calls than an undisturbed update makes; a futex more
    /// or less is chance.
    pub(crate) fn cut_short(&self) -> Vec<String> {
        let short = self
            .rows
            .iter()
            .filter(|((_, part, _), row)| row.runs * step(*part) * 5 < row.calls * 4);
        short.map(|((start, part, _), row)| format!("{start}, {part:?}: {}", row.runs)).collect()
    }

    fn add(&mut self, series: &Series, found: &Found) {
        let fault = match series.fault {
            Fault::Once(error) | Fault::From(error) => error,
            _ => "KILL",
        };
        let row = self.rows.entry((series.start.name, series.part, fault)).or_default();
        row.runs += 1;
        *(if found.is_new { &mut row.new } else { &mut row.old }) += 1;
        row.empty += usize::from(found.is_empty);
        row.done += usize::from(found.done);
        row.locked += usize::from(found.locked);
        let longest = self.next.entry(found.locked).or_default();
        *longest = found.next.max(*longest);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((start, part, fault), row) in &self.rows {
            let Row { calls, runs, old, new, empty, done, locked } = row;
            let part = format!("{part:?}");
            write!(f, "measured: {start:28} {part:10} {fault:6}: {runs:3} faults")?;
            if *calls > 0 {
                write!(f, " ({calls} calls recorded)")?;
            }
            writeln!(
                f,
                ", {old} old ({empty} as an empty item), {new} new, {done} said done, {locked} left the lock file"
            )?;
        }
        let longest = |locked: bool| self.next.get(&locked).copied().unwrap_or_default();
        writeln!(
            f,
            "measured: {} faults in {:.1?}, {} problems; the next update took at most {:.3?}, behind a lock file that was \
             left {:.3?}",
            self.rows.values().map(|row| row.runs).sum::<usize>(),
            self.took,
            self.problems.len(),
            longest(false),
            longest(true),
        )?;
        writeln!(f, "measured: gnome-keyring itself crashed {} times", self.crashes)?;
        let left_out = &self.left_out;
        write!(f, "measured: {} calls could not be struck: {}", left_out.len(), left_out.join("; "))
    }
}

/// One in how many calls is struck. The calls of the vault's thread are many and much alike.
fn step(part: Part) -> usize {
    match part {
        Part::Caller => 1,
        Part::Vault | Part::Connecting => {
            env::var("TOKENKEEP_STEP").map_or(4, |text| text.parse().unwrap())
        }
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

const KILL: i32 = 9;
const ERRORS: [&str; 3] = ["EIO", "ENOSPC", "EINTR"];
/// Most of the time of a run goes to waiting for the lock of a process that was killed.
const SIDE_BY_SIDE: usize = 12;
/// As long as msal-extensions waits.
const STUCK: Duration = Duration::from_secs(5);
