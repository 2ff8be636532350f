//! A part of the list of keys.

use super::StoreKey;

/// Where a list goes on. Its bytes mean something only to the store that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// The cursor with these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A part of the list of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The keys, in no order. There may be none although the list goes on.
    pub keys: Vec<StoreKey>,
    /// Where the list goes on. `None` after the last part.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page.
    pub fn new(keys: Vec<StoreKey>, next: Option<Cursor>) -> Self {
        Self { keys, next }
    }
}
