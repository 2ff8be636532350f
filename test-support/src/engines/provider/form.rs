//! `application/x-www-form-urlencoded`.

use core::fmt::Write as _;

/// The fields of a form, in their order.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &str) -> Self {
        let fields = text.split('&').map(|field| field.split_once('=').unwrap_or((field, "")));
        Self(fields.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    /// The first field of this name; without one it is empty.
    pub(super) fn field(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(theirs, _)| theirs == name);
        field.map_or("", |(_, value)| value)
    }
}

pub(super) fn encoded(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    text
}

fn encode(part: &str, text: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").expect("a text takes any character"),
        }
    }
}

fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut left = part.as_bytes();
    while let Some((byte, after)) = left.split_first() {
        let coded = after.get(..2).and_then(|digits| core::str::from_utf8(digits).ok());
        let coded = coded.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        left = after;
        match (byte, coded) {
            (b'%', Some(coded)) => {
                bytes.push(coded);
                left = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_was_written() {
        let fields = [("scope", "a b+c&d=%41/ü"), ("empty", "")];
        let form = Form::parse(&encoded(&fields));
        for (name, value) in fields {
            assert_eq!(form.field(name), value);
        }
        assert_eq!(Form::parse("a=b+c%").field("a"), "b c%");
    }
}
