//! What becomes of content that no program should have written, in each place of the family.
#![allow(clippy::disallowed_methods, reason = "a test writes what others leave behind")]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test may")]

mod support;

use std::{fs, path::PathBuf};

use support::{event, token};
use tokenkeep::{Error, PersistedTokenCache, PlaintextPersistence, TokenCache};

/// A place of the family, with what lies in it.
trait Raw {
    fn write(&self, content: &[u8]);
    /// The bytes of the place itself.
    fn stored(&self) -> Vec<u8>;
    /// The JSON in it.
    fn content(&self) -> Vec<u8>;
    fn open(&self) -> PersistedTokenCache;
    fn takes(&self, content: &[u8]) -> Outcome;
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
}

use Outcome::{Corrupt, Empty, Kept, KeptUnchanged, TooLarge};

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
    let deep = format!("\"Odd\": {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let entry = r#"{"client_id": "client", "secret": "#;
    let twice = format!(r#""IdToken": {{"k": {entry}"first"}}, "k": {entry}"second"}}}}"#);
    let large = format!("\"Odd\": \"{}\"", "x".repeat(20_000_000));
    let case = |row, content: &[u8], outcome| {
        let kept: &[&str] = if outcome == Kept { &["\"before\""] } else { &[] };
        Case { row, content: content.to_vec(), outcome, kept }
    };
    let keeps = |row, content: &[u8], kept| Case { row, content: content.into(), outcome: Kept, kept };
    vec![
        case("nothing at all", b"", Empty),
        case("white space alone", b" \r\n\t", Corrupt),
        case("JSON that is cut off", cut, Corrupt),
        case("something after the JSON", &joined(b"", b"{}"), Corrupt),
        case("a byte order mark", &joined(b"\xef\xbb\xbf", b""), Corrupt),
        case("a NUL outside a string", &joined(b"\0", b""), Corrupt),
        case("a NUL outside a string", &joined(b"", b"\0"), Corrupt),
        case("a NUL or another control character in a string", &with("\"a\": \"b\0c\""), Corrupt),
        case("bytes that are not UTF-8", b"{\"a\": \"\xff\"}", Corrupt),
        case("bytes that are not UTF-8", b"{\"a\": \"\xed\xa0\x80\"}", Corrupt),
        case("`NaN`, `Infinity`, `-Infinity`", &with("\"a\": NaN"), Corrupt),
        case("`NaN`, `Infinity`, `-Infinity`", &with("\"a\": Infinity"), Corrupt),
        case("`NaN`, `Infinity`, `-Infinity`", &with("\"a\": [-Infinity]"), Corrupt),
        case("a root that is no object", b"[]", Corrupt),
        case("a root that is no object", b"\"cache\"", Corrupt),
        case("a root that is no object", b"null", Corrupt),
        case("more than 128 levels of nesting", &with(&deep), Corrupt),
        case("line ends of Windows", text.replace('\n', "\r\n").as_bytes(), Kept),
        keeps("an escaped NUL", &with(r#""a": "b\u0000c""#), &[r#""b\u0000c""#, "before"]),
        keeps("an escaped half of a surrogate pair", &with(r#""a": "\ud800""#), &[r#""\ud800""#, "before"]),
        keeps("numbers of any size or spelling", &with(r#""a": [1e400, 1E5, -0, 2.50, 123456789012345678901]"#),
            &["1e400", "1E5", "-0", "2.50", "123456789012345678901", "before"]),
        keeps("a time that is a number", number.as_bytes(), &["\"expires_on\": 4000003600", "before"]),
        keeps("an entry that is no object", &with(r#""IdToken": {"k": null, "l": 2.50}"#),
            &[r#""k": null"#, r#""l": 2.50"#, "before"]),
        keeps("an unknown section, object or not", &with(r#""Odd": [{"x": 1E5}]"#), &["\"x\": 1E5", "before"]),
        keeps("a section that is no object", &with(r#""IdToken": [2.50]"#), &["2.50", "before"]),
        case("a section that is no object", b"{\"AccessToken\": [2.50]}", KeptUnchanged),
        keeps("a section, an entry or a field twice", &with(r#""IdToken": {"k": {"a": 1}}, "IdToken": {"k": {"a": 2.50}}"#),
            &["\"a\": 2.50", "before"]),
        keeps("a section, an entry or a field twice", &with(&twice), &["\"second\"", "before"]),
        keeps("a section, an entry or a field twice", &with(r#""IdToken": {"k": {"a": 1, "a": 2.50}}"#),
            &["\"a\": 2.50", "before"]),
        keeps("20 MB", &with(&large), &["\"before\""]),
    ]
}

/// Reads and updates every case in `place`.
fn check(place: &impl Raw) {
    for Case { row, content, outcome, kept } in cases() {
        let outcome = if outcome == TooLarge { outcome } else { place.takes(&content).or(outcome) };
        place.write(&content);
        let before = place.stored();
        let cache = place.open();
        let read = cache.snapshot();
        assert!(place.stored() == before, "{row}: reading changed it");
        let is_as_promised = |error: &Error| match outcome {
            Corrupt | KeptUnchanged => matches!(error, Error::Corrupt { .. }),
            TooLarge => matches!(error, Error::TooLarge { .. }),
            Kept | Empty => false,
        };
        match (&read, outcome) {
            (Err(error), Corrupt | TooLarge) => assert!(is_as_promised(error), "{row}: {error:?}"),
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
            assert!(outcome == Empty || token(&place.open(), "client").as_deref() == Some("before"));
            assert_eq!(token(&place.open(), "after").as_deref(), Some("after"), "{row}");
        } else {
            let error = updated.unwrap_err();
            assert!(is_as_promised(&error), "{row}: {error:?}");
            assert!(place.stored() == before, "{row}: a refused update changed it");
        }
    }
}
