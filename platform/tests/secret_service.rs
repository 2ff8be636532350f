//! The Secret Service vault against a real gnome-keyring.
// Not on Windows: the Secret Service
#![cfg(all(unix, not(any(target_os = "macos", target_os = "ios", target_os = "android"))))]
#![expect(clippy::print_stdout, reason = "figures are for the user who runs the tests")]

use std::io::{BufRead, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokenkeep_platform::vault::{Call, Collection, Item, Vault, VaultError};
use tokenkeep_test_support::keyring::{State, inside};
use tokenkeep_test_support::{again, task};

/// Every byte value class a text-only vault would damage.
const SECRET: [u8; 32] =
    *b"\x00\x01\xff\xfe\x80binary \xc3\x28 secret\n\r\t\x7f\x00\xf0\x9f\xaa\xe2\xc0\xc1";

fn item(name: &str) -> Item {
    Item::new("tests", name)
        .labelled(format!("label of {name}"))
        .with_attributes([("xdg:schema", "tests"), ("name", name)])
}

fn quiet() -> Call {
    Call::quiet()
}

#[test]
fn a_binary_secret_comes_back_and_is_in_no_file() {
    inside("a_binary_secret_comes_back_and_is_in_no_file", State::Unlocked, |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        assert!(vault.read(&key, &quiet()).unwrap().is_none());
        vault.create(&key, &SECRET, &quiet()).unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
        let mut files = 0;
        for file in std::fs::read_dir(keyring.files()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            files += 1;
            assert!(!bytes.windows(8).any(|window| SECRET.windows(8).any(|part| part == window)));
        }
        assert!(files > 0);
    });
}

#[test]
fn another_program_reads_what_was_created() {
    inside("another_program_reads_what_was_created", State::Unlocked, |keyring| {
        let key = item("key");
        Vault::os().create(&key, b"for all to see", &quiet()).unwrap();
        let output = keyring.command("secret-tool").args(["lookup", "name", "key"]).output();
        assert_eq!(output.unwrap().stdout, b"for all to see");
    });
}

#[test]
fn a_second_creation_is_refused_and_changes_nothing() {
    inside("a_second_creation_is_refused_and_changes_nothing", State::Unlocked, |_| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, b"first", &quiet()).unwrap();
        assert!(matches!(vault.create(&key, b"second", &quiet()), Err(VaultError::Exists)));
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), b"first");
        assert!(vault.create(&item("empty"), b"", &quiet()).is_err());
    });
}

#[test]
fn an_item_with_more_attributes_is_found_and_never_deleted() {
    inside("an_item_with_more_attributes_is_found_and_never_deleted", State::Unlocked, |_| {
        let vault = Vault::os();
        let both = Item::new("tests", "both").with_attributes([("name", "both")]);
        let half = |part| both.clone().with_attributes([("name", "both"), ("part", part)]);
        for part in ["1", "2"] {
            vault.create(&half(part), part.as_bytes(), &quiet()).unwrap();
        }
        assert!(matches!(vault.create(&both, b"3", &quiet()), Err(VaultError::Exists)));
        assert!(vault.read(&both, &quiet()).unwrap().is_some());
        assert_eq!(vault.read_all(&both, &quiet()).unwrap().len(), 2);
        assert!(!vault.delete(&both, &quiet(), None).unwrap());
        assert!(!vault.delete_if(&both, &quiet(), None, |_| true).unwrap());
        assert!(!vault.would_delete_if(&both, &quiet(), |_| true).unwrap());
        for part in ["1", "2"] {
            assert!(vault.would_delete_if(&half(part), &quiet(), |_| true).unwrap());
            assert!(!vault.would_delete_if(&half(part), &quiet(), |_| false).unwrap());
            assert_eq!(*vault.read(&half(part), &quiet()).unwrap().unwrap(), part.as_bytes());
            assert!(vault.delete(&half(part), &quiet(), None).unwrap());
        }
        assert!(vault.read(&both, &quiet()).unwrap().is_none());
    });
}

#[test]
fn deleting_twice_says_true_then_false_and_drops_what_it_holds() {
    let name = "deleting_twice_says_true_then_false_and_drops_what_it_holds";
    inside(name, State::Unlocked, |_| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        let guard = std::sync::Arc::new(());
        let hold = || Some(Box::new(std::sync::Arc::clone(&guard)) as Box<dyn Send>);
        assert!(vault.delete(&key, &quiet(), hold()).unwrap());
        assert!(!vault.delete(&key, &quiet(), hold()).unwrap());
        assert_eq!(std::sync::Arc::strong_count(&guard), 1);
        assert!(vault.read(&key, &quiet()).unwrap().is_none());
    });
}

#[test]
fn a_read_through_another_handle_sees_what_was_deleted_and_created_anew() {
    let name = "a_read_through_another_handle_sees_what_was_deleted_and_created_anew";
    inside(name, State::Unlocked, |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, b"old", &quiet()).unwrap();
        assert!(vault.read(&key, &quiet()).unwrap().is_some());
        let cleared = keyring.command("secret-tool").args(["clear", "name", "key"]).status();
        assert!(cleared.unwrap().success());
        assert!(vault.read(&key, &quiet()).unwrap().is_none());
        vault.create(&key, b"new", &quiet()).unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), b"new");
    });
}

#[test]
fn a_locked_collection_is_locked_and_never_empty() {
    inside("a_locked_collection_is_locked_and_never_empty", State::Unlocked, |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        keyring.lock().unwrap();
        let locked = |result: Result<(), VaultError>| {
            assert!(matches!(result, Err(VaultError::Locked { .. })), "{result:?}");
        };
        let mut times = [(); 21].map(|()| {
            let started = Instant::now();
            locked(vault.read(&key, &quiet()).map(drop));
            started.elapsed()
        });
        times.sort();
        let (took, slowest) = (times[10], times[20]);
        println!("measured: a locked read says so after {took:?}, at most {slowest:?}");
        assert!(took < Duration::from_millis(10));
        locked(vault.read(&item("never made"), &quiet()).map(drop));
        locked(vault.create(&item("another"), &SECRET, &quiet()));
        locked(vault.delete(&key, &quiet(), None).map(drop));
        locked(vault.delete(&item("never made"), &quiet(), None).map(drop));
        locked(vault.unlock(&quiet()));
        locked(vault.probe(&quiet()).map(drop));
        keyring.unlock().unwrap();
        vault.unlock(&quiet()).unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
    });
}

#[test]
fn a_killed_service_is_never_an_absent_item() {
    inside("a_killed_service_is_never_an_absent_item", State::Unlocked, |keyring| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        assert!(vault.read(&key, &quiet()).unwrap().is_some());
        keyring.kill_daemon().unwrap();
        for _ in 0..20 {
            let result = vault.read(&key, &quiet());
            let said = matches!(
                result,
                Err(VaultError::Locked { .. } | VaultError::ServiceMissing { .. })
            );
            assert!(said, "{result:?}");
        }
        keyring.wait_for_daemon().unwrap();
        keyring.unlock().unwrap();
        assert_eq!(*vault.read(&key, &quiet()).unwrap().unwrap(), SECRET);
    });
}

#[test]
fn after_the_first_a_read_is_one_call_over_the_bus_and_a_write_two() {
    inside(
        "after_the_first_a_read_is_one_call_over_the_bus_and_a_write_two",
        State::Unlocked,
        |keyring| {
            let (vault, key) = (Vault::os(), item("key"));
            vault.create(&key, &SECRET, &quiet()).unwrap();
            // Other attributes than those of the creation, so that the search of a read is what is
            // remembered.
            let key = Item::new("tests", "found").with_attributes([("name", "key")]);
            // Another program makes an item of its own, and stores in it again and again.
            for _ in 0..3 {
                let store =
                    "printf x | secret-tool store --label=other xdg:schema other name other";
                assert!(keyring.command("sh").args(["-c", store]).status().unwrap().success());
                assert!(vault.read(&key, &quiet()).unwrap().is_some());
            }
            let store = "printf y | secret-tool store --label=other xdg:schema other name other";
            assert!(keyring.command("sh").args(["-c", store]).status().unwrap().success());
            let mut monitor = keyring
                .command("dbus-monitor")
                .arg("destination='org.freedesktop.secrets',type='method_call'")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let out = std::io::BufReader::new(monitor.stdout.take().unwrap());
            let mut lines = out.lines().map(Result::unwrap);
            // It prints the name it was given and then loses: from here on it sees everything.
            assert!(lines.any(|line| line.contains("member=NameLost")));
            let mark = || {
                let (name, path) = ("org.freedesktop.secrets", "/org/freedesktop/secrets");
                keyring.send(name, path, "org.freedesktop.DBus.Peer.Ping", &[]).unwrap();
            };
            mark();
            for _ in 0..10 {
                assert!(vault.read(&key, &quiet()).unwrap().is_some());
                vault.write(&key, &SECRET, &quiet(), None).unwrap();
            }
            mark();
            assert!(lines.any(|line| line.contains("member=Ping")));
            let between: Vec<String> = lines
                .by_ref()
                .filter(|line| line.contains("method call"))
                .take_while(|line| !line.contains("member=Ping"))
                .collect();
            monitor.kill().unwrap();
            monitor.wait().unwrap();
            let count = |member| between.iter().filter(|line| line.contains(member)).count();
            let counts = (between.len(), count("member=GetSecret"), count("member=SetSecret"));
            // A write asks afterwards whether it took effect.
            assert_eq!(counts, (30, 10, 10), "{between:#?}");
        },
    );
}

#[test]
fn a_collection_of_the_session_and_a_named_one_can_be_chosen() {
    let name = "a_collection_of_the_session_and_a_named_one_can_be_chosen";
    inside(name, State::Unlocked, |keyring| {
        let session = Vault::os_in(Collection::Session);
        session.create(&item("key"), b"until logout", &quiet()).unwrap();
        let login = Vault::os_in(Collection::Named("Login".into()));
        login.create(&item("other"), b"for ever", &quiet()).unwrap();
        for (name, collection) in [("key", "session"), ("other", "login")] {
            let arguments = ["string:org.freedesktop.Secret.Collection", "string:Items"];
            let get = "org.freedesktop.DBus.Properties.Get";
            let path = format!("/org/freedesktop/secrets/collection/{collection}");
            let items = keyring.send("org.freedesktop.secrets", &path, get, &arguments).unwrap();
            assert_eq!(items.matches(&path).count(), 1, "{items}");
            for vault in [&session, &login, &Vault::os()] {
                assert!(vault.read(&item(name), &quiet()).unwrap().is_some(), "{name}");
            }
        }
        let key = item("never made");
        let nowhere = Vault::os_in(Collection::Named("nowhere".into())).read(&key, &quiet());
        assert!(matches!(nowhere, Err(VaultError::Missing { .. })));
    });
}

#[test]
fn a_probe_works_and_leaves_nothing() {
    inside("a_probe_works_and_leaves_nothing", State::Unlocked, |keyring| {
        let probe = Vault::os().probe(&quiet()).unwrap();
        println!("measured: {probe:?}");
        let path = "/org/freedesktop/secrets/collection/login";
        let arguments = ["string:org.freedesktop.Secret.Collection", "string:Items"];
        let method = "org.freedesktop.DBus.Properties.Get";
        let items = keyring.send("org.freedesktop.secrets", path, method, &arguments).unwrap();
        assert!(!items.contains("/login/"), "{items}");
    });
}

#[test]
fn the_bus_tells_who_serves_the_vault_and_starts_nobody() {
    inside("the_bus_tells_who_serves_the_vault_and_starts_nobody", State::Unlocked, |keyring| {
        let soon = Duration::from_secs(2);
        let provider = Vault::os_provider(soon).unwrap().expect("it runs");
        assert_eq!(provider.program.as_deref(), Some("gnome-keyring-d"));
        assert!(provider.pid.is_some_and(|pid| pid != std::process::id()), "{provider:?}");
        keyring.kill_daemon().unwrap();
        assert_eq!(Vault::os_provider(soon).unwrap(), None);
        assert_eq!(Vault::os_provider(soon).unwrap(), None, "the bus would start another");
    });
}

#[test]
fn an_item_whose_creation_was_cut_off_is_unfinished_and_can_be_deleted() {
    let name = "an_item_whose_creation_was_cut_off_is_unfinished_and_can_be_deleted";
    inside(name, State::Unlocked, |keyring| {
        let tool = keyring
            .command("sh")
            .args(["-c", "printf '' | secret-tool store --label=cut xdg:schema tests name key"])
            .status();
        assert!(tool.unwrap().success());
        let (vault, key) = (Vault::os(), item("key"));
        assert!(matches!(vault.read(&key, &quiet()), Err(VaultError::Unfinished)));
        assert!(matches!(vault.create(&key, &SECRET, &quiet()), Err(VaultError::Exists)));
        assert!(vault.delete(&key, &quiet(), None).unwrap());
        vault.create(&key, &SECRET, &quiet()).unwrap();
    });
}

#[test]
fn a_bus_without_a_service_is_named_as_the_missing_link() {
    inside("a_bus_without_a_service_is_named_as_the_missing_link", State::Absent, |_| {
        let error = Vault::os().read(&item("key"), &quiet()).unwrap_err();
        assert!(matches!(error, VaultError::ServiceMissing { .. }), "{error:?}");
        assert!(error.to_string().starts_with("no secret service is on the session bus"));
    });
}

#[test]
fn no_bus_is_named_within_100_ms_and_none_is_started() {
    if task().is_some() {
        let started = Instant::now();
        let error = Vault::os().read(&item("key"), &quiet()).unwrap_err();
        let took = started.elapsed();
        println!("measured: no bus, said so after {took:?}");
        assert!(matches!(error, VaultError::ServiceMissing { .. }), "{error:?}");
        assert!(error.to_string().starts_with("DBUS_SESSION_BUS_ADDRESS is not set"), "{error}");
        assert!(took < Duration::from_millis(100), "{took:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (launcher, mark) = (folder.path().join("dbus-launch"), folder.path().join("launched"));
    let script = format!("#!/bin/sh\n: > '{}'\n", mark.display());
    std::fs::File::create(&launcher).unwrap().write_all(script.as_bytes()).unwrap();
    std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = again(no_bus_is_named_within_100_ms_and_none_is_started, "read")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("PATH", folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!mark.exists());
}

#[test]
fn a_forked_child_reads_over_a_connection_of_its_own() {
    inside("a_forked_child_reads_over_a_connection_of_its_own", State::Unlocked, |_| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        let read =
            |vault: &Vault| matches!(vault.read(&key, &quiet()), Ok(Some(s)) if *s == SECRET);
        assert!(read(&vault));
        assert!(child_says_yes(|| read(&vault)));
        assert!(read(&vault), "the parent's own connection still works");
        assert!(child_says_yes(|| read(&vault) && child_says_yes(|| read(&vault))));
    });
}

/// Forks at any moment of their calls.
#[test]
fn a_forked_child_reads_while_the_threads_of_its_parent_do() {
    inside("a_forked_child_reads_while_the_threads_of_its_parent_do", State::Unlocked, |_| {
        let (vault, key) = (Vault::os(), item("key"));
        vault.create(&key, &SECRET, &quiet()).unwrap();
        let read =
            |vault: &Vault| matches!(vault.read(&key, &quiet()), Ok(Some(s)) if *s == SECRET);
        let ends = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !ends.load(std::sync::atomic::Ordering::SeqCst) {
                        assert!(read(&vault));
                    }
                });
            }
            let answers: Vec<bool> = (0..30).map(|_| child_says_yes(|| read(&vault))).collect();
            ends.store(true, std::sync::atomic::Ordering::SeqCst);
            assert!(answers.iter().all(|answer| *answer), "{answers:?}");
        });
    });
}

/// Forks; the child's answer, `false` if it gives none within 10 s.
#[expect(unsafe_code, reason = "std cannot fork")]
fn child_says_yes(question: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only runs `question` and leaves by `_exit`; glibc keeps its allocator
    // usable in it.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(question));
        // SAFETY: `_exit` may be called in a forked child and does not return.
        unsafe { libc::_exit(i32::from(!answer.unwrap_or(false))) }
    }
    let end = Instant::now() + Duration::from_secs(10);
    let mut status = 0;
    // SAFETY: `pid` is a child of this process and `status` is a valid place for its status.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > end {
            // SAFETY: the child has not been waited for, so its pid is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    status == 0
}
