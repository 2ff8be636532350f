//! Which locks the threads of this process hold, so that no thread waits for itself.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    thread::{self, ThreadId},
};

use super::CrossProcessLock;
use crate::sync::ForkLock;

static MARKS: ForkLock<Vec<Entry>> = ForkLock::new(Vec::new());

struct Entry {
    number: u64,
    pid: u32,
    thread: ThreadId,
    lock: CrossProcessLock,
}

/// Marks a lock as held by the thread that made the mark, until it is dropped.
#[derive(Debug)]
pub(super) struct Mark {
    number: u64,
}

impl Mark {
    pub(super) fn new(lock: &CrossProcessLock) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: the numbers only have to differ.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (pid, thread) = (process::id(), thread::current().id());
        MARKS.write().push(Entry { number, pid, thread, lock: lock.clone() });
        Self { number }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        MARKS.write().retain(|entry| entry.number != self.number);
    }
}

/// Whether this thread holds `lock`. In a forked child, what its parent holds does not count.
pub(super) fn is_held_here(lock: &CrossProcessLock) -> bool {
    let (pid, thread) = (process::id(), thread::current().id());
    let is_ours = |entry: &&Entry| entry.pid == pid && entry.thread == thread;
    let ours: Vec<_> =
        MARKS.read().iter().filter(is_ours).map(|entry| entry.lock.clone()).collect();
    // Only now, because comparing two locks may look at the file system.
    ours.iter().any(|held| held.is_same(lock))
}
