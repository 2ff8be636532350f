//! The cache of msal-extensions alone: each side writes, changes and removes, and the other one
//! sees it.

use std::path::Path;

use serde_json::{Value, json};
use tokenkeep::{
    CredentialType, Entry, PersistedTokenCache, Query, build_encrypted_persistence,
    persistence::{MsalExtensionsLocation, MsalExtensionsPersistence, PlaintextPersistence},
};

use crate::{
    python::Python,
    session::{Session, with_each_lock},
    support::{event, token},
};

const PACKAGES: [&str; 3] = ["msal-extensions", "msal", "portalocker"];

/// How a program says where its cache is.
#[derive(Clone, Copy)]
enum Identity {
    Default,
    Attributes,
    OfTheSession,
    File,
}

impl Identity {
    const ALL: [Self; 4] = [Self::Default, Self::Attributes, Self::OfTheSession, Self::File];

    fn name(self) -> String {
        match self {
            Self::Default => "`build_encrypted_persistence(location)`".into(),
            Self::File => "`FilePersistence(location)`".into(),
            Self::Attributes | Self::OfTheSession => {
                let arguments = self.python();
                let attributes = arguments["attributes"].as_object().unwrap().len();
                let collection = arguments["collection"].as_str().unwrap_or("default");
                format!(
                    "`LibsecretPersistence` with schema, label, {attributes} attributes, the {collection} collection"
                )
            }
        }
    }

    fn python(self) -> Value {
        match self {
            Self::Default => "default".into(),
            Self::File => "file".into(),
            Self::Attributes => json!({
                "schema_name": "com.example.shared", "label": "Sign-ins of Ada",
                "attributes": {"app": "shared", "tenant": "contoso", "an attribute": "wïth ünicode"},
            }),
            Self::OfTheSession => json!({
                "schema_name": "com.example.session", "label": "Sign-ins for now",
                "attributes": {"app": "session", "version": "1"}, "collection": "session",
            }),
        }
    }

    fn ours(self, location: &Path) -> PersistedTokenCache {
        let of_msal_extensions = |identity: MsalExtensionsLocation| {
            let persistence = MsalExtensionsPersistence::new(location, &identity).unwrap();
            PersistedTokenCache::new(persistence)
        };
        let custom = MsalExtensionsLocation::python("not used");
        match self {
            Self::Default => {
                PersistedTokenCache::new(build_encrypted_persistence(location).unwrap())
            }
            Self::File => PersistedTokenCache::new(PlaintextPersistence::new(location).unwrap()),
            Self::Attributes => of_msal_extensions(
                custom.schema("com.example.shared").label("Sign-ins of Ada").attributes([
                    ("app", "shared"),
                    ("tenant", "contoso"),
                    ("an attribute", "wïth ünicode"),
                ]),
            ),
            Self::OfTheSession => of_msal_extensions(
                custom
                    .schema("com.example.session")
                    .label("Sign-ins for now")
                    .attributes([("app", "session"), ("version", "1")])
                    .collection("session"),
            ),
        }
    }
}

/// One cache and both sides of it.
struct Both {
    python: Python,
    ours: PersistedTokenCache,
}

impl Both {
    /// Empty, whatever an earlier round left.
    fn start(session: &Session<'_>, identity: Identity, location: &Path) -> Self {
        identity.ours(location).clear().unwrap();
        Self::open(session, identity, location)
    }

    fn open(session: &Session<'_>, identity: Identity, location: &Path) -> Self {
        let ours = identity.ours(location);
        let mut python = session.python("first");
        python.ask("Cache", [identity.python(), location.to_str().unwrap().into()]);
        Self { python, ours }
    }

    fn python_finds(&mut self, kind: &str, client: &str) -> Vec<String> {
        let found = self.python.ask("find", [kind.into(), client.into()]);
        serde_json::from_value(found).unwrap()
    }

    fn our_entry(&self, kind: CredentialType, client: &str) -> Option<Entry> {
        let found = self.ours.search(kind, &Query::new().client_id(client)).unwrap();
        assert!(found.len() < 2, "{found:?}");
        found.into_iter().next()
    }

    fn we_find(&self, kind: CredentialType, client: &str) -> Option<String> {
        self.our_entry(kind, client).map(|entry| entry.secret().unwrap().to_owned())
    }

    /// Whatever is there beside what the programs wrote.
    #[track_caller]
    fn nothing_foreign_is_lost(&mut self) {
        assert_eq!(self.python.ask("lost", [FOREIGN.into()]), json!([]));
    }
}

/// What another program left: a section, entries and fields that neither side knows.
const FOREIGN: &str = r#"{"customized": "whatever", "Odd": [1, 0.1, {"deep": [null, true]}],
    "Numbers": [123456789012345678901234567890, -0.0, 1e-7, "\ud800", "\u0000"],
    "IdToken": {"an-entry": {"foo": "bar"}}, "AppMetadata": {"odd": {"family_id": "1", "more": [0]}},
    "Account": {"somebody": {"environment": "example.com", "unknown": {"a": "b"}}},
    "RefreshToken": {"theirs": {"client_id": "theirs", "credential_type": "RefreshToken", "secret": "kept",
        "environment": "example.com", "home_account_id": "h", "extra": {"n": 1}}},
    "AccessToken": {"theirs": {"client_id": "theirs", "credential_type": "AccessToken", "secret": "kept",
        "environment": "example.com", "home_account_id": "h", "realm": "r", "target": "other",
        "expires_on": "4102444800", "cached_at": "1", "extra": ["x"]}}}"#;

/// For each identity, at a location of its own.
fn each(session: &mut Session<'_>, body: impl Fn(&mut Session<'_>, Identity, &Path)) {
    for (number, identity) in Identity::ALL.into_iter().enumerate() {
        let location = session.folder.join(number.to_string()).join("token_cache.bin");
        std::fs::create_dir(location.parent().unwrap()).unwrap();
        body(session, identity, &location);
    }
}

fn sign_in(client: &str, secret: &str) -> Value {
    json!({
        "client_id": client, "scope": ["s1"],
        "token_endpoint": "https://login.example.com/contoso/oauth2/v2.0/token",
        "response": {
            "access_token": secret, "refresh_token": format!("rt-{secret}"), "expires_in": 3600,
            "token_type": "Bearer",
            "id_token_claims": {"sub": "subject", "preferred_username": "ada@example.com"},
        },
    })
}

#[test]
fn python_and_we_change_one_cache_in_turns_and_nothing_foreign_is_lost() {
    let test = python_and_we_change_one_cache_in_turns_and_nothing_foreign_is_lost;
    with_each_lock(test, &PACKAGES, |session| {
        use CredentialType::{AccessToken, RefreshToken};
        each(session, |session, identity, location| {
            let mut both = Both::start(session, identity, location);
            both.python.ask("save", [FOREIGN.into()]);
            assert_eq!(both.we_find(RefreshToken, "theirs").as_deref(), Some("kept"));

            both.python.ask("add", [sign_in("p", "python's")]);
            assert_eq!(token(&both.ours, "p").as_deref(), Some("python's"));
            both.nothing_foreign_is_lost();

            both.ours.add(&event("o", "ours")).unwrap();
            assert_eq!(both.python_finds("AccessToken", "o"), ["ours"]);
            assert_eq!(both.python_finds("AccessToken", "p"), ["python's"]);
            both.nothing_foreign_is_lost();

            both.python.ask("add", [sign_in("o", "again by Python")]);
            assert_eq!(token(&both.ours, "o").as_deref(), Some("again by Python"));
            both.ours.add(&event("p", "again by us")).unwrap();
            assert_eq!(both.python_finds("AccessToken", "p"), ["again by us"]);
            both.nothing_foreign_is_lost();

            both.python.ask("update_rt", ["p".into(), "renewed by Python".into()]);
            assert_eq!(both.we_find(RefreshToken, "p").as_deref(), Some("renewed by Python"));
            both.nothing_foreign_is_lost();

            let entry = both.our_entry(RefreshToken, "o").unwrap();
            assert!(both.ours.update_refresh_token(&entry, "renewed by us").unwrap());
            assert_eq!(both.python_finds("RefreshToken", "o"), ["renewed by us"]);
            both.nothing_foreign_is_lost();

            both.python.ask("remove_rt", ["o".into()]);
            assert_eq!(both.we_find(RefreshToken, "o"), None);
            both.python.ask("remove_at", ["p".into()]);
            assert_eq!(both.we_find(AccessToken, "p"), None);
            both.nothing_foreign_is_lost();

            let entry = both.our_entry(RefreshToken, "p").unwrap();
            assert!(both.ours.remove_refresh_token(&entry).unwrap());
            assert!(both.python_finds("RefreshToken", "p").is_empty());
            let entry = both.our_entry(AccessToken, "o").unwrap();
            assert!(both.ours.remove_access_token(&entry).unwrap());
            assert!(both.python_finds("AccessToken", "o").is_empty());
            both.nothing_foreign_is_lost();

            assert_eq!(both.python_finds("RefreshToken", "theirs"), ["kept"]);
            session.found(
                &identity.name(),
                "Python saves what neither knows; then each in turn adds, adds again, `update_rt`, `remove_rt`, `remove_at`",
                "each sees every change of the other; unknown fields, sections, odd entries and numbers are kept after each",
            );
        });
    });
}

#[test]
fn a_python_that_runs_notices_every_write_and_the_removal_of_a_token() {
    let test = a_python_that_runs_notices_every_write_and_the_removal_of_a_token;
    with_each_lock(test, &PACKAGES, |session| {
        let rounds = 10;
        each(session, |session, identity, location| {
            let mut both = Both::start(session, identity, location);
            for round in 0..rounds {
                let secret = format!("{round}");
                both.ours.add(&event("o", &secret)).unwrap();
                assert_eq!(both.python_finds("AccessToken", "o"), [secret.as_str()]);
                let entry = both.our_entry(CredentialType::AccessToken, "o").unwrap();
                both.ours.remove_access_token(&entry).unwrap();
                assert!(both.python_finds("AccessToken", "o").is_empty(), "{round}");
                let theirs = format!("theirs {round}");
                both.python.ask("add", [sign_in("p", &theirs)]);
                assert_eq!(token(&both.ours, "p"), Some(theirs));
            }
            session.found(
                &identity.name(),
                &format!("{rounds} times: we write, Python reads, we remove, Python reads, Python writes, we read"),
                "neither misses one",
            );
        });
    });
}

#[test]
fn after_a_clear_a_new_python_finds_nothing_and_one_that_runs_keeps_what_it_has() {
    let test = after_a_clear_a_new_python_finds_nothing_and_one_that_runs_keeps_what_it_has;
    with_each_lock(test, &PACKAGES, |session| {
        each(session, |session, identity, location| {
            let mut both = Both::start(session, identity, location);
            both.ours.add(&event("o", "ours")).unwrap();
            assert_eq!(both.python_finds("AccessToken", "o"), ["ours"]);
            both.ours.clear().unwrap();
            assert_eq!(both.python.ask("load", []), Value::Null);
            let mut fresh = Both::open(session, identity, location);
            assert!(fresh.python_finds("AccessToken", "o").is_empty());
            let remembered = both.python_finds("AccessToken", "o").len();
            both.python.ask("add", [sign_in("p", "python's")]);
            assert_eq!(token(&both.ours, "p").as_deref(), Some("python's"));
            let back = usize::from(token(&both.ours, "o").is_some());
            session.found(
                &identity.name(),
                "we remove the whole cache; a new and a running Python read; the running one signs in",
                &format!(
                    "the new one finds nothing; the running one still has {remembered} token, since nothing tells it, and \
                     writes {back} back with its own"
                ),
            );
        });
    });
}

/// It compares the time of the file with the time at which it was done reading, not with that at
/// which it began.
#[test]
fn python_may_lose_what_we_write_while_it_reads() {
    with_each_lock(python_may_lose_what_we_write_while_it_reads, &PACKAGES, |session| {
        each(session, |session, identity, location| {
            let mut both = Both::start(session, identity, location);
            both.ours.add(&event("o", "first")).unwrap();
            let question = ["AccessToken".into(), "o".into()];
            assert_eq!(both.python.ask("find_slowly", question), "read");
            both.ours.add(&event("o", "second")).unwrap();
            assert_eq!(both.python.ask("go on", []), json!(["first"]));
            assert_eq!(both.python_finds("AccessToken", "o"), ["first"], "it did not notice");
            both.python.ask("add", [sign_in("p", "python's")]);
            assert_eq!(token(&both.ours, "p").as_deref(), Some("python's"));
            let left = token(&both.ours, "o").unwrap();
            session.found(
                &identity.name(),
                "while Python reads the first token of ours we write a second one; then it signs in",
                &format!("it does not notice; its write puts the {left} token back in place of the second"),
            );
        });
    });
}
