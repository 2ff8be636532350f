//! Reads JSON from other programs leniently: skips everything that is not asked for.
//!
//! A value stays in its original text until it is used. A number of any size, half a surrogate pair
//! or deep nesting therefore matters only if it is used. No copy of a secret is left behind.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    Error,
    cache::json::text::{canonical, decode},
};

/// One JSON text.
pub(crate) struct Document<'j> {
    given: &'j str,
    /// The same text with valid JSON values in place of numbers that only Python writes.
    changed: Option<Zeroizing<String>>,
}

impl<'j> Document<'j> {
    /// Checks that the bytes are one JSON text. A byte order mark before it is skipped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if they are not UTF-8 or not JSON; `what` names their source.
    pub(crate) fn new(json: &'j [u8], what: &str) -> Result<Self, Error> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let given = std::str::from_utf8(json).map_err(|error| Error::Invalid {
            detail: format!(
                "{what} is not JSON in UTF-8, from byte {} on; another encoding, such as Latin-1, \
                 cannot be read",
                error.valid_up_to()
            ),
        })?;
        let document = Self { given, changed: with_own_numbers(given) };
        match serde_json::from_str::<&RawValue>(document.text()) {
            Ok(_) => Ok(document),
            Err(error) => Err(Error::Invalid {
                detail: format!(
                    "{what} is not JSON, at line {} column {}",
                    error.line(),
                    error.column()
                ),
            }),
        }
    }

    /// The whole document as a value.
    pub(crate) fn value(&self) -> Value<'_> {
        Value(self.text().trim_matches([' ', '\n', '\r', '\t']))
    }

    fn text(&self) -> &str {
        self.changed.as_ref().map_or(self.given, |changed| changed)
    }
}

/// One value in its original text, which is valid JSON.
#[derive(Clone, Copy)]
pub(crate) struct Value<'j>(&'j str);

impl<'j> Value<'j> {
    /// The text of a string. Returns `None` for any other value and for half a surrogate pair.
    pub(crate) fn text(self) -> Option<Cow<'j, str>> {
        decode(self.0)
    }

    /// The value as a canonical token, if it is a string of any kind, a whole number, `true`,
    /// `false` or `null`.
    pub(crate) fn scalar(self) -> Option<Cow<'j, str>> {
        match self.0 {
            _ if self.is_text() => Some(canonical(self.0)),
            "true" | "false" | "null" => Some(Cow::Borrowed(self.0)),
            _ => self.whole_number().map(Cow::Borrowed),
        }
    }

    /// The digits of a number that has no fraction and no exponent.
    pub(crate) fn whole_number(self) -> Option<&'j str> {
        match self.0 {
            "-0" => Some("0"),
            token if self.is_number() && !token.contains(['.', 'e', 'E']) => Some(token),
            _ => None,
        }
    }

    /// The token of a number.
    pub(crate) fn number(self) -> Option<&'j str> {
        self.is_number().then_some(self.0)
    }

    /// `true` or `false`.
    pub(crate) fn flag(self) -> Option<bool> {
        self.0.parse().ok()
    }

    /// The items of an array.
    pub(crate) fn items(self) -> Option<Vec<Self>> {
        if !self.0.starts_with('[') {
            return None;
        }
        let items: Vec<&RawValue> = serde_json::from_str(self.0).ok()?;
        Some(items.into_iter().map(|item| Self(item.get())).collect())
    }

    /// The members of an object.
    pub(crate) fn object(self) -> Option<Object<'j>> {
        self.members(&|_| true)
    }

    /// The members of an object that have one of these names. The others take no memory.
    pub(crate) fn only(self, names: &[&str]) -> Option<Object<'j>> {
        self.members(&|name| names.contains(&name))
    }

    fn members(self, is_wanted: &dyn Fn(&str) -> bool) -> Option<Object<'j>> {
        if !self.0.starts_with('{') {
            return None;
        }
        serde_json::Deserializer::from_str(self.0).deserialize_map(Members(is_wanted)).ok()
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_text(self) -> bool {
        self.0.starts_with('"')
    }

    /// Python evaluates the value as true.
    pub(crate) fn is_true(self) -> bool {
        match self.0 {
            "null" | "false" | "\"\"" => false,
            "true" => true,
            // `-0.0` and `0e9` are zero, too.
            token if self.is_number() => token.parse() != Ok(0.0),
            token if self.is_text() => token.len() > 2,
            token => {
                !token[1..token.len() - 1].trim_start_matches([' ', '\n', '\r', '\t']).is_empty()
            }
        }
    }

    fn is_number(self) -> bool {
        self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit())
    }
}

/// The members of one object. Of several with the same name, the last one counts.
#[derive(Default)]
pub(crate) struct Object<'j> {
    members: BTreeMap<Cow<'j, str>, Value<'j>>,
    has_odd_name: bool,
}

impl<'j> Object<'j> {
    pub(crate) fn get(&self, name: &str) -> Option<Value<'j>> {
        self.members.get(name).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value<'j>)> {
        self.members.iter().map(|(name, value)| (&**name, *value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && !self.has_odd_name
    }

    /// A member's name contains half a surrogate pair, so no text equals it.
    pub(crate) fn has_odd_name(&self) -> bool {
        self.has_odd_name
    }
}

/// Collects the members whose names the closure accepts.
struct Members<'w>(&'w dyn Fn(&str) -> bool);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut object = Object::default();
        // Names are raw as well: serde_json would fail at one with half a surrogate pair.
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            match decode(name.get()) {
                Some(name) if self.0(&name) => {
                    object.members.insert(name, Value(value.get()));
                }
                Some(_) => {}
                None => object.has_odd_name = true,
            }
        }
        Ok(object)
    }
}

/// The text with JSON values in place of the three numbers that only Python writes. Returns `None`
/// if the text has none of them.
fn with_own_numbers(text: &str) -> Option<Zeroizing<String>> {
    // Most texts have none of them and are not copied.
    if !PYTHON_NUMBERS.iter().any(|(theirs, _)| text.contains(theirs)) {
        return None;
    }
    // As long as the text from the start: a string that grows leaves a copy behind.
    let mut changed = Zeroizing::new(String::with_capacity(text.len()));
    let (mut rest, mut in_string, mut is_escaped) = (text, false, false);
    while let Some(c) = rest.chars().next() {
        let number =
            PYTHON_NUMBERS.iter().find(|(theirs, _)| !in_string && rest.starts_with(theirs));
        let (taken, put) = number.copied().unwrap_or_else(|| {
            in_string ^= c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            let c = &rest[..c.len_utf8()];
            (c, c)
        });
        changed.push_str(put);
        rest = &rest[taken.len()..];
    }
    Some(changed)
}

/// `NaN` and `Infinity`, and their replacements: a value that is not a number, and a number larger
/// than all others. Both texts have the same length, so that positions in the text do not change.
const PYTHON_NUMBERS: [(&str, &str); 2] = [("NaN", "[0]"), ("Infinity", "1e999999")];

#[cfg(test)]
mod tests {
    use super::{Document, Object};

    fn with_object<T>(json: &[u8], look: impl FnOnce(Object<'_>) -> T) -> T {
        let document = Document::new(json, "it").unwrap();
        look(document.value().object().unwrap())
    }

    #[test]
    fn what_is_not_asked_for_is_stepped_over() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for odd in [
            r#""\ud83d""#,
            "1e999",
            "-0",
            "NaN",
            "[-Infinity]",
            &"9".repeat(5_000),
            &deep,
            r#"{"\udc00": 1, "NaN": "NaN \" Infinity \\"}"#,
        ] {
            let json = format!("\u{feff} {{\"a\": 1, \"x\": {odd}, \"\\u0062\": \"\\u00e9é\"}}\n");
            with_object(json.as_bytes(), |object| {
                assert_eq!(object.get("a").unwrap().whole_number(), Some("1"), "{odd:.20}");
                assert_eq!(object.get("b").unwrap().text().unwrap(), "éé", "{odd:.20}");
            });
        }
    }

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        with_object(br#"{"a": 1, "b": 2, "\u0061": 3, "\ud800": 4}"#, |object| {
            assert_eq!(object.get("a").unwrap().number(), Some("3"));
            assert_eq!(object.iter().count(), 2);
            assert!(object.has_odd_name());
        });
    }

    #[test]
    fn values_are_true_or_false_as_in_python() {
        let json = br#"{"f": [null, false, 0, -0.0, 0e9, "", [ ], {}],
            "t": [true, 1, -1e999, NaN, Infinity, " ", "\u0000", [0], {"a": null}]}"#;
        with_object(json, |object| {
            let items = |name| object.get(name).unwrap().items().unwrap();
            assert!(items("f").into_iter().all(|value| !value.is_true()));
            assert!(items("t").into_iter().all(|value| value.is_true()));
        });
    }

    #[test]
    fn scalars_are_canonical_and_the_rest_is_none() {
        let json =
            r#"{"x": ["é\ud83d\/", -0, 12345678901234567890, true, null, 1.0, 1e3, [], {}]}"#;
        with_object(json.as_bytes(), |object| {
            let items = object.get("x").unwrap().items().unwrap();
            let scalars: Vec<_> = items.iter().map(|value| value.scalar()).collect();
            let expected = [r#""\u00e9\ud83d/""#, "0", "12345678901234567890", "true", "null"];
            assert!(scalars.iter().take(5).map(|s| s.as_deref()).eq(expected.map(Some)));
            assert!(scalars[5..].iter().all(Option::is_none));
        });
    }

    #[test]
    fn what_is_not_json_is_an_error_that_says_where() {
        for (json, part) in [
            (&b"<html>"[..], "line 1 column 1"),
            (b"", "line 1 column 0"),
            (b"{\"a\": 1}\n x", "line 2 column 2"),
            (b"{\"a\": -NaN}", "not JSON"),
            (b"{\"a\": 01}", "not JSON"),
            (b"{\"a\": \"\t\"}", "not JSON"),
            (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not JSON"),
            (b"{\"a\": \"\xe9\"}", "not JSON in UTF-8, from byte 7 on"),
        ] {
            let error = Document::new(json, "it").err().unwrap().to_string();
            assert!(error.starts_with("it is") && error.contains(part), "{error}");
        }
    }
}
