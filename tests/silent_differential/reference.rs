//! msal as a process that answers questions, and what an application of it does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tokenkeep_test_support::{Tool, need, python, workspace_root};

use crate::world::{Call, HOSTS, Outcome, Setup};

pub(crate) struct Reference {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    /// Starts it; none, with a printed reason, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !need(Tool::Python) {
            return None;
        }
        let mut process = Command::new(python().unwrap())
            .arg(workspace_root().join("tests/silent_differential/applications.py"))
            // It tries the names of a cloud in the order of a set.
            .env("PYTHONHASHSEED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (process.stdin.take(), process.stdout.take().unwrap());
        let mut reference = Self { process, questions, answers: BufReader::new(answers) };
        assert_eq!(reference.ask(&json!({"op": "version"})), "1.39.0");
        Some(reference)
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).expect("the answer is JSON");
        assert!(answer["error"].is_null(), "{question}: {}", answer["error"]);
        answer["ok"].take()
    }

    /// Makes an application, and returns its cache as text.
    pub(crate) fn make(&mut self, setup: &Setup) -> String {
        let answer = self.ask(&json!({
            "op": "new", "client": setup.client, "authority": setup.authority,
            "app_only": setup.app_only, "capabilities": setup.capabilities, "hosts": HOSTS,
            "sign_ins": setup.sign_ins.iter()
                .map(|(event, now)| json!({"event": event, "now": now})).collect::<Vec<_>>(),
            "entries": setup.entries,
        }));
        answer.as_str().unwrap().to_owned()
    }

    pub(crate) fn call(&mut self, setup: &Setup, call: &Call) -> Outcome {
        let answers: Vec<Value> = call.answers.iter().map(|reply| json!(reply.parts())).collect();
        let data: Value =
            call.data.iter().map(|&(name, value)| (name.to_owned(), json!(value))).collect();
        let answer = self.ask(&json!({
            "op": "call", "now": call.now, "account": call.account, "scopes": call.scopes,
            "claims": call.claims, "force": call.force, "data": data, "answers": answers,
            "app_only": setup.app_only,
        }));
        let result = match &answer["result"] {
            Value::Null => "nobody".to_owned(),
            Value::String(word) => word.clone(),
            found => match (found["error"].as_str(), found["access_token"].as_str()) {
                (Some(code), _) => format!("error {code}"),
                (None, Some(token)) => format!("token {token}"),
                (None, None) => "unusable".to_owned(),
            },
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let forms = answer["forms"].as_array().unwrap().iter().map(|form| {
            let fields = form.as_object().unwrap().iter();
            fields.map(|(name, value)| (name.clone(), text(value))).collect()
        });
        let cache = serde_json::from_str(answer["cache"].as_str().unwrap()).unwrap();
        Outcome { result, forms: forms.collect(), cache }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.questions.take();
        drop(self.process.wait());
    }
}
