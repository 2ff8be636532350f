//! What does not work, why, and the line that fixes it.

use std::{error::Error as _, time::Duration};

use serde::Serialize;
use tokenkeep::Error;

use super::{advice, environment::Environment};
use crate::{
    args::Store,
    failure::{Failure, next_step},
    output,
};

/// Stable field names for `--json`.
#[derive(PartialEq, Serialize)]
pub(super) struct Problem {
    what: String,
    because: Vec<String>,
    next_step: String,
}

impl Problem {
    pub(super) fn new(failure: &Failure, store: &Store, environment: &Environment) -> Self {
        let mut because = Vec::new();
        let mut source = failure.source();
        while let Some(error) = source {
            because.push(error.to_string());
            source = error.source();
        }
        let (what, next_step) = match failure {
            Failure::Cache(error) => (what(error), line(error, store, environment)),
            // What is left is about the arguments.
            _ => (failure.to_string(), "correct the command line".into()),
        };
        Self { what, because, next_step }
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        print_line(&self.what)?;
        for because in &self.because {
            print_line(&format!("because: {because}"))?;
        }
        self.print_next_step()
    }

    pub(super) fn print_next_step(&self) -> Result<(), Failure> {
        print_line(&format!("do: {}", self.next_step))
    }
}

fn line(error: &Error, store: &Store, environment: &Environment) -> String {
    advice::line(error, environment).unwrap_or_else(|| next_step(error, store))
}

/// The text of the error. A call that fails at once because an earlier one hangs has not waited
/// itself.
fn what(error: &Error) -> String {
    match error {
        Error::VaultTimeout { vault, waited: Duration::ZERO } => {
            format!("the {vault} was silent a moment ago and was not asked again")
        }
        error => error.to_string(),
    }
}

fn print_line(text: &str) -> Result<(), Failure> {
    output::line(format!("      {text}"))
}
