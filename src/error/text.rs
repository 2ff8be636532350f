//! The texts of errors.

use std::{error::Error as _, fmt};

use tokenkeep_platform::text::{shown, shown_start};

use super::Error;

pub(super) fn cut_off(is_orphan: bool) -> &'static str {
    match is_orphan {
        true => "; the program that renewed it was ended before it could store the answer",
        false => "",
    }
}

pub(super) fn held_by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(": {}", shown(holder)))
}

pub(super) fn in_brackets(code: &str) -> String {
    match shown_start(code) {
        code if code.is_empty() => String::new(),
        code => format!(" (`{code}`)"),
    }
}

pub(super) fn way_back(seen: u64, found: u64) -> String {
    match found < seen {
        true => format!("went back from generation {seen} to {found}"),
        false => "is of a store that had ended".into(),
    }
}

/// Joins names from outside into one text for a user.
pub(super) fn listed(names: &[String]) -> String {
    names.iter().map(|name| shown_start(name)).collect::<Vec<_>>().join(", ")
}

/// What `main` prints of a returned error: the text, its causes, and what to do.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(f, ": {}", shown(error.to_string().trim_end()))?;
            source = error.source();
        }
        write!(f, " ({})", self.next_step())
    }
}
