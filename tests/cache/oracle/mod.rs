//! The reference, msal 1.39.0 for Python, as a process that answers questions.

pub(crate) mod random;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tokenkeep_test_support::{Tool, need, python, workspace_root};

pub(crate) struct Oracle {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts the reference; none, with a printed reason, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !need(Tool::Python) {
            return None;
        }
        let mut process = Command::new(python().expect("it was there a moment ago"))
            .arg(workspace_root().join("tests/cache/oracle/oracle.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python interpreter starts");
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("its stdout is piped"));
        let mut oracle = Self { process, questions, answers };
        assert_eq!(oracle.ask(&json!({"op": "version"})), Ok(json!("1.39.0")));
        Some(oracle)
    }

    /// Asks one question; the error is the name of the exception.
    pub(crate) fn ask(&mut self, question: &Value) -> Result<Value, String> {
        let questions = self.questions.as_mut().expect("open until drop");
        writeln!(questions, "{question}").expect("the reference takes questions");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the reference answers");
        let mut answer: Value = serde_json::from_str(&line).expect("the answer is JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// What the reference prints of its cache.
    pub(crate) fn text(&mut self) -> String {
        let state = self.ask(&json!({"op": "state"})).expect("a cache prints");
        state[1].as_str().expect("its text").to_owned()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.questions.take();
        drop(self.process.wait());
    }
}
