//! How long to wait for a lock, and whom to tell.

use std::{fmt, time::Duration};

/// How long to wait for a lock. Measured on the monotonic clock.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Wait<'a> {
    /// The longest time; zero tries once. 60 s by default.
    pub timeout: Duration,
    /// After which time `notify` is called, once. 1 s by default.
    pub notify_after: Duration,
    /// Told who holds the lock, where known, and how long this process has waited. It runs on the
    /// thread that waits, which goes on when it returns; nobody else waits for it.
    pub notify: Option<Notify<'a>>,
}

/// Told who holds the lock, where known, and how long this process has waited.
pub type Notify<'a> = &'a dyn Fn(Option<&str>, Duration);

impl<'a> Wait<'a> {
    /// Waits at most for `timeout`.
    #[must_use]
    pub fn at_most(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }

    /// Calls `notify` once if the wait lasts longer than `after`.
    #[must_use]
    pub fn notify(self, after: Duration, notify: Notify<'a>) -> Self {
        Self { notify_after: after, notify: Some(notify), ..self }
    }
}

impl Default for Wait<'_> {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            notify_after: Duration::from_secs(1),
            notify: None,
        }
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("timeout", &self.timeout)
            .field("notify_after", &self.notify_after)
            .finish_non_exhaustive()
    }
}
