//! A program that runs until a test is over.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
};

use tokenkeep_test_support::example;

/// An example as a process. It is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts an example with these arguments and this key ring.
    pub(crate) fn start(name: &str, arguments: &[&str], keys: &str) -> Self {
        let mut command = Command::new(example(name));
        command.args(arguments).env("TOKENKEEP_WEB_KEYS", keys).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the line that begins so. The program writes it soon.
    pub(crate) fn says(&mut self, beginning: &str) -> String {
        let mut said = self.lines.by_ref().map(Result::unwrap);
        said.find_map(|line| line.strip_prefix(beginning).map(str::to_owned))
            .unwrap_or_else(|| panic!("the program ends before it says {beginning}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
