//! Counts the renewals that run in this process.

use std::process;

use tokenkeep_platform::sync::ForkLock;

/// How many renewals run.
#[derive(Default)]
pub(super) struct Running(ForkLock<Count>);

#[derive(Default)]
struct Count {
    /// A forked child has none of its parent's threads.
    pid: u32,
    running: usize,
}

/// A renewal that runs until this is dropped.
pub(super) struct One<'a> {
    of: &'a Running,
    pid: u32,
}

impl Running {
    pub(super) fn begin(&self) -> One<'_> {
        let (pid, mut count) = (process::id(), self.0.write());
        if count.pid != pid {
            *count = Count { pid, running: 0 };
        }
        count.running += 1;
        One { of: self, pid }
    }

    pub(super) fn is_any(&self) -> bool {
        let count = self.0.read();
        count.pid == process::id() && count.running > 0
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        let mut count = self.of.0.write();
        if count.pid == self.pid {
            count.running -= 1;
        }
    }
}
