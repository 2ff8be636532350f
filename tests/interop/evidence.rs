//! What the tests find, as the list of results in docs/INTEROP.md.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::python::LOCKS;

/// The results of one test.
pub(crate) struct Evidence {
    test: &'static str,
    peer: String,
    rows: Vec<Row>,
}

struct Row {
    identity: String,
    locks: Vec<&'static str>,
    done: String,
    result: String,
}

impl Evidence {
    /// `peer` says who it is and what it works with.
    pub(crate) fn of(test: &'static str, peer: String) -> Self {
        Self { test, peer, rows: Vec::new() }
    }

    /// What was done with that identity and that kind of lock, and the result.
    pub(crate) fn add(&mut self, identity: &str, lock: &'static str, done: &str, result: &str) {
        let same =
            |row: &&mut Row| (&*row.identity, &*row.done, &*row.result) == (identity, done, result);
        match self.rows.iter_mut().find(same) {
            Some(row) => row.locks.push(lock),
            None => self.rows.push(Row {
                identity: identity.into(),
                locks: vec![lock],
                done: done.into(),
                result: result.into(),
            }),
        }
    }

    /// Compares with the document; where [`FOLDER`] is set, leaves the rows there instead, for who
    /// writes it.
    pub(crate) fn compare(&self) {
        let found = self.lines();
        if let Some(folder) = env::var_os(FOLDER) {
            return fs::write(PathBuf::from(folder).join(self.test), found.concat()).unwrap();
        }
        let there: Vec<_> =
            document().into_iter().filter(|row| test_of(row) == self.test).collect();
        assert!(
            there == found,
            "docs/INTEROP.md does not tell what this run found; cargo xtask evidence writes it\n\
             found:\n{}there:\n{}",
            found.concat(),
            there.concat()
        );
    }

    /// One for all identities and both kinds of lock of which there is the same to tell.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<(Vec<&str>, &Row)> = Vec::new();
        for row in &self.rows {
            let same = |(_, other): &&mut (_, &Row)| {
                (&other.locks, &other.done, &other.result) == (&row.locks, &row.done, &row.result)
            };
            match lines.iter_mut().find(same) {
                Some((identities, _)) => identities.push(&row.identity),
                None => lines.push((vec![&row.identity], row)),
            }
        }
        let line = |(identities, row): &(Vec<&str>, &Row)| {
            let lock = if *row.locks == LOCKS { "either" } else { row.locks[0] };
            let identities = identities.join("; ");
            let Self { peer, test, .. } = self;
            let points = [
                format!("Peer: {peer}; its lock: {lock}"),
                format!("Identity: {identities}"),
                format!("Done: {}", row.done),
                format!("Result: {}", row.result),
            ];
            format!("- `{test}`\n{}", points.map(|point| wrapped(&point)).concat())
        };
        lines.iter().map(line).collect()
    }
}

/// A point of a list, in lines of at most 100 columns.
fn wrapped(point: &str) -> String {
    let mut lines = String::from("  -");
    let mut column = lines.len();
    for word in point.split(' ') {
        if column + 1 + word.chars().count() > 100 {
            lines.push_str("\n   ");
            column = 3;
        }
        lines.push(' ');
        lines.push_str(word);
        column += 1 + word.chars().count();
    }
    lines + "\n"
}

/// The results in the document.
fn document() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/INTEROP.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once(BEGIN).expect("the table begins");
    let (table, _) = table.split_once(END).expect("the table ends");
    let mut results: Vec<String> = Vec::new();
    for line in table.trim().lines() {
        if line.starts_with("- ") {
            results.push(String::new());
        }
        if let Some(last) = results.last_mut() {
            last.extend([line, "\n"]);
        }
    }
    results
}

/// The test that a result is from.
fn test_of(result: &str) -> &str {
    result.split('`').nth(1).unwrap_or_default()
}

#[test]
fn the_table_names_no_test_that_is_gone() {
    if env::var_os(FOLDER).is_some() {
        return;
    }
    let list = Command::new(env::current_exe().unwrap()).args(["--list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let tests: Vec<_> = list.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert!(tests.len() > 3, "{list}");
    let rows = document();
    assert!(!rows.is_empty());
    for row in rows {
        assert!(tests.contains(&test_of(&row)), "{row}of a test that is gone");
    }
}

/// Where `cargo xtask evidence` collects the rows.
const FOLDER: &str = "TOKENKEEP_EVIDENCE";
const BEGIN: &str = "<!-- results: written by `cargo xtask evidence` -->";
const END: &str = "<!-- end of results -->";
