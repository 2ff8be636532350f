//! What tells one save from another.

use std::{fmt, ops::Range};

/// What tells one save from every other: generation, length and nonce of the sealed value, which
/// are its bytes 80 to 119 (docs/FORMAT.md). The nonce is random in each save.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; Self::LEN]);

impl Mark {
    /// The length in bytes.
    pub const LEN: usize = 40;
    /// Where a sealed value has it.
    pub const RANGE: Range<usize> = 80..120;

    /// The mark of a sealed value. `None` if the value is shorter than a header.
    pub fn of(value: &[u8]) -> Option<Self> {
        Self::from_slice(value.get(Self::RANGE)?)
    }

    /// The mark with these bytes. `None` if there are not 40.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let generation = self.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        write!(f, "Mark(generation {generation}, {:02x?}…)", &self.0[16..20])
    }
}
