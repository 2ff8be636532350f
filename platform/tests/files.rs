//! Folders and files: what is created, what is refused, what survives.
#![allow(clippy::unwrap_used, reason = "tests panic")]

mod store;

use std::{
    fs::{self, File},
    io::ErrorKind,
    process::Command,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::SystemTime,
};

use store::Store;
use tokenkeep_platform::{
    file::{FileError, Folder, Parents, stamp},
    lock::{CrossProcessLock, LockError, Wait},
};
use tokenkeep_test_support::{Others, give_away, let_others, say, wine_cannot};

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
fn a_file_replaced_in_a_shared_folder_is_newer_than_any_look_before() {
    let store = Store::new();
    let shared = Folder::open_shared(store.folder.path()).unwrap().unwrap();
    for _ in 0..100 {
        let look = SystemTime::now();
        let replaced = shared.replace("cache", b"content").unwrap();
        let file = fs::metadata(store.at("cache")).unwrap();
        let time = file.modified().unwrap();
        assert!(time >= look, "{:?} too old", look.duration_since(time));
        // The clock of newer kernels would do without the touch; nobody has read the file.
        if let Some(created) = file.created().ok().filter(|_| cfg!(target_os = "linux")) {
            assert!(file.accessed().unwrap() > created, "it was not touched");
        }
        assert_eq!(stamp(&store.at("cache")).unwrap(), Some(replaced), "and its stamp is the last");
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
    if wine_cannot("replace a file that is open") {
        return;
    }
    let store = Store::new();
    store.folder.replace("cache", b"old").unwrap();
    let file = store.folder.open_file("cache").unwrap().unwrap();
    store.folder.replace("cache", b"new").unwrap();
    assert_eq!(*file.read_all(100).unwrap(), b"old");
}

#[test]
fn the_folders_above_a_new_one_are_made_only_where_the_program_chose_the_place() {
    let outer = tempfile::tempdir().unwrap();
    let deep = outer.path().join("a").join("b").join("c");
    let error = Folder::create(&deep, Parents::Require).unwrap_err();
    assert!(
        matches!(&error, FileError::MissingParent { path } if path.ends_with("a/b")),
        "{error}"
    );
    assert!(!outer.path().join("a").exists(), "nothing was created");
    Folder::create(&deep, Parents::Create).unwrap();
    assert!(deep.is_dir());
}

#[test]
fn a_folder_with_spaces_and_letters_of_every_script_works() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("Jürgen 山田 ключ's data");
    let folder = Folder::create(&path, Parents::Require).unwrap();
    folder.replace("ä cache", b"old").unwrap();
    folder.replace("ä cache", b"new").unwrap();
    assert_eq!(*folder.open_file("ä cache").unwrap().unwrap().read_all(9).unwrap(), b"new");
    assert!(folder.create_new("ключ", b"key").unwrap());
    folder.rename("ключ", "山田").unwrap();
    assert!(folder.remove("山田").unwrap());
}

#[test]
fn a_path_longer_than_old_windows_allows_works() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("a".repeat(120)).join("b".repeat(120));
    let folder = Folder::create(&path, Parents::Create).unwrap();
    folder.replace("cache", b"old").unwrap();
    folder.replace("cache", b"new").unwrap();
    assert_eq!(*folder.open_file("cache").unwrap().unwrap().read_all(9).unwrap(), b"new");
}

#[test]
fn a_folder_and_a_second_hard_link_in_place_of_the_cache_are_refused_and_left() {
    let store = Store::new();
    fs::create_dir(store.at("cache")).unwrap();
    store.folder.replace("other", b"bytes").unwrap();
    fs::hard_link(store.at("other"), store.at("second")).unwrap();
    for (name, expected) in [("cache", "is a directory"), ("second", "has 2 hard links")] {
        let error = store.folder.open_file(name).unwrap_err();
        assert!(matches!(&error, FileError::Unsafe { found, .. } if found == expected), "{error}");
    }
    assert!(matches!(store.folder.replace("cache", b"new"), Err(FileError::Unsafe { .. })));
    assert!(store.at("cache").is_dir() && store.at("second").is_file());
}

#[test]
fn whoever_may_use_the_outer_folder_may_not_use_what_is_made_in_it() {
    let outer = tempfile::tempdir().unwrap();
    let_others(outer.path(), Others::Write);
    let (made, path) = (outer.path().join("made"), outer.path().join("made").join("store"));
    let folder = Folder::create(&path, Parents::Create).unwrap();
    folder.replace("cache", b"bytes").unwrap();
    folder.create_new("key", b"bytes").unwrap();
    drop(CrossProcessLock::new(&path, "store").acquire(&Wait::default()).unwrap());
    assert!(Folder::open(&made).unwrap().is_some(), "a folder above is as private");
    for name in ["cache", "key", "store.lock", "store.queue", "store.holder"] {
        assert!(folder.open_file(name).unwrap().is_some(), "{name}");
    }
}

#[test]
fn what_others_may_use_is_refused_with_the_line_that_fixes_it() {
    for others in [Others::Read, Others::Write] {
        let store = Store::new();
        store.folder.replace(CACHE, b"old").unwrap();
        let_others(&store.at(CACHE), others);
        let read = store.folder.open_file(CACHE).unwrap_err();
        let replaced = store.folder.replace(CACHE, b"new").unwrap_err();
        let created = store.folder.create_new(CACHE, b"new").unwrap_err();
        for error in [read, replaced, created] {
            names_a_line(&error, "can be read or written by others");
        }
        assert_eq!(fs::read(store.at(CACHE)).unwrap(), b"old");
        assert_eq!(store.names(), [CACHE]);

        let_others(&store.path, others);
        let opened = Folder::open(&store.path).unwrap_err();
        let made = Folder::create(&store.path, Parents::Create).unwrap_err();
        for error in [opened, made] {
            names_a_line(&error, "can be entered or changed by others");
        }
    }
}

#[test]
fn what_was_not_made_for_a_store_alone_is_refused_without_a_line() {
    let store = Store::new();
    store.folder.replace(CACHE, b"old").unwrap();
    store.folder.replace("notes", b"a user's").unwrap();
    for name in [CACHE, "notes"] {
        let_others(&store.at(name), Others::Read);
        let error = store.folder.open_file(name).unwrap_err();
        is_in_words(&error, "can be read or written by others");
    }
    let_others(&store.path, Others::Read);
    let error = Folder::open(&store.path).unwrap_err();
    is_in_words(&error, "can be entered or changed by others");
}

#[test]
fn a_lock_file_that_others_may_use_is_refused() {
    for name in ["cache.lock", "cache.queue", "cache.holder"] {
        let store = Store::new();
        let lock = || CrossProcessLock::new(&store.path, "cache");
        drop(lock().acquire(&Wait::default()).unwrap());
        let_others(&store.at(name), Others::Read);
        let error = lock().acquire(&Wait::default()).unwrap_err();
        let LockError::File(error) = error else { panic!("{error}") };
        names_a_line(&error, "can be read or written by others");
    }
}

#[test]
fn in_a_shared_place_others_may_read_but_not_write() {
    let store = Store::new();
    store.folder.replace("cache", b"old").unwrap();
    let shared = || Folder::open_shared(&store.path).map(Option::unwrap);
    assert!(!shared().unwrap().open_file("cache").unwrap().unwrap().readable_by_others());
    let_others(&store.path, Others::Read);
    let_others(&store.at("cache"), Others::Read);
    let file = shared().unwrap().open_file("cache").unwrap().unwrap();
    assert!(file.readable_by_others());
    drop(file);
    shared().unwrap().replace("cache", b"new").unwrap();
    let file = shared().unwrap().open_file("cache").unwrap().unwrap();
    assert!(!file.readable_by_others(), "the next write made it narrow");
    drop(file);
    let_others(&store.at("cache"), Others::Write);
    is_in_words(&shared().unwrap().open_file("cache").unwrap_err(), "can be written by others");
    is_in_words(&shared().unwrap().replace("cache", b"x").unwrap_err(), "can be written by others");
    let_others(&store.path, Others::Write);
    is_in_words(&shared().unwrap_err(), "can be changed by others");
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    let store = Store::new();
    for name in [CACHE, "cache.lock"] {
        store.folder.replace(name, b"old").unwrap();
    }
    let places = [store.at(CACHE), store.at("cache.lock"), store.path.clone()];
    if !places.iter().all(|place| give_away(place)) {
        return say("skipped: this user cannot give a file away; run as root");
    }
    let read = store.folder.open_file(CACHE).unwrap_err();
    let replaced = store.folder.replace(CACHE, b"new").unwrap_err();
    let removed = store.folder.remove(CACHE).unwrap_err();
    let renamed = store.folder.rename(CACHE, "other").unwrap_err();
    let opened = Folder::open(&store.path).unwrap_err();
    let shared = Folder::open_shared(&store.path).unwrap_err();
    for error in [read, replaced, removed, renamed, opened, shared] {
        is_in_words(&error, "belongs to ");
    }
    assert_eq!(fs::read(store.at(CACHE)).unwrap(), b"old");
    assert_eq!(store.names(), ["cache.lock", CACHE]);
}

#[test]
fn the_line_that_fixes_it_fixes_it() {
    if wine_cannot("run icacls") {
        return;
    }
    let store = Store::new();
    store.folder.replace(CACHE, b"old").unwrap();
    let_others(&store.at(CACHE), Others::Write);
    let_others(&store.path, Others::Write);
    for _ in 0..2 {
        let opened = Folder::open(&store.path);
        let error = match opened {
            Ok(folder) => folder.unwrap().open_file(CACHE).unwrap_err(),
            Err(error) => error,
        };
        let FileError::Unsafe { fix, .. } = error else { panic!("{error}") };
        let line = fix.split('`').nth(1).unwrap();
        assert!(shell(line).status().unwrap().success(), "{line}");
    }
    assert_eq!(store.read(CACHE).unwrap(), b"old");
}

/// A file that a store has.
const CACHE: &str = "cache.sealed";

/// Whether the error says this and names the line that fixes it.
#[track_caller]
fn names_a_line(error: &FileError, expected: &str) {
    let FileError::Unsafe { path, found, fix } = error else { panic!("{error:?}") };
    assert!(found.starts_with(expected), "{found}");
    let program = if cfg!(windows) { "run `icacls \"" } else { "run `chmod " };
    assert!(fix.contains(program) && fix.contains(path.to_str().unwrap()), "{fix}");
}

/// Whether the error says this and names no line, for it would change what others may use.
#[track_caller]
fn is_in_words(error: &FileError, expected: &str) {
    let FileError::Unsafe { found, fix, .. } = error else { panic!("{error:?}") };
    assert!(found.starts_with(expected), "{found}");
    assert!(!fix.contains('`') && fix.contains("name "), "{fix}");
}

#[cfg(unix)]
fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]);
    shell
}

#[cfg(windows)]
fn shell(line: &str) -> Command {
    use std::os::windows::process::CommandExt as _;

    let mut shell = Command::new("cmd");
    shell.arg("/S").arg("/C").raw_arg(format!("\"{line}\""));
    shell
}

#[test]
fn a_writer_waits_for_a_reader_that_has_the_file_open_for_a_moment() {
    let store = Store::new();
    store.folder.replace("cache", b"old").unwrap();
    let (tell, told) = mpsc::channel();
    let reader = store.folder.open_file("cache").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            tell.send(()).unwrap();
            store.folder.replace("cache", b"new").unwrap();
        });
        told.recv().unwrap();
        for _ in 0..1000 {
            thread::yield_now();
        }
        drop(reader);
    });
    assert_eq!(store.read("cache").unwrap(), b"new");
    assert_eq!(store.names(), ["cache"]);
}

#[test]
fn a_reader_that_never_pauses_sees_whole_contents_alone() {
    let store = Store::new();
    store.folder.replace("cache", &[0; 4096]).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let bytes = store.read("cache").expect("the name never vanishes");
                assert_eq!(bytes.len(), 4096);
                assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a torn read");
            }
        });
        let replace = |round| store.folder.replace("cache", &[round; 4096]).map(drop);
        let replaced = (1..=50).try_for_each(replace);
        done.store(true, Ordering::Relaxed);
        replaced.unwrap();
    });
}

#[test]
fn the_next_replacement_has_another_stamp_and_until_then_it_is_equal() {
    let store = Store::new();
    let mut before = store.folder.replace("cache", b"same bytes").unwrap();
    for _ in 0..50 {
        assert_eq!(stamp(&store.at("cache")).unwrap().as_ref(), Some(&before));
        assert_eq!(store.folder.open_file("cache").unwrap().unwrap().stamp(), before);
        let written = store.folder.replace("cache", b"same bytes").unwrap();
        assert_ne!(written, before);
        before = written;
    }
}
