//! Whose place a cache is kept in: what others could change or lead elsewhere is refused, and
//! nothing is lost.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, path::Path};

use support::{OpenCache, Place, event, plaintext};
use tokenkeep::persistence::SealedPersistence;
use tokenkeep::{
    Error, KeySource, Secret,
    persistence::{KeyCallback, PlaintextPersistence},
};

#[test]
fn a_tilde_that_nobody_replaced_is_refused_in_every_path() {
    let callback = || KeySource::Callback(KeyCallback::new(|_| Ok(Secret::new([7; 32]))));
    let place = Place::new();
    let builder = || SealedPersistence::builder("com.example.mytool");
    for path in ["~", "~/cache", "~ada/cache", "~cache"] {
        for refused in [
            builder().folder(path).key_source(callback()).cache().err(),
            plaintext(path).err(),
            PlaintextPersistence::new(path).err(),
            builder()
                .folder(place.folder())
                .key_source(KeySource::KeyFile(path.into()))
                .cache()
                .err(),
        ] {
            let text = refused.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(matches!(refused, Some(Error::Invalid { .. })), "{path}: {refused:?}");
            assert!(text.contains("only a shell replaces"), "{text}");
        }
    }
    let here = fs::read_dir(".").unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(here.filter(|name| name.as_encoded_bytes().starts_with(b"~")).count(), 0);
}

#[test]
fn a_plain_text_file_of_another_kind_is_left_whatever_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.json");
    let open = || plaintext(&file).unwrap();
    for content in [
        r#"{"name": "x", "dependencies": {}}"#,
        r#"{"AccessToken": "text"}"#,
        "[1, 2]",
        "true",
        "root:x:0:0:root:/root:/bin/bash\n",
    ] {
        write_private(&file, content);
        for (what, refused) in [
            ("add", open().add(&event("client", "no")).err()),
            ("clear", open().clear().err()),
            ("reset", open().reset().err()),
            ("quarantine", open().quarantine().err()),
        ] {
            let is_other = matches!(refused, Some(Error::OtherBackend { .. }));
            assert!(is_other, "{what} {content}: {refused:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{content}: nothing beside it");
    }
}

#[test]
fn a_damaged_plain_text_cache_is_set_aside_or_reset_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.json");
    let open = || plaintext(&file).unwrap();
    for damaged in ["", "{\"Account\": {\"k", "{\"AccessToken\": {}} tail", "\0\0"] {
        write_private(&file, damaged);
        assert!(open().clear().is_err(), "{damaged}");
        let aside = open().quarantine().unwrap().expect("it was there");
        assert_eq!(fs::read_to_string(&aside).unwrap(), damaged);
        fs::rename(aside, &file).unwrap();
        open().reset().unwrap();
        assert!(!file.exists(), "{damaged}");
    }
    for theirs in ["{}", r#"{"AppMetadata": {"k": {"client_id": "c"}}, "Mine": [1]}"#] {
        write_private(&file, theirs);
        open().add(&event("client", "kept")).unwrap();
        assert_eq!(theirs.contains("Mine"), fs::read_to_string(&file).unwrap().contains("Mine"));
        open().clear().unwrap();
        assert!(!file.exists(), "{theirs}");
    }
}

#[test]
fn a_sealed_cache_named_as_plain_text_is_left_with_its_key() {
    let place = Place::new();
    place.open().add(&event("client", "kept")).unwrap();
    let before = fs::read(place.file()).unwrap();
    let plain = || plaintext(place.file()).unwrap();
    for refused in [plain().clear().err(), plain().reset().err(), plain().quarantine().err()] {
        assert!(matches!(refused, Some(Error::OtherBackend { .. })), "{refused:?}");
    }
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

// Not on Windows: control characters in a name
#[cfg(unix)]
#[test]
fn a_path_in_a_text_ends_no_line_and_moves_no_cursor() {
    let outer = tempfile::tempdir().unwrap();
    let odd = outer.path().join("a\nb\u{1b}[2J\u{202e}c");
    let open = |path: &Path| plaintext(path).unwrap();
    let missing = open(&odd.join("below/x.json")).add(&event("client", "no"));
    write_private(&odd, "[]");
    let corrupt = open(&odd).accounts().map(drop);
    write_private(&odd, r#"{"other": 1}"#);
    let other = open(&odd).clear();
    let below = plaintext(odd.join("x.json")).map(drop);
    for error in
        [missing.unwrap_err(), corrupt.unwrap_err(), other.unwrap_err(), below.unwrap_err()]
    {
        let text = error.to_string();
        assert!(text.contains(r"a\u{a}b\u{1b}[2J\u{202e}c"), "{text:?}");
        assert!(!text.contains(['\n', '\u{1b}', '\u{202e}']), "{text:?}");
    }
    let protection = open(&odd).protection().to_string();
    assert!(!protection.contains('\n'), "{protection:?}");
}

fn write_private(file: &Path, content: &str) {
    std::io::Write::write_all(
        &mut tokenkeep_test_support::create_private(file),
        content.as_bytes(),
    )
    .unwrap();
}

// Not on Windows: modes, links, a folder for the login session
#[cfg(unix)]
mod unix {
    use std::{
        env,
        os::unix::fs::{PermissionsExt as _, chown, symlink},
        path::PathBuf,
    };

    use tokenkeep_test_support::{again, say, task};

    use super::*;

    /// With the runtime folder of `XDG_RUNTIME_DIR`, in a process of its own.
    #[test]
    fn the_folder_of_the_login_session_is_this_users_alone_or_refused() {
        if let Some(expected) = task() {
            return open_for_the_session(expected.to_str().unwrap());
        }
        let this = the_folder_of_the_login_session_is_this_users_alone_or_refused;
        let check = |runtime: &Path, expected: &str| {
            let status = again(this, expected).env("XDG_RUNTIME_DIR", runtime).status().unwrap();
            assert!(status.success(), "{runtime:?} {expected}");
        };
        let outer = tempfile::tempdir().unwrap();
        let folder = |name: &str, mode| {
            let path = outer.path().join(name);
            fs::create_dir(&path).unwrap();
            set_mode(&path, mode);
            path
        };
        check(&folder("good", 0o700), "kept");
        for (name, mode) in [("readable", 0o755), ("group", 0o770), ("open", 0o777), ("s", 0o1777)]
        {
            let runtime = folder(name, mode);
            check(&runtime, "can be entered or changed by others");
            assert_eq!(fs::read_dir(&runtime).unwrap().count(), 0, "{name}: nothing was made");
        }
        check(&outer.path().join("missing"), "does not exist");
        check("relative".as_ref(), "XDG_RUNTIME_DIR is not set to a full path");
        let led = folder("led", 0o700);
        symlink(folder("lasting", 0o700), led.join("tokenkeep")).unwrap();
        check(&led, "is a symbolic link");
        let theirs = folder("theirs", 0o700);
        match chown(&theirs, Some(65534), None) {
            Ok(()) => check(&theirs, "belongs to user 65534"),
            Err(_) => say("skipped: a folder of another user; run as root"),
        }
    }

    fn open_for_the_session(expected: &str) {
        let key = KeySource::Callback(KeyCallback::new(|_| Ok(Secret::new([7; 32]))));
        let builder = SealedPersistence::builder("com.example.mytool").key_source(key);
        let opened = builder.for_login_session().cache();
        match opened {
            Ok(cache) => {
                assert_eq!(expected, "kept");
                cache.add(&event("client", "until logout")).unwrap();
                let runtime = PathBuf::from(env::var_os("XDG_RUNTIME_DIR").unwrap());
                assert!(runtime.join("tokenkeep/com.example.mytool/cache.sealed").exists());
            }
            Err(error) => {
                assert!(error.to_string().contains(expected), "{error}");
                assert!(!error.to_string().contains("chmod"), "{error}");
            }
        }
    }

    // Not on Windows: modes
    #[test]
    fn a_place_below_a_folder_that_others_may_change_is_refused_before_anything_is_made() {
        let outer = tempfile::tempdir().unwrap();
        let open = outer.path().join("open");
        let safe = outer.path().join("safe");
        for folder in [&open, &safe] {
            fs::create_dir(folder).unwrap();
        }
        let key = |folder: &Path| KeySource::KeyFile(folder.join("key/x.key"));
        let sealed = |folder: &Path, key| {
            let builder = SealedPersistence::builder("com.example.mytool");
            let cache = builder.folder(folder.join("cache")).key_source(key).cache()?;
            cache.add(&event("client", "kept"))
        };
        let plain = |folder: &Path| {
            let file = folder.join("plain/x.json");
            plaintext(file)?.add(&event("client", "kept"))
        };
        set_mode(&open, 0o777);
        for refused in
            [sealed(&open, key(&safe)).err(), sealed(&safe, key(&open)).err(), plain(&open).err()]
        {
            let Some(Error::UnsafePath { path, found, fix }) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(path, fs::canonicalize(&open).unwrap());
            assert!(found.contains("so can all that lies below it"), "{found}");
            assert!(!fix.contains('`'), "{fix}");
        }
        for folder in [&open, &safe] {
            assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "{folder:?}");
        }
        set_mode(&open, 0o1777);
        sealed(&open, key(&open)).unwrap();
        plain(&open).unwrap();
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}
