//! No advice can do harm: a command is printed for what was made for a cache alone, and it works;
//! of every other place the text says in words what to do.
// Not on Windows: owners, modes, links, FIFOs and sockets
#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may")]

mod support;
#[path = "harmless_advice/world.rs"]
mod world;

use std::{
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, chown, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
};

use support::{EVENT, run, text};
use tokenkeep_test_support::say;
use world::{ANOTHER, SOMEBODY, Who, World, no_command, said_of, set_mode};

const LOOKS: [&[&str]; 3] = [&["accounts"], &["doctor"], &["--json", "doctor"]];
const WRITES: [&[&str]; 2] = [&["add"], &["clear"]];

#[test]
fn no_command_is_named_for_the_systems_places() {
    for world in World::all() {
        for path in [
            "/",
            "/tmp",
            "/dev/null",
            "/dev/null/x",
            "/etc",
            "/etc/passwd",
            "/etc/x.json",
            "/etc/none/none/x.json",
            "/usr/local",
            "/usr/local/x",
            "/var/tmp",
            "/proc/self/mem",
            "/root",
            "/home",
        ] {
            no_command(said_of(&world, path.as_ref(), &LOOKS));
            if world.who != Who::Root && path != "/tmp" && path != "/var/tmp" {
                no_command(said_of(&world, path.as_ref(), &WRITES));
            }
        }
    }
}

#[test]
fn no_command_is_named_for_a_users_own_places_that_are_no_caches() {
    for world in World::all() {
        set_mode(&world.path("home"), 0o755);
        world.folder("home/bin", 0o755);
        world.file("home/bin/tool", 0o755);
        world.file("home/notes.json", 0o666);
        world.folder("empty", 0o755);
        world.folder("mixed", 0o755);
        world.file("mixed/cache.sealed", 0o644);
        world.file("mixed/photo.jpg", 0o644);
        world.folder("closed", 0);
        world.folder("sticky", 0o1777);
        world.folder("open", 0o777);
        world.file("open/x.json", 0o644);
        symlink("home", world.path("link")).unwrap();
        symlink("nowhere", world.path("loose")).unwrap();
        symlink("notes.json", world.path("home/link.json")).unwrap();
        symlink("/etc/passwd", world.path("own/passwd")).unwrap();
        fs::hard_link(world.path("home/notes.json"), world.path("home/second.json")).unwrap();
        let _socket = UnixListener::bind(world.path("own/socket")).unwrap();
        let fifo = world.path("own/fifo");
        assert!(Command::new("mkfifo").arg("-m600").arg(&fifo).status().unwrap().success());
        for link in ["link", "loose", "home/link.json", "own/passwd", "own/socket", "own/fifo"] {
            world.give(&world.path(link));
        }
        for name in [
            "home",
            "home/bin",
            "home/bin/tool",
            "home/notes.json",
            "home/link.json",
            "home/second.json",
            "empty",
            "mixed",
            "mixed/cache.sealed",
            "closed",
            "closed/x.json",
            "sticky",
            "sticky/x.json",
            "open",
            "open/x.json",
            "open/below/x.json",
            "link",
            "link/x.json",
            "loose",
            "loose/x.json",
            "own/passwd",
            "own/socket",
            "own/fifo",
            "own/fifo/x",
        ] {
            let path = world.path(name);
            let before = fs::symlink_metadata(&path).map(|found| found.mode());
            no_command(said_of(&world, &path, &LOOKS));
            no_command(said_of(&world, &path, &WRITES));
            // A cache may be made where nothing was.
            if let Ok(before) = before {
                let after = fs::symlink_metadata(&path).map(|found| found.mode());
                assert_eq!(after.unwrap(), before, "{:?} {name}", world.who);
            }
        }
        assert_eq!(fs::read(world.path("home/notes.json")).unwrap(), b"some text");
    }
}

#[test]
fn what_belongs_to_another_user_is_named_as_that_users_and_nothing_is_made_there() {
    for world in World::all() {
        let theirs = world.folder("theirs", 0o755);
        let file = world.file("theirs/x.json", 0o644);
        if [&theirs, &file].iter().any(|path| chown(path, Some(ANOTHER), None).is_err()) {
            say("skipped: what belongs to others; run as root");
            continue;
        }
        for path in [theirs.clone(), theirs.join("x.json"), theirs.join("new"), theirs.join("a/b")]
        {
            for commands in [&LOOKS[..], &WRITES] {
                let said = said_of(&world, &path, commands);
                assert!(
                    said.iter().any(|(_, _, said)| said.contains("belongs to user 54322")
                        && said.contains("run as that user")),
                    "{said:#?}"
                );
                no_command(said);
            }
        }
        let names: Vec<_> =
            fs::read_dir(&theirs).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["x.json"], "{:?}", world.who);
    }
}

#[test]
fn root_with_the_home_of_a_user_makes_nothing_there_and_says_whose_it_is() {
    for world in World::all().iter().filter(|world| world.who == Who::Root) {
        chown(world.path("home"), Some(ANOTHER), Some(ANOTHER)).unwrap();
        for way in [
            &["--key", "env:KEY"][..],
            &["--key", "file:~/k/x.key"],
            &["--store", "plaintext", "--cache", "~/x/x.json"],
            &["--store", "msal-extensions", "--cache", "~/.mytool/x.bin"],
        ] {
            let output = world.run(&[way, &["add"]].concat());
            let said = text(&output.stderr);
            assert!(!output.status.success(), "{way:?}: {said}");
            // Without a vault an msal-extensions cache fails before it makes anything.
            let is_msal_extensions = way.contains(&"msal-extensions");
            assert!(
                is_msal_extensions || said.contains("belongs to user 54322, not to root"),
                "{said}"
            );
            assert!(is_msal_extensions || said.contains("set HOME"), "{said}");
            no_command(vec![(format!("{way:?}"), 0, said)]);
            assert_eq!(fs::read_dir(world.path("home")).unwrap().count(), 0, "{way:?}");
        }
    }
}

type Spoil = fn(&World);

/// What is done to a cache of ours, and what the printed line begins with.
const SPOILT: &[(&str, Spoil)] = &[
    ("chmod 700", |world| set_mode(&world.path("own/cache"), 0o755)),
    ("chmod 700", |world| set_mode(&world.path("own/cache"), 0o777)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.sealed"), 0o644)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.lock"), 0o660)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.queue"), 0o606)),
    ("chmod 600", |world| set_mode(&world.path("own/key/x.key"), 0o640)),
    ("chmod 700", |world| set_mode(&world.path("own/key"), 0o750)),
    ("cp -p", |world| {
        let cache = world.path("own/cache/cache.sealed");
        fs::hard_link(&cache, world.path("own/second")).unwrap();
    }),
];

/// What stops the owner alone, who is not root.
const CLOSED: &[(&str, Spoil)] = &[
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.sealed"), 0)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.sealed"), 0o200)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.lock"), 0)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.queue"), 0o400)),
    ("chmod 600", |world| set_mode(&world.path("own/cache/cache.holder"), 0)),
    ("chmod 700", |world| set_mode(&world.path("own/cache"), 0o600)),
];

#[test]
fn the_line_for_a_cache_of_ours_works() {
    for world in World::all() {
        world.folder("own/key", 0o700);
        let key = format!("file:{}", world.path("own/key/x.key").display());
        let cache = world.path("own/cache").to_str().unwrap().to_owned();
        let run = |command: &str| world.run(&["--key", &key, "--cache", &cache, command]);
        let added = run("add");
        assert!(added.status.success(), "{}", text(&added.stderr));
        let closed = if world.who == Who::Root { &[][..] } else { CLOSED };
        for (begins, spoil) in SPOILT.iter().chain(closed) {
            spoil(&world);
            let doctor = text(&run("doctor").stdout);
            let refused = run("add");
            let said = text(&refused.stderr);
            assert!(!refused.status.success(), "{begins}: {said}");
            let line = said.split("run `").nth(1).and_then(|rest| rest.split('`').next());
            let line = line.unwrap_or_else(|| panic!("no line: {:?} {said}", world.who));
            assert!(line.starts_with(begins), "{line}");
            assert!(doctor.contains(line), "doctor: {doctor}");
            world.shell(line);
            let again = run("add");
            assert!(again.status.success(), "{line}: {}", text(&again.stderr));
        }
    }
}

/// The line names the very bytes of the path, and is one line.
#[test]
fn the_line_works_whatever_the_name_of_the_cache() {
    for world in World::all() {
        let odd: [&[u8]; 4] = [
            b"it's; touch planted; echo '",
            b"line\nbreak \x1b[2J",
            b"\xff\xfe'\\",
            b"-p $(touch planted)",
        ];
        for name in odd.map(std::ffi::OsStr::from_bytes) {
            let cache = world.path("own").join(name);
            let add = || {
                let mut command = world.command(world.path("tokenkeep"));
                command.args(["--key", "env:KEY", "--cache"]).arg(&cache).arg("add");
                run(&mut command, EVENT)
            };
            assert!(add().status.success(), "{name:?}: {}", text(&add().stderr));
            set_mode(&cache, 0o755);
            let said = text(&add().stderr);
            assert_eq!(said.lines().count(), 2, "{said:?}");
            let line =
                said.split("run `").nth(1).and_then(|rest| rest.trim_end().strip_suffix('`'));
            world.shell(line.unwrap_or_else(|| panic!("no line: {said}")));
            assert!(add().status.success(), "{said}");
        }
        assert!(!world.path("own/planted").exists(), "{:?}", world.who);
    }
}

#[test]
fn an_empty_folder_in_the_users_data_folder_is_ours_and_so_is_one_in_that_of_the_login() {
    for world in World::all() {
        let output = world.run(&["--key", "env:KEY", "add"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let ours = world.path("home/.local/share/tokenkeep/tokenkeep");
        for file in fs::read_dir(&ours).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        set_mode(&ours, 0o755);
        let output = world.run(&["--key", "env:KEY", "add"]);
        let said = text(&output.stderr);
        let line = said.split("run `").nth(1).and_then(|rest| rest.split('`').next());
        world.shell(line.unwrap_or_else(|| panic!("no line: {said}")));
        assert!(world.run(&["--key", "env:KEY", "add"]).status.success());
    }
}

#[test]
fn the_line_that_makes_a_missing_folder_works_whatever_its_name() {
    for world in World::all() {
        let cache = world.path("own/cache").to_str().unwrap().to_owned();
        for name in ["a/b", "it's; touch planted; echo '/b", "line\nbreak/b", "-p/b", "$(x)/`y`/b"]
        {
            let key = world.path("home").join(name).join("key/x.key");
            let key = format!("file:{}", key.display());
            let run = |command: &[&str]| {
                world.run(&[&["--key", &key, "--cache", &cache][..], command].concat())
            };
            let report = run(&["--json", "doctor"]).stdout;
            let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
            let line = report["cache"]["problem"]["next_step"].as_str().unwrap();
            assert!(line.contains("mkdir"), "{report:#}");
            world.shell(line);
            let added = run(&["add"]);
            assert!(added.status.success(), "{line}: {}", text(&added.stderr));
            assert!(!world.path("own/planted").exists(), "{line}");
            assert!(run(&["clear"]).status.success());
        }
    }
}

#[test]
fn a_link_is_named_with_what_it_leads_to() {
    for world in World::all() {
        world.folder("own/real", 0o700);
        symlink("real", world.path("own/link")).unwrap();
        let real = fs::canonicalize(world.path("own/real")).unwrap();
        let link = world.path("own/link");
        let run = |path: &Path| {
            world.run(&["--key", "env:KEY", "--cache", path.to_str().unwrap(), "add"])
        };
        let said = text(&run(&link).stderr);
        let advice = format!("name what it leads to, `{}`", real.display());
        assert!(said.contains("is a symbolic link") && said.contains(&advice), "{said}");
        assert!(run(&real).status.success(), "what it says is done");
    }
}

#[test]
fn a_tilde_is_the_home_folder_and_never_a_folder_of_that_name() {
    for world in World::all() {
        world.folder("home/keys", 0o700);
        let added = world.run(&["--key", "file:~/keys/x.key", "--cache", "~/cache", "add"]);
        assert!(added.status.success(), "{}", text(&added.stderr));
        assert!(world.path("home/keys/x.key").exists() && world.path("home/cache").exists());
        let elsewhere =
            world.run(&["--key", "file:~/keys/x.key", "--cache", "~/cache", "accounts"]);
        assert!(elsewhere.status.success(), "{}", text(&elsewhere.stderr));
        let plain = world.run(&["--store", "plaintext", "--cache", "~/plain/x.json", "add"]);
        assert!(plain.status.success(), "{}", text(&plain.stderr));
        assert!(world.path("home/plain/x.json").exists());
        for named in ["~ada/x", "~x"] {
            for way in world.ways(named.as_ref()) {
                let arguments: Vec<_> = way.iter().map(String::as_str).chain(["add"]).collect();
                let refused = world.run(&arguments);
                assert!(!refused.status.success(), "{arguments:?}");
            }
        }
        let names: Vec<_> =
            fs::read_dir(world.path("own")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.as_encoded_bytes().starts_with(b"~")), "{names:?}");
    }
}

#[test]
fn a_home_that_is_missing_or_relative_is_refused_with_what_to_name() {
    for world in World::all() {
        let run = |home: Option<&str>| {
            let mut command = world.command(world.path("tokenkeep"));
            match home {
                Some(home) => command.env("HOME", home),
                None => command.env_remove("HOME"),
            };
            text(&support::run(command.args(["--key", "env:KEY", "add"]), EVENT).stderr)
        };
        let said = run(Some("rel"));
        assert!(said.contains("HOME is no full path") && said.contains("--cache"), "{said}");
        assert_eq!(fs::read_dir(world.path("own")).unwrap().count(), 0, "nothing was made");
        if world.who == Who::User(SOMEBODY) {
            let said = run(None);
            assert!(said.contains("no home folder") && said.contains("--cache"), "{said}");
        }
    }
}

#[test]
fn a_file_of_another_kind_is_neither_rewritten_nor_removed() {
    for world in World::all() {
        let file = world.path("own/package.json");
        fs::write(&file, r#"{"name": "x", "dependencies": {"Account": {}}}"#).unwrap();
        set_mode(&file, 0o600);
        let before = fs::read(world.give(&file)).unwrap();
        let path = file.to_str().unwrap();
        for command in [&["add"][..], &["clear"], &["clear", "--unreadable"], &["accounts"]] {
            let refused =
                world.run(&[&["--store", "plaintext", "--cache", path][..], command].concat());
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(6), "{command:?}: {said}");
            assert!(said.contains("JSON of another kind"), "{said}");
            assert_eq!(fs::read(&file).unwrap(), before, "{command:?}");
        }
        let theirs = r#"{"AppMetadata": {"appmetadata-h-c": {"client_id": "c"}}, "Mine": 1}"#;
        fs::write(&file, theirs).unwrap();
        for command in ["add", "clear"] {
            let done = world.run(&["--store", "plaintext", "--cache", path, command]);
            assert!(done.status.success(), "{}", text(&done.stderr));
        }
        assert!(!file.exists());
    }
}
