//! `cargo xtask check threats`: each row of the tables of docs/THREATS.md that promise something
//! names a test that exists, or says why there is none.

use std::fs;
use std::path::Path;

use tokenkeep_test_support::workspace_root;

use crate::stage::Failure;

/// The folders of the test programs and modules that the tables may name.
const TESTS: [&str; 4] = ["tests", "cli/tests", "web/tests", "web/src"];

/// Compares the tables with the tests.
pub(crate) fn check() -> Result<(), Failure> {
    let root = workspace_root();
    let document = root.join("docs/THREATS.md");
    let text = fs::read_to_string(&document)
        .map_err(|error| Failure::new(format!("{}: {error}", document.display())))?;
    let mut problems = Vec::new();
    for section in SECTIONS {
        if rows(&text, section).is_empty() {
            problems.push(format!("there is no table below `{}`", section.trim()));
        }
    }
    for (what, shown_by) in SECTIONS.iter().flat_map(|section| rows(&text, section)) {
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

/// The first and the last cell of each row of a section's table, without its head.
fn rows<'t>(text: &'t str, section: &str) -> Vec<(&'t str, &'t str)> {
    let section = text.split_once(section).map_or("", |(_, after)| after);
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
    let inside = folder.join(program).join(inner.join("/"));
    let files = match inner.is_empty() {
        true => [folder.join(format!("{program}.rs")), folder.join(program).join("main.rs")],
        false => [inside.with_extension("rs"), inside.join("mod.rs")],
    };
    files.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| has_test(&text, test)))
}

fn has_test(text: &str, name: &str) -> bool {
    let begin = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let mut attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        line.trim_start_matches("async ").starts_with(&begin)
            && attributes.any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

const SECTIONS: [&str; 2] = [
    "\n## What may come between a renewal\n",
    "\n## What may come between the nodes of a web app\n",
];
const NO_TEST: &str = "no test:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_first_and_last_cell_and_other_tables_do_not_count() {
        let section = SECTIONS[1];
        let text = format!(
            "| a | b |\n|---|---|\n| other | `x::y` |\n{section}\n| what | gets | shown by |\n\
             |---|---|---|\n| killed | all | `a::b`, `c::d::e` |\n| moved | | no test: why |\n\
             \n## Next\n\n| more | `x` |\n"
        );
        let expected = [("killed", "`a::b`, `c::d::e`"), ("moved", "no test: why")];
        assert_eq!(rows(&text, section), expected);
        assert_eq!(rows(&text, SECTIONS[0]), []);
        assert_eq!(names(expected[0].1), ["a::b", "c::d::e"]);
    }

    #[test]
    fn only_a_function_that_is_a_test_is_one() {
        let text = "#[test]\n#[ignore]\nfn one() {}\n\nfn two() {}\n// #[test]\nfn three() {}\n\
                    #[tokio::test(start_paused = true)]\nasync fn four() {}\n";
        assert_eq!(
            ["one", "two", "three", "four", "on"].map(|name| has_test(text, name)),
            [true, false, false, true, false]
        );
    }
}
