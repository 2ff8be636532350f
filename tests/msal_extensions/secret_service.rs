//! The cache as an item of a real gnome-keyring, with msal-extensions at the other end.
// Not on Windows: the Secret Service
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tokenkeep::{
    Error, PersistedTokenCache, build_encrypted_persistence,
    lock::Wait,
    persistence::{
        Intent, ItemEncoding, MsalExtensionsLocation, MsalExtensionsPersistence, OpaqueStore,
        PlaintextPersistence,
    },
};
use tokenkeep_test_support::keyring::Keyring;

use crate::{
    python::{self, Conversation, peer, python},
    read_beside_a_writer,
    support::{event, settle, token},
    trusts_a_past_time_alone,
};

/// What Python and others may have left in a cache, and what no writer may lose.
const FOREIGN: &str = r#"{"customized": "whatever", "IdToken": {"an-entry": {"foo": "bar"}},
    "Odd": [1, 2.5, "\ud800"], "RefreshToken": {"k": {"extra": 123456789012345678901234567890}}}"#;

/// What Python itself would not keep as it stands.
const WILD: &str = r#"{"Odd": [1e400, 2.50], "AccessToken": {"k": {"n": 1E5, "secret": "a"}}}"#;

const EVENT: &str = r#"{"client_id": "from-python", "scope": ["s1"],
    "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
    "response": {"access_token": "python's", "expires_in": 3600, "token_type": "Bearer",
        "refresh_token": "python's refresh token",
        "id_token_claims": {"sub": "subject", "preferred_username": "ada@example.com"}}}"#;

/// What azure-identity for Python gives `LibsecretPersistence`.
const AZURE: &str = r#"{"schema_name": "msal.cache.nocae", "label": "MSALCache",
    "attributes": {"MsalClientID": "Microsoft.Developer.IdentityService"}}"#;

fn with_python(test: &str, body: impl FnOnce(&Keyring, &Path)) {
    python::with_python(&format!("secret_service::{test}"), body);
}

fn open(location: impl AsRef<Path>) -> PersistedTokenCache {
    let persistence = build_encrypted_persistence(location).unwrap();
    PersistedTokenCache::new(persistence)
}

fn open_as(location: &Path, identity: &MsalExtensionsLocation) -> PersistedTokenCache {
    let persistence = MsalExtensionsPersistence::new(location, identity).unwrap();
    PersistedTokenCache::new(persistence)
}

fn azure() -> MsalExtensionsLocation {
    MsalExtensionsLocation::python("never used")
        .schema("msal.cache.nocae")
        .attributes([("MsalClientID", "Microsoft.Developer.IdentityService")])
        .label("MSALCache")
}

/// Every item of the keyring as another program shows it, without its times.
fn items(keyring: &Keyring, attribute: &str, value: &str) -> Vec<String> {
    let mut command = keyring.command("secret-tool");
    let output = command.args(["search", "--all", attribute, value]).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    let varies = |line: &str| ["[/", "created", "modified"].iter().any(|w| line.starts_with(w));
    let lines = text.lines().filter(|line| !varies(line));
    lines.map(str::to_owned).collect()
}

fn read(location: &Path) -> String {
    python("default", "load", location, "")
}

fn holds_what_is_foreign(json: &str) {
    for part in [
        "whatever",
        "an-entry",
        "\"foo\": \"bar\"",
        "2.5",
        "\\ud800",
        "123456789012345678901234567890",
    ] {
        assert!(json.contains(part), "{part} is gone from {json}");
    }
}

#[test]
fn any_text_and_none_at_all_go_both_ways() {
    with_python("any_text_and_none_at_all_go_both_ways", |_, folder| {
        let location = folder.join("secrets.bin");
        let store = || OpaqueStore::from(build_encrypted_persistence(&location).unwrap());
        let content = || {
            let found = store().load().unwrap();
            found.map(|(content, _)| content.expose_str().unwrap().to_owned())
        };
        let save = |store: OpaqueStore, content: &[u8]| {
            store.prepare(Intent::Write)?;
            store.save(content, &store.lock().acquire(&Wait::default())?)
        };
        assert_eq!(content(), None);
        for text in ["", "[{\"a\": 1}]", "t\u{e9}xt\u{1f511}", "{\"cut\": ", ""] {
            python("default", "save", &location, text);
            assert_eq!(content().as_deref(), Some(text), "from Python");
            save(store(), b"something else").unwrap();
            save(store(), text.as_bytes()).unwrap();
            assert_eq!(read(&location), text, "from here");
            assert_eq!(content().as_deref(), Some(text));
        }
        for bytes in [&b"a\0b"[..], b"\xff\xfe"] {
            let refused = save(store(), bytes);
            assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
            assert_eq!(content().as_deref(), Some(""), "the old content is intact");
            let encoded = MsalExtensionsLocation::python("bytes").encoding(ItemEncoding::Base64);
            let bytes_at = folder.join("bytes.bin");
            let open = || -> OpaqueStore {
                MsalExtensionsPersistence::new(&bytes_at, &encoded).unwrap().into()
            };
            save(open(), bytes).unwrap();
            assert_eq!(open().load().unwrap().unwrap().0.expose(), bytes);
        }
        // A token cache is empty where nothing is kept, and so it was before.
        assert!(open(&location).accounts().unwrap().is_empty());
        open(&location).clear().unwrap();
        assert_eq!(content(), None);
    });
}

#[test]
fn python_writes_we_read_we_write_python_reads_and_both_again() {
    with_python("python_writes_we_read_we_write_python_reads_and_both_again", |_, folder| {
        for (number, identity) in ["default", AZURE].into_iter().enumerate() {
            let location = folder.join(format!("{number}/token_cache.bin"));
            let ours = match identity {
                "default" => open(&location),
                _ => open_as(&location, &azure()),
            };
            python(identity, "save", &location, FOREIGN);
            assert!(ours.accounts().unwrap().is_empty());
            python(identity, "add", &location, EVENT);
            assert_eq!(token(&ours, "from-python").as_deref(), Some("python's"), "{identity}");
            ours.add(&event("from-rust", "ours")).unwrap();
            assert_eq!(python(identity, "find", &location, "from-rust\n"), "ours\n");
            assert_eq!(python(identity, "find", &location, "from-python\n"), "python's\n");
            python(identity, "add", &location, &EVENT.replace("python's", "another"));
            assert_eq!(token(&ours, "from-python").as_deref(), Some("another"), "{identity}");
            assert_eq!(token(&ours, "from-rust").as_deref(), Some("ours"));
            holds_what_is_foreign(&python(identity, "load", &location, ""));
        }
    });
}

#[test]
fn a_token_that_python_would_change_is_kept_as_it_stands() {
    with_python("a_token_that_python_would_change_is_kept_as_it_stands", |_, folder| {
        let location = folder.join("cache");
        python("default", "save", &location, WILD);
        open(&location).add(&event("client", "ours")).unwrap();
        let json = read(&location);
        for token in ["1e400", "2.50", "1E5", "ours"] {
            assert!(json.contains(token), "{token} is gone from {json}");
        }
    });
}

#[test]
fn our_item_looks_as_pythons_does() {
    with_python("our_item_looks_as_pythons_does", |keyring, folder| {
        let look = |schema: &str| items(keyring, "xdg:schema", schema);
        let schema = "msal.cache.nocae";
        let location = folder.join("cache");
        let ours = open_as(&location, &azure());
        ours.add(&event("client", "kept")).unwrap();
        let made_by_us = look(schema);
        let json = python(AZURE, "load", &location, "");
        ours.clear().unwrap();
        assert!(look(schema).is_empty(), "clear removes the item");
        assert!(!location.exists(), "and the signal file");
        python(AZURE, "save", &location, &json);
        assert_eq!(made_by_us, look(schema));
        assert!(made_by_us.iter().any(|line| line == "label = MSALCache"), "{made_by_us:?}");
    });
}

#[test]
fn a_python_that_runs_notices_every_write_of_ours() {
    with_python("a_python_that_runs_notices_every_write_of_ours", |_, folder| {
        let location = folder.join("cache");
        let ours = open(&location);
        let mut peer = Conversation::begin(&mut peer("default", "find", &location));
        for round in 0..50 {
            let secret = format!("round-{round}");
            ours.add(&event("client", &secret)).unwrap();
            assert_eq!(peer.ask("client"), secret);
        }
    });
}

#[test]
fn an_item_without_a_signal_file_and_a_signal_file_without_an_item_are_read_right() {
    let test = "an_item_without_a_signal_file_and_a_signal_file_without_an_item_are_read_right";
    with_python(test, |_, folder| {
        let location = folder.join("cache");
        let ours = open(&location);
        assert!(ours.accounts().unwrap().is_empty());
        python("default", "add", &location, EVENT);
        fs::remove_file(&location).unwrap();
        assert_eq!(token(&ours, "from-python").as_deref(), Some("python's"), "no signal file");
        ours.add(&event("from-rust", "ours")).unwrap();
        assert!(read(&location).contains("python's"), "nothing was overwritten");
        let mode = fs::metadata(&location).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(&location).unwrap(), b"");

        ours.clear().unwrap();
        fs::write(&location, "").unwrap();
        assert!(ours.accounts().unwrap().is_empty());
        assert!(open(&location).accounts().unwrap().is_empty(), "no item");

        let moved = folder.join("with a folder/cache");
        open(&moved).add(&event("client", "kept")).unwrap();
        fs::remove_dir_all(moved.parent().unwrap()).unwrap();
        assert_eq!(token(&open(&moved), "client").as_deref(), Some("kept"), "no folder");
        open(&moved).clear().unwrap();
        assert!(open(&moved).accounts().unwrap().is_empty(), "clear removes what has no folder");

        let torn = folder.join("with another folder/cache");
        open(&torn).add(&event("client", "kept")).unwrap();
        python("default", "save", &torn, "{");
        fs::remove_dir_all(torn.parent().unwrap()).unwrap();
        let refused = open(&torn).accounts();
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
        assert!(!torn.parent().unwrap().exists(), "a reader makes no folder");

        fs::write(&location, "somebody's plain text").unwrap();
        ours.add(&event("from-rust", "ours")).unwrap();
        ours.clear().unwrap();
        assert_eq!(fs::read(&location).unwrap(), b"somebody's plain text");
    });
}

#[test]
fn an_item_whose_signal_file_was_touched_just_now_is_read_again() {
    with_python("an_item_whose_signal_file_was_touched_just_now_is_read_again", |_, folder| {
        let location = folder.join("cache");
        open(&location).add(&event("client", "kept")).unwrap();
        let persistence = build_encrypted_persistence(&location).unwrap();
        trusts_a_past_time_alone(&persistence, &location);
    });
}

#[test]
fn without_a_signal_file_every_read_asks_the_vault() {
    with_python("without_a_signal_file_every_read_asks_the_vault", |_, folder| {
        let location = folder.join("cache");
        let quiet = || build_encrypted_persistence(&location).unwrap().without_signal();
        let one = PersistedTokenCache::new(quiet());
        let two = PersistedTokenCache::new(quiet());
        for secret in ["a", "b", "c"] {
            one.add(&event("client", secret)).unwrap();
            assert_eq!(token(&two, "client").as_deref(), Some(secret));
        }
        assert!(!location.exists());
    });
}

#[test]
fn a_locked_or_killed_keyring_is_an_error_and_never_an_empty_cache() {
    let test = "a_locked_or_killed_keyring_is_an_error_and_never_an_empty_cache";
    with_python(test, |keyring, folder| {
        let location = folder.join("cache");
        open(&location).add(&event("client", "kept")).unwrap();
        for stop in [Keyring::lock, Keyring::kill_daemon] {
            let known = open(&location);
            assert_eq!(known.accounts().unwrap().len(), 1);
            stop(keyring).unwrap();
            let fresh = open(&location);
            assert!(matches!(fresh.accounts(), Err(Error::VaultLocked { .. })));
            for cache in [&fresh, &known] {
                let lost = event("client", "lost");
                for refused in [cache.add(&lost), cache.clear(), cache.reset()] {
                    assert!(matches!(refused, Err(Error::VaultLocked { .. })), "{refused:?}");
                }
            }
            keyring.unlock().unwrap();
            assert_eq!(token(&fresh, "client").as_deref(), Some("kept"));
        }
    });
}

#[test]
fn an_item_that_a_peer_is_writing_is_read_again_when_its_lock_is_free() {
    let test = "an_item_that_a_peer_is_writing_is_read_again_when_its_lock_is_free";
    with_python(test, |_, folder| {
        let location = folder.join("cache");
        open(&location).add(&event("client", "whole")).unwrap();
        let whole = read(&location);
        for part in ["", &whole[..whole.len() / 2]] {
            python("default", "save", &location, part);
            let persistence = build_encrypted_persistence(&location).unwrap();
            let read = read_beside_a_writer(persistence, || {
                python("default", "save", &location, &whole);
            });
            assert_eq!(read.as_deref(), Some("whole"), "{part:?}");
        }
        python("default", "save", &location, "");
        assert!(open(&location).accounts().unwrap().is_empty(), "nobody is writing");
    });
}

#[test]
fn a_transaction_asks_the_vault_though_nobody_touched_the_signal_file() {
    let test = "a_transaction_asks_the_vault_though_nobody_touched_the_signal_file";
    with_python(test, |_, folder| {
        let location = folder.join("cache");
        let silent = build_encrypted_persistence(&location).unwrap().without_signal();
        let silent = PersistedTokenCache::new(silent);
        let ours = open(&location);
        ours.add(&event("first", "ours")).unwrap();
        settle(&location);
        assert_eq!(ours.accounts().unwrap().len(), 1);
        silent.add(&event("second", "unannounced")).unwrap();
        assert_eq!(token(&ours, "second"), None, "the signal file says that nothing changed");
        ours.add(&event("third", "ours")).unwrap();
        for client in ["first", "second", "third"] {
            assert!(token(&ours, client).is_some(), "{client}");
        }
    });
}

#[test]
fn two_relative_locations_share_one_item_and_a_tilde_does_not_mean_the_same_cache() {
    let test = "two_relative_locations_share_one_item_and_a_tilde_does_not_mean_the_same_cache";
    with_python(test, |_, folder| {
        let name = PathBuf::from("token_cache.bin");
        let mut places = ["one", "two"].map(|name| folder.join(name)).into_iter();
        let mut go = || {
            let place = places.next().unwrap();
            fs::create_dir(&place).unwrap();
            std::env::set_current_dir(&place).unwrap();
        };
        go();
        python("default", "add", &name, EVENT);
        let here = open(&name);
        assert_eq!(token(&here, "from-python").as_deref(), Some("python's"));
        go();
        assert_eq!(token(&open(&name), "from-python").as_deref(), Some("python's"), "shared");
        here.add(&event("from-rust", "ours")).unwrap();
        assert!(!name.exists(), "the first cache stays where it was opened");

        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let tilde = Path::new("~/tokenkeep-msal-extensions-test");
        python("default", "add", tilde, EVENT);
        let cache = open(tilde);
        assert_eq!(token(&cache, "from-python").as_deref(), Some("python's"));
        let spelled = home.join("tokenkeep-msal-extensions-test");
        assert!(spelled.is_file(), "{}", spelled.display());
        assert!(open(&spelled).accounts().unwrap().is_empty(), "another item");
        cache.clear().unwrap();
        assert!(!spelled.exists());
    });
}

#[test]
fn another_languages_item_is_an_identity_and_no_more() {
    with_python("another_languages_item_is_an_identity_and_no_more", |keyring, folder| {
        let location = folder.join("cache");
        let dotnet = MsalExtensionsLocation::python("never used")
            .schema("msal.cache")
            .attributes([("MsalClientID", "an.id"), ("an.id", "1.0.0.0")])
            .label("label")
            .match_schema(false)
            .encoding(ItemEncoding::Base64);
        let theirs = r#"{"dotnet": ["msal.cache", {"MsalClientID": "an.id", "an.id": "1.0.0.0"}]}"#;
        let ours = open_as(&location, &dotnet);
        ours.add(&event("client", "ours")).unwrap();
        let json = python(theirs, "load", &location, "");
        python(theirs, "save", &location, &json.replace("ours", "theirs"));
        let found = items(keyring, "xdg:schema", "msal.cache");
        assert_eq!(found.iter().filter(|line| line.starts_with("label")).count(), 1, "{found:?}");
        assert_eq!(token(&open_as(&location, &dotnet), "client").as_deref(), Some("theirs"));

        let keytar = MsalExtensionsLocation::python("never used")
            .schema("org.freedesktop.Secret.Generic")
            .attributes([("service", "s"), ("account", "a")])
            .label("s/a");
        open_as(&location, &keytar).add(&event("client", "for node")).unwrap();
        let theirs = r#"{"schema_name": "org.freedesktop.Secret.Generic",
            "attributes": {"service": "s", "account": "a"}}"#;
        assert!(python(theirs, "load", &location, "").contains("for node"));
    });
}

#[test]
fn pythons_plain_file_opens_under_the_plain_text_type() {
    with_python("pythons_plain_file_opens_under_the_plain_text_type", |_, folder| {
        let location = folder.join("cache.json");
        let persistence = PlaintextPersistence::new(&location).unwrap();
        let ours = PersistedTokenCache::new(persistence);
        python("file", "save", &location, FOREIGN);
        python("file", "add", &location, EVENT);
        assert_eq!(token(&ours, "from-python").as_deref(), Some("python's"));
        ours.add(&event("from-rust", "ours")).unwrap();
        assert_eq!(python("file", "find", &location, "from-rust\n"), "ours\n");
        holds_what_is_foreign(&python("file", "load", &location, ""));
    });
}
