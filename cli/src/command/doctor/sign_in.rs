//! How `login` would sign a user in on this machine.

use std::io::{self, IsTerminal as _};

use serde::Serialize;

use crate::{
    command::login::way::{Here, Way},
    failure::Failure,
    output,
};

/// Stable field names for `--json`.
#[derive(Serialize)]
pub(super) struct SignIn {
    /// The way at a provider that offers all of them. `None` if the setting is not valid.
    way: Option<&'static str>,
    /// Whether a browser of this machine can sign in.
    browser: bool,
    /// The variable `TOKENKEEP_LOGIN`.
    setting: Option<String>,
    #[serde(skip)]
    problem: Option<Failure>,
}

impl SignIn {
    pub(super) fn here() -> Self {
        let here = Here::new(io::stdin().is_terminal());
        let (way, problem) = match Way::usual(&here) {
            Ok(way) => (Some(way.word()), None),
            Err(problem) => (None, Some(problem)),
        };
        Self { way, browser: here.has_browser, setting: here.setting, problem }
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        let why = match (&self.setting, self.browser) {
            (Some(_), _) => "TOKENKEEP_LOGIN says so",
            (None, true) => "a browser of this machine can be used",
            (None, false) => "no browser of this machine can be used",
        };
        match (self.way, &self.problem) {
            (Some(way), _) => output::line(format!("sign-in: --{way} ({why})")),
            (None, Some(problem)) => output::line(format!("sign-in: {problem}")),
            (None, None) => Ok(()),
        }
    }
}
