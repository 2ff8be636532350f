//! One step of a task: a command that says what it is, how long it took, and stops the task when it
//! fails.

use std::fmt;
use std::process::{Command, ExitStatus};
use std::time::Instant;

/// Why a task stopped.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), code: 1 }
    }

    /// The exit code of the command that failed, or 1.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Runs `command` as the stage `name` and prints the time it took.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<(), Failure> {
    timed(name, || finish(name, command))
}

/// Does `work` as the stage `name` and prints the time it took.
pub(crate) fn timed(name: &str, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    println!("== {name}");
    let start = Instant::now();
    let outcome = work();
    let result = if outcome.is_ok() { "done" } else { "failed" };
    println!("== {name}: {result} in {:.1} s", start.elapsed().as_secs_f64());
    outcome
}

/// Runs `command` and turns its exit code into a failure that names `name`.
pub(crate) fn finish(name: &str, command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("{name}: cannot start {program}: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(name, status)) }
}

/// The cargo that runs this task, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tokenkeep_test_support::workspace_root());
    command
}

fn failed(name: &str, status: ExitStatus) -> Failure {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Failure { what: format!("{name} failed: {status}"), code }
}
