//! What the tests of the persisted cache share.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tempfile::TempDir;
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, SignInEvent, TokenRequest,
    lock::{CrossProcessLock, LockGuard, Wait},
    persistence::{PlaintextPersistence, SealedPersistence, SealedPersistenceBuilder},
};

pub(crate) const STORE: &str = "com.example.tests";
pub(crate) const AUTHORITY: &str = "https://login.example.com/contoso";

/// A folder of its own for a test, with a sealed cache in `cache` and its key in `key`.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// In memory where the system has a folder for that: for times that are not to be the disk's.
    pub(crate) fn in_memory() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(folder) => Self(folder),
            Err(_) => Self::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.path().join("cache")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("cache.sealed")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.path().join("key").join("tests.key")
    }

    pub(crate) fn builder(&self) -> SealedPersistenceBuilder {
        SealedPersistence::builder(STORE)
            .folder(self.folder())
            .key_source(KeySource::KeyFile(self.key_file()))
    }

    pub(crate) fn open(&self) -> PersistedTokenCache {
        self.builder().cache().expect("the cache opens")
    }

    /// The names in the cache's folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder())
            .map(|entries| {
                entries
                    .map(|entry| {
                        entry.expect("an entry").file_name().to_string_lossy().into_owned()
                    })
                    .collect()
            })
            .unwrap_or_default();
        names.sort();
        names
    }
}

/// Opens what was chosen as a cache.
pub(crate) trait OpenCache {
    fn cache(self) -> Result<PersistedTokenCache, Error>;
}

impl OpenCache for SealedPersistenceBuilder {
    fn cache(self) -> Result<PersistedTokenCache, Error> {
        self.open().map(PersistedTokenCache::new)
    }
}

/// A guard of the lock that another thread acquired: this thread would be refused, and not wait.
pub(crate) fn held_elsewhere(lock: &CrossProcessLock) -> LockGuard {
    let acquire = || lock.acquire(&Wait::default()).expect("the lock is free");
    thread::scope(|scope| scope.spawn(acquire).join().expect("it does not panic"))
}

/// A cache in plain text.
pub(crate) fn plaintext(path: impl AsRef<Path>) -> Result<PersistedTokenCache, Error> {
    PlaintextPersistence::open(path).map(PersistedTokenCache::new)
}

/// A sign-in of `client_id` whose access token is `secret`.
pub(crate) fn event(client_id: &str, secret: &str) -> SignInEvent {
    let json = format!(
        r#"{{"client_id": "{client_id}", "scope": ["s1"],
            "token_endpoint": "{AUTHORITY}/oauth2/v2.0/token",
            "response": {{"access_token": "{secret}", "expires_in": 3600, "token_type": "Bearer",
                "refresh_token": "rt-{secret}",
                "id_token_claims": {{"sub": "subject", "preferred_username": "ada@example.com"}}}}}}"#
    );
    SignInEvent::from_json(json.as_bytes()).expect("an event")
}

/// Moves the time of a file into the past, so that no later change has the same.
pub(crate) fn settle(file: &Path) {
    let past = SystemTime::now() - Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(file).expect("the file is there");
    file.set_modified(past).expect("its time can be set");
}

pub(crate) fn request(client_id: &str) -> TokenRequest {
    TokenRequest::new(client_id, AUTHORITY, ["s1"])
}

/// The access token kept for `client_id`, as text.
pub(crate) fn token(cache: &PersistedTokenCache, client_id: &str) -> Option<String> {
    let found = cache.find_access_token(&request(client_id)).expect("the cache can be read");
    found.map(|token| token.secret().to_owned())
}

/// How long a runtime takes to end; panics, and does not hang, if that is more than a second.
pub(crate) fn end(runtime: tokio::runtime::Runtime) -> Duration {
    let (ended, has_ended) = mpsc::channel();
    let started = Instant::now();
    thread::spawn(move || {
        drop(runtime);
        ended.send(()).ok();
    });
    has_ended.recv_timeout(Duration::from_secs(1)).expect("the runtime waits for a stuck call");
    started.elapsed()
}

/// A forked child at work on a question.
#[cfg(unix)]
#[must_use = "it has to be waited for"]
pub(crate) struct Forked(libc::pid_t);

#[cfg(unix)]
impl Forked {
    /// Forks; the child only answers `question`.
    pub(crate) fn asked(question: impl FnOnce() -> bool) -> Self {
        Self::begin().unwrap_or_else(|| {
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(question));
            Self::end(answer.unwrap_or(false))
        })
    }

    /// Forks. `None` in the child, which goes on from here and must end by [`end`](Self::end),
    /// whatever happens.
    #[expect(unsafe_code, reason = "std cannot fork")]
    pub(crate) fn begin() -> Option<Self> {
        // SAFETY: the child leaves by `_exit`; glibc keeps its allocator usable in it.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            // SAFETY: `alarm` has no preconditions; it ends a child that hangs.
            unsafe { libc::alarm(10) };
            return None;
        }
        Some(Self(pid))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.cast_unsigned()
    }

    /// The child's answer, which ends it.
    #[expect(unsafe_code, reason = "what std runs at an exit is the parent's")]
    pub(crate) fn end(answer: bool) -> ! {
        // SAFETY: `_exit` may be called in a forked child and does not return.
        unsafe { libc::_exit(i32::from(!answer)) }
    }

    /// The child's answer, `false` if it gives none within 10 s.
    #[expect(unsafe_code, reason = "std cannot fork")]
    pub(crate) fn said_yes(self) -> bool {
        let mut status = 0;
        // SAFETY: it is a child of this process and `status` is a valid place for its status.
        let ended = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        ended == self.0 && status == 0
    }
}

/// Forks; the child's answer, `false` if it gives none within 10 s.
#[cfg(unix)]
pub(crate) fn child_says_yes(question: impl FnOnce() -> bool) -> bool {
    Forked::asked(question).said_yes()
}

/// The smallest executor there is: it parks its thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
