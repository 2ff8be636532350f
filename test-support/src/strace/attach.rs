//! strace on threads of a process that runs already, so that nothing of its start counts.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use tempfile::NamedTempFile;

use super::{Call, Injection, call};

/// What strace watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// One thread alone.
    Thread(u32),
    /// A process with all its threads, and those that it starts.
    Process(u32),
}

/// strace at work on a process.
#[derive(Debug)]
pub struct Attached {
    strace: Child,
    record: NamedTempFile,
    target: Target,
}

/// Attaches strace, which does as `injection` says, or nothing. Calls are counted from now on.
///
/// # Errors
///
/// Where strace could not be started or does not attach.
pub fn attach(target: Target, injection: Option<&Injection<'_>>) -> io::Result<Attached> {
    let record = NamedTempFile::new()?;
    let mut command = Command::new("strace");
    command.args(["-y", "-xx", "-s", "4096", "-e", "signal=none", "-o"]).arg(record.path());
    if let Some(injection) = injection {
        command.args(["-e", &format!("trace={}", injection.call)]);
        command.args(["-e", &injection.expression()]);
    }
    let id = match target {
        Target::Thread(id) => id,
        Target::Process(id) => {
            command.arg("-f");
            id
        }
    };
    command.args(["-p", &id.to_string()]);
    let mut strace =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut says = BufReader::new(strace.stderr.take().expect("standard error is piped"));
    let mut line = String::new();
    says.read_line(&mut line)?;
    if !line.contains(" attached") {
        strace.kill()?;
        strace.wait()?;
        return Err(io::Error::other(format!("strace said `{}`", line.trim_end())));
    }
    // It says something of each thread that comes.
    std::thread::spawn(move || io::copy(&mut says, &mut io::sink()));
    Ok(Attached { strace, record, target })
}

impl Attached {
    /// Waits until the process has ended; the calls, in the order in which they returned.
    ///
    /// # Errors
    ///
    /// Where strace's record is not understood.
    pub fn finish(mut self) -> io::Result<Vec<Call>> {
        self.strace.wait()?;
        let mut record = fs::read_to_string(self.record.path())?;
        if let Target::Thread(id) = self.target {
            record = record.lines().map(|line| format!("{id} {line}\n")).collect();
        }
        call::parse(&record)
    }
}
