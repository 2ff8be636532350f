//! Whether a file that a user named holds a token cache, before it is rewritten or removed.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::CredentialType;

/// What bytes are, as far as it must be known before they are rewritten or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A token cache: an object without members, or one with a section of the schema that is empty
    /// or has an object in it. What else there is does not matter.
    Cache,
    /// Another JSON object, such as a program's settings.
    OtherObject,
    /// JSON that is no object.
    OtherJson,
    /// No JSON: a damaged cache, or no cache at all.
    NoJson,
}

pub(super) fn recognise(bytes: &[u8]) -> Found {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut seen = Seen::default();
    let walked = serde_json::Deserializer::from_slice(text).deserialize_map(&mut seen);
    if seen.is_section {
        return Found::Cache;
    }
    match (walked, serde_json::from_slice::<&RawValue>(text)) {
        (_, Err(_)) => Found::NoJson,
        (Err(_), Ok(_)) => Found::OtherJson,
        (Ok(()), Ok(_)) if seen.members == 0 => Found::Cache,
        (Ok(()), Ok(_)) => Found::OtherObject,
    }
}

#[derive(Default)]
struct Seen {
    members: usize,
    is_section: bool,
}

impl<'de> Visitor<'de> for &mut Seen {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            self.members += 1;
            let value: &RawValue = members.next_value()?;
            if CredentialType::from_name(&name).is_some() && is_section(value.get()) {
                self.is_section = true;
            }
        }
        Ok(())
    }
}

fn is_section(text: &str) -> bool {
    let mut entries = Entries::default();
    let walked = serde_json::Deserializer::from_str(text).deserialize_map(&mut entries);
    walked.is_ok() && (entries.count == 0 || entries.objects > 0)
}

#[derive(Default)]
struct Entries {
    count: usize,
    objects: usize,
}

impl<'de> Visitor<'de> for &mut Entries {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key::<IgnoredAny>()?.is_some() {
            let entry: &RawValue = entries.next_value()?;
            self.count += 1;
            self.objects += usize::from(entry.get().starts_with('{'));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, recognise};

    #[test]
    fn a_cache_is_known_by_a_section_of_the_schema() {
        for cache in [
            "{}",
            " \n{ }\n",
            "\u{feff}{}",
            r#"{"AccessToken": {}}"#,
            r#"{"AppMetadata": {"appmetadata-h-c": {"client_id": "c"}}}"#,
            r#"{"name": "x", "Account": {"k": {}}}"#,
            r#"{"AccessToken": 7, "IdToken": {"a": null, "b": {"secret": "\ud800 1e999"}}}"#,
            r#"{"\u0041ccount": {"k": {}}, "Future": [1e999, "\ud83d"]}"#,
        ] {
            assert_eq!(recognise(cache.as_bytes()), Found::Cache, "{cache}");
        }
    }

    #[test]
    fn what_is_no_cache_is_told_from_what_may_be_a_damaged_one() {
        for other in [
            r#"{"name": "package", "version": "1.0.0", "dependencies": {}}"#,
            r#"{"Account": {"name": "ada"}}"#,
            r#"{"AccessToken": "secret"}"#,
            r#"{"accesstoken": {}}"#,
            r#"{"nested": {"AccessToken": {"k": {}}}}"#,
        ] {
            assert_eq!(recognise(other.as_bytes()), Found::OtherObject, "{other}");
        }
        for other in ["[]", "7", "null", r#""text""#, r#"[{"AccessToken": {}}]"#] {
            assert_eq!(recognise(other.as_bytes()), Found::OtherJson, "{other}");
        }
        for text in ["", "{", "\0\0", "{\"Account\": {\"k\":", "{} x", "\u{ff}", "# notes"] {
            assert_eq!(recognise(text.as_bytes()), Found::NoJson, "{text:?}");
        }
    }
}
