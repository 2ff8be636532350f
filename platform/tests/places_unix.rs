//! Where a folder may be made, which folders above it are trusted, and which groups are their
//! user's alone.
// Not on Windows: owners, modes, links
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        process::CommandExt as _,
    },
    path::PathBuf,
};

use tempfile::TempDir;
use tokenkeep_platform::file::{FileError, Folder, Parents, check_above};
use tokenkeep_test_support::{again, give_away, say, task};

#[test]
fn nothing_is_made_below_a_folder_of_somebody_else() {
    let outer = tempfile::tempdir().unwrap();
    let home = folder(outer.path().join("home"), 0o755);
    if !give_away(&home) {
        return say("skipped: this user cannot give a folder away; run as root");
    }
    for path in [home.join(".local/share/tokenkeep/x"), home.join("x")] {
        let error = Folder::create(&path, Parents::Create).unwrap_err();
        let FileError::Unsafe { path, found, fix } = &error else { panic!("{error:?}") };
        assert_eq!((path, found.as_str()), (&home, "belongs to user 65534, not to root"));
        assert_eq!(fix, "run as that user, or name another place");
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "nothing was made");
    }
    // Its owner may put another folder in place of the one that was made, sticky or not.
    for mode in [0o755, 0o777, 0o1777] {
        fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
        assert!(Folder::create(&home.join("x"), Parents::Require).is_err(), "{mode:o}");
    }
    chown(&home, Some(0), None).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o1777)).unwrap();
    Folder::create(&home.join("x"), Parents::Require).unwrap();
}

#[test]
fn a_place_below_a_folder_of_somebody_else_is_refused_sticky_or_not() {
    if let Some(place) = task() {
        // As another user: what is this user's and the system's is trusted.
        let place = PathBuf::from(place);
        check_above(&place).unwrap();
        Folder::create(&place, Parents::Require).unwrap();
        return check_above(&place.join("below/it")).unwrap();
    }
    let outer = tempfile::tempdir().unwrap();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let theirs = folder(outer.path().join("theirs"), 0o755);
    let store = folder(theirs.join("store"), 0o700);
    check_above(&store).unwrap();
    if !give_away(&theirs) {
        return say("skipped: this user cannot give a folder away; run as root");
    }
    for mode in [0o700, 0o755, 0o1755, 0o1777] {
        fs::set_permissions(&theirs, fs::Permissions::from_mode(mode)).unwrap();
        for place in [&store, &theirs.join("missing"), &store.join("below/it")] {
            let error = check_above(place).unwrap_err();
            let FileError::Unsafe { path, found, fix } = &error else { panic!("{error:?}") };
            assert_eq!(*path, fs::canonicalize(&theirs).unwrap());
            assert!(found.starts_with("belongs to user 65534, not to root, and"), "{found}");
            assert_eq!(fix, "run as that user, or name another place");
        }
    }
    let test = a_place_below_a_folder_of_somebody_else_is_refused_sticky_or_not;
    let mut another = again(test, theirs.join("own"));
    let out = another.uid(65534).gid(65534).env("TMPDIR", "/tmp").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(theirs.join("own").is_dir(), "it was made by the other user");
}

#[test]
fn of_a_place_that_is_a_link_the_folders_above_its_target_are_looked_at() {
    let outer = outer();
    let (link, open) = (outer.path().join("link"), folder(outer.path().join("open"), 0o777));
    let target = folder(open.join("store"), 0o700);
    for leads_to in [target.clone(), "open/store".into(), "open/missing".into()] {
        symlink(&leads_to, &link).unwrap();
        let error = check_above(&link).unwrap_err();
        let FileError::Unsafe { path, .. } = error else { panic!("{error:?}") };
        assert_eq!(path, fs::canonicalize(&open).unwrap());
        fs::remove_file(&link).unwrap();
    }
    symlink("open", &link).unwrap();
    check_above(&link).unwrap_or_else(|error| panic!("it is not above itself: {error}"));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(&target, &link).unwrap();
    check_above(&link).unwrap();
}

#[test]
fn a_folder_that_must_be_there_is_named_and_no_link_is_followed_in_what_is_made() {
    let outer = tempfile::tempdir().unwrap();
    let error = Folder::create(&outer.path().join("a/b"), Parents::Require).unwrap_err();
    assert!(matches!(&error, FileError::MissingParent { path } if *path == outer.path().join("a")));
    symlink(outer.path().join("elsewhere"), outer.path().join("link")).unwrap();
    let error = Folder::create(&outer.path().join("link/b"), Parents::Create).unwrap_err();
    assert!(matches!(&error, FileError::Unsafe { found, .. } if found == "is a symbolic link"));
    assert!(!outer.path().join("elsewhere").exists(), "the link was followed");
    let real = folder(outer.path().join("real"), 0o700);
    symlink(&real, outer.path().join("other")).unwrap();
    Folder::create(&outer.path().join("other/b"), Parents::Require).unwrap();
    assert!(real.join("b").exists(), "a folder that is there may be reached through a link");
}

#[test]
fn a_refused_link_is_told_with_what_it_leads_to() {
    let outer = tempfile::tempdir().unwrap();
    let real = folder(outer.path().join("real"), 0o700);
    let real = fs::canonicalize(real).unwrap();
    let (link, loose) = (outer.path().join("link"), outer.path().join("loose"));
    symlink("real", &link).unwrap();
    symlink("gone", &loose).unwrap();
    let told = |error| match error {
        FileError::Unsafe { fix, .. } => fix,
        error => panic!("{error:?}"),
    };
    let fix = told(Folder::open(&link).unwrap_err());
    assert_eq!(fix, format!("name what it leads to, `{}`", real.display()));
    let fix = told(Folder::open(&loose).unwrap_err());
    assert_eq!(fix, "it leads to `gone`, where nothing is; name another place");
    let store = Folder::open(&real).unwrap().unwrap();
    symlink(outer.path().join("loose"), real.join("cache.sealed")).unwrap();
    assert!(told(store.open_file("cache.sealed").unwrap_err()).contains("name another place"));
}

#[test]
fn a_place_below_a_folder_that_others_may_change_is_refused_unless_it_is_sticky() {
    let outer = outer();
    let (other, own) = (NO_GROUP, fs::metadata(outer.path()).unwrap().gid());
    for (mode, group, is_trusted) in [
        (0o700, own, true),
        (0o755, own, true),
        (0o777, own, false),
        (0o757, own, false),
        (0o1777, own, true),
        (0o775, other, false),
        (0o1775, other, true),
        (0o2775, other, false),
    ] {
        let above = folder(outer.path().join(format!("{mode:o}-{group}")), mode);
        if group == other && chown(&above, None, Some(other)).is_err() {
            say("skipped: another group needs root");
            continue;
        }
        fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
        symlink(&above, outer.path().join("link")).unwrap();
        let store = folder(above.join("store"), 0o700);
        for place in [
            store.clone(),
            above.join("missing"),
            store.join("below/it"),
            outer.path().join("link/store"),
            outer.path().join("link/../link/store"),
        ] {
            match check_above(&place) {
                Ok(()) => assert!(is_trusted, "{place:?} {mode:o}"),
                Err(FileError::Unsafe { path, found, fix }) => {
                    assert!(!is_trusted, "{place:?} {mode:o} {found}");
                    assert_eq!(path, fs::canonicalize(&above).unwrap());
                    assert!(found.starts_with("can be changed by others"), "{found}");
                    assert!(!fix.contains("run"), "{fix}");
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        fs::remove_file(outer.path().join("link")).unwrap();
        check_above(&above).unwrap_or_else(|error| panic!("it is not above itself: {error}"));
    }
}

#[test]
fn a_link_of_somebody_else_in_a_sticky_folder_is_refused_and_a_ring_of_links_ends() {
    let outer = tempfile::tempdir().unwrap();
    folder(outer.path().join("real"), 0o700);
    let link = outer.path().join("link");
    symlink("real", &link).unwrap();
    check_above(&link.join("store")).unwrap();
    symlink("ring", outer.path().join("ring")).unwrap();
    assert!(check_above(&outer.path().join("ring/store")).is_err());
    if std::os::unix::fs::lchown(&link, Some(65534), None).is_err() {
        return say("skipped: this user cannot give a link away; run as root");
    }
    check_above(&link.join("store")).unwrap();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let error = check_above(&link.join("store")).unwrap_err();
    assert!(matches!(error, FileError::Unsafe { path, .. } if path == link));
}

/// What a umask of 002 makes where each user has a group of their own.
#[test]
fn in_a_shared_place_a_group_that_is_its_users_alone_may_write() {
    let outer = outer();
    let own = fs::metadata(outer.path()).unwrap().gid();
    for (group, is_accepted) in [(own, true), (NO_GROUP, false)] {
        let path = folder(outer.path().join(format!("group-{group}")), 0o775);
        let file = path.join("cache.bin");
        fs::write(&file, "{}").unwrap();
        if [&path, &file].iter().any(|path| chown(path, None, Some(group)).is_err()) {
            say("skipped: another group needs root");
            continue;
        }
        for (path, mode) in [(&path, 0o2775), (&file, 0o664)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let shared = Folder::open_shared(&path);
        assert_eq!(shared.is_ok(), is_accepted, "{shared:?}");
        assert!(Folder::open(&path).is_err(), "a private place stays strict");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let shared = Folder::open_shared(&path).unwrap().unwrap();
        let opened = shared.open_file("cache.bin");
        assert_eq!(opened.is_ok(), is_accepted, "{opened:?}");
        assert!(opened.is_ok_and(|file| file.unwrap().readable_by_others()) || !is_accepted);
        if is_accepted {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
            let narrow = shared.open_file("cache.bin").unwrap().unwrap();
            assert!(!narrow.readable_by_others(), "nobody else is in the group");
        }
    }
}

/// The grants of an access list show as the group's, for any user.
#[cfg(target_os = "linux")]
#[test]
fn a_group_of_ones_own_does_not_hide_an_access_list() {
    let outer = outer();
    let path = folder(outer.path().join("shared"), 0o755);
    let file = path.join("cache.bin");
    fs::write(&file, "{}").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    let shared = Folder::open_shared(&path).unwrap().unwrap();
    assert!(shared.open_file("cache.bin").is_ok());
    // Version 2; tag, rights and number of: owner, user 65534, group, mask, others.
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, 65534),
        (4, 4, u32::MAX),
        (16, 6, u32::MAX),
        (32, 4, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()));
        list.extend(id.to_le_bytes());
    }
    let flags = rustix::fs::XattrFlags::empty();
    if let Err(error) = rustix::fs::setxattr(&file, "system.posix_acl_access", &list, flags) {
        return say(&format!("skipped: no access lists here: {error}"));
    }
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o664);
    let error = shared.open_file("cache.bin").unwrap_err();
    assert!(matches!(error, FileError::Unsafe { .. }), "{error:?}");
}

/// A folder whose group is this user's own, as far as the test can tell.
fn outer() -> TempDir {
    let outer = tempfile::tempdir().unwrap();
    let user = fs::metadata(outer.path()).unwrap().uid();
    chown(outer.path(), None, Some(user)).ok();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o2700)).unwrap();
    outer
}

fn folder(path: PathBuf, mode: u32) -> PathBuf {
    fs::create_dir(&path).unwrap();
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(&path, permissions).unwrap();
    path
}

/// A group that is nobody's own.
const NO_GROUP: u32 = 12_345;
