//! What the suite found.

use std::fmt;

/// What the suite found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The checks that passed.
    pub passed: Vec<&'static str>,
    /// The checks that did not.
    pub failed: Vec<Failure>,
}

/// A check that did not pass.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The check's name.
    pub check: &'static str,
    /// What the store did.
    pub why: String,
}

impl Report {
    /// Panics with the names of the checks that failed, if any did.
    ///
    /// # Panics
    ///
    /// If a check failed.
    #[track_caller]
    pub fn expect_all_passed(&self) {
        assert!(self.failed.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks passed, {} failed", self.passed.len(), self.failed.len())?;
        for Failure { check, why } in &self.failed {
            write!(f, "\n  {check}: {why}")?;
        }
        Ok(())
    }
}
