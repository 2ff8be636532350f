//! Runs a program under strace: lists its system calls, kills it at one of them or makes one fail.
//!
//! A kill comes before the call has done anything. strace counts calls by name and by thread, so
//! the Nth call is the Nth of its name in the thread that makes it.

mod attach;
mod call;

use std::{
    fs, io,
    io::Write as _,
    process::{Command, ExitStatus, Stdio},
};

pub use self::{
    attach::{Attached, Target, attach},
    call::Call,
};

/// What is done to a system call. Times are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injection<'a> {
    /// The name of the system call.
    pub call: &'a str,
    /// Which call of that name.
    pub time: usize,
    /// What happens to it.
    pub fault: Fault,
}

/// What happens to a system call instead of being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process is killed.
    Kill,
    /// The call fails, as `EIO`.
    Once(&'static str),
    /// The call and all later ones of its name fail.
    From(&'static str),
}

/// What a run left.
#[derive(Debug)]
#[non_exhaustive]
pub struct Traced {
    /// How the program ended. strace ends as its program did.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed as errors.
    pub stderr: Vec<u8>,
    /// Its system calls, in the order in which they returned.
    pub calls: Vec<Call>,
}

impl<'a> Injection<'a> {
    /// A fault at the call `call` that is made for the `time`th time.
    pub fn new(call: &'a str, time: usize, fault: Fault) -> Self {
        Self { call, time, fault }
    }

    /// As strace takes it.
    fn expression(&self) -> String {
        let Self { call, time, fault } = self;
        match fault {
            Fault::Kill => format!("inject={call}:signal=KILL:when={time}"),
            Fault::Once(error) => format!("inject={call}:error={error}:when={time}"),
            Fault::From(error) => format!("inject={call}:error={error}:when={time}+"),
        }
    }
}

/// Runs `program` with `input` and records every system call.
///
/// # Errors
///
/// Where strace could not be started or its record is not understood.
pub fn record(program: &Command, input: &[u8]) -> io::Result<Traced> {
    run(program, input, &[])
}

/// Runs `program` with `input` and records, beside the call with the fault, those named in `also`.
///
/// # Errors
///
/// As [`record`].
pub fn inject(
    program: &Command,
    input: &[u8],
    injection: &Injection<'_>,
    also: &str,
) -> io::Result<Traced> {
    let does = injection.expression();
    let filter = format!("trace={},{also}", injection.call);
    let mut options = vec!["-e", filter.trim_end_matches(','), "-e", &does];
    if injection.fault != Fault::Kill {
        // The kernel then stops the program at the named calls only. strace 6.1 delivers no signal
        // so.
        options.push("--seccomp-bpf");
    }
    run(program, input, &options)
}

fn run(program: &Command, input: &[u8], options: &[&str]) -> io::Result<Traced> {
    let record = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("strace");
    // All strings as hex digits and none abridged; the paths of descriptors; nothing but calls.
    command.args(["-f", "-q", "-y", "-xx", "-s", "1048576", "-e", "signal=none"]);
    command.arg("-o").arg(record.path()).args(options).arg("--");
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    match stdin.write_all(input) {
        // It may be killed before it reads.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => drop(stdin),
    }
    let output = child.wait_with_output()?;
    let calls = call::parse(&fs::read_to_string(record.path())?)?;
    let (status, stdout, stderr) = (output.status, output.stdout, output.stderr);
    Ok(Traced { status, stdout, stderr, calls })
}
