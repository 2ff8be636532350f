//! 64 processes that update one cache: how many updates a second beside msal-extensions, and how
//! evenly they get their turns.
//!
//! This program starts itself again as each worker. The peer is the real one: Python's
//! msal-extensions with its own file and lock, plain text and without a sync.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "support/mod.rs"]
mod measure;

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{KeySource, PersistedTokenCache, SignInEvent};
use tokenkeep_test_support::{Tool, need, python};

const PROCESSES: usize = 64;
const UPDATES: usize = 100;
const HAMMERING: Duration = Duration::from_secs(20);
/// The peer is slower, so each of its processes has fewer updates to make in a round.
const PEER_UPDATES: usize = 10;
/// When the peer's processes stop, done or not.
const PEER_SECONDS: usize = 40;
const ROUNDS: usize = 3;

fn main() {
    if let Ok(number) = env::var(WORKER) {
        return work(&number);
    }
    throughput();
    fairness();
}

fn throughput() {
    let peer = need(Tool::Python).then(python).flatten();
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let (mut ours, mut disk, mut theirs, mut failures) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        disk.push(disk_rate(place.path()));
        let folder = place.path().join(format!("ours-{round}"));
        let run = run(&folder, UPDATES, Duration::from_secs(600));
        assert_eq!(run.counts.iter().sum::<usize>(), PROCESSES * UPDATES, "nothing lost");
        ours.push(run.rate());
        if let Some(python) = &peer {
            let (rate, failed) = run_peer(python, &place.path().join(format!("peer-{round}")));
            theirs.push(rate);
            failures += failed;
        }
    }
    let (ours, disk) = (median(&mut ours), median(&mut disk));
    print!(
        "{PROCESSES} processes x {UPDATES} updates: {ours:.0} updates/s, 0 errors; one process with bare \
         durable writes: {disk:.0}/s, ratio {:.2}",
        ours / disk
    );
    if theirs.is_empty() {
        println!("; beside msal-extensions: skipped");
        return;
    }
    let theirs = median(&mut theirs);
    let ratio = ours / theirs;
    let verdict = if ratio >= 20.0 { "aim met" } else { "MISSED" };
    println!(
        "; msal-extensions 1.3.1, {PROCESSES} processes x {PEER_UPDATES} updates: {theirs:.1} updates/s, \
         {failures} errors; ratio {ratio:.1} (aim 20 or more): {verdict}"
    );
}

/// What the disk allows: how often a second one process can durably replace a file of the cache's
/// size.
fn disk_rate(folder: &Path) -> f64 {
    const WRITES: u32 = 100;
    let bytes = vec![b'x'; 1024 * PROCESSES];
    let took = measure::time(|| (0..WRITES).for_each(|_| measure::replace(folder, &bytes)));
    f64::from(WRITES) / took.as_secs_f64()
}

fn fairness() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    let counts = run(&place.path().join("cache"), usize::MAX, HAMMERING).counts;
    let fewest = counts.iter().min().copied().unwrap_or_default();
    let most = counts.iter().max().copied().unwrap_or_default();
    let verdict = if fewest * 3 >= most { "aim met" } else { "MISSED" };
    println!(
        "{PROCESSES} processes for {HAMMERING:?}: {} updates; most {most}, fewest {fewest}: ratio {:.2} \
         (aim 3 or less): {verdict}",
        counts.iter().sum::<usize>(),
        most as f64 / fewest.max(1) as f64
    );
}

struct Run {
    counts: Vec<usize>,
    took: Duration,
}

impl Run {
    fn rate(&self) -> f64 {
        self.counts.iter().sum::<usize>() as f64 / self.took.as_secs_f64()
    }
}

/// Starts the processes, lets them go at once, and counts until the last has ended.
fn run(folder: &Path, updates: usize, time: Duration) -> Run {
    let cache = open(folder);
    cache
        .transaction(|cache| {
            (0..PROCESSES).try_for_each(|number| cache.add(&event(number, 0), 1_000_000_000))
        })
        .expect("filled");
    let mut workers: Vec<_> =
        (0..PROCESSES).map(|number| Worker::start(folder, number, updates, time)).collect();
    let begun = Instant::now();
    workers.iter_mut().for_each(Worker::go);
    let counts = workers.into_iter().map(Worker::finish).collect();
    Run { counts, took: begun.elapsed() }
}

struct Worker {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Worker {
    fn start(folder: &Path, number: usize, updates: usize, time: Duration) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .env(WORKER, number.to_string())
            .env(FOLDER, folder)
            .env(UPDATES_EACH, updates.to_string())
            .env(SECONDS, time.as_secs().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a worker starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut worker = Self { child, lines };
        assert_eq!(worker.line(), "ready");
        worker
    }

    fn go(&mut self) {
        self.child.stdin.take().expect("a pipe").write_all(b"\n").expect("it listens");
    }

    fn finish(mut self) -> usize {
        let count = self.line().parse().expect("a count");
        assert!(self.child.wait().expect("it ends").success(), "a worker failed");
        count
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }
}

fn work(number: &str) {
    let variable = |name| env::var(name).expect("the parent sets it");
    let number: usize = number.parse().expect("a number");
    let updates: usize = variable(UPDATES_EACH).parse().expect("a number");
    let time = Duration::from_secs(variable(SECONDS).parse().expect("a number"));
    let cache = open(Path::new(&variable(FOLDER)));
    println!("ready");
    io::stdin().lock().read_line(&mut String::new()).expect("the parent says go");
    let (begun, mut count) = (Instant::now(), 0);
    while count < updates && begun.elapsed() < time {
        cache.add(&event(number, count)).expect("updated");
        count += 1;
    }
    println!("{count}");
}

/// The peer's updates a second, and how many of its updates failed.
fn run_peer(python: &Path, folder: &Path) -> (f64, usize) {
    fs::create_dir(folder).expect("a folder");
    let events: Vec<String> = (0..PROCESSES).map(|number| json(number, 0)).collect();
    let output = Command::new(python)
        .args(["-c", PEER])
        .arg(folder.join("cache.json"))
        .args([PROCESSES, PEER_UPDATES, PEER_SECONDS].map(|number| number.to_string()))
        .arg(format!("[{}]", events.join(",")))
        .output()
        .expect("Python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = told.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [updates, failures, seconds] = numbers[..] else {
        panic!("the peer failed: {}", String::from_utf8_lossy(&output.stderr));
    };
    (updates / seconds, failures as usize)
}

fn open(folder: &Path) -> PersistedTokenCache {
    let builder = SealedPersistence::builder("com.example.bench")
        .folder(folder)
        .key_source(KeySource::KeyFile(folder.with_extension("key").join("bench.key")));
    let persistence = builder.open().expect("the cache opens");
    PersistedTokenCache::new(persistence).lock_timeout(Duration::from_secs(300))
}

fn event(number: usize, count: usize) -> SignInEvent {
    SignInEvent::from_json(json(number, count).as_bytes()).expect("an event")
}

/// A whole sign-in, the same for both: access, refresh and id token, account and application.
fn json(number: usize, count: usize) -> String {
    format!(
        r#"{{"client_id": "client-{number}", "scope": ["s1"],
            "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
            "response": {{"access_token": "{count}", "expires_in": 3600, "token_type": "Bearer",
                "refresh_token": "r{count}",
                "id_token_claims": {{"sub": "subject", "preferred_username": "ada@example.com"}}}}}}"#
    )
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

const WORKER: &str = "TOKENKEEP_BENCH_WORKER";
const FOLDER: &str = "TOKENKEEP_BENCH_FOLDER";
const UPDATES_EACH: &str = "TOKENKEEP_BENCH_UPDATES";
const SECONDS: &str = "TOKENKEEP_BENCH_SECONDS";
const PEER: &str = include_str!("support/peer.py");
