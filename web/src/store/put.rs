//! A write.

use std::{fmt, time::Duration};

use super::{Durability, Loaded, Mark, Owner};

/// A write that compares first.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Put<'a> {
    /// The mark of the value that is replaced. `None` if there must be no value.
    pub expect: Option<&'a Mark>,
    /// The new value, sealed: at least 120 bytes.
    pub value: &'a [u8],
    /// How long the store keeps the value. A store may keep it up to a day longer.
    pub keep_for: Duration,
    /// The owner whose lease is released with it.
    pub release: Option<Owner>,
    /// When the value counts as stored.
    pub durability: Durability,
}

impl<'a> Put<'a> {
    /// Writes `value` in place of the one with the mark `expect`, for `keep_for`.
    pub fn new(expect: Option<&'a Mark>, value: &'a [u8], keep_for: Duration) -> Self {
        Self { expect, value, keep_for, release: None, durability: Durability::Local }
    }

    /// Releases the lease of this owner with it.
    pub fn release(self, owner: Option<Owner>) -> Self {
        Self { release: owner, ..self }
    }

    /// When the value counts as stored.
    pub fn durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }
}

impl fmt::Debug for Put<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put")
            .field("expect", &self.expect)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .field("keep_for", &self.keep_for)
            .field("release", &self.release)
            .field("durability", &self.durability)
            .finish()
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutOutcome {
    /// The value is in the store, by this call or by an earlier one with the same value.
    Stored,
    /// The store has another value, or none, which is here: [`Loaded::Value`] or
    /// [`Loaded::Absent`]. Nothing was written.
    Conflict(Loaded),
}
