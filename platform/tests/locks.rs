//! The lock between threads and processes.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests report and panic")]

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokenkeep_platform::{
    file::{FileError, Folder, Parents},
    lock::{CrossProcessLock, LockError, LockGuard, Wait},
};
use tokenkeep_test_support::{again, say, started, task};

fn folder() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("store");
    Folder::create(&path, Parents::Require).unwrap();
    (outer, path)
}

fn acquire(lock: &CrossProcessLock) -> LockGuard {
    lock.acquire(&Wait::default()).unwrap()
}

/// A process that holds the lock by the time this returns; `test` begins with [`hold`].
fn holder(test: impl Fn(), path: &Path) -> Child {
    let mut command = again(test, path);
    command.stdout(Stdio::piped());
    let mut child = started(|| command.spawn()).unwrap();
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while !line.contains("held") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the holder ended");
    }
    child
}

#[expect(clippy::print_stdout, reason = "tells the parent")]
fn hold(path: OsString) -> ! {
    let _guard = acquire(&CrossProcessLock::new(&path, "s"));
    println!("held");
    loop {
        thread::park();
    }
}

fn count_up(path: OsString) {
    let folder = Folder::open(Path::new(&path)).unwrap().unwrap();
    let lock = CrossProcessLock::new(&path, "s");
    for _ in 0..50 {
        let _guard = acquire(&lock);
        let count = folder.open_file("count").unwrap().unwrap().read_all(20).unwrap();
        let count: u32 = str::from_utf8(&count).unwrap().parse().unwrap();
        folder.replace("count", (count + 1).to_string().as_bytes()).unwrap();
    }
}

#[test]
fn no_update_of_eight_processes_is_lost() {
    if let Some(path) = task() {
        return count_up(path);
    }
    let (_outer, path) = folder();
    let folder = Folder::open(&path).unwrap().unwrap();
    folder.replace("count", b"0").unwrap();
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut command = again(no_update_of_eight_processes_is_lost, &path);
            command.stdout(Stdio::null());
            started(|| command.spawn()).unwrap()
        })
        .collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(*folder.open_file("count").unwrap().unwrap().read_all(20).unwrap(), b"400");
}

#[test]
fn threads_that_share_a_lock_or_have_their_own_exclude_each_other() {
    let (_outer, path) = folder();
    let shared = CrossProcessLock::new(&path, "s");
    let (inside, count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for index in 0..8 {
            let own = CrossProcessLock::new(&path, "s");
            let lock = if index % 2 == 0 { shared.clone() } else { own };
            let (inside, count) = (&inside, &count);
            scope.spawn(move || {
                for _ in 0..200 {
                    let guard = acquire(&lock);
                    assert!(!inside.swap(true, Ordering::SeqCst), "two threads are inside");
                    thread::yield_now();
                    inside.store(false, Ordering::SeqCst);
                    drop(guard);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 1600);
}

#[test]
fn a_lock_is_held_until_the_last_clone_of_its_guard_is_dropped() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "cache");
    let guard = acquire(&lock);
    let clone = guard.clone();
    drop(guard);
    let once = Wait::at_most(Duration::ZERO);
    assert!(lock.acquire(&once).is_err(), "the clone holds it");
    assert!(clone.is_intact().unwrap());
    drop(clone);
    assert!(lock.acquire(&once).is_ok());
    assert!(LockGuard::none().is_intact().unwrap());
}

#[test]
fn a_wait_that_times_out_names_the_holder() {
    if let Some(path) = task() {
        hold(path);
    }
    let (_outer, path) = folder();
    let mut child = holder(a_wait_that_times_out_names_the_holder, &path);
    let lock = CrossProcessLock::new(&path, "s");
    let told = std::cell::RefCell::new(Vec::new());
    let tell = |holder: Option<&str>, _: Duration| {
        told.borrow_mut().push(holder.map(str::to_owned));
    };
    let wait = Wait::at_most(Duration::from_millis(100)).notify(Duration::from_millis(20), &tell);
    let error = lock.acquire(&wait).unwrap_err();
    let name = format!("process {} (locks-", child.id());
    let LockError::TimedOut { path: locked, waited, holder } = &error else { panic!("{error}") };
    assert_eq!(locked, lock.path());
    assert!(*waited >= Duration::from_millis(100));
    assert!(holder.as_ref().is_some_and(|holder| holder.starts_with(&name)), "{error}");
    let told = told.into_inner();
    assert_eq!(told.len(), 1, "told once");
    assert!(told[0].as_ref().is_some_and(|holder| holder.starts_with(&name)), "{told:?}");
    let error = lock.acquire(&Wait::at_most(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(acquire(&lock));
}

#[test]
fn a_wait_ends_when_its_caller_says_so_at_the_head_and_behind_it() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let guard = acquire(&lock);
    let asked = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let is_third = || asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= 2;
                let stopped = CrossProcessLock::new(&path, "s")
                    .acquire(&Wait::at_most(Duration::MAX).until(&is_third))
                    .unwrap_err();
                assert!(matches!(stopped, LockError::Stopped { .. }), "{stopped}");
            });
        }
    });
    assert!(asked.into_inner() >= 4, "each was asked until it ended");
    drop(guard);
    drop(lock.acquire(&Wait::at_most(Duration::ZERO).until(&|| true)).unwrap());
}

#[test]
fn a_killed_holder_releases_within_fifty_milliseconds() {
    if let Some(path) = task() {
        hold(path);
    }
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let mut times = Vec::new();
    for _ in 0..21 {
        let mut child = holder(a_killed_holder_releases_within_fifty_milliseconds, &path);
        let waiter = lock.clone();
        let waiter = thread::spawn(move || {
            let guard = acquire(&waiter);
            let now = Instant::now();
            drop(guard);
            now
        });
        let killed = Instant::now();
        child.kill().unwrap();
        times.push(waiter.join().unwrap().saturating_duration_since(killed));
        child.wait().unwrap();
    }
    times.sort();
    // The median, for on a busy machine any process may be late for reasons of its own.
    say(&format!(
        "from kill to the next acquisition: median {:?}, most {:?}",
        times[10], times[20]
    ));
    assert!(times[10] < Duration::from_millis(50), "{times:?}");
}

#[test]
fn a_lock_in_a_folder_that_does_not_exist_is_a_missing_parent() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(path.join("absent"), "s");
    let error = lock.acquire(&Wait::default()).unwrap_err();
    assert!(matches!(error, LockError::File(FileError::MissingParent { .. })), "{error}");
}

#[test]
fn releasing_and_acquiring_leave_the_files_where_they_are() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    for _ in 0..3 {
        assert!(acquire(&lock).is_intact().unwrap());
    }
    for name in ["s.lock", "s.queue", "s.holder"] {
        assert!(path.join(name).exists(), "{name}");
    }
}

// Not on Windows: a lock file that is open cannot be removed
#[cfg(unix)]
#[test]
fn a_lock_file_that_was_replaced_is_noticed_by_its_holder_and_by_the_next() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let first = acquire(&lock);
    assert!(first.is_intact().unwrap());
    std::fs::remove_file(path.join("s.lock")).unwrap();
    assert!(!first.is_intact().unwrap(), "the file is gone");
    drop(first);
    // The descriptor is kept, but it is one of a file that nobody else can find.
    let second = acquire(&lock);
    assert!(second.is_intact().unwrap());
    let elsewhere = CrossProcessLock::new(&path, "s");
    assert!(elsewhere.acquire(&Wait::at_most(Duration::ZERO)).is_err(), "two hold it");
}

// Not on Windows: a lock file that is open cannot be removed
#[cfg(unix)]
#[test]
fn a_waiter_does_not_take_a_lock_file_that_was_replaced_while_it_waited() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let old = acquire(&lock);
    let waiting = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let tell = |_: Option<&str>, _: Duration| waiting.store(true, Ordering::SeqCst);
            let wait = Wait::default().notify(Duration::ZERO, &tell);
            CrossProcessLock::new(&path, "s").acquire(&wait).unwrap()
        });
        while !waiting.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        std::fs::remove_file(path.join("s.lock")).unwrap();
        drop(old);
        let guard = waiter.join().unwrap();
        assert!(guard.is_intact().unwrap(), "the waiter has the old file");
    });
}

#[cfg(windows)]
#[test]
fn a_lock_file_that_is_open_cannot_be_removed() {
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let guard = acquire(&lock);
    for name in ["s.lock", "s.queue", "s.holder"] {
        assert!(std::fs::remove_file(path.join(name)).is_err(), "{name} was removed");
    }
    assert!(guard.is_intact().unwrap());
}
