//! A process whose threads ask for a token, all at once, each time they are told to.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::SystemTime,
};

use tokenkeep::{
    Error, KeySource, PersistedTokenCache, persistence::SealedPersistence, silent::SilentOptions,
};
use tokenkeep_test_support::again;

use crate::{
    endpoint::Endpoint,
    support::{self, OpenCache, Place},
};

pub(crate) const THREADS: usize = 4;

/// The cache of a place as it is in a round: two hours later than in the round before, when no
/// token of that is valid any more.
pub(crate) fn open(place: &Path, round: &Arc<AtomicU64>) -> PersistedTokenCache {
    let round = Arc::clone(round);
    let cache = SealedPersistence::builder(support::STORE)
        .folder(place.join("cache"))
        .key_source(KeySource::KeyFile(place.join("key").join("tests.key")))
        .cache();
    cache.unwrap().clock(move || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_secs() + round.load(Ordering::Relaxed) * 2 * 60 * 60
    })
}

/// The cache of a place as it is in `round`, and stays.
pub(crate) fn open_in(place: &Place, round: u64) -> PersistedTokenCache {
    open(place.path(), &Arc::new(AtomicU64::new(round)))
}

/// What a call for a token brought, as one word: the token, or why there is none.
pub(crate) fn token(cache: &PersistedTokenCache, endpoint: Endpoint) -> String {
    let request = endpoint.request();
    match cache.acquire_token_silent_with(&request, &SilentOptions::new(), endpoint) {
        Ok(Some(token)) => token.secret().to_owned(),
        Ok(None) => NOBODY.into(),
        Err(Error::SignInNeeded { is_orphan: true, .. }) => ORPHAN.into(),
        Err(Error::SignInNeeded { .. }) => SIGN_IN_NEEDED.into(),
        Err(error) => format!("{NO_TOKEN}{error:?}").replace(' ', "_"),
    }
}

/// Whether such a word is a token.
pub(crate) fn is_token(word: &str) -> bool {
    !word.starts_with(NO_TOKEN)
}

/// No token begins with it.
const NO_TOKEN: &str = "!";
pub(crate) const NOBODY: &str = "!nobody";
pub(crate) const ORPHAN: &str = "!sign-in-needed,orphan";
pub(crate) const SIGN_IN_NEEDED: &str = "!sign-in-needed";

/// The process's side: in each round that its input names, every thread asks.
pub(crate) fn work() {
    let round = Arc::new(AtomicU64::new(0));
    let cache = open(Path::new(&env::var(PLACE).unwrap()), &round);
    let endpoint = Endpoint::from_environment();
    println!("ready");
    for line in io::stdin().lock().lines() {
        round.store(line.unwrap().parse().unwrap(), Ordering::Relaxed);
        let words = thread::scope(|scope| {
            let ask = || token(&cache, endpoint.clone());
            let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
        });
        println!("{}", words.join(" "));
    }
}

/// The process; it is killed when this is dropped.
pub(crate) struct Worker {
    child: Child,
    lines: io::Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts it, for a `test` that begins with [`work`] if it has a task.
    pub(crate) fn start(test: impl Fn(), place: &Place, endpoint: &Endpoint) -> Self {
        let mut command = again(test, "worker");
        command.env(PLACE, place.path()).envs([endpoint.variable()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, lines };
        while worker.line() != "ready" {}
        worker
    }

    /// Lets its threads ask.
    pub(crate) fn begin(&mut self, round: u64) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{round}").unwrap();
    }

    /// What they got.
    pub(crate) fn words(&mut self) -> Vec<String> {
        self.line().split(' ').map(str::to_owned).collect()
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the worker goes on").unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const PLACE: &str = "TOKENKEEP_TEST_PLACE";
