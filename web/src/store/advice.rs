//! What a store says of its engine's settings.

use std::time::SystemTime;

/// A setting of the engine that puts sign-ins at risk, and how to repair it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// What was found, as a sentence.
    pub found: String,
    /// What to do, as a sentence.
    pub next_step: String,
}

impl Advice {
    /// An advice.
    pub fn new(found: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { found: found.into(), next_step: next_step.into() }
    }
}

/// What [`Store::inspect`](super::Store::inspect) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The engine and its version, such as `Redis 7.0.15`.
    pub engine: String,
    /// The time of the engine's clock. `None` if it has no clock of its own.
    pub now: Option<SystemTime>,
    /// The settings to change. Empty if all is well.
    pub advice: Vec<Advice>,
}

impl Inspection {
    /// Nothing found at an engine of this name and version.
    pub fn new(engine: impl Into<String>) -> Self {
        Self { engine: engine.into(), ..Self::default() }
    }
}
