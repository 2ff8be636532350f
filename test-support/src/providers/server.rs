//! A server as a process of its own, from its first line to its end.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::skip::say;

/// What a provider says about each refresh, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// The request has arrived.
    Arrived,
    /// New tokens were issued, and the one that was presented is spent.
    Rotated,
    /// The response was sent.
    Answered,
}

/// The process. It ends when this is dropped, or when the process that has this ends.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// The server ends when it is closed.
    _input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Server {
    /// Starts `command` and returns the first line that it says too. `folder` has its log.
    pub(super) fn start(command: &mut Command, folder: &Path) -> io::Result<(Self, String)> {
        let log = folder.join("log");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            // Somebody has to read, or the server waits at a full pipe.
            thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(Result::ok);
                lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
            });
        }
        let server = Self { _input: child.stdin.take(), child, lines, log };
        match server.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok((server, line)),
            Err(_) => Err(io::Error::other(format!("it does not answer: {}", server.log()))),
        }
    }

    /// Waits until the server says `moment` of the next refresh. `false` if it does not in time.
    pub(super) fn wait_for(&self, moment: Moment, limit: Duration) -> bool {
        let word = match moment {
            Moment::Arrived => "arrived",
            Moment::Rotated => "rotated",
            Moment::Answered => "answered",
        };
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line == word => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Forgets what it has said until now.
    pub(super) fn forget(&self) {
        self.lines.try_iter().for_each(drop);
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            say(&format!("the provider's log:\n{}", self.log()));
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
