//! The lock that is shared with msal-extensions for Python, against both of its kinds.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests report and panic"
)]

mod msal_extensions;

use std::{
    ffi::OsString,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use msal_extensions::{KINDS, Peer, Place, acquire, counted, step};
use tokenkeep_platform::{
    file::FileError,
    lock::{CrossProcessLock, LockError, Wait},
};
use tokenkeep_test_support::{again, say, task};

fn hold(location: OsString) -> ! {
    let _guard = acquire(&CrossProcessLock::msal_extensions(location));
    println!("held");
    loop {
        thread::park();
    }
}

fn count_up(task: &OsString) {
    let mut words = task.to_str().unwrap().splitn(3, ' ');
    let mut number = || words.next().unwrap().parse().unwrap();
    let (count, pause) = (number(), Duration::from_millis(number()));
    let location = words.next().unwrap();
    let lock = CrossProcessLock::msal_extensions(location);
    for _ in 0..count {
        let guard = acquire(&lock);
        if !guard.is_intact().unwrap() {
            println!("lost its lock");
        }
        step(Path::new(location));
        drop(guard);
        thread::sleep(pause);
    }
    println!("done");
}

#[test]
fn while_python_holds_it_we_wait_name_it_and_enter_after_its_release() {
    for kind in KINDS {
        let place = Place::new();
        let Some(mut python) = Peer::python(kind, "hold", &place.location, 0) else { return };
        python.says("held");
        let error = place.lock().acquire(&Wait::at_most(Duration::from_secs(1))).unwrap_err();
        let LockError::TimedOut { holder, waited, .. } = &error else { panic!("{error}") };
        let name = format!("process {} (", python.says("pid"));
        assert!(*waited >= Duration::from_secs(1));
        assert!(holder.as_ref().is_some_and(|holder| holder.starts_with(&name)), "{error}");
        assert!(error.to_string().contains("peer.py"), "{error}");
        python.release();
        assert!(acquire(&place.lock()).is_intact().unwrap());
        python.finish();
    }
}

#[test]
fn while_we_hold_it_python_waits_and_enters_after_our_release() {
    for kind in KINDS {
        let place = Place::new();
        let inside = format!("{}.inside", place.location.display());
        let guard = acquire(&place.lock());
        fs::write(&inside, "").unwrap();
        let Some(mut python) = Peer::python(kind, "enter", &place.location, 0) else { return };
        python.says("refused");
        fs::remove_file(&inside).unwrap();
        drop(guard);
        assert_eq!(python.says("entered"), "alone", "{kind}");
        python.finish();
    }
}

#[test]
fn a_lock_at_exactly_a_path_is_that_of_python_at_the_same_path() {
    for kind in KINDS {
        let place = Place::new();
        let path = place.location.with_file_name("test_lock_1.txt");
        let at = || CrossProcessLock::msal_extensions_at(&path);
        let inside = format!("{}.inside", place.location.display());
        let guard = acquire(&at());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "only that file");
        fs::write(&inside, "").unwrap();
        let python = |action| Peer::python_at(kind, action, &place.location, &path);
        let Some(mut entering) = python("enter") else { return };
        entering.says("refused");
        assert!(at().holder().unwrap().is_some_and(|holder| !holder.is_gone), "{kind}");
        fs::remove_file(&inside).unwrap();
        drop(guard);
        assert_eq!(entering.says("entered"), "alone", "{kind}");
        entering.finish();

        let mut holding = python("hold").unwrap();
        holding.says("held");
        let error = at().acquire(&Wait::at_most(Duration::from_millis(100))).unwrap_err();
        assert!(matches!(error, LockError::TimedOut { path: of, .. } if of == path));
        holding.release();
        assert!(acquire(&at()).is_intact().unwrap(), "{kind}");
        holding.finish();
    }
    let place = Place::new();
    let file = format!("{}.lockfile", place.location.display());
    assert!(CrossProcessLock::msal_extensions_at(file).is_same(&place.lock()));
}

#[test]
fn python_gives_up_after_its_own_time_while_we_hold_it() {
    let peers: Vec<_> = KINDS.map(|kind| (kind, Place::new())).into();
    let started: Option<Vec<_>> = peers
        .iter()
        .map(|(kind, place)| {
            let guard = acquire(&place.lock());
            let python = Peer::python(kind, "enter", &place.location, 0)?;
            Some((kind, guard, python))
        })
        .collect();
    for (kind, guard, mut python) in started.into_iter().flatten() {
        python.says("gave up");
        say(&format!("Python ({kind}) gave up after {} s", python.says("")));
        assert!(guard.is_intact().unwrap(), "{kind}");
        python.finish();
    }
}

#[test]
fn a_python_killed_while_it_holds_it_stops_us_for_the_short_time_alone() {
    for kind in KINDS {
        let place = Place::new();
        let Some(mut python) = Peer::python(kind, "hold", &place.location, 0) else { return };
        python.says("held");
        python.kill();
        let began = Instant::now();
        drop(acquire(&place.lock()));
        let waited = began.elapsed();
        say(&format!("from the kill of Python ({kind}) to our next acquisition: {waited:?}"));
        assert!(waited >= Duration::from_millis(750), "{kind}: {waited:?}");
        assert!(waited < Duration::from_secs(3), "{kind}: {waited:?}");
    }
}

#[test]
fn one_of_ours_killed_while_it_holds_it_stops_the_next_for_the_short_time_alone() {
    if let Some(location) = task() {
        hold(location);
    }
    let place = Place::new();
    let test = one_of_ours_killed_while_it_holds_it_stops_the_next_for_the_short_time_alone;
    let mut other = Peer::start(&mut again(test, &place.location));
    other.says("held");
    assert!(place.lock().acquire(&Wait::at_most(Duration::from_millis(100))).is_err());
    other.kill();
    let began = Instant::now();
    drop(acquire(&place.lock()));
    let waited = began.elapsed();
    say(&format!("from the kill of one of ours to our next acquisition: {waited:?}"));
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}

// Not on Windows: the system removes the file with its killed holder
#[cfg(unix)]
#[test]
fn one_of_ours_killed_while_it_holds_it_stops_python_for_its_own_time() {
    if let Some(location) = task() {
        hold(location);
    }
    for kind in KINDS {
        let place = Place::new();
        let test = one_of_ours_killed_while_it_holds_it_stops_python_for_its_own_time;
        let mut other = Peer::start(&mut again(test, &place.location));
        other.says("held");
        other.kill();
        let Some(mut python) = Peer::python(kind, "enter", &place.location, 0) else { return };
        python.says("trying");
        // To the kind that only creates, a file that is left is a lock for ever, until somebody of
        // ours comes by.
        python.says(if kind == "locked" { "entered alone" } else { "gave up" });
        let seconds: f64 = python.says("").parse().unwrap();
        say(&format!("Python ({kind}) after a kill of one of ours: {seconds} s"));
        assert!(seconds < 8.0, "{kind}");
        python.finish();
        drop(acquire(&place.lock()));
        let mut python = Peer::python(kind, "enter", &place.location, 0).unwrap();
        python.says("entered alone");
        python.finish();
    }
}

// Not on Windows: namespaces of process ids
#[cfg(target_os = "linux")]
#[test]
fn one_of_another_pid_namespace_that_was_killed_stops_us_for_the_long_time() {
    use std::process::Command;

    if let Some(location) = task() {
        hold(location);
    }
    let works = |unshare: &Path| {
        let status = Command::new(unshare).args(["-Urpf", "true"]).status();
        status.is_ok_and(|status| status.success())
    };
    let Some(unshare) =
        tokenkeep_test_support::executable("unshare").filter(|unshare| works(unshare))
    else {
        return say("skipped: no namespaces here, so crafted lock files alone test the rule");
    };
    let place = Place::new();
    let test = one_of_another_pid_namespace_that_was_killed_stops_us_for_the_long_time;
    let mine = again(test, &place.location);
    let mut command = Command::new(unshare);
    command.args(["-Urpf", "--kill-child"]).arg(mine.get_program()).args(mine.get_args());
    command.envs(mine.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut other = Peer::start(&mut command);
    other.says("held");
    let error = place.lock().acquire(&Wait::at_most(Duration::from_millis(100))).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
    other.kill();
    let began = Instant::now();
    drop(acquire(&place.lock()));
    let waited = began.elapsed();
    say(&format!("from the kill of one in another pid namespace: {waited:?}"));
    assert!(waited >= Duration::from_secs(9) && waited < Duration::from_secs(13), "{waited:?}");
}

#[test]
fn no_update_of_sixty_four_processes_is_lost() {
    if let Some(task) = task() {
        return count_up(&task);
    }
    let (processes, each) = if tokenkeep_test_support::under_wine() { (8, 10) } else { (64, 20) };
    let place = Place::new();
    let task = format!("{each} 0 {}", place.location.display());
    let began = Instant::now();
    let peers: Vec<_> = (0..processes)
        .map(|_| Peer::start(&mut again(no_update_of_sixty_four_processes_is_lost, &task)))
        .collect();
    peers.into_iter().for_each(Peer::finish);
    let (count, violations) = counted(&place.location);
    say(&format!("{processes} processes, {each} updates each: {:?}", began.elapsed()));
    assert_eq!((count, violations.as_str()), (processes * each, ""));
}

#[test]
fn eight_of_ours_and_two_pythons_of_each_kind_exclude_each_other() {
    if let Some(task) = task() {
        return count_up(&task);
    }
    let (ours, theirs) = (50, 20);
    let place = Place::new();
    // With a pause as long as Python's, so that Python hardly ever waits too long.
    let task = format!("{ours} 100 {}", place.location.display());
    let began = Instant::now();
    let mut pythons = Vec::new();
    for kind in [KINDS, KINDS].as_flattened() {
        let Some(python) = Peer::python(kind, "count", &place.location, theirs) else { return };
        pythons.push((kind, python));
    }
    let test = eight_of_ours_and_two_pythons_of_each_kind_exclude_each_other;
    let peers: Vec<_> = (0..8).map(|_| Peer::start(&mut again(test, &task))).collect();
    peers.into_iter().for_each(Peer::finish);
    say(&format!("8 of ours, {ours} updates each beside 4 Pythons: {:?}", began.elapsed()));
    let mut starved = false;
    for (kind, mut python) in pythons {
        let (refused, longest) = (python.says("refused"), python.says("longest"));
        say(&format!("Python ({kind}) waited at most {longest} s and gave up {refused} times"));
        starved |= *kind == "locked" && longest.parse::<f64>().unwrap() >= 5.0;
        python.finish();
    }
    let (count, violations) = counted(&place.location);
    // After 5 s that kind locks whatever file it has open, and nobody can keep it out. See
    // docs/INTEROP.md.
    if starved {
        return say(&format!(
            "{count} updates counted; a Python did not ask any more:\n{violations}"
        ));
    }
    assert_eq!((count, violations.as_str()), (8 * ours + 4 * theirs, ""));
}

#[test]
fn a_cache_in_a_folder_that_does_not_exist_has_no_lock() {
    let place = Place::new();
    let lock = CrossProcessLock::msal_extensions(place.location.join("absent").join("cache"));
    let error = lock.acquire(&Wait::default()).unwrap_err();
    assert!(matches!(error, LockError::File(FileError::MissingParent { .. })), "{error}");
}

#[test]
fn the_lock_file_lies_beside_the_cache_while_it_is_held() {
    let place = Place::new();
    let lock = place.lock();
    let expected = format!("{}.lockfile", place.location.display());
    assert_eq!(lock.path(), Path::new(&expected));
    let guard = acquire(&lock);
    let content = fs::read_to_string(lock.path()).unwrap();
    assert!(
        content.starts_with(&format!("{} msal_extensions_lock-", std::process::id())),
        "{content}"
    );
    drop(guard);
    assert!(!lock.path().exists());
}

// Not on Windows: bytes that are no Unicode are another encoding there
#[cfg(unix)]
#[test]
fn a_location_that_is_no_unicode_is_refused_before_another_file_is_locked() {
    use std::os::unix::ffi::OsStrExt as _;

    let place = Place::new();
    let location = place.location.with_file_name(std::ffi::OsStr::from_bytes(b"c\xff"));
    let error = CrossProcessLock::msal_extensions(&location).acquire(&Wait::default()).unwrap_err();
    assert!(matches!(error, LockError::File(FileError::Io { .. })), "{error}");
    assert_eq!(fs::read_dir(place.location.parent().unwrap()).unwrap().count(), 0);
}

// Not on Windows: a FIFO, and links need a privilege
#[cfg(unix)]
#[test]
fn what_is_no_regular_file_in_its_place_is_a_clear_error_at_once_and_is_left_alone() {
    use std::os::unix::fs::symlink;

    type Plant = fn(&Path);
    let plants: [(&str, Plant); 4] = [
        ("is a FIFO", make_fifo),
        ("is a symbolic link", |path| symlink("elsewhere", path).unwrap()),
        ("is a symbolic link", |path| {
            fs::write(path.with_extension("victim"), "precious").unwrap();
            symlink(path.with_extension("victim"), path).unwrap();
        }),
        ("is a directory", |path| fs::create_dir(path).unwrap()),
    ];
    for (expected, plant) in plants {
        let place = Place::new();
        let lock = place.lock();
        plant(lock.path());
        let error = lock.acquire(&Wait::default()).unwrap_err();
        let LockError::File(FileError::Unsafe { found, .. }) = &error else { panic!("{error}") };
        assert_eq!(found, expected);
        let victim = lock.path().with_extension("victim");
        assert!(!victim.exists() || fs::read(victim).unwrap() == b"precious");
        assert!(fs::symlink_metadata(lock.path()).is_ok(), "it was removed");
        assert!(!place.location.with_file_name("elsewhere").exists());
    }
}

#[cfg(unix)]
fn make_fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

// Not on Windows: modes
#[cfg(unix)]
#[test]
fn the_lock_file_is_its_users_alone_whatever_the_umask_and_pythons_is_accepted() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new();
    let lock = place.lock();
    let guard = acquire(&lock);
    let mode = fs::metadata(lock.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(guard);
    fs::write(lock.path(), "").unwrap();
    fs::set_permissions(lock.path(), fs::Permissions::from_mode(0o664)).unwrap();
    drop(acquire(&lock));
}

// Not on Windows: there is no fork
#[cfg(unix)]
#[test]
#[expect(unsafe_code, reason = "Rust has no safe fork")]
fn a_forked_child_has_no_part_in_its_parents_lock() {
    if let Some(location) = task() {
        let lock = CrossProcessLock::msal_extensions(&location);
        let guard = acquire(&lock);
        // SAFETY: the test runs alone in a process of its own, and no other thread holds a lock
        // that the child needs.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let intact = guard.is_intact().unwrap();
            drop(guard);
            let entered = lock.acquire(&Wait::at_most(Duration::ZERO)).is_ok();
            // SAFETY: the child ends without the destructors of its parent.
            unsafe { libc::_exit(i32::from(intact || entered)) };
        }
        let mut status = 0;
        // SAFETY: `pid` is a child of this process, and the status may be written to.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0, "the child held, released or entered its parent's lock");
        assert!(guard.is_intact().unwrap());
        return;
    }
    let place = Place::new();
    let mut alone = again(a_forked_child_has_no_part_in_its_parents_lock, &place.location);
    assert!(alone.status().unwrap().success());
    assert!(!place.lock().path().exists());
}
