//! What programs leave where each user has a group of their own and the umask is 002, used by such
//! a user.
// Not on Windows: it has no umask
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

use support::{event, token};
use tokenkeep::{
    Error, KeySource, PersistedTokenCache, Secret, build_encrypted_persistence,
    lock::Wait,
    persistence::{Intent, KeyCallback, Persistence as _, PlaintextPersistence, SealedPersistence},
};
use tokenkeep_platform::file::Folder;
use tokenkeep_test_support::{again, say, task};

#[test]
fn a_shared_place_of_a_user_with_a_group_of_their_own_is_read_and_saved() {
    let this = a_shared_place_of_a_user_with_a_group_of_their_own_is_read_and_saved;
    if let Some(home) = task() {
        return use_what_others_left(Path::new(&home), true);
    }
    run_as(USER, USER, &|home| again(this, home));
}

#[test]
fn a_shared_place_of_a_group_of_others_is_refused() {
    let this = a_shared_place_of_a_group_of_others_is_refused;
    if let Some(home) = task() {
        return use_what_others_left(Path::new(&home), false);
    }
    run_as(USER, USER + 1, &|home| again(this, home));
}

/// Runs `command` as that user with a umask of 002, in a home of theirs.
fn run_as(user: u32, group: u32, command: &dyn Fn(&Path) -> Command) {
    let outer = tempfile::tempdir().unwrap();
    if chown(outer.path(), Some(user), Some(group)).is_err() {
        return say("skipped: another user needs root");
    }
    let this = command(outer.path());
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 002; exec \"$0\" \"$@\""]);
    shell.arg(this.get_program()).args(this.get_args());
    shell.envs(this.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("HOME", outer.path()).current_dir(outer.path()).uid(user).gid(group);
    assert!(shell.status().unwrap().success());
}

fn use_what_others_left(home: &Path, is_accepted: bool) {
    let folder = home.join(".IdentityService");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("msal.cache");
    fs::write(&file, "{}").unwrap();
    fs::write(folder.join("msal.cache.lockfile"), "").unwrap();
    assert_eq!((mode(&folder), mode(&file)), (0o775, 0o664), "the umask is another");

    let open = || PersistedTokenCache::new(PlaintextPersistence::open(&file).unwrap());
    let added = open().add(&event("client", "a token"));
    let read = open().accounts();
    // The signal file of a cache in a vault, which this user need not have.
    let shared = build_encrypted_persistence(&file).unwrap();
    let locked = shared.prepare(Intent::Write).and_then(|()| {
        let _guard = shared.lock().unwrap().acquire(&Wait::default())?;
        Ok(Folder::open_shared(&folder)?.unwrap().signal("msal.cache")?.touch()?)
    });
    if is_accepted {
        added.unwrap();
        read.unwrap();
        locked.unwrap();
        assert_eq!(token(&open(), "client").as_deref(), Some("a token"));
        assert_eq!(mode(&file), 0o600);
    } else {
        for refused in [added.err(), read.err(), locked.err()] {
            assert!(matches!(refused, Some(Error::UnsafePath { .. })), "{refused:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
    }

    // A place that is this program's only stays closed to every group.
    let key = KeySource::Callback(KeyCallback::new(|_| Ok(Secret::new([7; 32]))));
    let sealed = SealedPersistence::builder(support::STORE).folder(&folder).key_source(key);
    let refused = PersistedTokenCache::new(sealed.build().unwrap()).accounts().unwrap_err();
    assert!(matches!(refused, Error::UnsafePath { .. }), "{refused:?}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A user that is in no database of this system, as in a container. The group with this number is
/// theirs.
const USER: u32 = 54_321;
