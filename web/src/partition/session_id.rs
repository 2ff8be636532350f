//! A name that the application draws at random.

use std::fmt;

use zeroize::Zeroizing;

use crate::Error;

/// The random name of one browser session, or of one job that runs on behalf of a user.
///
/// `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Zeroizing<Vec<u8>>);

impl SessionId {
    /// The least length in bytes: 128 bits.
    pub const MIN_LEN: usize = 16;

    /// The session with this name, which has to be unpredictable.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it has less than 128 bits: 16 bytes, or 22 characters if all are
    /// letters, digits, `-`, `_`, `+`, `/` or `=` as in base64, or 32 if all are hexadecimal
    /// digits or the hyphens of a UUID.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let bytes = Zeroizing::new(bytes.into());
        let digits = bytes.iter().filter(|byte| **byte != b'-').count();
        let is_hex = bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
        let is_base64 =
            bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=".contains(byte));
        let is_long_enough = match (is_hex, is_base64) {
            (true, _) => digits >= 2 * Self::MIN_LEN,
            (_, true) => bytes.len() >= 22,
            _ => bytes.len() >= Self::MIN_LEN,
        };
        match is_long_enough {
            true => Ok(Self(bytes)),
            false => Err(Error::invalid(
                "a session id needs 128 random bits: 16 bytes, 22 characters of base64 or 32 \
                 hexadecimal digits",
            )),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_128_bits_are_refused() {
        let long = ["0123456789abcdef0123456789abcdef", "AAECAwQFBgcICQoLDA0ODw"];
        let uuid = "8b4f1f7e-7d0c-4b39-a4a4-0e9a5a0d3c11";
        for text in long.into_iter().chain([uuid]) {
            SessionId::new(text).unwrap();
            assert!(SessionId::new(&text[1..]).is_err(), "{text}");
        }
        SessionId::new([200; 16]).unwrap();
        assert!(SessionId::new([200; 15]).is_err());
        assert!(SessionId::new("").is_err());
    }
}
