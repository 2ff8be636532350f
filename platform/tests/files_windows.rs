//! Files as Windows has them: links, open handles, sharing.
#![cfg(windows)]
#![allow(clippy::unwrap_used, reason = "tests panic")]

mod store;

use std::{
    fs::{self, File, OpenOptions},
    os::windows::fs::{OpenOptionsExt as _, symlink_dir, symlink_file},
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use store::Store;
use tokenkeep_platform::{
    file::{FileError, Folder, stamp},
    lock::{CrossProcessLock, LockError, Wait},
};
use tokenkeep_test_support::wine_cannot;

#[test]
fn links_and_junctions_in_place_of_the_folder_and_of_its_files_are_refused() {
    if wine_cannot("make a link") {
        return;
    }
    let store = Store::new();
    store.folder.replace("victim", b"bytes").unwrap();
    let (linked, joined) = (store.outer.path().join("linked"), store.outer.path().join("joined"));
    symlink_dir(&store.path, &linked).unwrap();
    let mut join = Command::new("cmd");
    assert!(
        join.args(["/C", "mklink", "/J"]).arg(&joined).arg(&store.path).status().unwrap().success()
    );
    refused(&Folder::open(&linked).unwrap_err(), "is a symbolic link");
    refused(&Folder::open(&joined).unwrap_err(), "is a junction");
    assert!(Folder::open_shared(&linked).unwrap().is_some(), "a shared folder may be a link");

    for (name, target) in [("to a file", "victim"), ("to nothing", "absent")] {
        symlink_file(store.at(target), store.at(name)).unwrap();
        let link = "is a symbolic link";
        refused(&store.folder.open_file(name).unwrap_err(), link);
        refused(&store.folder.replace(name, b"new").unwrap_err(), link);
        refused(&store.folder.remove(name).unwrap_err(), link);
    }
    symlink_file(store.at("victim"), store.at("s.lock")).unwrap();
    let lock = CrossProcessLock::new(&store.path, "s").acquire(&Wait::default());
    let Err(LockError::File(error)) = lock else { panic!("a link was locked") };
    refused(&error, "is a symbolic link");
    assert_eq!(fs::read(store.at("victim")).unwrap(), b"bytes");
    assert!(!store.at("absent").exists());
}

#[test]
fn a_folder_in_place_of_a_lock_file_is_told() {
    let store = Store::new();
    fs::create_dir(store.at("s.lock")).unwrap();
    let error = CrossProcessLock::new(&store.path, "s").acquire(&Wait::default()).unwrap_err();
    let LockError::File(error) = error else { panic!("{error}") };
    refused(&error, "is a directory");
}

#[test]
fn a_stamp_keeps_no_handle_open() {
    let store = Store::new();
    let replaced = store.folder.replace("cache", b"bytes").unwrap();
    let opened = store.folder.open_file("cache").unwrap().unwrap().stamp();
    let looked = stamp(&store.at("cache")).unwrap().unwrap();
    drop(alone(&store.at("cache")).expect("somebody has the file open"));
    assert!(replaced == opened && opened == looked);
}

#[test]
fn a_writer_waits_for_a_reader_that_shares_the_file_with_nobody() {
    let store = Store::new();
    store.folder.replace("cache", b"old").unwrap();
    let reader = alone(&store.at("cache")).unwrap();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let folder = &store.folder;
        let writer = scope.spawn(move || {
            tell.send(()).unwrap();
            folder.replace("cache", b"new").map(drop)
        });
        told.recv().unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(200) {
            assert!(!writer.is_finished(), "it gave up");
            thread::yield_now();
        }
        drop(reader);
        writer.join().unwrap().unwrap();
    });
    assert_eq!(store.read("cache").unwrap(), b"new");
    assert_eq!(store.names(), ["cache"]);
}

#[test]
fn a_writer_that_waited_two_seconds_leaves_the_old_content_and_nothing_else() {
    let store = Store::new();
    store.folder.replace("cache", b"old").unwrap();
    let reader = File::options().read(true).share_mode(SHARE_READ).open(store.at("cache")).unwrap();
    let began = Instant::now();
    let error = store.folder.replace("cache", b"new").unwrap_err();
    assert!(began.elapsed() >= Duration::from_secs(2), "it gave up at once: {error}");
    assert!(
        matches!(error, FileError::PermissionDenied { .. } | FileError::Io { .. }),
        "{error:?}"
    );
    assert_eq!(fs::read(store.at("cache")).unwrap(), b"old");
    drop(reader);
    assert_eq!(store.names(), ["cache"]);
    store.folder.replace("cache", b"new").unwrap();
}

/// Opens a file as its only user; fails while anybody has it open.
fn alone(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).share_mode(0).open(path)
}

#[track_caller]
fn refused(error: &FileError, expected: &str) {
    assert!(matches!(error, FileError::Unsafe { found, .. } if found == expected), "{error:?}");
}

const SHARE_READ: u32 = 1;
