//! The options of a vault call: its deadline, and whether it may prompt.

use std::time::Duration;

/// How long a vault call may take and whether it may prompt.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Counted from the start of the call, including the time in the queue.
    pub deadline: Duration,
    /// Whether a prompt may open. If so, [`Vault::unlock`](super::Vault::unlock) may prompt. On
    /// macOS a call for an item that another program, or another build of this one, created may
    /// prompt too. If not, a locked vault or item is [`Locked`](super::VaultError::Locked)
    /// immediately.
    pub may_prompt: bool,
}

impl Call {
    /// No prompts, 3 s.
    pub const fn quiet() -> Self {
        Self { deadline: Duration::from_secs(3), may_prompt: false }
    }

    /// Prompts allowed, 120 s.
    pub const fn prompting() -> Self {
        Self { deadline: Duration::from_secs(120), may_prompt: true }
    }

    /// Sets the deadline.
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
