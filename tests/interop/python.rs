//! A running Python program with msal-extensions or azure-identity, and what it answers.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::Value;
use tokenkeep_test_support::{python_with_libsecret, workspace_root};

/// The kinds of lock that msal-extensions has: as installed, and with portalocker.
pub(crate) const LOCKS: [&str; 2] = ["created", "portalocker"];

/// A process of `peer.py`.
pub(crate) struct Python {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// Starts one with that kind of lock. Its provider names the tokens after `name`.
    pub(crate) fn start(name: &str, lock: &str) -> Self {
        let script = workspace_root().join("tests/interop/peer.py");
        let mut python = python_with_libsecret();
        python.arg(script).args([name, lock]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut python = Self { child, questions, answers: BufReader::new(answers).lines() };
        let module = match lock {
            "created" => "msal_extensions.filelock",
            _ => "msal_extensions.cache_lock",
        };
        assert_eq!(python.ask("lock_in_use", []), module);
        python
    }

    /// What it answers.
    #[track_caller]
    pub(crate) fn ask<const N: usize>(&mut self, action: &str, arguments: [Value; N]) -> Value {
        let mut question = vec![Value::from(action)];
        question.extend(arguments);
        writeln!(self.questions, "{}", Value::from(question)).unwrap();
        let line = self.answers.next().expect("Python ended").unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer["failed"].is_null(), "{action}: {}", answer["failed"]);
        answer["answer"].clone()
    }

    /// The names of those packages with their versions.
    pub(crate) fn versions(&mut self, packages: &[&str]) -> String {
        let versions = self.ask("versions", [packages.to_vec().into()]);
        let versions: Vec<_> =
            versions.as_array().unwrap().iter().map(|version| version.as_str().unwrap()).collect();
        versions.join(", ")
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
