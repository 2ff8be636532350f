//! The table: what each row expects, and what was measured.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use tokenkeep::AccessToken;
use tokenkeep_test_support::say;
use tokenkeep_web::{Error, Tokens};

/// A token that the store has.
pub(crate) const STORED: &str = "token";
/// A token that the store does not have.
pub(crate) const UNSTORED: &str = "token, not stored";

/// What became of one call.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<AccessToken, Error>,
    pub(crate) took: Duration,
}

/// Asks for a token.
pub(crate) async fn ask(tokens: Tokens) -> Outcome {
    let start = Instant::now();
    let result = tokens.token(["read"]).await;
    Outcome { result, took: start.elapsed() }
}

impl Outcome {
    pub(crate) fn secret(&self) -> &str {
        self.result.as_ref().map_or("", AccessToken::secret)
    }

    /// The token, or the name of the error and its status.
    pub(crate) fn shown(&self) -> String {
        match &self.result {
            Ok(token) if token.is_stored() => STORED.into(),
            Ok(_) => UNSTORED.into(),
            Err(error) => {
                let text = format!("{error:?}");
                let name = text.split([' ', '(']).next().unwrap_or_default();
                format!("{name} {}", error.status())
            }
        }
    }
}

/// Whose tokens a call is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// A user with a valid token in the node's memory.
    Valid,
    /// A user with a refresh token in the store, and nothing valid.
    Expired,
    /// The application itself, or an API on behalf of a user.
    Application,
}

/// One failure.
pub(crate) struct Row {
    fault: &'static str,
    cells: [Vec<String>; 3],
    after: Vec<String>,
    wrong: Vec<String>,
}

impl Row {
    fn new(fault: &'static str) -> Self {
        Self { fault, cells: Default::default(), after: Vec::new(), wrong: Vec::new() }
    }

    /// What a call has to end with, and within which time.
    pub(crate) fn expect(
        &mut self,
        whose: Whose,
        outcome: &Outcome,
        expected: &str,
        limit: Duration,
    ) {
        let shown = outcome.shown();
        self.cells[whose as usize].push(format!("{shown} ({})", short(outcome.took)));
        if shown != expected {
            self.wrong.push(format!("{whose:?}: {expected} is due, not {:?}", outcome.result));
        }
        if outcome.took > limit {
            self.wrong.push(format!("{whose:?}: {:?} took longer than {limit:?}", outcome.took));
        }
        if let Err(error) = &outcome.result
            && error.retry_after().is_some() != error.is_retryable()
        {
            self.wrong.push(format!("{whose:?}: it does not say when to try again: {error:?}"));
        }
    }

    /// A figure of a column.
    pub(crate) fn note(&mut self, whose: Whose, text: impl Into<String>) {
        self.cells[whose as usize].push(text.into());
    }

    /// What has to be so afterwards.
    pub(crate) fn after(&mut self, what: impl Into<String>, is_so: bool) {
        let what = what.into();
        if self.after.contains(&what) && is_so {
            return;
        }
        if !is_so {
            self.wrong.push(format!("afterwards: not so: {what}"));
        }
        self.after.push(what);
    }

    /// A time that has to be kept.
    pub(crate) fn took(&mut self, what: &str, took: Duration, limit: Duration) {
        self.after(format!("{what} {}", short(took)), took <= limit);
    }
}

/// The rows of one engine.
pub(crate) struct Table {
    title: &'static str,
    rows: Vec<Row>,
    start: Instant,
}

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, rows: Vec::new(), start: Instant::now() }
    }

    /// Runs one row on a runtime of its own. If it fails the others run all the same.
    pub(crate) fn row(&mut self, fault: &'static str, run: impl AsyncFnOnce(&mut Row)) {
        self.rows([fault], async |[row]| run(row).await);
    }

    /// Runs several rows at once.
    pub(crate) fn rows<const N: usize>(
        &mut self,
        faults: [&'static str; N],
        run: impl AsyncFnOnce([&mut Row; N]),
    ) {
        let only = std::env::var("TOKENKEEP_FAILURE").unwrap_or_default();
        if !faults.iter().any(|fault| fault.contains(&only)) {
            return;
        }
        let mut rows = faults.map(Row::new);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("there is a thread");
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(rows.each_mut()))));
        // Requests to the provider that nobody waits for may be on its threads.
        runtime.shutdown_background();
        if let Err(panic) = ended {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref().map(|text: &&str| (*text).to_owned()));
            rows[0].wrong.push(format!("it panicked: {}", text.unwrap_or_default()));
        }
        self.rows.extend(rows);
    }

    /// Prints the table, and fails if a row did.
    pub(crate) fn end(self) {
        let mut text = format!(
            "{} ({:?})\n| fault | valid in L1 | user, nothing valid | application | afterwards |\n\
             | --- | --- | --- | --- | --- |\n",
            self.title,
            self.start.elapsed()
        );
        for row in &self.rows {
            let cell = |cell: &Vec<String>| match cell.is_empty() {
                true => "–".to_owned(),
                false => cell.join("; "),
            };
            let cells = row.cells.each_ref().map(cell).join(" | ");
            writeln!(text, "| {} | {cells} | {} |", row.fault, cell(&row.after)).expect("a text");
        }
        say(&text);
        let wrong: Vec<String> = self
            .rows
            .iter()
            .flat_map(|row| row.wrong.iter().map(|wrong| format!("{}: {wrong}", row.fault)))
            .collect();
        assert!(wrong.is_empty(), "{}\n{}", self.title, wrong.join("\n"));
    }
}

fn short(time: Duration) -> String {
    match time.as_millis() {
        0..10 => format!("{:.1} ms", time.as_secs_f64() * 1_000.0),
        millis => format!("{millis} ms"),
    }
}
