//! Folders and files: what is created, what is refused, what survives.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests report and panic")]

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokenkeep_lab::say;
use tokenkeep_platform::{
    file::{FileError, Folder, Parents, stamp},
    lock::{CrossProcessLock, LockError, Wait},
};

struct Store {
    outer: TempDir,
    path: PathBuf,
    folder: Folder,
}

impl Store {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("store");
        let folder = Folder::create(&path, Parents::Require).unwrap();
        Self { outer, path, folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.folder.open_file(name).unwrap()?;
        Some(file.read_all(1 << 20).unwrap().to_vec())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_replaced_file_has_the_new_bytes_whole_and_leaves_nothing_beside_it() {
    let store = Store::new();
    for bytes in [&b"a longer first content"[..], b"", b"\0\xff", &[7; 100_000]] {
        store.folder.replace("cache", bytes).unwrap();
        assert_eq!(store.read("cache").as_deref(), Some(bytes));
        assert_eq!(store.names(), ["cache"]);
    }
}

#[test]
fn absence_is_not_an_error() {
    let store = Store::new();
    assert!(Folder::open(&store.at("nothing")).unwrap().is_none());
    assert!(store.folder.open_file("cache").unwrap().is_none());
    assert!(!store.folder.remove("cache").unwrap());
    assert!(stamp(&store.at("cache")).unwrap().is_none());
    store.folder.sweep("cache").unwrap();
}

#[test]
fn creating_and_renaming_never_replace() {
    let store = Store::new();
    assert!(store.folder.create_new("key", b"first").unwrap());
    assert!(!store.folder.create_new("key", b"second").unwrap());
    assert_eq!(store.read("key").unwrap(), b"first");
    store.folder.replace("other", b"other").unwrap();
    let error = store.folder.rename("other", "key").unwrap_err();
    let FileError::Io { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), ErrorKind::AlreadyExists);
    store.folder.rename("other", "aside").unwrap();
    assert_eq!(store.names(), ["aside", "key"], "no temporary file is left");
    assert!(store.folder.remove("aside").unwrap());
    assert_eq!(store.names(), ["key"]);
}

#[test]
fn litter_of_a_killed_writer_is_no_hindrance_and_can_be_swept() {
    let store = Store::new();
    File::create(store.at("cache.tmp")).unwrap();
    store.folder.replace("cache", b"new").unwrap();
    assert_eq!(store.names(), ["cache"]);
    File::create(store.at("cache.tmp")).unwrap();
    store.folder.sweep("cache").unwrap();
    assert_eq!(store.names(), ["cache"]);
}

#[test]
fn a_missing_parent_is_created_only_where_the_program_chose_the_place() {
    let outer = tempfile::tempdir().unwrap();
    let deep = outer.path().join("a/b/c");
    let error = Folder::create(&deep, Parents::Require).unwrap_err();
    assert!(
        matches!(&error, FileError::MissingParent { path } if path.ends_with("a/b")),
        "{error}"
    );
    assert!(!outer.path().join("a").exists(), "nothing was created");
    Folder::create(&deep, Parents::Create).unwrap();
    for made in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode(&outer.path().join(made)), 0o700, "{made}");
    }
}

#[test]
fn a_folder_that_is_removed_while_it_is_open_is_a_missing_parent() {
    let store = Store::new();
    fs::remove_dir(&store.path).unwrap();
    let error = store.folder.replace("cache", b"new").unwrap_err();
    assert!(matches!(error, FileError::MissingParent { .. }), "{error}");
}

#[test]
fn a_name_cannot_lead_out_of_the_folder() {
    let store = Store::new();
    for name in ["", ".", "..", "a/b", "/etc/passwd", "../x"] {
        let error = store.folder.replace(name, b"x").unwrap_err();
        assert!(matches!(error, FileError::Io { .. }), "{name:?}: {error}");
    }
}

#[test]
fn modes_are_narrow_whatever_the_umask() {
    for umask in ["000", "077", "777"] {
        let outer = tempfile::tempdir().unwrap();
        // The umask belongs to the process, so each has one of its own.
        let script = format!("umask {umask}; exec \"$0\" --exact create_for_umask --ignored");
        let status = Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env("STORE_OF_UMASK_TEST", outer.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
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

#[test]
#[ignore = "runs in a process of its own, with a umask"]
fn create_for_umask() {
    let Some(outer) = std::env::var_os("STORE_OF_UMASK_TEST") else { return };
    let path = Path::new(&outer).join("a/store");
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
    ("foreign", "belongs to user 65534, not to 0"),
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
            let FileError::Unsafe { path, found: said, mend } = &error else {
                panic!("{kind} at {name}: {error:?}")
            };
            assert_eq!((path, said.as_str()), (&store.at(name), *found));
            assert!(mend.contains(path.to_str().unwrap()), "the mend names the path: {mend}");
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
    for wide in [0o775, 0o777, 0o1777] {
        chmod(&path, wide);
        assert!(matches!(Folder::open_shared(&path), Err(FileError::Unsafe { .. })), "{wide:o}");
    }
}

#[test]
fn a_sparse_gibibyte_is_refused_before_it_is_read() {
    let store = Store::new();
    store.folder.replace("cache", b"head").unwrap();
    File::options().write(true).open(store.at("cache")).unwrap().set_len(1 << 30).unwrap();
    let file = store.folder.open_file("cache").unwrap().unwrap();
    let error = file.read_all(16 << 20).unwrap_err();
    assert!(
        matches!(error, FileError::TooLarge { size, limit, .. } if (size, limit) == (1 << 30, 16 << 20)),
        "{error}"
    );
    assert_eq!(*file.read_head(6).unwrap(), b"head\0\0");
    assert_eq!(file.len(), 1 << 30);
}

#[test]
fn an_open_file_is_read_as_it_was_even_after_it_was_replaced() {
    let store = Store::new();
    store.folder.replace("cache", b"old").unwrap();
    let file = store.folder.open_file("cache").unwrap().unwrap();
    store.folder.replace("cache", b"new").unwrap();
    assert_eq!(*file.read_all(100).unwrap(), b"old");
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
    let outer = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=64k,mode=700 none "$1" || exit 77
        exec "$0" --exact fill_the_disk --ignored"#;
    let status = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(outer.path())
        .env("STORE_ON_A_FULL_DISK", outer.path())
        .stdout(Stdio::null())
        .status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Ok(Some(101)) => panic!("the test on the full disk failed"),
        other => skip(&format!("no tmpfs of its own here ({other:?}): allow user namespaces")),
    }
}

#[test]
#[ignore = "runs on a file system of its own"]
fn fill_the_disk() {
    let Some(path) = std::env::var_os("STORE_ON_A_FULL_DISK").map(PathBuf::from) else { return };
    let folder = Folder::open(&path).unwrap().unwrap();
    folder.replace("cache", b"old content").unwrap();
    let error = folder.replace("cache", &[1; 100_000]).unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "{error:?}");
    let error = folder.create_new("key", &[1; 100_000]).unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "{error:?}");
    let old = folder.open_file("cache").unwrap().unwrap();
    assert_eq!(*old.read_all(100).unwrap(), b"old content");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "no temporary file is left");
    folder.replace("cache", b"new content").unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    say(&format!("skipped: {why}"));
}
