//! Many processes on one cache: nothing acknowledged is lost, nobody starves, a kill tears nothing.
//!
//! Each test starts this binary again as its workers; a worker says `ack N` once an update
//! returned.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may, and its workers talk")]

mod support;

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use support::{OpenCache, Place, event, token};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{Error, KeySource, TokenCache};
use tokenkeep_test_support::{again, say, started, task, under_wine};

/// Of a worker, beside its number: the place, the rounds, and whether the cache may be cleared.
const PLACE: &str = "TOKENKEEP_TEST_PLACE";
const ROUNDS: &str = "TOKENKEEP_TEST_ROUNDS";
const CLEARED: &str = "TOKENKEEP_TEST_CLEARED";

/// One at a time: each of these tests wants the whole machine.
static MACHINE: Mutex<()> = Mutex::new(());

#[test]
fn sixty_four_processes_lose_no_update() {
    if let Some(number) = task() {
        return work(number);
    }
    let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let updates: usize = env::var("TOKENKEEP_UPDATES").map_or(100, |text| text.parse().unwrap());
    let place = Place::new();
    place.open().add(&event("first", "0")).unwrap();
    let begun = Instant::now();
    let mut workers: Vec<Worker> = (0..64)
        .map(|number| Worker::start(sixty_four_processes_lose_no_update, &place, number, updates))
        .collect();
    workers.iter_mut().for_each(Worker::go);
    let acknowledged: usize = workers.iter_mut().map(Worker::finish).sum();
    let took = begun.elapsed();

    assert_eq!(acknowledged, 64 * updates);
    let cache = place.open();
    let last = (updates - 1).to_string();
    for number in 0..64 {
        assert_eq!(token(&cache, &client(number)).as_ref(), Some(&last), "the last of {number}");
    }
    say(&format!(
        "64 processes x {updates} updates: {acknowledged} acknowledged, 0 lost, 0 errors, {took:.1?}"
    ));
}

#[test]
fn no_process_starves_while_many_hammer_the_cache() {
    if let Some(number) = task() {
        return work(number);
    }
    let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = env::var("TOKENKEEP_SECONDS").map_or(12, |text| text.parse().unwrap());
    let hammering = Duration::from_secs(seconds);
    // Of fewer turns each, chance alone gives one process three times as many as another.
    const ENOUGH: usize = 40;
    // Wine's one server gives 64 processes too few turns in that time to be compared.
    let processes = if under_wine() { 8 } else { 64 };
    let place = Place::new();
    place.open().add(&event("first", "0")).unwrap();
    let mut workers: Vec<Worker> = (0..processes)
        .map(|number| {
            Worker::start(
                no_process_starves_while_many_hammer_the_cache,
                &place,
                number,
                usize::MAX,
            )
        })
        .collect();
    workers.iter_mut().for_each(Worker::go);
    let begun = Instant::now();
    // The promise is about a stretch of time, so one is let pass; the counts are judged, not it.
    let (_never, wait) = std::sync::mpsc::channel::<()>();
    wait.recv_timeout(hammering.saturating_sub(begun.elapsed())).ok();
    drop(_never);
    // On a slow disk there is nothing to compare yet.
    for worker in &mut workers {
        while worker.acknowledged() < ENOUGH {}
    }
    let took = begun.elapsed();
    // All at once: who is killed last must not have had more time.
    workers.iter_mut().for_each(|worker| worker.child.kill().unwrap());
    let counts: Vec<usize> = workers.iter_mut().map(Worker::killed).collect();
    let (fewest, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    say(&format!(
        "{took:.0?} of {processes} processes: {} updates, fewest {fewest}, most {most}, ratio {:.2}",
        counts.iter().sum::<usize>(),
        *most as f64 / (*fewest).max(1) as f64
    ));
    assert!(fewest * 3 >= *most, "fewest {fewest}, most {most}");
}

#[test]
fn a_killed_writer_tears_nothing_loses_nothing_and_stops_nobody() {
    if let Some(number) = task() {
        return work(number);
    }
    let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let kills: usize = env::var("TOKENKEEP_KILLS").map_or(1000, |text| text.parse().unwrap());
    let place = Place::in_memory();
    let cache = place.open();
    cache.add(&event("bystander", "kept")).unwrap();
    // Wine's one server is slow to start and to bury processes; a write must not wait for a dead
    // one there either.
    let soon = Duration::from_millis(if under_wine() { 2000 } else { 50 });
    let mut random = Random::new();
    let mut times = Vec::new();
    for kill in 0..kills {
        let mut worker = Worker::start(
            a_killed_writer_tears_nothing_loses_nothing_and_stops_nobody,
            &place,
            0,
            usize::MAX,
        );
        worker.go();
        for _ in 0..=random.below(4) {
            worker.acknowledged();
        }
        spin(Duration::from_nanos(random.below(1_500_000)));
        let last = worker.kill_at_once();

        let begun = Instant::now();
        cache.add(&event("after", &kill.to_string())).expect("the next write works");
        times.push(begun.elapsed());

        let found: usize = token(&cache, &client(0)).expect("torn or lost").parse().unwrap();
        assert!(found == last || found == last + 1, "acknowledged {last}, found {found}");
        assert_eq!(token(&cache, "bystander").as_deref(), Some("kept"));
        assert_eq!(leftovers(&place), 0, "the write after the kill sweeps: {:?}", place.names());
    }
    times.sort();
    let slowest = times[kills - 1];
    say(&format!("{kills} kills: 0 torn, 0 lost, slowest next write {slowest:.1?}"));
    // The machine itself may stand still once. A process that waits for a dead writer would do so
    // nearly every time.
    let usual = times[kills - 1 - kills / 100];
    assert!(usual < soon, "one in a hundred next writes takes {usual:?} or more");
}

#[test]
fn a_kill_leaves_one_file_at_most() {
    if let Some(number) = task() {
        return work(number);
    }
    let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    place.open().add(&event("bystander", "kept")).unwrap();
    let mut random = Random::new();
    let mut most = 0;
    for _ in 0..100 {
        let mut worker = Worker::start(a_kill_leaves_one_file_at_most, &place, 0, usize::MAX);
        worker.go();
        worker.acknowledged();
        spin(Duration::from_nanos(random.below(1_500_000)));
        worker.kill_at_once();
        most = most.max(leftovers(&place));
    }
    say(&format!("100 kills in a row: at most {most} leftover file"));
    assert!(most <= 1);
}

#[test]
fn clear_by_one_process_while_another_adds_leaves_a_readable_cache() {
    if let Some(number) = task() {
        return work(number);
    }
    let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    let mut command = Worker::command(
        clear_by_one_process_while_another_adds_leaves_a_readable_cache,
        &place,
        0,
        200,
    );
    let mut worker = Worker::spawn(command.env(CLEARED, "1"));
    worker.go();
    worker.acknowledged();
    for _ in 0..50 {
        place.open().clear().expect("clear works while another process adds");
    }
    worker.finish();
    let cache = place.open();
    cache.accounts().expect("readable afterwards");
    cache.add(&event("client", "again")).unwrap();
    assert_eq!(token(&place.open(), "client").as_deref(), Some("again"));
}

/// The worker's side.
fn work(number: OsString) {
    let number: usize = number.into_string().unwrap().parse().unwrap();
    let place = env::var(PLACE).unwrap();
    let rounds: usize = env::var(ROUNDS).unwrap().parse().unwrap();
    let may_be_cleared = env::var_os(CLEARED).is_some();
    let cache = SealedPersistence::builder(support::STORE)
        .folder(format!("{place}/cache"))
        .key_source(KeySource::KeyFile(format!("{place}/key/tests.key").into()))
        // A disk that stands still for a minute is no loss and no unfairness.
        .cache()
        .unwrap()
        .lock_timeout(Duration::from_secs(600));
    println!("ready");
    io::stdin().lock().read_line(&mut String::new()).unwrap();
    let from = token(&cache, &client(number)).map_or(0, |last| last.parse::<usize>().unwrap() + 1);
    for round in from..from.saturating_add(rounds) {
        cache.transaction(|cache| update(cache, number, round, may_be_cleared)).unwrap();
        if writeln!(io::stdout(), "ack {round}").is_err() {
            return;
        }
    }
    println!("done");
}

/// The next update of a worker, on a state that has to hold its last one.
fn update(
    cache: &mut TokenCache,
    number: usize,
    round: usize,
    may_be_cleared: bool,
) -> Result<(), Error> {
    let now = tokenkeep_platform::clock::unix_seconds();
    let before = cache.find_access_token(&support::request(&client(number)), now)?;
    let cleared = may_be_cleared && cache.is_empty();
    let expected = round.checked_sub(1).map(|last| last.to_string());
    assert!(
        cleared || before.as_ref().map(|token| token.secret()) == expected.as_deref(),
        "an acknowledged update was lost before round {round}"
    );
    cache.add(&event(&client(number), &round.to_string()), now)
}

fn client(number: usize) -> String {
    format!("client-{number}")
}

fn leftovers(place: &Place) -> usize {
    let known = ["cache.holder", "cache.lock", "cache.queue", "cache.sealed"];
    place.names().iter().filter(|name| !known.contains(&name.as_str())).count()
}

/// Passes a stretch too short for a timer.
fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    last: Option<usize>,
    count: usize,
}

impl Worker {
    /// A worker of `test`, which begins with [`work`].
    fn start(test: impl Fn(), place: &Place, number: usize, rounds: usize) -> Self {
        Self::spawn(&mut Self::command(test, place, number, rounds))
    }

    fn command(test: impl Fn(), place: &Place, number: usize, rounds: usize) -> Command {
        let mut command = again(test, number.to_string());
        command.env(PLACE, place.path()).env(ROUNDS, rounds.min(1_000_000_000).to_string());
        command
    }

    fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = started(|| command.spawn()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, lines, last: None, count: 0 };
        while worker.line().expect("the worker starts") != "ready" {}
        worker
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn line(&mut self) -> Option<String> {
        let line = self.lines.next()?.ok()?;
        if let Some(round) = line.strip_prefix("ack ") {
            self.last = round.parse().ok();
            self.count += 1;
        }
        Some(line)
    }

    fn acknowledged(&mut self) -> usize {
        let before = self.count;
        while self.count == before {
            self.line().expect("the worker goes on");
        }
        self.last.unwrap()
    }

    /// Waits for the end; every round has to succeed.
    fn finish(&mut self) -> usize {
        while self.line().is_some() {}
        assert!(self.child.wait().unwrap().success(), "a worker failed");
        self.count
    }

    /// SIGKILL, and the last update that it acknowledged.
    fn kill_at_once(&mut self) -> usize {
        self.child.kill().unwrap();
        self.killed();
        self.last.unwrap()
    }

    /// How many updates it acknowledged before it was killed.
    fn killed(&mut self) -> usize {
        while self.line().is_some() {}
        self.child.wait().unwrap();
        self.count
    }
}

/// splitmix64; its seed is printed, and `TOKENKEEP_SEED` repeats a run.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = env::var("TOKENKEEP_SEED").map_or_else(
            |_| {
                u64::from_ne_bytes({
                    let mut bytes = [0; 8];
                    tokenkeep_platform::random::fill(&mut bytes).unwrap();
                    bytes
                })
            },
            |text| text.parse().unwrap(),
        );
        say(&format!("TOKENKEEP_SEED={seed}"));
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
