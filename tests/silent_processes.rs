//! Silent sign-in by many processes at once: one of them asks the provider, and all get its token.
//!
//! The provider is a scripted endpoint on loopback that takes a refresh token once, and counts.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "it is a test")]

mod support;

use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use support::{OpenCache, Place};
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, TokenRequest,
    persistence::SealedPersistence,
    silent::{ExchangeError, SilentOptions, Spend, TokenEndpoint, TokenReply},
};
use tokenkeep_test_support::{again, say, started, task, under_wine};

const ELSEWHERE: &str = "https://id.example/tenant";
/// Of a worker: the place, the provider's port, and the number of rounds.
const PLACE: &str = "TOKENKEEP_TEST_PLACE";
const PORT: &str = "TOKENKEEP_TEST_PORT";
const THREADS: usize = 4;

/// A round has scopes of its own, so that no token of an earlier one answers it.
fn request(round: usize) -> TokenRequest {
    TokenRequest::new("client", ELSEWHERE, [format!("s{round}")])
}

/// What the provider saw.
#[derive(Debug, Default)]
struct Seen {
    issued: usize,
    exchanges: usize,
    /// Requests with a refresh token that was spent before.
    reused: usize,
    spent: BTreeSet<String>,
    /// Those that were sent more than once.
    spent_twice: BTreeSet<String>,
}

/// A provider that rotates without a leeway: a second use of a token is a reuse.
struct Provider {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Provider {
    fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let theirs = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&theirs);
                thread::spawn(move || answer(stream, &seen, delay));
            }
        });
        Self { port, seen }
    }
}

/// One line with the token, one line with the answer.
fn answer(mut stream: TcpStream, seen: &Mutex<Seen>, delay: Duration) {
    let mut spent = String::new();
    BufReader::new(&stream).read_line(&mut spent).unwrap();
    let answer = {
        let mut seen = seen.lock().unwrap();
        seen.exchanges += 1;
        match seen.spent.insert(spent.trim().to_owned()) {
            true => {
                seen.issued += 1;
                let number = seen.issued;
                format!(
                    r#"{{"access_token": "a{number}", "refresh_token": "r{number}", "expires_in": 60}}"#
                )
            }
            false => {
                seen.reused += 1;
                seen.spent_twice.insert(spent.trim().to_owned());
                r#"{"error": "invalid_grant"}"#.to_owned()
            }
        }
    };
    // A slow provider has rotated long before its answer arrives.
    thread::sleep(delay);
    // The client may have been killed.
    writeln!(stream, "{answer}").ok();
}

fn exchange(port: u16, spend: &Spend) -> Result<TokenReply, ExchangeError> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(ExchangeError::not_sent)?;
    let sent = writeln!(stream, "{}", spend.refresh_token().unwrap());
    let mut answer = String::new();
    let read = sent.and_then(|()| BufReader::new(&stream).read_line(&mut answer));
    read.map_err(ExchangeError::unknown)?;
    let status = if answer.contains("error") { 400 } else { 200 };
    Ok(TokenReply::new(status, answer))
}

/// The worker's side: in each round that its input names, every thread gets a token.
fn work() {
    let port: u16 = env::var(PORT).unwrap().parse().unwrap();
    let cache = worker_cache();
    println!("ready");
    for line in io::stdin().lock().lines() {
        let request = request(line.unwrap().parse().unwrap());
        let secrets = thread::scope(|scope| {
            let callers: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(|| token(&cache, &request, port))).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
        });
        println!("{}", secrets.join(" "));
    }
}

fn worker_cache() -> PersistedTokenCache {
    let folder = env::var(PLACE).unwrap();
    SealedPersistence::builder(support::STORE)
        .folder(format!("{folder}/cache"))
        .key_source(KeySource::KeyFile(format!("{folder}/key/tests.key").into()))
        .cache()
        .unwrap()
}

fn token(cache: &PersistedTokenCache, request: &TokenRequest, port: u16) -> String {
    match cache.acquire_token_silent(request, |spend| exchange(port, spend)) {
        Ok(Some(token)) => token.secret().to_owned(),
        Ok(None) => "nobody".into(),
        Err(Error::SignInNeeded { is_orphan, .. }) => format!("sign-in-needed,{is_orphan}"),
        Err(error) => format!("{error:?}").replace(' ', "_"),
    }
}

struct Worker {
    child: Child,
    lines: io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    fn start(test: impl Fn(), place: &Place, port: u16) -> Self {
        let mut command = again(test, "worker");
        Self::of(command.env(PLACE, place.path()).env(PORT, port.to_string()))
    }

    fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = started(|| command.spawn()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, lines };
        while worker.line() != "ready" {}
        worker
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the worker goes on").unwrap()
    }

    fn begin(&mut self, round: usize) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{round}").unwrap();
    }

    fn tokens(&mut self) -> Vec<String> {
        let line = self.line();
        line.split(' ').map(str::to_owned).collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn one_of_all_processes_asks_and_all_get_its_token() {
    if task().is_some() {
        return work();
    }
    // Wine's one server starts few processes in that time.
    let processes = if under_wine() { 8 } else { 32 };
    let rounds: usize = number("TOKENKEEP_SILENT_ROUNDS", 20);
    for delay in [0, 300].map(Duration::from_millis) {
        let place = Place::new();
        let first = r#"{"access_token": "a", "refresh_token": "r", "expires_in": 60}"#;
        place.open().add_response(&TokenRequest::new("client", ELSEWHERE, ["s"]), first).unwrap();
        let provider = Provider::start(delay);
        let mut workers: Vec<Worker> = (0..processes)
            .map(|_| {
                Worker::start(
                    one_of_all_processes_asks_and_all_get_its_token,
                    &place,
                    provider.port,
                )
            })
            .collect();
        let mut last = Vec::new();
        for round in 0..rounds {
            let begun = Instant::now();
            workers.iter_mut().for_each(|worker| worker.begin(round));
            let tokens: Vec<String> = workers.iter_mut().flat_map(Worker::tokens).collect();
            last.push(begun.elapsed());
            assert_eq!(tokens.len(), processes * THREADS);
            let expected = format!("a{}", round + 1);
            assert!(tokens.iter().all(|token| *token == expected), "round {round}: {tokens:?}");
        }
        last.sort();
        let seen = provider.seen.lock().unwrap();
        say(&format!(
            "provider at {delay:?}: {processes} processes x {THREADS} threads, {rounds} rounds: {} exchanges, \
             {} reused; last caller {:.0?} after the provider in the median round, {:.0?} in the worst",
            seen.exchanges,
            seen.reused,
            last[rounds / 2].saturating_sub(delay),
            last[rounds - 1].saturating_sub(delay),
        ));
        assert_eq!((seen.exchanges, seen.reused), (rounds, 0));
    }
}

#[test]
fn all_callers_share_the_silence_of_a_provider() {
    if let Some(port) = task() {
        return share_a_silence(port.to_str().unwrap().parse().unwrap());
    }
    let processes = if under_wine() { 4 } else { 32 };
    let place = Place::new();
    let first = r#"{"access_token": "a", "refresh_token": "r", "expires_in": 60}"#;
    place.open().add_response(&TokenRequest::new("client", ELSEWHERE, ["s"]), first).unwrap();
    // It takes what comes, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&asked);
    thread::spawn(move || silent.incoming().for_each(|one| theirs.lock().unwrap().push(one)));
    let test = all_callers_share_the_silence_of_a_provider;
    let mut workers: Vec<Worker> = (0..processes)
        .map(|_| {
            let mut command = again(test, port.to_string());
            Worker::of(command.env(PLACE, place.path()))
        })
        .collect();
    let begun = Instant::now();
    workers.iter_mut().for_each(|worker| worker.begin(0));
    let answers: Vec<String> = workers.iter_mut().flat_map(Worker::tokens).collect();
    let last = begun.elapsed();
    let asked = asked.lock().unwrap().len();
    say(&format!(
        "a provider that is silent for {SILENCE:?}: {} callers back after {last:.1?}, {asked} \
         requests",
        answers.len()
    ));
    assert!(answers.iter().all(|answer| answer == "unavailable"), "{answers:?}");
    assert!(last < SILENCE + Duration::from_secs(1), "{last:?}");
    assert!((1..=2).contains(&asked), "{asked}");
}

const SILENCE: Duration = Duration::from_secs(2);

fn share_a_silence(port: u16) {
    let cache = worker_cache();
    let options = SilentOptions::new().exchange(SILENCE);
    println!("ready");
    io::stdin().lock().lines().next();
    let call = || match cache.acquire_token_silent_with(&request(0), &options, Silence(port)) {
        Err(Error::ProviderUnavailable { .. }) => "unavailable".to_owned(),
        other => format!("{other:?}").replace(' ', "_"),
    };
    let answers: Vec<String> = thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(call)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    println!("{}", answers.join(" "));
}

/// Waits for an answer as long as it may.
struct Silence(u16);

impl TokenEndpoint for Silence {
    fn exchange(&mut self, spend: &Spend) -> Result<TokenReply, ExchangeError> {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.0)).map_err(ExchangeError::not_sent)?;
        stream.set_read_timeout(Some(spend.left())).map_err(ExchangeError::not_sent)?;
        let read = io::Read::read(&mut stream, &mut [0]);
        read.map_err(ExchangeError::unknown)?;
        Err(ExchangeError::unknown("it hung up"))
    }
}

#[test]
fn the_death_of_who_renews_signs_nobody_out_but_where_the_answer_died_with_it() {
    if task().is_some() {
        return work();
    }
    let kills: usize = number("TOKENKEEP_SILENT_KILLS", 10);
    let delay = Duration::from_millis(30);
    let provider = Provider::start(delay);
    let (mut lost, mut renewed) = (0, 0);
    for kill in 0..kills {
        let place = Place::new();
        let first = format!(
            r#"{{"access_token": "a", "refresh_token": "first {kill}", "expires_in": 60}}"#
        );
        place.open().add_response(&TokenRequest::new("client", ELSEWHERE, ["s"]), first).unwrap();
        let test = the_death_of_who_renews_signs_nobody_out_but_where_the_answer_died_with_it;
        let mut worker = Worker::start(test, &place, provider.port);
        let first = format!("first {kill}");
        let has_rotated = || provider.seen.lock().unwrap().spent.contains(&first);
        worker.begin(0);
        match kill % 2 {
            // From before the request until after the save.
            0 => thread::sleep(Duration::from_millis(kill as u64 % 50)),
            // Between the provider's rotation and its answer.
            _ => {
                while !has_rotated() {
                    thread::yield_now();
                }
            }
        }
        drop(worker);
        let next = token(&place.open(), &request(1), provider.port);
        match next.as_str() {
            // The provider had issued a successor, and got the first token again: nobody has it.
            "sign-in-needed,true" => {
                assert!(
                    provider.seen.lock().unwrap().spent_twice.contains(&first),
                    "kill {kill}: nothing was lost"
                );
                lost += 1;
            }
            token if token.starts_with('a') => renewed += 1,
            other => panic!("kill {kill}: {other}"),
        }
    }
    say(&format!("{kills} kills: {renewed} went on, {lost} had to sign in: the answer died"));
    assert_eq!(renewed + lost, kills);
    assert!(lost > 0, "no kill came between the rotation and the answer");
}

#[test]
fn a_failure_is_shared_by_processes_also_beside_a_file_of_others() {
    if task().is_some() {
        let cache = support::plaintext(env::var(PLACE).unwrap()).unwrap();
        let mut asked = 0;
        let result = cache.acquire_token_silent(&request(0), |_| {
            asked += 1;
            Ok(TokenReply::new(503, "").retry_after(Some("600")))
        });
        let is_unavailable =
            matches!(result, Err(Error::ProviderUnavailable { status: Some(503), .. }));
        println!("\nasked {asked} {is_unavailable}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("tokens.json");
    let first = r#"{"access_token": "a", "refresh_token": "r", "expires_in": 60}"#;
    let cache = support::plaintext(&file).unwrap();
    cache.add_response(&TokenRequest::new("client", ELSEWHERE, ["s"]), first).unwrap();
    let ask = || {
        let test = a_failure_is_shared_by_processes_also_beside_a_file_of_others;
        let mut command = again(test, "worker");
        // The leases lie in the user's data folder, on each system in another place.
        for folder in ["HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "USERPROFILE"] {
            command.env(folder, place.path());
        }
        let output = command.env(PLACE, &file).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().find_map(|line| line.strip_prefix("asked ")).map(str::to_owned)
    };
    assert_eq!(ask().as_deref(), Some("1 true"));
    assert_eq!(ask().as_deref(), Some("0 true"), "the second knows when to ask again");
    let names = std::fs::read_dir(place.path()).unwrap();
    let names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
    // The data folder is below this one.
    let beside = names.iter().filter(|name| name.to_string_lossy().starts_with("tokens.json"));
    let beside: Vec<_> = beside.filter(|name| *name != "tokens.json.lockfile").collect();
    assert_eq!(beside, ["tokens.json"], "nothing of a renewal is beside it: {names:?}");
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}
