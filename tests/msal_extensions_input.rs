//! What becomes of content that no program should have written, in each place of msal-extensions.
#![allow(clippy::disallowed_methods, reason = "a test writes what others leave behind")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use support::{Place, event, token};
use tokenkeep::{
    Error, PersistedTokenCache, TokenCache,
    persistence::{MsalExtensionsLocation, MsalExtensionsPersistence, PlaintextPersistence},
};

/// A place of msal-extensions, with what lies in it.
trait Raw {
    fn write(&self, content: &[u8]);
    /// The bytes of the place itself.
    fn stored(&self) -> Vec<u8>;
    /// The JSON in it.
    fn content(&self) -> Vec<u8>;
    fn open(&self) -> PersistedTokenCache;
    /// What differs here from every other place.
    fn promise(&self, _row: &str, everywhere: Outcome) -> Outcome {
        everywhere
    }
}

/// What the documentation promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Corrupt,
    TooLarge,
    /// The cache is read, and an update keeps the rest.
    Kept,
    /// The cache is read, and an update of this section is refused.
    KeptUnchanged,
    /// The cache is read as an empty one.
    Empty,
    /// It is taken for another program's JSON.
    OfAnother,
}

use Outcome::{Corrupt, Empty, Kept, KeptUnchanged, OfAnother, TooLarge};

/// A row of the table in docs/COMPATIBILITY.md, its content, and the tokens that an update keeps.
struct Case {
    row: &'static str,
    content: Vec<u8>,
    outcome: Outcome,
    kept: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let cache = {
        let mut cache = TokenCache::new();
        cache.add(&event("client", "before"), 4_000_000_000).unwrap();
        cache.to_json().expose().to_vec()
    };
    let text = str::from_utf8(&cache).unwrap();
    let cut = &cache[..cache.len() / 2];
    let number = text.replace("\"4000003600\"", "4000003600");
    assert_ne!(number, text);
    let joined = |before: &[u8], after: &[u8]| [before, &cache, after].concat();
    let with = |member: &str| text.replacen('{', &format!("{{{member}, "), 1).into_bytes();
    let with_bytes = |bytes: &[u8]| [b"{\"a\": \"", bytes, b"\", ", &cache[1..]].concat();
    let deep = format!("\"Odd\": {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let entry = r#"{"client_id": "client", "secret": "#;
    let twice = format!(r#""IdToken": {{"k": {entry}"first"}}, "k": {entry}"second"}}}}"#);
    let large = format!("\"Odd\": \"{}\"", "x".repeat(20_000_000));
    let case = |row, content: &[u8], outcome| {
        let kept: &[&str] = if outcome == Kept { &["\"before\""] } else { &[] };
        Case { row, content: content.to_vec(), outcome, kept }
    };
    let keeps =
        |row, content: &[u8], kept| Case { row, content: content.into(), outcome: Kept, kept };
    vec![
        case("nothing at all", b"", Empty),
        case("white space alone", b" \r\n\t", Corrupt),
        case("JSON that is cut off", cut, Corrupt),
        case("something after the JSON", &joined(b"", b"{}"), Corrupt),
        case("a byte order mark", &joined(b"\xef\xbb\xbf", b""), Corrupt),
        case("a NUL outside a string", &joined(b"\0", b""), Corrupt),
        case("a NUL outside a string", &joined(b"", b"\0"), Corrupt),
        case("a NUL or another control character in a string", &with("\"a\": \"b\0c\""), Corrupt),
        case("bytes that are not UTF-8", &with_bytes(b"\xff"), Corrupt),
        case("bytes that are not UTF-8", &with_bytes(b"\xed\xa0\x80"), Corrupt),
        case("`NaN`, `Infinity`, `-Infinity`", &with("\"a\": NaN"), Corrupt),
        case("`NaN`, `Infinity`, `-Infinity`", &with("\"a\": Infinity"), Corrupt),
        case("`NaN`, `Infinity`, `-Infinity`", &with("\"a\": [-Infinity]"), Corrupt),
        case("a root that is no object", b"[]", Corrupt),
        case("a root that is no object", b"\"cache\"", Corrupt),
        case("a root that is no object", b"null", Corrupt),
        case("more than 128 levels of nesting", &with(&deep), Corrupt),
        case("line ends of Windows", text.replace('\n', "\r\n").as_bytes(), Kept),
        keeps("an escaped NUL", &with(r#""a": "b\u0000c""#), &[r#""b\u0000c""#, "before"]),
        keeps(
            "an escaped half of a surrogate pair",
            &with(r#""a": "\ud800""#),
            &[r#""\ud800""#, "before"],
        ),
        keeps(
            "numbers of any size or spelling",
            &with(r#""a": [1e400, 1E5, -0, 2.50, 123456789012345678901]"#),
            &["1e400", "1E5", "-0", "2.50", "123456789012345678901", "before"],
        ),
        keeps(
            "a time that is a number",
            number.as_bytes(),
            &["\"expires_on\": 4000003600", "before"],
        ),
        keeps(
            "an entry that is no object",
            &with(r#""IdToken": {"k": null, "l": 2.50}"#),
            &[r#""k": null"#, r#""l": 2.50"#, "before"],
        ),
        keeps(
            "an unknown section, object or not",
            &with(r#""Odd": [{"x": 1E5}]"#),
            &["\"x\": 1E5", "before"],
        ),
        keeps("a section that is no object", &with(r#""IdToken": [2.50]"#), &["2.50", "before"]),
        case("a section that is no object", b"{\"AccessToken\": [2.50]}", KeptUnchanged),
        keeps(
            "a section, an entry or a field twice",
            &with(r#""IdToken": {"k": {"a": 1}}, "IdToken": {"k": {"a": 2.50}}"#),
            &["\"a\": 2.50", "before"],
        ),
        keeps("a section, an entry or a field twice", &with(&twice), &["\"second\"", "before"]),
        keeps(
            "a section, an entry or a field twice",
            &with(r#""IdToken": {"k": {"a": 1, "a": 2.50}}"#),
            &["\"a\": 2.50", "before"],
        ),
        keeps("20 MB", &with(&large), &["\"before\""]),
    ]
}

/// Reads and updates every case in `place`.
fn check(place: &impl Raw) {
    for Case { row, content, outcome, kept } in cases() {
        let outcome = place.promise(row, outcome);
        place.write(&content);
        let before = place.stored();
        let cache = place.open();
        let read = cache.snapshot();
        assert!(place.stored() == before, "{row}: reading changed it");
        let is_as_promised = |error: &Error| match outcome {
            Corrupt | KeptUnchanged => matches!(error, Error::Corrupt { .. }),
            TooLarge => matches!(error, Error::TooLarge { .. }),
            OfAnother => matches!(error, Error::OtherBackend { .. }),
            Kept | Empty => false,
        };
        match (&read, outcome) {
            (Err(error), Corrupt | TooLarge | OfAnother) => {
                assert!(is_as_promised(error), "{row}: {error:?}")
            }
            (Ok(_), Kept | KeptUnchanged | Empty) => {}
            _ => panic!("{row}: {outcome:?}, but {read:?}"),
        }
        let updated = place.open().add(&event("after", "after"));
        if matches!(outcome, Kept | Empty) {
            updated.unwrap();
            let content = place.content();
            let content = str::from_utf8(&content).unwrap();
            for token in kept {
                assert!(content.contains(token), "{row}: {token} is gone");
            }
            assert!(
                outcome == Empty || token(&place.open(), "client").as_deref() == Some("before")
            );
            assert_eq!(token(&place.open(), "after").as_deref(), Some("after"), "{row}");
        } else {
            let error = updated.unwrap_err();
            assert!(is_as_promised(&error), "{row}: {error:?}");
            assert!(place.stored() == before, "{row}: a refused update changed it");
            if read.is_err() {
                let error = place.open().clear().unwrap_err();
                assert!(is_as_promised(&error), "{row}: {error:?}");
                assert!(place.stored() == before, "{row}: what cannot be read was removed");
            }
        }
    }
}

/// Python's FilePersistence.
struct PlainFile(PathBuf);

impl Raw for PlainFile {
    fn write(&self, content: &[u8]) {
        fs::write(&self.0, content).unwrap();
    }

    fn stored(&self) -> Vec<u8> {
        fs::read(&self.0).unwrap()
    }

    fn content(&self) -> Vec<u8> {
        self.stored()
    }

    fn open(&self) -> PersistedTokenCache {
        let persistence = PlaintextPersistence::new(&self.0).unwrap();
        PersistedTokenCache::new(persistence)
    }

    fn promise(&self, row: &str, everywhere: Outcome) -> Outcome {
        match (row, everywhere) {
            ("nothing at all", _) => Corrupt,
            ("20 MB", _) => TooLarge,
            ("a section that is no object", KeptUnchanged) | ("a root that is no object", _) => {
                OfAnother
            }
            _ => everywhere,
        }
    }
}

#[allow(dead_code, reason = "no place of this system but the plain file is tested")]
fn open(location: &Path) -> PersistedTokenCache {
    let identity = MsalExtensionsLocation::python("never used").schema(SCHEMA);
    let persistence = MsalExtensionsPersistence::new(location, &identity).unwrap();
    PersistedTokenCache::new(persistence)
}

/// The identity's schema.
#[allow(dead_code, reason = "as there")]
const SCHEMA: &str = "tests";

#[test]
fn a_plain_file_is_read_or_refused_as_documented_and_reading_changes_nothing() {
    let place = Place::new();
    check(&PlainFile(place.path().join("cache.json")));
}

#[cfg(target_os = "linux")]
mod item {
    use std::time::Duration;

    use secret_service::{EncryptionType, blocking::SecretService};
    use tokenkeep_platform::vault::{Call, Item, Vault, VaultError};
    use tokenkeep_test_support::keyring::{State, inside};

    use super::*;

    struct InKeyring {
        vault: Vault,
        item: Item,
        location: PathBuf,
    }

    impl Raw for InKeyring {
        fn write(&self, content: &[u8]) {
            if content.is_empty() {
                let service = SecretService::connect(EncryptionType::Plain).unwrap();
                let found = service.search_items([("xdg:schema", SCHEMA)].into()).unwrap();
                found.unlocked[0].set_secret(content, "text/plain").unwrap();
            } else {
                self.vault.write(&self.item, content, &patient(), None).unwrap();
            }
        }

        fn stored(&self) -> Vec<u8> {
            match self.vault.read(&self.item, &patient()) {
                Err(VaultError::Unfinished) => Vec::new(),
                content => content.unwrap().unwrap().to_vec(),
            }
        }

        fn content(&self) -> Vec<u8> {
            self.stored()
        }

        fn open(&self) -> PersistedTokenCache {
            open(&self.location)
        }
    }

    fn patient() -> Call {
        Call::quiet().within(Duration::from_secs(60))
    }

    // Not on Windows: the Secret Service
    #[test]
    fn an_item_is_read_or_refused_as_documented_and_reading_changes_nothing() {
        let test = "item::an_item_is_read_or_refused_as_documented_and_reading_changes_nothing";
        inside(test, State::Unlocked, |_| {
            let folder = tempfile::tempdir().unwrap();
            let item = Item::new("any", "any").with_attributes([("xdg:schema", SCHEMA)]);
            let (vault, location) = (Vault::os(), folder.path().join("cache"));
            let place = InKeyring { vault, item, location };
            open(&place.location).add(&event("client", "made")).unwrap();
            check(&place);
            place.write(b"{");
            assert!(open(&place.location).accounts().is_err());
            open(&place.location).reset().unwrap();
            assert!(open(&place.location).accounts().unwrap().is_empty(), "given up by a call");
        });
    }
}

#[cfg(windows)]
mod dpapi {
    use tokenkeep_platform::protect::{protect_described, unprotect};

    use super::*;

    struct ProtectedFile(PathBuf);

    impl Raw for ProtectedFile {
        fn write(&self, content: &[u8]) {
            let blob = protect_described(content, "python_data", None).unwrap();
            fs::write(&self.0, blob).unwrap();
        }

        fn stored(&self) -> Vec<u8> {
            fs::read(&self.0).unwrap()
        }

        fn content(&self) -> Vec<u8> {
            unprotect(&self.stored(), None).unwrap().to_vec()
        }

        fn open(&self) -> PersistedTokenCache {
            open(&self.0)
        }
    }

    #[test]
    fn a_blob_is_read_or_refused_as_documented_and_reading_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        check(&ProtectedFile(folder.path().join("cache.bin")));
    }
}

#[test]
fn the_table_of_the_documentation_has_these_rows_and_no_others() {
    let text = include_str!("../docs/COMPATIBILITY.md");
    let (_, table) = text.split_once("\n## Content\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let rows: BTreeSet<_> = rows
        .skip(1)
        .map(|row| {
            let mut cells = row.split(" | ");
            let content = cells.next().unwrap().trim_start_matches("| ");
            let word = cells.next().unwrap().split([':', ' ', ';', ',', '.']).next().unwrap();
            (content.to_owned(), word.to_owned())
        })
        .collect();
    let word = |outcome| match outcome {
        Corrupt => "`Corrupt`",
        Kept | KeptUnchanged => "kept",
        Empty => "empty",
        TooLarge => "`TooLarge`",
        OfAnother => "`OtherBackend`",
    };
    let tested =
        cases().into_iter().map(|case| (case.row.to_owned(), word(case.outcome).to_owned()));
    assert_eq!(rows, tested.collect::<BTreeSet<_>>());
}
