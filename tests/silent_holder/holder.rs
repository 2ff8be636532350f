//! A process that has the lease and stands still at a point.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use tokenkeep::{
    Error, KeySource, PersistedTokenCache, TokenRequest,
    persistence::SealedPersistence,
    silent::{ExchangeError, SilentOptions, Spend, TokenEndpoint, TokenReply},
};

use crate::support::{self, Place};

/// Where it stands still until it may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It has the lease, and has sent nothing.
    BeforeTheRequest,
    /// The provider has answered, and nothing is saved.
    AfterTheAnswer,
    /// The same as before the request; it does not go on.
    Killed,
    /// In its request, with a child.
    Forked,
    /// It does not stand still, for it gets no lease.
    Refused,
}

impl Stand {
    fn chosen() -> Self {
        let chosen = env::var(STAND).unwrap();
        let all = [
            Self::BeforeTheRequest,
            Self::AfterTheAnswer,
            Self::Killed,
            Self::Forked,
            Self::Refused,
        ];
        all.into_iter().find(|one| format!("{one:?}") == chosen).unwrap()
    }
}

/// How long its requests may take.
pub(crate) const LATE: Duration = Duration::from_millis(150);

pub(crate) fn request() -> TokenRequest {
    TokenRequest::new("client", "https://id.example/tenant", ["read"])
}

pub(crate) fn cache(place: &Path) -> PersistedTokenCache {
    let sealed = SealedPersistence::builder(support::STORE)
        .folder(place.join("cache"))
        .key_source(KeySource::KeyFile(place.join("key").join("tests.key")))
        .open();
    PersistedTokenCache::new(sealed.unwrap())
}

/// A place with a sign-in whose access token expired long ago.
pub(crate) fn sign_in() -> Place {
    let place = Place::new();
    let first = r#"{"access_token": "a0", "refresh_token": "r0", "expires_in": 60}"#;
    cache(place.path()).clock(|| 1_000_000_000).add_response(&request(), first).unwrap();
    place
}

/// The process's side.
pub(crate) fn hold(place: OsString) {
    let stand = Stand::chosen();
    if stand == Stand::Refused {
        println!("stands {}", process::id());
    }
    let options = SilentOptions::new().exchange(LATE).wait(Duration::from_millis(300));
    let mut provider = Provider { stand, requests: 0 };
    let cache = cache(Path::new(&place)).clock(clock(Path::new(&place).join("cache"), stand));
    let found = match cache.acquire_token_silent_with(&request(), &options, &mut provider) {
        Ok(Some(token)) => token.secret().to_owned(),
        Err(Error::ProviderUnreachable { .. }) => "unreachable".into(),
        Err(Error::RefreshInProgress { .. }) => "busy".into(),
        other => format!("{other:?}"),
    };
    println!("result {found} after {} requests", provider.requests);
}

/// The time of a request is read right before it, when the room for the save is reserved.
fn clock(folder: PathBuf, stand: Stand) -> impl Fn() -> u64 + Send + Sync + 'static {
    let stands = AtomicBool::new(matches!(stand, Stand::BeforeTheRequest | Stand::Killed));
    move || {
        let mut names = fs::read_dir(&folder).unwrap().map(|name| name.unwrap().file_name());
        if names.any(|name| name.to_string_lossy().contains(".reserved-"))
            && stands.swap(false, Ordering::SeqCst)
        {
            stand_still();
        }
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }
}

fn stand_still() {
    println!("stands {}", process::id());
    io::stdin().lock().read_line(&mut String::new()).unwrap();
}

struct Provider {
    stand: Stand,
    requests: usize,
}

impl TokenEndpoint for &mut Provider {
    fn exchange(&mut self, _: &Spend) -> Result<TokenReply, ExchangeError> {
        self.requests += 1;
        match self.stand {
            Stand::AfterTheAnswer => stand_still(),
            Stand::Forked => {
                let child = support::Forked::begin();
                if let Some(child) = child {
                    println!("stands {} {}", process::id(), child.id());
                }
                // Both of them, until they are killed.
                loop {
                    thread::park();
                }
            }
            Stand::BeforeTheRequest | Stand::Killed | Stand::Refused => {}
        }
        let answer = r#"{"access_token": "a1", "refresh_token": "ra", "expires_in": 3600}"#;
        Ok(TokenReply::new(200, answer))
    }
}

/// The process; it is killed when this is dropped.
pub(crate) struct Holder {
    process: Child,
    lines: io::Lines<BufReader<ChildStdout>>,
    /// The numbers that it said: its own, as it knows it, and that of its child.
    said: Vec<u32>,
}

/// A process that is killed when this is dropped.
pub(crate) struct Orphan(u32);

impl Holder {
    /// Starts it with a command that ends in [`hold`], and waits until it stands still.
    pub(crate) fn start(mut command: Command, stand: Stand) -> Self {
        command.env(STAND, format!("{stand:?}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut holder = Self { process, lines, said: Vec::new() };
        let said = holder.line("stands ");
        holder.said = said.split(' ').map(|number| number.parse().unwrap()).collect();
        holder
    }

    pub(crate) fn id(&self) -> u32 {
        self.said[0]
    }

    /// Its forked child.
    pub(crate) fn child(&self) -> Orphan {
        Orphan(self.said[1])
    }

    /// Stops it. By the time this returns it stands still.
    pub(crate) fn stop(&self) {
        signal(self.id(), libc::SIGSTOP);
        let stat = format!("/proc/{}/stat", self.id());
        while !fs::read_to_string(&stat).unwrap().contains(") T ") {
            thread::yield_now();
        }
    }

    /// Lets it go on, also if it was not stopped.
    pub(crate) fn go_on(&mut self) {
        writeln!(self.process.stdin.as_mut().unwrap()).unwrap();
        signal(self.process.id(), libc::SIGCONT);
    }

    pub(crate) fn result(&mut self) -> String {
        self.line("result ")
    }

    fn line(&mut self, begin: &str) -> String {
        loop {
            let line = self.lines.next().expect("it goes on").unwrap();
            if let Some(said) = line.strip_prefix(begin) {
                return said.to_owned();
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        signal(self.0, libc::SIGKILL);
    }
}

#[expect(unsafe_code, reason = "std sends no signal")]
fn signal(process: u32, signal: i32) {
    // SAFETY: `kill` has no preconditions.
    let sent = unsafe { libc::kill(process.cast_signed(), signal) };
    assert_eq!(sent, 0, "{process} has ended");
}

const STAND: &str = "TOKENKEEP_TEST_STAND";
