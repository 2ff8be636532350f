//! The update that is disturbed, in a process of its own.

use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use tokenkeep::Error;

use crate::{
    place::{Start, open},
    support::event,
};

/// A process that is about to do the update.
pub(crate) struct Update {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Its threads: the one that calls first, then the vault's, if it runs.
    pub(crate) threads: Vec<u32>,
}

/// How the process ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// What it said of the update: `done`, or the error.
    pub(crate) said: Option<String>,
}

/// The process's side. `is_linked`: it has talked to the vault before.
pub(crate) fn update(start: Start, is_linked: bool, folder: &Path) {
    let cache = open(start, folder);
    if is_linked {
        cache.accounts().unwrap();
    }
    println!("ready {}", threads());
    io::stdin().lock().read_line(&mut String::new()).unwrap();
    let said = match cache.add(&event("update", "two")) {
        Ok(()) => "done".to_owned(),
        Err(Error::OutcomeUnknown { .. } | Error::DurabilityUnknown { .. }) => "unknown".to_owned(),
        Err(error) => format!("failed {error}"),
    };
    // One call, so that a kill leaves all of it or nothing.
    io::stdout().write_all(format!("said {said}\n").as_bytes()).ok();
}

impl Update {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut update = Self { child, output, threads: Vec::new() };
        let ready = update.says("ready ").expect("it starts");
        update.threads = ready.split(' ').map(|id| id.parse().unwrap()).collect();
        update
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn go(&mut self) {
        // It may be killed while it still waits for this.
        self.child.stdin.take().unwrap().write_all(b"\n").ok();
    }

    pub(crate) fn end(mut self) -> Ended {
        let said = self.says("said ");
        io::copy(&mut self.output, &mut io::sink()).unwrap();
        Ended { status: self.child.wait().unwrap(), said }
    }

    fn says(&mut self, mark: &str) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, text)) = line.split_once(mark) {
                return Some(text.trim_end().to_owned());
            }
            line.clear();
        }
        None
    }
}

fn threads() -> String {
    let own = fs::read_link("/proc/thread-self").unwrap();
    let own = own.file_name().map(OsStr::to_owned).unwrap();
    let all = fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().file_name());
    let name = |id: &OsStr| fs::read_to_string(format!("/proc/self/task/{}/comm", id.display()));
    let vault = all.filter(|id| *id != own && name(id).is_ok_and(|name| name.trim() == "vault"));
    let ids: Vec<String> =
        [own.clone()].into_iter().chain(vault).map(|id| id.display().to_string()).collect();
    ids.join(" ")
}
