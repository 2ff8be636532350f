//! What a read brings.

use std::fmt;

/// What a read brings.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded {
    /// The engine has no value.
    Absent,
    /// The value has the mark that the caller knows.
    Unchanged,
    /// The value, sealed.
    Value(Vec<u8>),
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Unchanged => f.write_str("Unchanged"),
            Self::Value(value) => write!(f, "Value({} bytes)", value.len()),
        }
    }
}
