//! Whether a file that a user named holds a token cache; checked before it is rewritten or removed.

use std::{fmt, path::Path};

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{CredentialType, Error, cache::RECORDS, seal::Header};

/// The kind of some content, as far as it must be known before it is rewritten or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A token cache: an object without members, or one with an entry in a section of the schema or
    /// with the record of a sign-in.
    /// An empty section is proof too if all members are sections, or if a second section is empty.
    Cache,
    /// Not JSON, but what a cache can become by damage: only white space and zero bytes, or the
    /// beginning of a cache, or an object's beginning and the name of a section.
    DamagedCache,
    /// Other JSON, such as a program's settings.
    OtherJson,
    /// Anything else.
    Other,
}

/// Refuses content that is neither a cache, nor a damaged cache, nor accepted by `is_expected`.
/// Another program may need it.
pub(super) fn refuse_another(
    content: &[u8],
    path: &Path,
    expected: &'static str,
    is_expected: impl FnOnce(Found) -> bool,
) -> Result<(), Error> {
    let found = match recognise(content) {
        // First, because to the rules below a sealed file is `Other`, which a caller may expect.
        _ if Header::parse(content).is_ok() => "a sealed cache",
        found if is_expected(found) => return Ok(()),
        Found::Cache | Found::DamagedCache => return Ok(()),
        Found::OtherJson => "JSON of another kind",
        Found::Other => "bytes of another format",
    };
    Err(Error::OtherBackend { path: path.to_owned(), found: found.into(), expected })
}

/// A cache that is larger than its limit can still be given up. No real cache is larger than this.
pub(super) const LARGEST_GIVEN_UP: u64 = 256 << 20;

fn recognise(bytes: &[u8]) -> Found {
    // Some editors begin a text in UTF-8 with this byte order mark.
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let (mut others, mut sections, mut empty, mut has_entry) = (0, 0, 0, false);
    let is_object = each_member(text, |name, value| {
        if name == RECORDS {
            each_member(value.get().as_bytes(), |_, record| {
                each_member(record.get().as_bytes(), |name, _| has_entry |= name == "issuer");
            });
        }
        if CredentialType::from_name(name).is_none() {
            others += 1;
            return;
        }
        sections += 1;
        let mut entries = 0;
        let is_section = each_member(value.get().as_bytes(), |_, entry| {
            entries += 1;
            // One entry is enough proof.
            if !has_entry {
                each_member(entry.get().as_bytes(), |name, _| has_entry |= FIELDS.contains(&name));
            }
        });
        empty += usize::from(is_section && entries == 0);
    });
    if has_entry {
        return Found::Cache;
    }
    let is_empty = match (others, sections, empty) {
        (0, 0, _) | (0, _, 1..) | (_, _, 2..) => is_object,
        _ => false,
    };
    // Only now to its end: one entry is proof enough, even before damage.
    match serde_json::from_slice::<&RawValue>(text) {
        Err(_) if may_be_damaged(text) => Found::DamagedCache,
        Err(_) => Found::Other,
        Ok(_) if is_empty => Found::Cache,
        Ok(_) => Found::OtherJson,
    }
}

fn may_be_damaged(text: &[u8]) -> bool {
    let is_blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let Some(start) = text.iter().position(|byte| !is_blank(byte)) else { return true };
    let Some(members) = text[start..].strip_prefix(b"{") else { return false };
    let first = members.trim_ascii_start();
    CredentialType::ALL.iter().any(|section| {
        let name = format!("\"{}\"", section.as_str());
        // The text may end within the name of its first section.
        name.as_bytes().starts_with(first)
            || members.windows(name.len()).any(|part| part == name.as_bytes())
    })
}

/// Passes the members of a JSON object to `each`, up to the first syntax error. Returns whether the
/// object is complete.
fn each_member(text: &[u8], each: impl FnMut(&str, &RawValue)) -> bool {
    serde_json::Deserializer::from_slice(text).deserialize_map(Members(each)).is_ok()
}

struct Members<F>(F);

impl<'de, F: FnMut(&str, &RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        // Owned, because a borrowed name could have no escapes.
        while let Some(name) = members.next_key::<String>()? {
            self.0(&name, members.next_value()?);
        }
        Ok(())
    }
}

/// Every entry of the schema has at least one of these fields.
const FIELDS: [&str; 4] = ["client_id", "credential_type", "environment", "home_account_id"];

#[cfg(test)]
mod tests {
    use super::{Found, recognise};

    #[test]
    fn a_cache_is_known_by_an_entry_in_a_section_of_the_schema() {
        for cache in [
            "{}",
            " \n{ }\n",
            "\u{feff}{}",
            r#"{"AccessToken": {}}"#,
            r#"{"AccessToken": {}, "Account": {}, "Future": {"x": 1}}"#,
            r#"{"AccessToken": "no section", "Account": {}}"#,
            r#"{"AppMetadata": {"appmetadata-h-c": {"client_id": "c"}}}"#,
            r#"{"name": "x", "Account": {"k": {"environment": "h"}}}"#,
            r#"{"AccessToken": 7, "IdToken": {"a": null, "b": {"realm": "\ud800 1e999", "client_id": 1}}}"#,
            r#"{"\u0041ccount": {"k": {"home_account_id": ""}}, "Future": [1e999, "\ud83d"]}"#,
            r#"{"IdToken": {"a": {"client_id": "c", "\ud800": 1}}}"#,
            r#"{"Tokenkeep": {"h|c": {"issuer": "https://h", "client_id": "c"}}}"#,
        ] {
            assert_eq!(recognise(cache.as_bytes()), Found::Cache, "{cache}");
        }
    }

    #[test]
    fn what_is_no_cache_is_told_from_what_may_be_a_damaged_one() {
        for other in [
            r#"{"name": "package", "version": "1.0.0", "dependencies": {}}"#,
            r#"{"Account": {"name": "ada"}}"#,
            r#"{"Account": {"Smtp": {"username": "ada", "secret": "x"}}, "Logging": {}}"#,
            r#"{"Account": {}, "Logging": {}}"#,
            r#"{"AccessToken": "secret"}"#,
            r#"{"accesstoken": {}}"#,
            r#"{"Tokenkeep": {"h|c": {"url": "https://h"}, "issuer": "x"}}"#,
            r#"{"nested": {"AccessToken": {"k": {"client_id": "c"}}}}"#,
            "[]",
            "7",
            "null",
            r#""text""#,
            r#"[{"AccessToken": {}}]"#,
        ] {
            assert_eq!(recognise(other.as_bytes()), Found::OtherJson, "{other}");
        }
        for damaged in [
            "",
            " \n",
            "\0\0",
            "{",
            "{\n    \"Acc",
            "{\"Account\": {\"k\":",
            "{\"AccessToken\": {}} x",
            "\0{\"IdToken\": {}}",
        ] {
            assert_eq!(recognise(damaged.as_bytes()), Found::DamagedCache, "{damaged:?}");
        }
        for text in [
            "{} x",
            "{ // settings\n}",
            "\u{ff}",
            "# notes",
            "root:x:0:0:root:/root:/bin/bash\n",
            "notes on \"Account\"",
            "{\"name\": \"x\", }",
        ] {
            assert_eq!(recognise(text.as_bytes()), Found::Other, "{text:?}");
        }
    }
}
