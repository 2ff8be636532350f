//! A sign-in that runs, and what it has said so far.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokenkeep_test_support::started;

use crate::support::{Place, heeding_signals};

/// The program, signing in. It ends when this is dropped.
pub(crate) struct Session {
    child: Child,
    said: Receiver<String>,
    events: Receiver<String>,
    heard: Vec<String>,
}

/// How it ended.
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    /// All that it wrote to standard error.
    pub(crate) said: String,
    /// The lines of standard output that nobody has read.
    pub(crate) events: Vec<String>,
}

impl Session {
    /// `tokenkeep login` with these arguments, on the cache of a place.
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command();
        command.arg("login").args(arguments);
        Self::run(command)
    }

    pub(crate) fn run(command: Command) -> Self {
        let mut command = heeding_signals(&command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = started(|| command.spawn()).expect("the program starts");
        let said = lines(child.stderr.take().unwrap());
        let events = lines(child.stdout.take().unwrap());
        Self { child, said, events, heard: Vec::new() }
    }

    /// The next line of standard error that fits.
    pub(crate) fn line(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let heard = self.said.recv_timeout(PATIENCE);
            let line = heard.unwrap_or_else(|_| panic!("it said only {:#?}", self.heard));
            self.heard.push(line.clone());
            if fits(&line) {
                return line;
            }
        }
    }

    /// The address that it shows.
    pub(crate) fn address(&mut self) -> String {
        self.line(|line| line.starts_with("http"))
    }

    /// The code that it shows.
    pub(crate) fn code(&mut self) -> String {
        let line = self.line(|line| line.starts_with("and enter the code"));
        line["and enter the code".len()..].split_whitespace().next().unwrap().to_owned()
    }

    /// The next object on standard output.
    pub(crate) fn event(&self) -> Value {
        let line = self.events.recv_timeout(PATIENCE).expect("it says something");
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end after {:#?}", self.heard),
            }
        }
        let code = self.child.wait().unwrap().code();
        let said: String = self.heard.iter().map(|line| format!("{line}\n")).collect();
        assert!(!said.contains("panicked"), "{said}");
        End { code, said, events: self.events.iter().collect() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(from).lines().map_while(Result::ok);
        lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
    });
    lines
}

const PATIENCE: Duration = Duration::from_secs(60);
