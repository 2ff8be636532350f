//! A thread that acquires a lock again is refused at once, and only that thread.
#![allow(clippy::unwrap_used, reason = "tests panic")]

use std::{path::PathBuf, sync::mpsc, thread, time::Duration};

use tempfile::TempDir;
use tokenkeep_platform::{
    file::{Folder, Parents},
    lock::{CrossProcessLock, LockError, Wait},
};

/// Each kind of lock, and a second value for the same lock by another path.
fn locks() -> (TempDir, [[CrossProcessLock; 2]; 2]) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("store");
    Folder::create(&folder, Parents::Require).unwrap();
    let spelled = folder.join("..").join("store");
    let fair = |folder: PathBuf| CrossProcessLock::new(folder, "s");
    let shared = |folder: PathBuf| CrossProcessLock::msal_extensions(folder.join("cache"));
    let both = [[fair(folder.clone()), fair(spelled.clone())], [shared(folder), shared(spelled)]];
    (outer, both)
}

fn is_nested(lock: &CrossProcessLock) -> bool {
    // Longer than a test may take: a thread that waited for itself would hang.
    let refused = lock.acquire(&Wait::at_most(Duration::from_secs(3600))).map(drop);
    matches!(refused, Err(LockError::Nested { path }) if path == lock.path())
}

fn times_out(lock: &CrossProcessLock) -> bool {
    let refused = lock.acquire(&Wait::at_most(Duration::from_millis(1))).map(drop);
    matches!(refused, Err(LockError::TimedOut { .. }))
}

#[test]
fn a_thread_that_holds_a_lock_is_refused_by_each_path_and_no_other_thread_is() {
    let (_place, both) = locks();
    for [lock, same] in both {
        let guard = lock.acquire(&Wait::default()).unwrap();
        assert!(is_nested(&lock) && is_nested(&same));
        let once = lock.acquire(&Wait::at_most(Duration::ZERO)).map(drop);
        assert!(matches!(once, Err(LockError::TimedOut { .. })), "one attempt is no wait");
        thread::scope(|scope| {
            assert!(scope.spawn(|| times_out(&same)).join().unwrap());
            let waiting = scope.spawn(|| same.acquire(&Wait::default()).map(drop));
            drop(guard);
            waiting.join().unwrap().unwrap();
        });
        drop(lock.acquire(&Wait::default()).unwrap());
    }
}

#[test]
fn a_clone_of_a_guard_belongs_to_no_thread_so_it_is_waited_for() {
    let (_place, both) = locks();
    for [lock, same] in both {
        let guard = lock.acquire(&Wait::default()).unwrap();
        // As a write to a vault that ends after its caller has given up.
        let late = guard.clone();
        assert!(is_nested(&same));
        drop(guard);
        assert!(times_out(&same));
        let (end, ended) = mpsc::channel::<()>();
        let writer = thread::spawn(move || {
            ended.recv().ok();
            drop(late);
        });
        drop(end);
        drop(same.acquire(&Wait::default()).unwrap());
        writer.join().unwrap();
    }
}

#[test]
fn a_guard_counts_as_its_threads_until_it_is_dropped_on_any_thread() {
    let (_place, both) = locks();
    for [lock, same] in both {
        let guard = lock.acquire(&Wait::default()).unwrap();
        let (send, guards) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let guard = guards.recv().unwrap();
            ended.recv().ok();
            drop(guard);
        });
        send.send(guard).unwrap();
        assert!(is_nested(&same));
        drop(end);
        other.join().unwrap();
        drop(same.acquire(&Wait::default()).unwrap());
    }
}
