//! A server's process, from its start to its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::process::{cpu_time, freeze, signal, thaw};
use super::wait::within;
use crate::place::executable;
use crate::skip::say;

/// How a server is started and ended.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Whom it runs as, if not as this user.
    pub(super) user: Option<&'static str>,
    /// What ends it for good, cleanly enough to leave nothing behind.
    pub(super) end: Signal,
}

/// A server that can be started again after its end. It ends when this is dropped, and when the
/// process that has this ends.
#[derive(Debug)]
pub(super) struct Daemon {
    recipe: Recipe,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Daemon {
    /// A server that is not running yet. What it says goes to the file `log`.
    pub(super) fn new(recipe: Recipe, log: PathBuf) -> Self {
        Self { recipe, log, child: Mutex::new(None) }
    }

    /// Starts the process, unless it runs.
    pub(super) fn start(&self) {
        let mut child = self.child();
        if child.is_none() {
            let started = self.command().and_then(spawn);
            let program = self.recipe.program.display();
            *child = Some(started.unwrap_or_else(|error| panic!("{program}: {error}")));
        }
    }

    fn command(&self) -> io::Result<Command> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = with_parent(&self.recipe);
        command.args(&self.recipe.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    /// The id of the process.
    pub(super) fn pid(&self) -> u32 {
        let child = self.child();
        child.as_ref().map(Child::id).expect("the server has not been ended")
    }

    /// Whether the process has ended by itself, or was never started.
    pub(super) fn has_ended(&self) -> bool {
        match self.child().as_mut() {
            Some(child) => matches!(child.try_wait(), Ok(Some(_)) | Err(_)),
            None => true,
        }
    }

    /// Sends a signal that ends the process, and waits until it has ended; with SIGKILL after
    /// `limit`.
    pub(super) fn end(&self, with: Signal, limit: Duration) -> Option<ExitStatus> {
        let mut child = self.child().take()?;
        signal(child.id(), with);
        thaw(&[child.id()]);
        let ended = within(limit, || child.try_wait().ok().flatten());
        ended.or_else(|| {
            child.kill().ok();
            child.wait().ok()
        })
    }

    /// Ends the process as a crash does.
    pub(super) fn kill(&self) {
        self.end(Signal::KILL, LAST_PATIENCE);
    }

    pub(super) fn freeze(&self) {
        freeze(&[self.pid()]);
    }

    pub(super) fn thaw(&self) {
        thaw(&[self.pid()]);
    }

    pub(super) fn cpu_time(&self) -> Duration {
        cpu_time(self.pid())
    }

    /// What the process has said since its first start.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of [`log`](Self::log), for a panic.
    pub(super) fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        format!("{} says:\n{}", self.recipe.program.display(), lines[from..].join("\n"))
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end(self.recipe.end, LAST_PATIENCE);
        if thread::panicking() {
            say(&self.last_lines());
        }
    }
}

/// The command of a recipe, which ends with the process that starts it where the operating system
/// has that.
fn with_parent(recipe: &Recipe) -> Command {
    let quit = if recipe.end == Signal::QUIT { "QUIT" } else { "KILL" };
    through_setpriv(&recipe.program, &["--pdeathsig", quit], recipe.user)
}

/// A command that runs as `user`, if not as this one.
pub(super) fn run_as(user: Option<&str>, program: &Path) -> Command {
    match user {
        Some(user) => through_setpriv(program, &[], Some(user)),
        None => Command::new(program),
    }
}

fn through_setpriv(program: &Path, options: &[&str], user: Option<&str>) -> Command {
    // Only Linux has it.
    let Some(setpriv) = executable("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(options);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        // That user may not enter this process's folder.
        command.current_dir("/");
    }
    command.arg("--").arg(program);
    command
}

/// Starts a process from a thread that ends with this process: the operating system ends a server
/// with the thread that started it, which may be that of one test out of many.
fn spawn(command: Command) -> io::Result<Child> {
    let (reply, started) = channel();
    let spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
    spawner.send((command, reply)).map_err(io::Error::other)?;
    started.recv().map_err(io::Error::other)?
}

type Order = (Command, Sender<io::Result<Child>>);

static SPAWNER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (sender, orders) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, reply) in orders {
            reply.send(command.spawn()).ok();
        }
    });
    Mutex::new(sender)
});

/// A private folder, removed with its content when it is dropped.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("tokenkeep-").tempdir().expect("there is a place for a folder")
}

/// Writes a file of a server's settings.
pub(super) fn write(path: &Path, text: &str) {
    let written =
        File::create(path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

const LAST_PATIENCE: Duration = Duration::from_secs(10);
const LAST_LINES: usize = 40;
