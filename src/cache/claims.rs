//! Who signed in, from a provider's response: client info and ID token, decoded and not validated.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::Error;

/// The JSON object in a base64url text, decoded as leniently as Python decodes it.
///
/// # Errors
///
/// [`Error::Invalid`] if there is none; `what` says where it was expected.
pub(crate) fn object_in(text: &str, what: &str) -> Result<Map<String, Value>, Error> {
    let invalid = || Error::Invalid {
        detail: format!(
            "{what} is not a JSON object in base64url; pass it as the provider sent it"
        ),
    };
    let bytes = Zeroizing::new(decode(text).ok_or_else(invalid)?);
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(invalid()),
    }
}

/// The claims of an ID token: its middle part.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no token with a JSON object in the middle.
pub(crate) fn claims_in(id_token: &str) -> Result<Map<String, Value>, Error> {
    object_in(id_token.split('.').nth(1).unwrap_or_default(), "the ID token's payload")
}

/// Base64 in either alphabet: strange characters are skipped, padding may be missing, and what
/// follows complete padding is ignored.
fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() {
        return None;
    }
    // The reference pads by the length of the text, strange characters included.
    let missing = "=".repeat((4 - text.len() % 4) % 4);
    let mut out = Vec::with_capacity(text.len());
    let (mut bits, mut count, mut pads) = (0u8, 0, 0);
    for byte in text.bytes().chain(missing.bytes()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                if count >= 2 {
                    pads += 1;
                    if count + pads >= 4 {
                        return Some(out);
                    }
                }
                continue;
            }
            _ => continue,
        };
        pads = 0;
        match count {
            0 => bits = value,
            1 => {
                out.push(bits << 2 | value >> 4);
                bits = value & 0x0f;
            }
            2 => {
                out.push(bits << 4 | value >> 2);
                bits = value & 0x03;
            }
            _ => out.push(bits << 6 | value),
        }
        count = (count + 1) % 4;
    }
    (count == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{claims_in, object_in};

    #[test]
    fn padding_alphabet_and_stray_characters_do_not_matter() {
        for text in
            ["eyJhIjoiPz8_In0", "eyJhIjoiPz8/In0=", "eyJh\nIjoi Pz8_In0", "eyJhIjoiPz8_In0==x"]
        {
            assert_eq!(object_in(text, "it").unwrap()["a"], "???", "{text}");
        }
        for text in ["", "e", "eyJhIjoiPz8_In", "W10", "bnVsbA", "é"] {
            assert!(object_in(text, "it").is_err(), "{text}");
        }
        assert!(claims_in("no-dots").is_err());
    }
}
