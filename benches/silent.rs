//! Silent sign-in: what a token from the cache costs, and our part of a renewal.
#![allow(clippy::print_stdout, reason = "it prints its rows")]

#[path = "support/mod.rs"]
mod measure;

use std::{
    cell::Cell,
    env, fs,
    hint::black_box,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokenkeep::{
    KeySource, PersistedTokenCache, TokenRequest,
    persistence::SealedPersistence,
    silent::{ExchangeError, Spend, TokenReply},
};

const AUTHORITY: &str = "https://login.example.com/contoso";
const NOW: u64 = 1_700_000_000;
/// Calls that are timed at once.
const BATCH: u32 = 1000;
/// Names the call whose instructions are counted, and how often it is made.
const COUNTED: &str = "TOKENKEEP_BENCH_COUNTED";

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on disk");
    if let Ok(counted) = env::var(COUNTED) {
        return calls(place.path(), &counted);
    }
    fresh(place.path());
    instructions();
    renewal(place.path());
    short_lives();
}

/// A sealed cache whose clock the bench moves, with one sign-in.
fn open(folder: &Path) -> (PersistedTokenCache, Arc<AtomicU64>) {
    let builder = SealedPersistence::builder("com.example.bench")
        .folder(folder)
        .key_source(KeySource::KeyFile(folder.with_extension("key").join("bench.key")));
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let cache = PersistedTokenCache::new(builder.open().expect("the cache opens"))
        .clock(move || now.load(Ordering::Relaxed));
    cache.add_response(&request(), answer(0, 3600)).expect("kept");
    (cache, clock)
}

fn request() -> TokenRequest {
    TokenRequest::new("client", AUTHORITY, ["s1"])
}

fn answer(number: u64, lifetime: u64) -> String {
    let padding = "x".repeat(1500);
    format!(
        r#"{{"access_token": "a{number}{padding}", "refresh_token": "r{number}{padding}",
            "expires_in": {lifetime}, "client_info": "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}}"#
    )
}

fn not_asked(_: &Spend) -> Result<TokenReply, ExchangeError> {
    panic!("the token is valid")
}

fn fresh(place: &Path) {
    let (cache, _) = open(&place.join("fresh"));
    let named = request().for_account(&cache.accounts().expect("readable")[0]);
    for (what, request) in [("fresh token", named), ("fresh token, no account named", request())] {
        let (silent, find) = measure::alternate(
            300,
            |_| {
                (0..BATCH).for_each(|_| {
                    drop(black_box(cache.acquire_token_silent(&request, not_asked)));
                });
            },
            |_| (0..BATCH).for_each(|_| drop(black_box(cache.find_access_token(&request)))),
        );
        measure::row(what, silent / BATCH, "find_access_token", find / BATCH, 1.05, 1.1);
    }
}

/// What callgrind counts in this process.
fn calls(place: &Path, counted: &str) {
    let (call, times) = counted.split_once(' ').expect("a call and a number");
    let (cache, _) = open(&place.join("counted"));
    let named = request().for_account(&cache.accounts().expect("readable")[0]);
    for _ in 0..times.parse::<u32>().expect("a number") {
        match call {
            "silent" => drop(black_box(cache.acquire_token_silent(&named, not_asked))),
            _ => drop(black_box(cache.find_access_token(&named))),
        }
    }
}

/// The instructions of a call, by callgrind: those of 2,000 calls without those of 1,000.
fn instructions() {
    let of = |call: &str| Some((count(call, 2000)? - count(call, 1000)?) / 1000);
    let (Some(silent), Some(find)) = (of("silent"), of("find")) else {
        return println!("instructions are not counted: apt-get install valgrind");
    };
    let ratio = silent as f64 / find as f64;
    let verdict = if ratio <= 1.1 { "bound met" } else { "MISSED" };
    println!(
        "fresh token: {silent} instructions; find_access_token: {find}; ratio {ratio:.3} (bound \
         1.1): {verdict}"
    );
}

fn count(call: &str, times: u32) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .env(COUNTED, format!("{call} {times}"))
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

/// Our part of a renewal: the provider answers at once.
fn renewal(place: &Path) {
    let folder = place.join("renewal");
    let (cache, clock) = open(&folder);
    let bytes = fs::read(folder.join("cache.sealed")).expect("sealed").len();
    let bare = place.join("bare");
    fs::create_dir(&bare).expect("a folder");
    let content = vec![b'x'; bytes];
    let answered = Cell::new(Instant::now());
    let (mut windows, number) = (Vec::new(), Cell::new(0));
    let (whole, floor) = measure::alternate(
        500,
        |_| {
            clock.fetch_add(3600, Ordering::Relaxed);
            let exchange = |_: &Spend| {
                number.set(number.get() + 1);
                let reply = TokenReply::new(200, answer(number.get(), 3600));
                answered.set(Instant::now());
                Ok(reply)
            };
            let token = cache.acquire_token_silent(&request(), exchange).expect("renewed");
            windows.push(answered.get().elapsed());
            assert!(token.is_some_and(|token| token.is_stored()), "it is stored");
        },
        |_| measure::replace(&bare, &content),
    );
    let name = "write + fsync + rename + fsync of the folder";
    measure::figure(&format!("renewal, sealed ({bytes} bytes)"), whole, name, floor);
    let ours = whole.saturating_sub(floor);
    println!("our part of a renewal: {ours:.2?} (aim 3 ms)");
    let window = measure::median(windows);
    let ours = window.saturating_sub(floor);
    println!("from the answer to the stored token: {window:.2?}, {ours:.2?} of it ours (aim 2 ms)");
}

/// Five calls with tokens of a minute.
fn short_lives() {
    let cache = PersistedTokenCache::in_memory().clock(|| NOW);
    cache.add_response(&request(), answer(0, 1)).expect("kept");
    let later = cache.clone().clock(|| NOW + 10);
    let requests = Cell::new(0);
    for _ in 0..5 {
        let exchange = |_: &Spend| {
            requests.set(requests.get() + 1);
            Ok(TokenReply::new(200, answer(1, 60)))
        };
        assert!(later.acquire_token_silent(&request(), exchange).expect("renewed").is_some());
    }
    println!("five calls with tokens of 60 s: {} requests (aim 1)", requests.get());
}
