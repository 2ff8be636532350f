//! What every vault call is given: how long and how loudly to try.

use std::time::Duration;

/// How long a vault call may take and whether it may prompt.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Counted from the call, time in the queue included.
    pub deadline: Duration,
    /// Whether a prompt may open: [`Vault::unlock`](super::Vault::unlock) may prompt then, and on
    /// macOS also a call for an item that another program, or another version of this one, has
    /// made. Else what is locked is [`Locked`](super::VaultError::Locked) at once.
    pub may_prompt: bool,
}

impl Call {
    /// Without prompts, 3 s.
    pub const fn quiet() -> Self {
        Self { deadline: Duration::from_secs(3), may_prompt: false }
    }

    /// With prompts, 120 s.
    pub const fn prompting() -> Self {
        Self { deadline: Duration::from_secs(120), may_prompt: true }
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
