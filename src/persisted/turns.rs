//! Limits how many asynchronous calls of a process run at once, and how long one waits for its
//! turn.

use std::{
    cell::Cell,
    collections::VecDeque,
    mem, process,
    sync::RwLockWriteGuard,
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokenkeep_platform::sync::ForkLock;
use tokio::sync::oneshot;

use crate::Error;

/// A call's right to a thread, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pid: u32,
}

#[derive(Default)]
struct Queue {
    /// The process that this queue belongs to. A forked child begins with an empty queue, because
    /// the parent's threads, which would give their turns back, do not exist there.
    pid: u32,
    taken: usize,
    waiting: VecDeque<Waiting>,
    /// When a turn was last given back.
    moved: Option<Instant>,
    /// The thread that ends waits, if one is running.
    watcher: Option<Thread>,
}

struct Waiting {
    since: Instant,
    patience: Duration,
    turn: oneshot::Sender<Turn>,
}

impl Turn {
    /// Waits for a turn, and gives up if no call has ended for `patience`.
    pub(super) async fn next(patience: Duration) -> Result<Self, Error> {
        let (turn, given) = oneshot::channel();
        {
            let mut queue = queue();
            // A turn is free only if no call waits: one that ends is handed on.
            if queue.taken < MOST {
                queue.taken += 1;
                return Ok(Self { pid: queue.pid });
            }
            match &queue.watcher {
                // It may be asleep until a later end than that of this wait.
                Some(watcher) => watcher.unpark(),
                None => {
                    let watcher = thread::Builder::new().name("tokenkeep".into()).spawn(watch);
                    let watcher = watcher.map_err(|e| Error::NoThread { source: e.into() })?;
                    queue.watcher = Some(watcher.thread().clone());
                }
            }
            queue.waiting.push_back(Waiting { since: Instant::now(), patience, turn });
        }
        // Only the watcher drops a sender, when the wait is over.
        given.await.map_err(|_| Error::NoThread {
            source: format!("{MOST} other calls were running, and none ended for {patience:?}")
                .into(),
        })
    }
}

impl Drop for Turn {
    /// Hands the turn to the call that has waited longest, and skips dropped futures.
    fn drop(&mut self) {
        loop {
            let next = {
                let mut queue = queue();
                // In a forked child the turn is one of the parent's queue.
                if queue.pid != self.pid {
                    return;
                }
                queue.moved = Some(Instant::now());
                match queue.waiting.pop_front() {
                    Some(next) => next,
                    None => {
                        queue.taken -= 1;
                        return;
                    }
                }
            };
            // Sent without the lock held, because it wakes a task. A turn that nobody took is
            // forgotten, because dropping it would give it back twice.
            match next.turn.send(Self { pid: self.pid }) {
                Ok(()) => return,
                Err(unused) => mem::forget(unused),
            }
        }
    }
}

/// The queue of this process.
fn queue() -> RwLockWriteGuard<'static, Queue> {
    static QUEUE: ForkLock<Queue> = ForkLock::new(Queue {
        pid: 0,
        taken: 0,
        waiting: VecDeque::new(),
        moved: None,
        watcher: None,
    });
    let mut queue = QUEUE.write();
    let pid = process::id();
    if queue.pid != pid {
        // Forgotten, because dropping it would wake tasks of the parent's runtime.
        mem::forget(mem::replace(&mut *queue, Queue { pid, ..Queue::default() }));
    }
    queue
}

/// Ends waits whose time is up, until no wait with an end is left.
fn watch() {
    loop {
        let ended: VecDeque<Waiting>;
        let next = {
            let mut queue = queue();
            let (now, moved) = (Instant::now(), queue.moved);
            // `None` if the end is beyond the clock's range.
            let ends = |waiting: &Waiting| {
                // A call that ended since shows that the queue moves, so the patience starts again.
                let since = moved.map_or(waiting.since, |moved| moved.max(waiting.since));
                since.checked_add(waiting.patience)
            };
            let is_over = |waiting: &Waiting| ends(waiting).is_some_and(|end| end <= now);
            let (over, rest) = mem::take(&mut queue.waiting).into_iter().partition(is_over);
            (ended, queue.waiting) = (over, rest);
            let next = queue.waiting.iter().filter_map(ends).min();
            // With the lock held, so that a wait that begins next starts a watcher of its own.
            if next.is_none() {
                queue.watcher = None;
            }
            next.map(|next| next.saturating_duration_since(now))
        };
        // Dropped without the lock held, because it wakes the waiting tasks.
        drop(ended);
        match next {
            Some(next) => thread::park_timeout(next),
            None => return,
        }
    }
}

thread_local! {
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one that serves a call.
pub(super) fn serve_call() {
    IN_CALL.set(true);
}

/// Whether this thread serves a call. A call that it waits for is a part of that call and needs no
/// turn of its own.
pub(super) fn serves_call() -> bool {
    IN_CALL.get()
}

/// Keeps a burst of calls from using up the system's threads.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// One test, because a process has one queue.
    #[test]
    fn turns_are_handed_on_and_a_wait_for_one_ends() {
        let long = Duration::from_secs(600);
        let turns: Vec<Turn> = (0..MOST)
            .map(|_| match poll(Turn::next(long)) {
                Poll::Ready(Ok(turn)) => turn,
                other => panic!("{other:?}"),
            })
            .collect();
        let gone = Box::pin(Turn::next(long));
        let mut gone = gone;
        assert!(poll(gone.as_mut()).is_pending());
        let mut next = Box::pin(Turn::next(long));
        assert!(poll(next.as_mut()).is_pending());
        let mut endless = Box::pin(Turn::next(Duration::MAX));
        assert!(poll(endless.as_mut()).is_pending());
        let mut ends = Box::pin(Turn::next(Duration::from_millis(20)));
        assert!(poll(ends.as_mut()).is_pending());
        let begun = Instant::now();
        let refused = loop {
            if let Poll::Ready(result) = poll(ends.as_mut()) {
                break result;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the wait goes on");
            thread::yield_now();
        };
        assert!(matches!(refused, Err(Error::NoThread { .. })), "{refused:?}");
        // Dropped futures are skipped.
        drop((gone, endless));
        let mut turns = turns;
        drop(turns.pop());
        let turn = match poll(next.as_mut()) {
            Poll::Ready(Ok(turn)) => turn,
            other => panic!("{other:?}"),
        };
        drop((turns, turn));
        assert_eq!(queue().taken, 0, "every turn was given back");
        assert!(poll(Turn::next(long)).is_ready());
    }
}
