//! A program with msal and a program with this crate share one sign-in.

use std::path::Path;

use serde_json::{Value, json};
use tokenkeep::{
    PersistedTokenCache, build_encrypted_persistence, persistence::PlaintextPersistence,
};

use crate::{
    client::{Client, refresh_tokens},
    python::Python,
    session::{Session, with_each_lock},
};

const PACKAGES: [&str; 3] = ["msal", "msal-extensions", "portalocker"];
const CLIENT: Client = Client("client");

/// Where both programs keep the cache.
#[derive(Clone, Copy)]
enum Kept {
    Encrypted,
    InPlainText,
}

impl Kept {
    const ALL: [Self; 2] = [Self::Encrypted, Self::InPlainText];

    fn name(self) -> &'static str {
        match self {
            Self::Encrypted => "`build_encrypted_persistence(location)`",
            Self::InPlainText => "`FilePersistence(location)`",
        }
    }

    fn ours(self, location: &Path) -> PersistedTokenCache {
        match self {
            Self::Encrypted => {
                PersistedTokenCache::new(build_encrypted_persistence(location).unwrap())
            }
            Self::InPlainText => {
                PersistedTokenCache::new(PlaintextPersistence::new(location).unwrap())
            }
        }
    }

    /// A Python program with msal on it, signed in or not.
    fn python(self, session: &Session<'_>, name: &str, location: &Path) -> Python {
        let identity = match self {
            Self::Encrypted => "default",
            Self::InPlainText => "file",
        };
        let mut python = session.python(name);
        let location = location.to_str().unwrap();
        let arguments = [identity, location, "contoso", CLIENT.0].map(Value::from);
        python.ask("Application", arguments);
        python
    }
}

/// For each way to keep a cache, with a location of its own.
fn each(session: &mut Session<'_>, body: impl Fn(&mut Session<'_>, Kept, &Path)) {
    for (number, kept) in Kept::ALL.into_iter().enumerate() {
        let location = session.folder.join(number.to_string()).join("token_cache.bin");
        std::fs::create_dir(location.parent().unwrap()).unwrap();
        body(session, kept, &location);
    }
}

fn usernames(cache: &PersistedTokenCache) -> Vec<String> {
    cache.accounts().unwrap().iter().map(|account| account.username().to_owned()).collect()
}

fn sign_out(cache: &PersistedTokenCache) {
    for account in cache.accounts().unwrap() {
        cache.sign_out(&account, CLIENT.0).unwrap();
    }
}

#[test]
fn python_signs_in_we_use_it_and_sign_out_and_python_has_nothing() {
    let test = python_signs_in_we_use_it_and_sign_out_and_python_has_nothing;
    with_each_lock(test, &PACKAGES, |session| {
        each(session, |session, kept, location| {
            let mut python = kept.python(session, "first", location);
            assert_eq!(python.ask("sign_in", []), "first-access-1");
            let ours = kept.ours(location);
            assert_eq!(usernames(&ours), ["ada@example.com"]);
            assert_eq!(CLIENT.token(&ours).as_deref(), Some("first-access-1"));
            assert_eq!(python.ask("silent", []), json!(["first-access-1", "cache"]));
            sign_out(&ours);
            let mut fresh = kept.python(session, "second", location);
            for python in [&mut python, &mut fresh] {
                assert_eq!(python.ask("accounts", []), json!([]));
                assert_eq!(python.ask("silent", []), json!([null, null]));
            }
            assert!(refresh_tokens(&ours).is_empty());
            session.found(
                kept.name(),
                "Python signs in; we read; we sign out",
                "we see the account and its token; a running and a new Python see no account and no token",
            );
        });
    });
}

#[test]
fn we_sign_in_and_python_uses_it_and_signs_out() {
    with_each_lock(we_sign_in_and_python_uses_it_and_signs_out, &PACKAGES, |session| {
        each(session, |session, kept, location| {
            let mut python = kept.python(session, "first", location);
            assert_eq!(python.ask("accounts", []), json!([]));
            let ours = kept.ours(location);
            CLIENT.add_answer(&ours, &mut python, 3600);
            let mut fresh = kept.python(session, "second", location);
            for python in [&mut python, &mut fresh] {
                assert_eq!(python.ask("accounts", []), json!(["ada@example.com"]));
                assert_eq!(python.ask("silent", []), json!(["first-access-1", "cache"]));
            }
            fresh.ask("sign_out", []);
            assert!(usernames(&ours).is_empty());
            assert_eq!(CLIENT.token(&ours), None);
            assert!(refresh_tokens(&ours).is_empty());
            session.found(
                kept.name(),
                "we sign in; Python asks silently; Python signs out",
                "a running and a new Python find the account and our token; we see no account and no token",
            );
        });
    });
}

#[test]
fn whoever_renews_a_sign_in_the_other_one_goes_on_with_it() {
    with_each_lock(whoever_renews_a_sign_in_the_other_one_goes_on_with_it, &PACKAGES, |session| {
        each(session, |session, kept, location| {
            let mut python = kept.python(session, "first", location);
            let ours = kept.ours(location);
            // msal takes a token with less than five minutes for expired.
            CLIENT.add_answer(&ours, &mut python, 60);
            assert_eq!(refresh_tokens(&ours), ["first-refresh-1"]);
            assert_eq!(python.ask("silent", []), json!(["first-access-2", "identity_provider"]));
            assert_eq!(refresh_tokens(&ours), ["first-refresh-2"], "the spent one is gone");
            assert_eq!(CLIENT.token(&ours).as_deref(), Some("first-access-2"));
            CLIENT.add_answer(&ours, &mut python, 60);
            assert_eq!(refresh_tokens(&ours), ["first-refresh-3"]);
            assert_eq!(python.ask("silent", []), json!(["first-access-4", "identity_provider"]));
            assert_eq!(refresh_tokens(&ours), ["first-refresh-4"]);
            session.found(
                kept.name(),
                "our token expires; Python renews it with our refresh token; we sign in again; the same again",
                "each finds the other's refresh token and access token; no spent refresh token is left",
            );
        });
    });
}

#[test]
fn whoever_renews_silently_the_other_one_goes_on_with_it() {
    with_each_lock(whoever_renews_silently_the_other_one_goes_on_with_it, &PACKAGES, |session| {
        each(session, |session, kept, location| {
            let mut python = kept.python(session, "first", location);
            let ours = kept.ours(location);
            CLIENT.add_answer(&ours, &mut python, 60);
            assert_eq!(CLIENT.renew(&ours, &mut python, 3600), "first-access-2");
            // A running program, which saw the first token, and one that starts now.
            let mut fresh = kept.python(session, "second", location);
            for python in [&mut python, &mut fresh] {
                assert_eq!(python.ask("silent", []), json!(["first-access-2", "cache"]));
            }
            assert_eq!(CLIENT.renew(&ours, &mut python, 60), "first-access-3");
            assert_eq!(refresh_tokens(&ours), ["first-refresh-3"]);
            assert_eq!(python.ask("silent", []), json!(["first-access-4", "identity_provider"]));
            assert_eq!(refresh_tokens(&ours), ["first-refresh-4"], "ours was spent");
            assert_eq!(CLIENT.token(&ours).as_deref(), Some("first-access-4"));
            assert_eq!(CLIENT.renew(&ours, &mut python, 3600), "first-access-5");
            assert_eq!(refresh_tokens(&ours), ["first-refresh-5"], "Python's was spent");
            for python in [&mut python, &mut fresh] {
                assert_eq!(python.ask("silent", []), json!(["first-access-5", "cache"]));
                assert_eq!(python.ask("accounts", []), json!(["ada@example.com"]));
            }
            session.found(
                kept.name(),
                "we renew silently, twice; Python renews; we renew again; the provider takes no \
                 refresh token twice",
                "a running and a new Python find our token; Python renews with our refresh token, \
                 and we with Python's",
            );
        });
    });
}
