//! Text that must not be seen: wiped on drop, absent from `Debug`.

use std::fmt;

use zeroize::Zeroizing;

/// Secret text or bytes that belong to the caller once returned.
///
/// The buffer is wiped when the value is dropped. `Debug` prints no content and there is no
/// `Display`, so a secret cannot slip into a log by formatting a struct that holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `bytes`; the caller keeps no copy.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Takes over bytes that are wiped already when they are dropped.
    #[cfg(feature = "desktop")]
    pub(crate) fn wiped(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the bytes are UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
