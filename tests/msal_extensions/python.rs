//! The real msal-extensions, as a child process.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tokenkeep_test_support::{
    Tool,
    keyring::{Keyring, State, inside},
    need, python_with_libsecret,
};

/// Runs `body` in a session of its own with a real gnome-keyring, if Python is here. `test` is the
/// test's full name.
pub(crate) fn with_python(test: &str, body: impl FnOnce(&Keyring, &Path)) {
    if Keyring::current().is_none() && !need(Tool::PythonLibsecret) {
        return;
    }
    inside(test, State::Unlocked, |keyring| {
        let folder = tempfile::tempdir().unwrap();
        body(keyring, folder.path());
    });
}

/// tests/msal_extensions/peer.py, told what to be and to do.
pub(crate) fn peer(identity: &str, command: &str, location: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal_extensions/peer.py");
    let mut python = python_with_libsecret();
    python.arg(script).args([identity, command]).arg(location);
    python
}

/// What Python answers to `input`.
pub(crate) fn python(identity: &str, command: &str, location: &Path, input: &str) -> String {
    let mut child = peer(identity, command, location)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A Python that answers line by line, until it is dropped.
pub(crate) struct Conversation {
    child: Child,
    ask: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Conversation {
    pub(crate) fn begin(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { ask: child.stdin.take(), answers, child }
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.ask.as_mut().unwrap(), "{line}").unwrap();
        self.answers.next().expect("it answers").unwrap()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.ask = None;
        let status = self.child.wait().unwrap();
        assert!(std::thread::panicking() || status.success(), "{status}");
    }
}
