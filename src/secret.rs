//! Secret text and bytes: wiped on drop, not printed by `Debug`.

use std::fmt;

use zeroize::Zeroizing;

/// Secret text or bytes. A returned secret belongs to the caller.
///
/// The buffer is wiped when the value is dropped. `Debug` prints no content and there is no
/// `Display`, so formatting a struct that holds a secret cannot write it to a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `bytes`. A `Vec<u8>` or a `String` is not copied.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Takes ownership of bytes that are already wiped on drop.
    pub(crate) fn wiped(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text. Returns `None` if the bytes are not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
