//! The mark by which a reader knows that nothing changed.

use pyo3::prelude::*;
use tokenkeep::persistence;

/// A mark of what a store holds. Equal marks mean that a reader need not load again.
#[pyclass(frozen, eq, module = "tokenkeep._native")]
#[derive(PartialEq, Eq)]
pub(crate) struct Stamp(persistence::Stamp);

impl From<persistence::Stamp> for Stamp {
    fn from(stamp: persistence::Stamp) -> Self {
        Self(stamp)
    }
}
