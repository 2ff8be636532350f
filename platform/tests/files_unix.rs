//! Owners, modes, links and disks as Unix has them.
// Not on Windows: owners, modes, FIFOs, a umask, inodes, mounts
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests report and panic")]

mod store;

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use store::Store;
use tokenkeep_platform::{
    file::{FileError, Folder, Parents, stamp},
    lock::{CrossProcessLock, LockError, Wait},
};
use tokenkeep_test_support::{again, say, task};

#[test]
fn folders_above_a_new_one_are_private_too() {
    let outer = tempfile::tempdir().unwrap();
    let deep = outer.path().join("a/b/c");
    Folder::create(&deep, Parents::Create).unwrap();
    for made in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode(&outer.path().join(made)), 0o700, "{made}");
    }
}

#[test]
fn modes_are_narrow_whatever_the_umask() {
    if let Some(outer) = task() {
        return create_everything(Path::new(&outer));
    }
    for umask in ["000", "077", "777"] {
        let outer = tempfile::tempdir().unwrap();
        // The umask belongs to the process, so each has one of its own.
        let this = again(modes_are_narrow_whatever_the_umask, outer.path());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
        let status = handing_over(shell, &this).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "umask {umask}");
        for (name, expected) in [
            ("a", 0o700),
            ("a/store", 0o700),
            ("a/store/cache", 0o600),
            ("a/store/key", 0o600),
            ("a/store/store.lock", 0o600),
            ("a/store/store.queue", 0o600),
            ("a/store/store.holder", 0o600),
        ] {
            assert_eq!(mode(&outer.path().join(name)), expected, "umask {umask}: {name}");
        }
    }
}

fn create_everything(outer: &Path) {
    let path = outer.join("a/store");
    let folder = Folder::create(&path, Parents::Create).unwrap();
    folder.replace("cache", b"bytes").unwrap();
    folder.create_new("key", b"bytes").unwrap();
    drop(CrossProcessLock::new(&path, "store").acquire(&Wait::default()).unwrap());
    assert!(folder.open_file("cache").unwrap().is_some());
}

const PLANTS: &[(&str, &str)] = &[
    ("symlink", "is a symbolic link"),
    ("dangling", "is a symbolic link"),
    ("fifo", "is a FIFO"),
    ("hard link", "has 2 hard links"),
    ("directory", "is a directory"),
    ("wide", "can be read or written by others (mode 0644)"),
    ("group", "can be read or written by others (mode 0620)"),
    ("foreign", "belongs to user 65534, not to root"),
];

/// Puts something unsafe at `path`; false where only root could.
fn plant(kind: &str, path: &Path, victim: &Path) -> bool {
    let chmod = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    match kind {
        "symlink" => symlink(victim, path).unwrap(),
        "dangling" => symlink(victim.with_extension("absent"), path).unwrap(),
        "fifo" => {
            assert!(Command::new("mkfifo").arg("-m600").arg(path).status().unwrap().success())
        }
        "hard link" => fs::hard_link(victim, path).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        "wide" | "group" => {
            fs::copy(victim, path).unwrap();
            chmod(if kind == "wide" { 0o644 } else { 0o620 });
        }
        "foreign" => {
            fs::copy(victim, path).unwrap();
            chmod(0o600);
            if std::os::unix::fs::chown(path, Some(65534), None).is_err() {
                say("skipped: a foreign owner needs root");
                return false;
            }
        }
        _ => panic!("{kind}"),
    }
    true
}

/// Runs `attempt` against each plant at `name`, and checks that victim and plant stay as they were.
fn refuses_plants(name: &str, attempt: impl Fn(&Store) -> Vec<FileError>, harmless: &[&str]) {
    for (kind, found) in PLANTS {
        let store = Store::new();
        let victim = store.outer.path().join("victim");
        fs::copy("/proc/self/comm", &victim).unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
        let before = fs::read(&victim).unwrap();
        if !plant(kind, &store.at(name), &victim) {
            continue;
        }
        let began = Instant::now();
        let errors = attempt(&store);
        assert!(began.elapsed() < Duration::from_secs(2), "{kind} at {name} made us wait");
        assert_eq!(fs::read(&victim).unwrap(), before, "{kind} at {name}: the victim was changed");
        assert!(!victim.with_extension("absent").exists(), "{kind} at {name}: a link was followed");
        if harmless.contains(kind) {
            assert!(errors.is_empty(), "{kind} at {name}: {errors:?}");
            continue;
        }
        assert!(!errors.is_empty(), "{kind} at {name} was accepted");
        for error in errors {
            let FileError::Unsafe { path, found: said, fix } = &error else {
                panic!("{kind} at {name}: {error:?}")
            };
            assert_eq!((path, said.as_str()), (&store.at(name), *found));
            // These names are no store's own: nothing is known of them.
            assert!(!fix.contains("run `"), "{fix}");
        }
        assert!(fs::symlink_metadata(store.at(name)).is_ok(), "{kind} at {name} was removed");
    }
}

#[test]
fn nothing_unsafe_is_read_or_replaced_in_place_of_the_cache() {
    let attempt = |store: &Store| {
        let read = store.folder.open_file("cache").err();
        let replaced = store.folder.replace("cache", b"new").err();
        let created = store.folder.create_new("cache", b"new").err();
        assert!(read.is_some() && replaced.is_some() && created.is_some());
        [read, replaced, created].into_iter().flatten().collect()
    };
    refuses_plants("cache", attempt, &[]);
}

#[test]
fn nothing_unsafe_is_written_in_place_of_the_temporary_file() {
    let attempt = |store: &Store| store.folder.replace("cache", b"new").err().into_iter().collect();
    // A regular file of ours is litter: its name is removed, its bytes are not touched.
    refuses_plants("cache.tmp", attempt, &["hard link", "wide", "group"]);
}

#[test]
fn nothing_unsafe_is_locked() {
    let attempt =
        |store: &Store| match CrossProcessLock::new(&store.path, "s").acquire(&Wait::default()) {
            Err(LockError::File(error)) => vec![error],
            other => panic!("{other:?}"),
        };
    for name in ["s.lock", "s.queue", "s.holder"] {
        refuses_plants(name, attempt, &[]);
    }
}

#[test]
fn a_folder_that_others_can_enter_or_that_is_a_link_is_refused() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("store");
    let found = |path: &Path| match Folder::open(path) {
        Err(FileError::Unsafe { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    fs::create_dir(&path).unwrap();
    for wide in [0o755, 0o710, 0o702] {
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).unwrap();
        assert_eq!(found(&path), format!("can be entered or changed by others (mode {wide:04o})"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(Folder::open(&path).unwrap().is_some());
    let link = outer.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(found(&link), "is a symbolic link");
    assert_eq!(found(&outer.path().join("link/")), "is a symbolic link");
    assert_eq!(found(&outer.path().join("link/.")), "is a symbolic link");
    let file = outer.path().join("file");
    File::create(&file).unwrap();
    assert_eq!(found(&file), "is a file, not a folder");
}

#[test]
fn in_a_shared_place_others_may_look_but_not_write_and_our_next_write_is_narrow() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("peer");
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(&path).unwrap();
    chmod(&path, 0o755);
    let folder = Folder::open_shared(&path).unwrap().unwrap();
    fs::copy("/proc/self/comm", path.join("cache")).unwrap();
    chmod(&path.join("cache"), 0o644);
    assert!(folder.open_file("cache").unwrap().unwrap().readable_by_others());
    folder.replace("cache", b"new").unwrap();
    assert_eq!(mode(&path.join("cache")), 0o600);
    assert!(!folder.open_file("cache").unwrap().unwrap().readable_by_others());
    chmod(&path.join("cache"), 0o666);
    assert!(matches!(folder.open_file("cache"), Err(FileError::Unsafe { .. })));
    for wide in [0o757, 0o777, 0o1777] {
        chmod(&path, wide);
        assert!(matches!(Folder::open_shared(&path), Err(FileError::Unsafe { .. })), "{wide:o}");
    }
}

#[test]
fn a_stamp_differs_after_every_replacement_and_is_equal_until_then() {
    let store = Store::new();
    let (mut stamps, mut inodes) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let written = store.folder.replace("cache", b"same bytes").unwrap();
        assert_eq!(stamp(&store.at("cache")).unwrap().as_ref(), Some(&written));
        assert_eq!(store.folder.open_file("cache").unwrap().unwrap().stamp(), written);
        assert!(!stamps.contains(&written), "a stamp came back");
        stamps.push(written);
        let inode = fs::metadata(store.at("cache")).unwrap().ino();
        assert!(!inodes.contains(&inode), "the inode of a stamp that is kept was used again");
        inodes.push(inode);
    }
}

#[test]
fn a_file_that_was_changed_in_place_with_its_old_times_has_another_stamp() {
    let store = Store::new();
    let before = store.folder.replace("cache", b"aaaa").unwrap();
    let times = fs::metadata(store.at("cache")).unwrap();
    let file = File::options().write(true).open(store.at("cache")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"bbbb", 0).unwrap();
    file.set_modified(times.modified().unwrap()).unwrap();
    let after = fs::metadata(store.at("cache")).unwrap();
    assert_eq!(after.mtime_nsec(), times.mtime_nsec(), "the modification time was put back");
    assert_ne!(stamp(&store.at("cache")).unwrap(), Some(before));
}

#[test]
fn a_full_disk_is_named_and_leaves_the_old_content() {
    if let Some(path) = task() {
        return fill_the_disk(Path::new(&path));
    }
    let outer = tempfile::tempdir().unwrap();
    let this = again(a_full_disk_is_named_and_leaves_the_old_content, outer.path());
    let script = r#"mount -t tmpfs -o size=64k,mode=700 none "$PLACE" || exit 77; exec "$0" "$@""#;
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c", script]).env("PLACE", outer.path());
    let status = handing_over(shell, &this).stdout(Stdio::null()).status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Ok(Some(101)) => panic!("the test on the full disk failed"),
        other => skip(&format!("no tmpfs of its own here ({other:?}): allow user namespaces")),
    }
}

fn fill_the_disk(path: &Path) {
    let folder = Folder::open(path).unwrap().unwrap();
    folder.replace("cache", b"old content").unwrap();
    let error = folder.replace("cache", &[1; 100_000]).unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "{error:?}");
    let error = folder.probe("cache").unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "no room for another save: {error:?}");
    let error = folder.create_new("key", &[1; 100_000]).unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "{error:?}");
    let error = Folder::open(path).unwrap().unwrap().reserve("cache", "0").unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "no room to reserve: {error:?}");
    let old = folder.open_file("cache").unwrap().unwrap();
    assert_eq!(*old.read_all(100).unwrap(), b"old content");
    assert_eq!(fs::read_dir(path).unwrap().count(), 1, "no temporary file is left");
    folder.replace("cache", b"new content").unwrap();
}

/// A shell that ends by becoming `command`.
fn handing_over(mut shell: Command, command: &Command) -> Command {
    shell.arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    say(&format!("skipped: {why}"));
}
