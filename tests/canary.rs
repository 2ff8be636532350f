//! Secrets are seen in no `Debug`, `Display`, error chain, panic message, log or file.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may, and its processes talk"
)]

// Not on Windows: the Secret Service
#[cfg(target_os = "linux")]
#[path = "canary/log.rs"]
mod log;
mod support;

use std::{error::Error as StdError, fmt::Debug, fs, path::Path};

use support::{OpenCache, Place, request};
use tokenkeep::{
    CredentialType, Entry, Error, KeySource, PersistedTokenCache, Query, Secret,
    SerializableTokenCache, SignInEvent, TokenCache, TokenRequest,
    lock::LockGuard,
    persistence::{KeyCallback, Loaded, MemoryPersistence, Persistence, PlaintextPersistence},
};
use tokenkeep_test_support::{again, sign_in, started, task, under_wine};

#[test]
fn no_debug_text_of_any_type_has_a_secret() {
    let (event, cache) = (event(), filled());
    let (place, plain) = (Place::new(), Place::new());
    let builder = || place.builder().key_source(KeySource::Callback(callback(sign_in::KEY)));
    let persisted = builder().cache().unwrap();
    persisted.add(&event).unwrap();
    let request = TokenRequest::new("client", support::AUTHORITY, ["s1"]);
    let found = persisted.find_access_token(&request).unwrap().unwrap();
    let borrowed = cache.find_access_token(&request, NOW).unwrap().unwrap();
    assert_eq!(found.secret(), sign_in::ACCESS_TOKEN);
    let mut serializable = SerializableTokenCache::new();
    serializable.deserialize(cache.to_json().expose()).unwrap();
    let memory = MemoryPersistence::new();
    memory.save(cache.to_json().expose(), None, &LockGuard::none()).unwrap();
    let text = PlaintextPersistence::new(plain.path().join("plain.json")).unwrap();
    let saved = text.save(cache.to_json().expose(), None, &LockGuard::none()).unwrap();
    let loaded = text.load(None).unwrap();
    assert!(matches!(loaded, Loaded::Content(..)));
    let secret = || Secret::new(sign_in::ACCESS_TOKEN);
    let bound = request.clone().key_id(sign_in::ACCESS_TOKEN);
    let extended = request.clone().data([("fmi_path", sign_in::REFRESH_TOKEN)]);
    let query = Query::new().field("secret", sign_in::REFRESH_TOKEN);
    let entries: Vec<Entry> =
        CredentialType::ALL.into_iter().flat_map(|kind| cache.entries(kind)).cloned().collect();
    assert!(entries.iter().filter(|entry| entry.secret().is_some()).count() == 3);
    let values: Vec<(&str, &dyn Debug)> = vec![
        ("event", &event),
        ("cache", &cache),
        ("serializable", &serializable),
        ("entries", &entries),
        ("found", &found),
        ("borrowed", &borrowed),
        ("persisted", &persisted),
        ("memory", &memory),
        ("plain text", &text),
        ("saved", &saved),
        ("loaded", &loaded),
        ("request with a key", &bound),
        ("request with data", &extended),
        ("query", &query),
    ];
    for (name, value) in values {
        clean(name, format!("{value:?} {value:#?}"));
    }
    let passphrase = place.builder().key_source(KeySource::Passphrase(secret().into()));
    clean("secret", format!("{:?} {:#?}", secret(), secret()));
    clean("passphrase", format!("{passphrase:?} {passphrase:#?}"));
    clean("callback", format!("{:?} {:?}", builder(), builder().build().unwrap()));
    clean("protection", format!("{:?} {}", persisted.protection(), persisted.protection()));
}

#[test]
fn no_error_quotes_what_it_could_not_read() {
    let (event, response) = (sign_in::event(), sign_in::response());
    let cache = String::from_utf8(filled().to_json().expose().to_vec()).unwrap();
    let entry = filled().entries(CredentialType::RefreshToken).next().unwrap().as_json().to_owned();
    let mut refused = 0;
    let mut refuse = |error: Option<Error>| {
        refused += usize::from(error.is_some());
        error.iter().for_each(clean_error);
    };
    let mut read = |kind: &str, text: &[u8]| match kind {
        "event" => refuse(SignInEvent::from_json(text).err()),
        "response" => {
            refuse(SignInEvent::from_response(&request("client"), text).err());
        }
        "cache" => refuse(TokenCache::from_json(text).err()),
        _ => refuse(Entry::from_json(CredentialType::RefreshToken, text).err()),
    };
    let texts = [("event", &event), ("response", &response), ("cache", &cache), ("entry", &entry)];
    for (kind, text) in texts {
        // Wine counts for little here: nothing asks the system.
        for at in (0..text.len()).step_by(if under_wine() { 16 } else { 1 }) {
            read(kind, &text.as_bytes()[..at]);
            for byte in [b'"', b'\\', b'{', b'}', b',', b'7', 0, 0xff] {
                let mut damaged = text.clone().into_bytes();
                damaged[at] = byte;
                read(kind, &damaged);
            }
        }
    }
    assert!(refused > 5_000 / if under_wine() { 16 } else { 1 }, "{refused} were refused");
}

#[test]
fn no_error_quotes_a_secret_in_a_wrong_place() {
    let secret = sign_in::ACCESS_TOKEN;
    let fields = [
        "client_id",
        "scope",
        "token_endpoint",
        "environment",
        "data",
        "response",
        "grant_type",
        "username",
        "authority_type",
        "_account_id",
        "access_token",
        "refresh_token",
        "id_token",
        "client_info",
        "id_token_claims",
        "expires_in",
        "expires_on",
        "ext_expires_in",
        "refresh_in",
        "token_type",
        "foci",
        "scope",
        "error",
        "error_description",
    ];
    let mut refused = 0;
    for field in fields {
        for value in [
            format!("\"{secret}\""),
            format!("[\"{secret}\"]"),
            format!("{{\"{secret}\": \"{secret}\"}}"),
            format!("\"https://{secret}/{secret}\""),
            format!("\"a.{}.c\"", &sign_in::event()[60..64]),
        ] {
            let event = format!(
                r#"{{"client_id": "c", "scope": ["s"], "{field}": {value}, "response": {{"access_token": "{secret}", "{field}": {value}}}}}"#
            );
            let response = format!(r#"{{"access_token": "{secret}", "{field}": {value}}}"#);
            let errors = [
                SignInEvent::from_json(event.as_bytes()).err(),
                SignInEvent::from_response(&request("client"), response.as_bytes()).err(),
            ];
            // An address that is not understood is named; that it may be.
            let named = field == "token_endpoint" || field == "environment";
            for error in errors.into_iter().flatten().filter(|_| !named) {
                clean_error(&error);
                refused += 1;
            }
        }
    }
    assert!(refused > 30, "{refused} were refused");
}

#[test]
fn no_error_of_a_store_or_a_key_has_a_secret() {
    let place = Place::new();
    place.open().add(&event()).unwrap();
    let builder = |key: KeySource| place.builder().key_source(key);
    let fails = |builder: tokenkeep::persistence::SealedPersistenceBuilder| {
        let cache = builder.cache();
        let error = match cache {
            Ok(cache) => cache.add(&event()).unwrap_err(),
            Err(error) => error,
        };
        clean_error(&error);
    };
    let key_file = fs::read_to_string(place.key_file()).unwrap();
    let digits = key_file.lines().find_map(|line| line.strip_prefix("key: ")).unwrap().to_owned();
    for damaged in [
        key_file.replace(&digits, &digits[1..]),
        key_file.replace(&digits, &sign_in::hexadecimal_key()),
        key_file.replace(&digits, sign_in::ACCESS_TOKEN),
        key_file.replace("key: ", "kex: "),
        sign_in::ACCESS_TOKEN.to_owned(),
    ] {
        fs::write(place.key_file(), damaged).unwrap();
        fails(place.builder());
    }
    fs::write(place.key_file(), &key_file).unwrap();
    fails(builder(KeySource::Passphrase(Secret::new(sign_in::ACCESS_TOKEN).into())));
    fails(builder(KeySource::Callback(callback(sign_in::KEY))));
    fails(place.builder().size_limit(100));

    let supplied = Place::new();
    let with =
        |key: &[u8]| supplied.builder().key_source(KeySource::Callback(callback(key.to_vec())));
    with(&sign_in::KEY).cache().unwrap().add(&event()).unwrap();
    fails(with(&sign_in::KEY[..31]));
    fails(with(sign_in::ACCESS_TOKEN.as_bytes()));
    let mut wrong = sign_in::KEY;
    wrong[0] ^= 1;
    fails(with(&wrong));
    let sealed = fs::read(supplied.file()).unwrap();
    for at in (0..sealed.len()).step_by(7) {
        let mut damaged = sealed.clone();
        damaged[at] ^= 0x20;
        fs::write(supplied.file(), damaged).unwrap();
        fails(with(&sign_in::KEY));
    }
    fs::write(supplied.file(), sign_in::event()).unwrap();
    fails(with(&sign_in::KEY));

    let plain = supplied.path().join("plain.json");
    let open = || PersistedTokenCache::new(PlaintextPersistence::new(&plain).unwrap());
    open().add(&event()).unwrap();
    let text = fs::read(&plain).unwrap();
    for at in 0..text.len() {
        fs::write(&plain, &text[..at]).unwrap();
        open().accounts().err().iter().for_each(clean_error);
    }
}

#[test]
fn a_panic_while_tokens_are_held_shows_none_of_them() {
    if task().is_some() {
        let place = Place::new();
        let cache = place.open();
        cache.add(&event()).unwrap();
        cache
            .transaction(|cache| {
                let token = cache.find_access_token(&request("client"), NOW)?;
                assert!(token.is_none(), "{token:?} is there, in {cache:?}");
                Ok(())
            })
            .unwrap();
        return;
    }
    let test = a_panic_while_tokens_are_held_shows_none_of_them;
    let mut command = again(test, "panic");
    command.env("RUST_BACKTRACE", "full");
    let output = started(|| command.output()).unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("is there, in TokenCache"), "{said}");
    clean("panic", said);
}

#[test]
fn no_file_has_a_secret_while_and_after_it_is_written() {
    let place = Place::new();
    let cache =
        place.builder().key_source(KeySource::Callback(callback(sign_in::KEY))).cache().unwrap();
    cache.add(&event()).unwrap();
    cache
        .transaction(|held| {
            held.add(&event(), NOW)?;
            assert!(place.names().contains(&"cache.holder".to_owned()), "{:?}", place.names());
            clean_files(place.path());
            Ok(())
        })
        .unwrap();
    clean_files(place.path());
    cache.quarantine().unwrap();
    clean_files(place.path());
}

// Not on Windows: the Secret Service
#[cfg(target_os = "linux")]
#[test]
fn no_log_of_the_vaults_messages_has_a_secret_and_none_leaves_in_plain_text() {
    use tokenkeep_test_support::keyring::{State, inside};

    let name = "no_log_of_the_vaults_messages_has_a_secret_and_none_leaves_in_plain_text";
    inside(name, State::Unlocked, |keyring| {
        let log = log::catch();
        let place = Place::new();
        let open = || place.builder().key_source(KeySource::OsVault).cache();
        open().unwrap().add(&event()).unwrap();
        let listed = keyring.command("secret-tool");
        let key = vault_key(listed);
        assert!(open().unwrap().find_access_token(&request("client")).unwrap().is_some());
        KeySource::OsVault.verify(support::STORE, tokenkeep::Interaction::Never).unwrap();
        keyring.lock().unwrap();
        clean_error(&open().unwrap_err());
        keyring.unlock().unwrap();
        open().unwrap().clear().unwrap();
        let log = log.text();
        assert!(log.contains("GetSecret") && log.contains("CreateItem"), "{log}");
        let found: Vec<String> = sign_in::secrets()
            .with("the vault's key", &key)
            .found_in(log.as_bytes())
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert!(found.is_empty(), "{found:?}");
        println!("measured: {} bytes of log at trace level, no secret in them", log.len());
    });
}

/// The key of the one item, as another program sees it.
#[cfg(target_os = "linux")]
fn vault_key(mut secret_tool: std::process::Command) -> Vec<u8> {
    let search = secret_tool.args(["search", "application", "tokenkeep"]);
    let listed = search.output().unwrap().stdout;
    let begin = b"secret = ";
    let at = listed.windows(begin.len()).position(|window| window == begin).unwrap();
    listed[at + begin.len()..][..32].to_vec()
}

fn event() -> SignInEvent {
    SignInEvent::from_json(sign_in::event().as_bytes()).unwrap()
}

fn filled() -> TokenCache {
    let mut cache = TokenCache::new();
    cache.add(&event(), NOW).unwrap();
    cache
}

fn callback(key: impl Into<Vec<u8>>) -> KeyCallback {
    let key = key.into();
    KeyCallback::new(move |_| Ok(Secret::new(key.clone())))
}

#[track_caller]
fn clean(what: &str, shown: impl AsRef<[u8]>) {
    let shown = shown.as_ref();
    let secrets = sign_in::secrets();
    let found = secrets.found_in(shown);
    assert!(found.is_empty(), "{what} shows {found:?}: {}", String::from_utf8_lossy(shown));
}

/// The error, every way of printing it, and everything that led to it.
#[track_caller]
fn clean_error(error: &Error) {
    let mut shown = format!("{error:?} {error:#?} {error} {}", error.next_step());
    let mut source = error.source();
    while let Some(error) = source {
        shown.push_str(&format!(" {error:?} {error:#?} {error}"));
        source = error.source();
    }
    clean("an error", shown);
}

fn clean_files(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            clean_files(&path);
        } else {
            clean(&path.display().to_string(), fs::read(&path).unwrap());
        }
    }
}

const NOW: u64 = 1_700_000_000;
