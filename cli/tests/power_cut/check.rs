//! Opens every state that a power cut may leave.

use std::{
    collections::{BTreeSet, HashMap},
    fmt, fs,
    io::Write as _,
    ops::RangeInclusive,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{KeySource, PersistedTokenCache, SignInEvent};

use crate::{
    disk::{Disk, State, Step},
    keep::{Contents, KEY_FILE, Keep, Request, temporary_folder, without_times},
};

#[derive(Default)]
pub(crate) struct Report {
    points: usize,
    visited: usize,
    states: usize,
    pub(crate) violations: Vec<String>,
    took: Duration,
}

struct Enumerated {
    points: usize,
    visited: usize,
    found: Vec<(Layout, Expected)>,
}

/// Files by path; the bytes are shared between threads.
type Layout = Vec<(String, Option<Arc<[u8]>>)>;
/// Which of the contents are right: those after the last request that returned and later, up to
/// the one that is at work. A state that several points may leave must be right for each.
type Expected = BTreeSet<(usize, usize)>;

/// Cuts the power after each step, but for the first `from`.
pub(crate) fn check(steps: &[Step], from: usize, contents: &[Contents]) -> Report {
    let began = Instant::now();
    let Enumerated { points, visited, found } = enumerate(steps, from);
    let states = found.len();
    let (work, violations) = (Mutex::new(found.into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from).max(2) {
            scope.spawn(|| {
                loop {
                    let next = work.lock().unwrap().next();
                    let Some((layout, expected)) = next else { break };
                    if let Err(violation) = examine(&layout, &expected, contents) {
                        violations.lock().unwrap().push(describe(&layout, &expected, &violation));
                    }
                }
            });
        }
    });
    let violations = violations.into_inner().unwrap();
    Report { points, visited, states, violations, took: began.elapsed() }
}

impl Report {
    pub(crate) fn add(&mut self, other: Self) {
        self.points += other.points;
        self.visited += other.visited;
        self.states += other.states;
        self.violations.extend(other.violations);
        self.took += other.took;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, visited, states, violations, took } = self;
        let (violations, took) = (violations.len(), took.as_secs_f64());
        write!(f, "{points} points, {visited} states, {states} distinct, ")?;
        write!(f, "{violations} violations, {took:.1} s")
    }
}

fn enumerate(steps: &[Step], from: usize) -> Enumerated {
    let mut disk = Disk::new();
    let (mut done, mut begun, mut points, mut visited) = (0, 0, 0, 0);
    let mut found: HashMap<State, Expected> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Begin => begun += 1,
            Step::Done => done += 1,
            _ => {}
        }
        disk.apply(step);
        if at < from {
            continue;
        }
        points += 1;
        for state in disk.states() {
            visited += 1;
            found.entry(state).or_default().insert((done, begun));
        }
    }
    let shared = |state: State| -> Layout {
        state.into_iter().map(|(path, bytes)| (path, bytes.map(|b| Arc::from(&b[..])))).collect()
    };
    let found = found.into_iter().map(|(state, expected)| (shared(state), expected)).collect();
    Enumerated { points, visited, found }
}

/// The right contents, and the next write works.
fn examine(layout: &Layout, expected: &Expected, contents: &[Contents]) -> Result<(), String> {
    let folder = temporary_folder();
    lay_out(layout, folder.path());
    let keep = Keep::new(folder.path());
    let found = read(&keep)?;
    for &(done, begun) in expected {
        let right: RangeInclusive<usize> = done..=begun;
        if !contents[right].contains(&found) {
            let at = contents.iter().position(|contents| *contents == found);
            return Err(format!("holds {at:?}, right would be {done} to {begun}"));
        }
    }
    let event = SignInEvent::from_json(&NEXT.input()).expect("a sign-in event");
    open(&keep)
        .and_then(|cache| cache.add(&event))
        .map_err(|error| format!("the next write: {error}"))?;
    let after = read(&keep)?;
    let kept = found["AccessToken"].as_object().map_or(0, serde_json::Map::len);
    let now = after["AccessToken"].as_object().map_or(0, serde_json::Map::len);
    if now != kept + 1 {
        return Err(format!("the next write made {now} tokens of {kept}"));
    }
    Ok(())
}

fn read(keep: &Keep) -> Result<Contents, String> {
    let snapshot = open(keep).and_then(|cache| cache.snapshot());
    let printed = snapshot.map_err(|error| error.to_string())?.to_json();
    let mut contents = serde_json::from_slice(printed.expose()).expect("the cache prints JSON");
    without_times(&mut contents);
    Ok(contents)
}

fn open(keep: &Keep) -> Result<PersistedTokenCache, tokenkeep::Error> {
    let key = KeySource::KeyFile(keep.root().join(KEY_FILE));
    let builder =
        SealedPersistence::builder("tokenkeep").folder(keep.root().join("store")).key_source(key);
    builder.open().map(PersistedTokenCache::new)
}

fn lay_out(layout: &Layout, root: &Path) {
    for (path, bytes) in layout {
        let path = root.join(path);
        match bytes {
            None => fs::DirBuilder::new().mode(0o700).create(path).unwrap(),
            Some(bytes) => {
                let mut options = fs::OpenOptions::new();
                let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
                file.write_all(bytes).unwrap();
            }
        }
    }
}

fn describe(layout: &Layout, expected: &Expected, violation: &str) -> String {
    let size = |bytes: &Option<Arc<[u8]>>| bytes.as_ref().map_or(0, |bytes| bytes.len());
    let files: Vec<String> =
        layout.iter().map(|(path, bytes)| format!("{path} ({})", size(bytes))).collect();
    format!("{violation} {expected:?}: {}", files.join(", "))
}

const NEXT: Request = Request::add("next add", "eve", "three");
