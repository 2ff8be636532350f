//! What the tests find, as rows of the table in docs/INTEROP.md.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::python::LOCKS;

/// The rows of one test.
pub(crate) struct Evidence {
    test: &'static str,
    peer: String,
    rows: Vec<(String, Vec<&'static str>)>,
}

impl Evidence {
    /// `peer` are the cells that all rows have: who it is, and what it works with.
    pub(crate) fn of(test: &'static str, peer: String) -> Self {
        Self { test, peer, rows: Vec::new() }
    }

    /// An identity, what was done and the result, with that kind of lock. Both kinds share a row where they agree.
    pub(crate) fn add(&mut self, cells: [&str; 3], lock: &'static str) {
        let row = cells.join(" | ");
        match self.rows.iter_mut().find(|(known, _)| *known == row) {
            Some((_, locks)) => locks.push(lock),
            None => self.rows.push((row, vec![lock])),
        }
    }

    /// Compares with the document; where [`FOLDER`] is set, leaves the rows there instead, for who writes it.
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

    fn lines(&self) -> Vec<String> {
        let line = |(row, locks): &(String, Vec<&str>)| {
            let lock = if **locks == LOCKS { "either" } else { locks[0] };
            format!("| {} | {lock} | {row} | `{}` |\n", self.peer, self.test)
        };
        self.rows.iter().map(line).collect()
    }
}

/// The rows of the table.
fn document() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/INTEROP.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once(BEGIN).expect("the table begins");
    let (table, _) = table.split_once(END).expect("the table ends");
    let rows = table.trim().lines().skip(2);
    rows.map(|row| format!("{row}\n")).collect()
}

/// The last cell.
fn test_of(row: &str) -> &str {
    row.rsplit('`').nth(1).unwrap_or_default()
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
