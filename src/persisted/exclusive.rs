//! Work for one thread of this process at a time. Waiting threads share a failure that would
//! repeat.

use std::{
    process,
    sync::Arc,
    thread::{self, Thread, ThreadId},
    time::{Duration, Instant},
};

use tokenkeep_platform::{interrupt, sync::ForkLock};

use crate::Error;

/// Work that one thread does while others wait, each up to its own timeout.
///
/// In a forked child, a turn that a thread of the parent holds is ignored.
#[derive(Clone, Debug, Default)]
pub(super) struct Exclusive(Arc<ForkLock<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    owner: Option<Owner>,
    /// The number of turns so far.
    turns: u64,
    /// The number of the last turn that failed for all waiting threads, and its error.
    failed: Option<(u64, Error)>,
    waiting: Vec<Thread>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    pid: u32,
    /// `None` for a turn that no thread has: it was handed over.
    thread: Option<ThreadId>,
}

/// A thread's turn; ends on drop.
#[derive(Debug)]
pub(super) struct Turn {
    of: Exclusive,
    owner: Owner,
}

/// Why a thread got no turn.
#[derive(Debug)]
pub(super) enum Refused {
    /// The thread that this one waited for failed, and this one would fail in the same way.
    Failed(Error),
    /// This thread already has the turn: it would wait for itself.
    Own,
    /// The program stopped the wait.
    Stopped,
    /// Other threads had the turn for this long.
    TimedOut(Duration),
}

impl Exclusive {
    pub(super) fn acquire(&self, timeout: Duration) -> Result<Turn, Refused> {
        let owner = Owner { pid: process::id(), thread: Some(thread::current().id()) };
        let begun = Instant::now();
        let (mut behind, mut asked) = (None, begun);
        loop {
            if let Some(turn) = self.attempt(owner, &mut behind)? {
                return Ok(turn);
            }
            let waited = begun.elapsed();
            if waited >= timeout {
                // Otherwise the end of a turn would wake this thread instead of one that still
                // waits.
                self.0.write().stop_waiting(owner);
                return Err(Refused::TimedOut(waited));
            }
            thread::park_timeout((timeout - waited).min(LOOK));
            if interrupt::is_set() && asked.elapsed() >= LOOK {
                if interrupt::is_requested() {
                    self.0.write().stop_waiting(owner);
                    return Err(Refused::Stopped);
                }
                asked = Instant::now();
            }
        }
    }

    /// `behind` is the number of the turn that this thread began to wait for.
    fn attempt(&self, owner: Owner, behind: &mut Option<u64>) -> Result<Option<Turn>, Refused> {
        let mut inner = self.0.write();
        if let Some(error) = behind.and_then(|behind| inner.failure_since(behind)) {
            inner.stop_waiting(owner);
            return Err(Refused::Failed(error));
        }
        match inner.owner {
            Some(other) if other == owner => return Err(Refused::Own),
            Some(other) if other.pid == owner.pid => {
                // Only the first turn counts: a failure of it or of a later one ends the wait.
                behind.get_or_insert(inner.turns);
                if inner.waiting.iter().all(|thread| Some(thread.id()) != owner.thread) {
                    inner.waiting.push(thread::current());
                }
                return Ok(None);
            }
            // This process was forked: neither the owner nor its waiting threads exist here.
            Some(_) => inner.waiting.clear(),
            // A thread that woke by its timeout is still in the list.
            None => inner.stop_waiting(owner),
        }
        inner.owner = Some(owner);
        inner.turns += 1;
        Ok(Some(Turn { of: self.clone(), owner }))
    }
}

impl Inner {
    fn failure_since(&self, turn: u64) -> Option<Error> {
        self.failed.as_ref().filter(|(failed, _)| *failed >= turn)?.1.echo()
    }

    fn stop_waiting(&mut self, who: Owner) {
        self.waiting.retain(|thread| Some(thread.id()) != who.thread);
    }
}

impl Turn {
    /// Makes it the turn of no thread, for a value that threads may hand to each other. A thread
    /// that asks for it again waits for it like every other.
    pub(super) fn hand_over(&mut self) {
        let mut inner = self.of.0.write();
        let handed = Owner { thread: None, ..self.owner };
        if inner.owner == Some(self.owner) {
            inner.owner = Some(handed);
        }
        self.owner = handed;
    }

    /// Returns `result`. An error of a key source is also given to all threads that wait for this
    /// turn, because asking again would only repeat it.
    pub(super) fn share<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result
            && let Some(echo) = error.echo()
        {
            let mut inner = self.of.0.write();
            inner.failed = Some((inner.turns, echo));
            // They see the failure when they wake, and leave the list then.
            inner.waiting.iter().for_each(Thread::unpark);
        }
        result
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.of.0.write();
        // In a forked child the turn belongs to the parent, and another thread may have the turn by
        // now.
        if self.owner.pid == process::id() && inner.owner == Some(self.owner) {
            inner.owner = None;
            if !inner.waiting.is_empty() {
                inner.waiting.remove(0).unpark();
            }
        }
    }
}

/// Waiting threads poll: a wake-up is lost if the woken thread gives up at that moment.
const LOOK: Duration = interrupt::BETWEEN_QUESTIONS;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_secs(60);

    fn wrong_key() -> Error {
        Error::WrongKey { path: "cache".into(), source: None }
    }

    #[test]
    fn a_thread_that_is_at_work_is_told_so_and_others_wait_for_a_time() {
        let work = Exclusive::default();
        let turn = work.acquire(SOON).unwrap();
        assert!(matches!(work.acquire(LATE), Err(Refused::Own)));
        thread::scope(|scope| {
            let other = scope.spawn(|| work.acquire(SOON).err());
            assert!(
                matches!(other.join().unwrap(), Some(Refused::TimedOut(waited)) if waited >= SOON)
            );
            let other = scope.spawn(|| work.acquire(LATE).is_ok());
            drop(turn);
            assert!(other.join().unwrap());
        });
        assert!(work.acquire(SOON).is_ok());
    }

    #[test]
    fn a_failure_is_that_of_all_who_waited_and_of_nobody_who_comes_later() {
        let work = Exclusive::default();
        let turn = work.acquire(SOON).unwrap();
        let begun = mpsc::channel();
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let begun = begun.0.clone();
                    let work = &work;
                    scope.spawn(move || {
                        begun.send(()).unwrap();
                        work.acquire(LATE).err()
                    })
                })
                .collect();
            begun.1.iter().take(3).for_each(drop);
            while work.0.read().waiting.len() < 3 {
                thread::yield_now();
            }
            turn.share::<()>(Err(wrong_key())).unwrap_err();
            for waiting in waiting {
                let refused = waiting.join().unwrap();
                assert!(matches!(refused, Some(Refused::Failed(Error::WrongKey { .. }))));
            }
            assert!(work.0.read().waiting.is_empty());
            drop(turn);
            assert!(work.acquire(SOON).is_ok());
        });
    }

    #[test]
    fn in_a_forked_child_a_thread_of_the_parent_is_not_waited_for() {
        let work = Exclusive::default();
        let turn = work.acquire(SOON).unwrap();
        let theirs = Owner { pid: process::id() + 1, ..turn.owner };
        work.0.write().owner = Some(theirs);
        drop(turn);
        assert_eq!(work.0.read().owner, Some(theirs), "it is not this thread's to give back");
        let own = work.acquire(SOON).unwrap();
        drop(Turn { of: work.clone(), owner: theirs });
        assert!(matches!(work.acquire(SOON), Err(Refused::Own)), "the parent's turn ended ours");
        drop(own);
    }
}
