//! Python processes and processes of ours that use one lock.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokenkeep_platform::lock::{CrossProcessLock, LockGuard, Wait};
use tokenkeep_test_support::{Tool, need, python};

/// The two kinds of lock that msal-extensions for Python has.
pub(crate) const KINDS: [&str; 2] = ["created", "locked"];

/// A cache's location in a folder of its own.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) location: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("cache");
        Self { _folder: folder, location }
    }

    pub(crate) fn lock(&self) -> CrossProcessLock {
        CrossProcessLock::msal_extensions(&self.location)
    }
}

/// A process that says what it does, a line each.
pub(crate) struct Peer {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// A Python of that kind that does `action`; none where there is no Python with the packages.
    #[track_caller]
    pub(crate) fn python(kind: &str, action: &str, location: &Path, count: u32) -> Option<Self> {
        Some(Self::start(&mut command(kind, action, location, count)?))
    }

    /// As [`python`](Self::python), with the lock file `lock`.
    #[track_caller]
    pub(crate) fn python_at(
        kind: &str,
        action: &str,
        location: &Path,
        lock: &Path,
    ) -> Option<Self> {
        Some(Self::start(command(kind, action, location, 0)?.env("LOCK", lock)))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The rest of the next line that begins with `mark`.
    #[track_caller]
    pub(crate) fn says(&mut self, mark: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended without {mark:?}");
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().to_owned();
            }
        }
    }

    pub(crate) fn release(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn finish(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

#[track_caller]
fn command(kind: &str, action: &str, location: &Path, count: u32) -> Option<Command> {
    if !need(Tool::Python) {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal_extensions/peer.py");
    let mut command = Command::new(python()?);
    command.arg(script).args([kind, action]).arg(location).arg(count.to_string());
    Some(command)
}

pub(crate) fn acquire(lock: &CrossProcessLock) -> LockGuard {
    lock.acquire(&Wait::at_most(Duration::from_secs(300))).unwrap()
}

/// Adds one to a counter as [`peer.py`](peer.py) does, and notes whom it found inside.
pub(crate) fn step(location: &Path) {
    let beside = |suffix: &str| PathBuf::from(format!("{}.{suffix}", location.display()));
    let inside = beside("inside");
    if fs::File::create_new(&inside).is_err() {
        let violations = fs::File::options().append(true).create(true).open(beside("violations"));
        violations.unwrap().write_all(b"ours found another inside\n").unwrap();
    }
    let count = fs::read_to_string(beside("count")).unwrap_or_default();
    let count: u32 = count.parse().unwrap_or(0);
    fs::write(beside("count"), (count + 1).to_string()).unwrap();
    fs::remove_file(&inside).ok();
}

/// The counter, and who found somebody else inside.
pub(crate) fn counted(location: &Path) -> (u32, String) {
    let read = |suffix| fs::read_to_string(format!("{}.{suffix}", location.display()));
    (read("count").unwrap().parse().unwrap(), read("violations").unwrap_or_default())
}
