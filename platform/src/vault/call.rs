//! What every vault call is given: how long and how loudly to try.

use std::time::Duration;

/// Whether a vault may ask the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interaction {
    /// No prompt: what is locked is [`Locked`](super::VaultError::Locked) at once.
    #[default]
    Never,
    /// [`Vault::unlock`](super::Vault::unlock) may prompt, and on macOS also a call for an item that another program, or
    /// another version of this one, has made.
    Allow,
}

/// How long a vault call may take and whether it may prompt.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Counted from the call, time in the queue included.
    pub deadline: Duration,
    /// Whether a prompt may open.
    pub interaction: Interaction,
}

impl Call {
    /// Without prompts, 3 s.
    pub const fn quiet() -> Self {
        Self { deadline: Duration::from_secs(3), interaction: Interaction::Never }
    }

    /// With prompts, 120 s.
    pub const fn prompting() -> Self {
        Self { deadline: Duration::from_secs(120), interaction: Interaction::Allow }
    }

    /// The same with another deadline.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl Default for Call {
    fn default() -> Self {
        Self::quiet()
    }
}
