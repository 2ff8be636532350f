//! What another process does with a backend: a program of its own, with a connection of its own.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{self, ChildStdout, Stdio},
};

use tokenkeep_test_support::started;

use super::{backend::Backend, bench::Again, slot::Name};

/// What the other process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Loads, and finds the payload of that writer.
    Find(u8),
    /// Saves the payload of that writer once.
    Save(u8),
    /// Saves it many times, from the moment that all are ready.
    Hammer(u8),
}

/// The payload of a writer: one letter, and a length that no other writer's has.
pub(crate) fn payload(writer: u8) -> Vec<u8> {
    vec![b'a' + writer; 1_000 + 50 * usize::from(writer)]
}

/// The other process.
pub(crate) struct Child {
    process: process::Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Child {
    pub(super) fn start(again: Again<'_>, place: &Path, name: &Name, deed: Deed) -> Self {
        let (verb, writer) = match deed {
            Deed::Find(writer) => ("find", writer),
            Deed::Save(writer) => ("save", writer),
            Deed::Hammer(writer) => ("hammer", writer),
        };
        let place = place.to_str().expect("a temporary folder's name is text");
        let Name { service, account } = name;
        let task = [verb, &writer.to_string(), place, service, account].join("\n");
        let mut command = again(&task);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = started(|| command.spawn()).expect("the test's program starts again");
        let out = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, out, said: String::new() }
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        while !self.said.contains(READY) {
            let read = self.out.read_line(&mut self.said).unwrap();
            assert_ne!(read, 0, "another process ended early: {}", self.said);
        }
    }

    /// Lets it begin, if it waits.
    pub(crate) fn begin(&mut self) {
        drop(self.process.stdin.take());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits for its end, and fails as it did.
    pub(crate) fn finish(mut self) {
        self.begin();
        self.out.read_to_string(&mut self.said).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "another process: {status}\n{}", self.said);
    }
}

impl Drop for Child {
    /// A check that has failed does not wait for it.
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Does what `task` says, in the other process.
pub(crate) fn work(backend: &Backend, task: &str) {
    let parts: Vec<&str> = task.splitn(5, '\n').collect();
    let [verb, writer, place, service, account] = parts[..] else { panic!("no task: {task}") };
    let (service, account) = (service.to_owned(), account.to_owned());
    let slot = (backend.open)(Path::new(place), &Name { service, account });
    let payload = payload(writer.parse().unwrap());
    match verb {
        "find" => assert_eq!(slot.load().unwrap(), Some(payload)),
        "save" => slot.save(&payload).unwrap(),
        _ => {
            println!("{READY}");
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            for _ in 0..ROUNDS {
                slot.save(&payload).unwrap();
            }
        }
    }
}

/// How often each of several writers saves.
pub(crate) const ROUNDS: usize = 10;
const READY: &str = "ready to save";
