//! Who stands still in front of a lock stops nobody else, and nobody innocent is named.
// Not on Windows: it stops no process by a signal
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests report and panic")]

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokenkeep_platform::{
    file::{Folder, Parents},
    lock::{CrossProcessLock, LockError, LockGuard, Wait},
};
use tokenkeep_test_support::{again, say, task};

/// Longer than any promise here, and shorter than a wait of its own accord.
const FEW_SECONDS: Duration = Duration::from_secs(5);

fn folder() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("store");
    Folder::create(&path, Parents::Require).unwrap();
    (outer, path)
}

fn within(lock: &CrossProcessLock, time: Duration) -> LockGuard {
    let begun = Instant::now();
    let guard = lock.acquire(&Wait::at_most(time)).unwrap();
    say(&format!("acquired after {:?}", begun.elapsed()));
    guard
}

/// The file that is held and the text that names its holder, after a short wait of another thread:
/// one that holds the lock does not wait.
fn refused(lock: &CrossProcessLock) -> (PathBuf, Option<String>, String) {
    let wait = || lock.acquire(&Wait::at_most(Duration::from_millis(300))).unwrap_err();
    let error = thread::scope(|scope| scope.spawn(wait).join().unwrap());
    let text = error.to_string();
    let LockError::TimedOut { path, holder, .. } = error else { panic!("{text}") };
    (path, holder, text)
}

/// Another process, ended with this value.
struct Other(Child);

impl Other {
    /// One that has said `line` by the time this returns; `test` begins with what it does.
    fn start(test: impl Fn(), path: &Path, line: &str) -> Self {
        let mut command = again(test, path);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.as_mut().unwrap());
        let mut said = String::new();
        while !said.contains(line) {
            said.clear();
            assert_ne!(output.read_line(&mut said).unwrap(), 0, "the other process ended");
        }
        Self(child)
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// By the time this returns it stands still.
    fn stop(&self) {
        self.signal(Signal::STOP);
        while cfg!(target_os = "linux") && self.state() != 'T' {
            thread::yield_now();
        }
    }

    fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    fn assert_named_by(&self, holder: Option<&str>, stopped: bool) {
        let text = format!("process {} (", self.id());
        assert!(holder.is_some_and(|holder| holder.starts_with(&text)), "{holder:?}");
        if cfg!(target_os = "linux") {
            let said = holder.is_some_and(|holder| holder.ends_with(", which is stopped"));
            assert_eq!(said, stopped, "{holder:?}");
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn rest() -> ! {
    loop {
        thread::park();
    }
}

fn wait_and_hold(path: OsString) -> ! {
    let lock = CrossProcessLock::new(path, "s");
    println!("waiting");
    let _guard = lock.acquire(&Wait::default()).unwrap();
    println!("held");
    rest()
}

/// Until the note of who is at the head of the queue names `pid`.
fn is_at_head(path: &Path, pid: u32) {
    let begun = Instant::now();
    let noted = || {
        let notes = fs::read_to_string(path.join("s.holder")).unwrap_or_default();
        notes.lines().nth(1).is_some_and(|line| line.starts_with(&pid.to_string()))
    };
    while !noted() {
        assert!(begun.elapsed() < FEW_SECONDS, "nobody is noted");
        thread::yield_now();
    }
}

#[test]
fn a_waiter_stopped_at_the_head_of_the_queue_is_named_and_passed_by() {
    if let Some(path) = task() {
        wait_and_hold(path);
    }
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let guard = within(&lock, FEW_SECONDS);
    let test = a_waiter_stopped_at_the_head_of_the_queue_is_named_and_passed_by;
    let mut waiter = Other::start(test, &path, "waiting");
    is_at_head(&path, waiter.id());
    waiter.stop();

    let elsewhere = CrossProcessLock::new(&path, "s");
    let (held, holder, text) = refused(&elsewhere);
    assert_eq!(held, lock.path(), "{text}");
    let own = format!("process {} (", std::process::id());
    assert!(holder.is_some_and(|holder| holder.starts_with(&own)), "{text}");

    drop(guard);
    let (held, holder, text) = refused(&elsewhere);
    assert_eq!(held, path.join("s.queue"), "{text}");
    waiter.assert_named_by(holder.as_deref(), true);
    drop(within(&elsewhere, FEW_SECONDS));
    // Who is asked between its looks passes by as well.
    drop(elsewhere.acquire(&Wait::at_most(FEW_SECONDS).until(&|| false)).unwrap());

    waiter.signal(Signal::CONT);
    let mut output = BufReader::new(waiter.0.stdout.as_mut().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "held\n", "who was stopped has its turn afterwards");
    let (held, holder, text) = refused(&elsewhere);
    assert_eq!(held, lock.path(), "{text}");
    waiter.assert_named_by(holder.as_deref(), false);
}

/// As a paused container is. Where this user may make no cgroup there is nothing to see.
#[cfg(target_os = "linux")]
#[test]
fn a_frozen_holder_is_said_to_be_stopped() {
    if let Some(path) = task() {
        wait_and_hold(path);
    }
    let (_outer, path) = folder();
    let holder = Other::start(a_frozen_holder_is_said_to_be_stopped, &path, "held");
    let group =
        |at: &str| PathBuf::from(format!("/sys/fs/cgroup{at}/tokenkeep-test-{}", holder.id()));
    // The two versions of cgroups: where, the file, its words, and what says that it is done.
    let versions = [
        ("", "cgroup.freeze", ["1", "0"], "cgroup.events", "frozen 1"),
        ("/freezer", "freezer.state", ["FROZEN", "THAWED"], "freezer.state", "FROZEN"),
    ];
    for (at, file, [freeze, thaw], said, done) in versions {
        let group = group(at);
        let frozen = fs::create_dir(&group)
            .and_then(|()| put(&group.join("cgroup.procs"), &holder.id().to_string()))
            .and_then(|()| put(&group.join(file), freeze));
        if let Err(error) = frozen {
            fs::remove_dir(&group).ok();
            say(&format!("`{}` cannot be frozen here: {error}", group.display()));
            continue;
        }
        while !fs::read_to_string(group.join(said)).unwrap().contains(done) {
            thread::yield_now();
        }
        let (_, named, _) = refused(&CrossProcessLock::new(&path, "s"));
        put(&group.join(file), thaw).unwrap();
        holder.assert_named_by(named.as_deref(), true);
        drop(holder);
        while fs::remove_dir(&group).is_err() {
            thread::yield_now();
        }
        return;
    }
}

/// Into a file that the kernel has made.
#[cfg(target_os = "linux")]
fn put(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;

    fs::File::options().write(true).open(file)?.write_all(text.as_bytes())
}

#[test]
fn a_stopped_holder_is_said_to_be_stopped() {
    if let Some(path) = task() {
        wait_and_hold(path);
    }
    let (_outer, path) = folder();
    let holder = Other::start(a_stopped_holder_is_said_to_be_stopped, &path, "held");
    holder.stop();
    let (_, named, _) = refused(&CrossProcessLock::new(&path, "s"));
    holder.assert_named_by(named.as_deref(), true);
}

#[test]
fn a_waiter_whose_notice_never_returns_stops_nobody() {
    if let Some(path) = task() {
        let tell = |_: Option<&str>, _: Duration| {
            println!("told");
            rest()
        };
        let wait = Wait::default().notify(Duration::ZERO, &tell);
        drop(CrossProcessLock::new(path, "s").acquire(&wait));
        return;
    }
    let (_outer, path) = folder();
    let lock = CrossProcessLock::new(&path, "s");
    let guard = within(&lock, FEW_SECONDS);
    let test = a_waiter_whose_notice_never_returns_stops_nobody;
    let first = Other::start(test, &path, "told");
    let second = Other::start(test, &path, "told");
    drop(guard);
    // Nobody has to be passed by.
    drop(within(&lock, Duration::from_millis(200)));
    drop((first, second));
}

#[test]
fn a_waiter_for_the_lock_of_other_libraries_whose_notice_never_returns_stops_nobody() {
    if let Some(location) = task() {
        let tell = |_: Option<&str>, _: Duration| {
            println!("told");
            rest()
        };
        let wait = Wait::default().notify(Duration::from_millis(100), &tell);
        drop(CrossProcessLock::msal_extensions(location).acquire(&wait));
        return;
    }
    let (_outer, path) = folder();
    let location = path.join("cache.bin");
    let lock = CrossProcessLock::msal_extensions(&location);
    let guard = within(&lock, FEW_SECONDS);
    let test = a_waiter_for_the_lock_of_other_libraries_whose_notice_never_returns_stops_nobody;
    let waiter = Other::start(test, &location, "told");
    drop(guard);
    drop(within(&lock, Duration::from_millis(500)));
    waiter.stop();
    drop(within(&lock, Duration::from_millis(500)));
}

#[test]
fn an_earlier_holder_is_not_named_for_who_holds_it_now() {
    if let Some(path) = task() {
        let lock = CrossProcessLock::new(&path, "s");
        drop(lock.acquire(&Wait::default()).unwrap());
        println!("released");
        rest()
    }
    let (_outer, path) = folder();
    let test = an_earlier_holder_is_not_named_for_who_holds_it_now;
    let earlier = Other::start(test, &path, "released");
    let file = fs::File::open(path.join("s.lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let (_, holder, text) = refused(&CrossProcessLock::new(&path, "s"));
    if cfg!(target_os = "linux") {
        assert!(!text.contains(&earlier.id().to_string()), "{text}");
        let own = format!("process {} (", std::process::id());
        assert!(holder.is_some_and(|holder| holder.starts_with(&own)), "{text}");
    }
}

#[test]
#[expect(unsafe_code, reason = "Rust has no safe fork")]
fn a_holder_that_ended_is_not_named_though_a_child_of_it_keeps_the_lock() {
    if let Some(path) = task() {
        let guard = CrossProcessLock::new(&path, "s").acquire(&Wait::default()).unwrap();
        // SAFETY: the child calls nothing but `pause`, and both leave by `_exit` or a signal.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: as above; `alarm` ends the child should the test not.
            unsafe { libc::alarm(60) };
            // SAFETY: as above.
            unsafe { libc::pause() };
        }
        println!("held");
        std::mem::forget(guard);
        // SAFETY: nothing is to be undone in this process.
        unsafe { libc::_exit(0) }
    }
    let (_outer, path) = folder();
    let test = a_holder_that_ended_is_not_named_though_a_child_of_it_keeps_the_lock;
    let mut parent = Other::start(test, &path, "held");
    parent.0.wait().unwrap();
    let (held, holder, text) = refused(&CrossProcessLock::new(&path, "s"));
    assert_eq!((held, holder), (path.join("s.lock"), None), "{text}");
    assert!(text.contains("not known, or that has ended"), "{text}");
}

#[test]
fn the_lock_shared_with_other_libraries_names_who_holds_it_and_says_if_that_is_stopped() {
    if let Some(path) = task() {
        let _guard = CrossProcessLock::msal_extensions(path).acquire(&Wait::default()).unwrap();
        println!("held");
        rest()
    }
    let (_outer, path) = folder();
    let location = path.join("cache.bin");
    let test = the_lock_shared_with_other_libraries_names_who_holds_it_and_says_if_that_is_stopped;
    let holder = Other::start(test, &location, "held");
    let lock = CrossProcessLock::msal_extensions(&location);
    holder.assert_named_by(refused(&lock).1.as_deref(), false);
    holder.stop();
    holder.assert_named_by(refused(&lock).1.as_deref(), true);
    let said = lock.holder().unwrap().unwrap();
    assert!(!said.is_gone && (said.is_stopped || cfg!(not(target_os = "linux"))), "{said:?}");
}

#[test]
fn the_lock_shared_with_other_libraries_names_nobody_who_is_another_program_by_now() {
    let (_outer, path) = folder();
    let location = path.join("cache.bin");
    let lock = CrossProcessLock::msal_extensions(&location);
    let ended = std::process::Command::new("true").spawn().and_then(|mut child| {
        let id = child.id();
        child.wait().map(|_| id)
    });
    let refused_by = |content: &str| {
        let folder = Folder::open(&path).unwrap().unwrap();
        folder.replace("cache.bin.lockfile", content.as_bytes()).unwrap();
        refused(&lock).1
    };
    assert_eq!(refused_by(""), None);
    let ended = ended.unwrap();
    let left = format!("process {ended} (az), which has ended");
    assert_eq!(refused_by(&format!("{ended} az")), Some(left));
    if cfg!(target_os = "linux") {
        assert_eq!(refused_by(&format!("{} az", std::process::id())), None);
    }
}
