//! `cargo xtask check threats`: each row of the table of renewals in docs/THREATS.md names a test
//! that exists, or says why there is none.

use std::fs;
use std::path::Path;

use tokenkeep_test_support::workspace_root;

use crate::stage::Failure;

/// The folders of the test programs that the table may name.
const TESTS: [&str; 2] = ["tests", "cli/tests"];

/// Compares the table with the tests.
pub(crate) fn check() -> Result<(), Failure> {
    let root = workspace_root();
    let document = root.join("docs/THREATS.md");
    let text = fs::read_to_string(&document)
        .map_err(|error| Failure::new(format!("{}: {error}", document.display())))?;
    let rows = rows(&text);
    let mut problems = Vec::new();
    if rows.is_empty() {
        problems.push("there is no table".to_owned());
    }
    for (what, shown_by) in rows {
        let names = names(shown_by);
        if names.is_empty() && !shown_by.starts_with(NO_TEST) {
            problems.push(format!("no test is named for `{what}`"));
        }
        for name in names {
            let is_there = TESTS.iter().any(|folder| is_test(&root.join(folder), name));
            if !is_there {
                problems.push(format!("there is no test `{name}`"));
            }
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!("docs/THREATS.md: {}", problems.join("; ")))),
    }
}

/// The first and the last cell of each row of the table, without its head.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let section = text.split_once(SECTION).map_or("", |(_, after)| after);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?, cells.next_back()?))
    })
    .collect()
}

/// What stands between backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether the test program that is named first, a file or a folder, has the test that is named
/// last: `program::module::test`.
fn is_test(folder: &Path, name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [program, inner @ .., test] = &parts[..] else { return false };
    let inside = folder.join(program).join(format!("{}.rs", inner.join("/")));
    let file = if inner.is_empty() { folder.join(format!("{program}.rs")) } else { inside };
    fs::read_to_string(file).is_ok_and(|text| has_test(&text, test))
}

fn has_test(text: &str, name: &str) -> bool {
    let begin = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        line.starts_with(&begin) && attributes.into_iter().any(|line| *line == "#[test]")
    })
}

const SECTION: &str = "\n## What may come between a renewal\n";
const NO_TEST: &str = "no test:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_first_and_last_cell_and_other_tables_do_not_count() {
        let text = format!(
            "| a | b |\n|---|---|\n| other | `x::y` |\n{SECTION}\n| what | gets | shown by |\n\
             |---|---|---|\n| killed | all | `a::b`, `c::d::e` |\n| moved | | no test: why |\n\
             \n## Next\n\n| more | `x` |\n"
        );
        let expected = [("killed", "`a::b`, `c::d::e`"), ("moved", "no test: why")];
        assert_eq!(rows(&text), expected);
        assert_eq!(names(expected[0].1), ["a::b", "c::d::e"]);
    }

    #[test]
    fn only_a_function_that_is_a_test_is_one() {
        let text = "#[test]\n#[ignore]\nfn one() {}\n\nfn two() {}\n// #[test]\nfn three() {}\n";
        assert_eq!(
            ["one", "two", "three", "on"].map(|name| has_test(text, name)),
            [true, false, false, false]
        );
    }
}
